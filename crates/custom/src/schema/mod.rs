//! A structural schema in compact form: all versions of a definition share one table of nodes, in which equal
//! parts stand once. Descriptions and what else only people read are not in it.

mod apply;
mod build;
mod checks;

use corten_api::apiextensions::v1::ValidationRule;
use serde_json::Value;

pub use build::Builder;
pub(crate) use build::is_known_format;
pub use checks::{Bound, Checks};

/// No node, or nothing in a table.
const NONE: u32 = u32::MAX;

/// What `type` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Type {
    /// Nothing.
    Any,
    Object,
    Array,
    String,
    Integer,
    Number,
    Boolean,
    /// `x-kubernetes-int-or-string`.
    IntOrString,
}

impl Type {
    /// As messages name it.
    pub fn name(self) -> &'static str {
        match self {
            Type::Any => "",
            Type::Object => "object",
            Type::Array => "array",
            Type::String => "string",
            Type::Integer => "integer",
            Type::Number => "number",
            Type::Boolean => "boolean",
            Type::IntOrString => "integer,string",
        }
    }
}

/// `x-kubernetes-list-type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ListType {
    Atomic,
    Set,
    Map,
}

/// Truths about a node, as bits.
mod flag {
    pub const NULLABLE: u16 = 1;
    pub const PRESERVE: u16 = 1 << 1;
    pub const EMBEDDED: u16 = 1 << 2;
    pub const MAP_ATOMIC: u16 = 1 << 3;
    /// `additionalProperties: true`.
    pub const OPEN: u16 = 1 << 4;
    /// `additionalProperties: false`.
    pub const SHUT: u16 = 1 << 5;
    /// Here or below: a default, a set or map list, an embedded resource, a rule.
    pub const DEFAULTS: u16 = 1 << 6;
    pub const LISTS: u16 = 1 << 7;
    pub const RESOURCES: u16 = 1 << 8;
    pub const RULES: u16 = 1 << 9;
    /// All that says something of what lies below.
    pub const BELOW: u16 = DEFAULTS | LISTS | RESOURCES | RULES;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Node {
    ty: Type,
    list: Option<ListType>,
    flags: u16,
    /// Where the properties stand among the edges, and how many there are.
    properties: (u32, u32),
    items: u32,
    additional: u32,
    default: u32,
    checks: u32,
    keys: u32,
    rules: u32,
}

/// A property: its name in the text, and its node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Edge {
    at: u32,
    length: u32,
    node: u32,
}

/// The nodes of all versions of a definition.
#[derive(Debug, Default)]
pub struct Schema {
    text: Box<str>,
    nodes: Box<[Node]>,
    edges: Box<[Edge]>,
    checks: Box<[Checks]>,
    values: Box<[Value]>,
    keys: Box<[Box<[Box<str>]>]>,
    rules: Box<[Box<[ValidationRule]>]>,
}

/// A place in a schema.
#[derive(Clone, Copy, Debug)]
pub struct Ref<'a> {
    schema: &'a Schema,
    id: u32,
}

/// What `additionalProperties` says.
#[derive(Clone, Copy, Debug)]
pub enum Additional<'a> {
    Unset,
    Allowed,
    Forbidden,
    Schema(Ref<'a>),
}

impl Schema {
    /// The node with this number, which a [`Builder`] gave.
    pub fn at(&self, id: u32) -> Option<Ref<'_>> {
        self.nodes.get(id as usize).map(|_| Ref { schema: self, id })
    }

    /// How many nodes there are.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    fn name(&self, edge: &Edge) -> &str {
        self.text.get(edge.at as usize..(edge.at + edge.length) as usize).unwrap_or_default()
    }
}

impl<'a> Ref<'a> {
    fn node(self) -> &'a Node {
        &self.schema.nodes[self.id as usize]
    }

    fn edges(self) -> &'a [Edge] {
        let (start, count) = self.node().properties;
        self.schema.edges.get(start as usize..(start + count) as usize).unwrap_or_default()
    }

    fn has(self, flags: u16) -> bool {
        self.node().flags & flags != 0
    }

    pub fn ty(self) -> Type {
        self.node().ty
    }

    pub fn nullable(self) -> bool {
        self.has(flag::NULLABLE)
    }

    /// `x-kubernetes-preserve-unknown-fields`.
    pub fn preserves(self) -> bool {
        self.has(flag::PRESERVE)
    }

    /// `x-kubernetes-embedded-resource`.
    pub fn is_resource(self) -> bool {
        self.has(flag::EMBEDDED)
    }

    /// `x-kubernetes-map-type: atomic`.
    pub fn is_atomic_map(self) -> bool {
        self.has(flag::MAP_ATOMIC)
    }

    /// Whether anything here or below has a default.
    pub fn has_defaults(self) -> bool {
        self.has(flag::DEFAULTS)
    }

    /// Whether any list here or below is a set or map.
    pub fn has_lists(self) -> bool {
        self.has(flag::LISTS)
    }

    /// Whether anything here or below is an embedded resource.
    pub fn has_resources(self) -> bool {
        self.has(flag::RESOURCES)
    }

    /// Whether anything here or below has rules.
    pub fn has_rules(self) -> bool {
        self.has(flag::RULES)
    }

    pub fn list_type(self) -> Option<ListType> {
        self.node().list
    }

    /// `x-kubernetes-list-map-keys`.
    pub fn list_keys(self) -> &'a [Box<str>] {
        self.schema.keys.get(self.node().keys as usize).map_or(&[], |keys| keys)
    }

    pub fn property(self, name: &str) -> Option<Ref<'a>> {
        let edges = self.edges();
        let at = edges.binary_search_by(|edge| self.schema.name(edge).cmp(name)).ok()?;
        self.schema.at(edges[at].node)
    }

    /// The properties in the order of their names.
    pub fn properties(self) -> impl Iterator<Item = (&'a str, Ref<'a>)> {
        let schema = self.schema;
        self.edges().iter().map(move |edge| (schema.name(edge), Ref { schema, id: edge.node }))
    }

    pub fn items(self) -> Option<Ref<'a>> {
        self.schema.at(self.node().items)
    }

    pub fn additional(self) -> Additional<'a> {
        match self.schema.at(self.node().additional) {
            Some(schema) => Additional::Schema(schema),
            None if self.has(flag::OPEN) => Additional::Allowed,
            None if self.has(flag::SHUT) => Additional::Forbidden,
            None => Additional::Unset,
        }
    }

    /// The schema of a key's value, wherever it is said.
    pub fn child(self, key: &str) -> Option<Ref<'a>> {
        match (self.property(key), self.additional()) {
            (Some(property), _) => Some(property),
            (None, Additional::Schema(schema)) => Some(schema),
            _ => None,
        }
    }

    pub fn default(self) -> Option<&'a Value> {
        self.schema.values.get(self.node().default as usize)
    }

    pub fn checks(self) -> Option<&'a Checks> {
        self.schema.checks.get(self.node().checks as usize)
    }

    /// `x-kubernetes-validations`.
    pub fn rules(self) -> &'a [ValidationRule] {
        self.schema.rules.get(self.node().rules as usize).map_or(&[], |rules| rules)
    }

    /// The schemas that a node's checks name by number.
    pub fn others(self, ids: &'a [u32]) -> impl Iterator<Item = Ref<'a>> {
        let schema = self.schema;
        ids.iter().filter_map(move |id| schema.at(*id))
    }

    /// Its number, equal for equal schemas of one definition.
    pub fn id(self) -> u32 {
        self.id
    }
}
