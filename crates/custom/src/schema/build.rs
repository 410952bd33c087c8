//! From the schemas of a definition to their compact form.

use super::checks::{Bound, Checks};
use super::{Edge, ListType, NONE, Node, Schema, Type, flag};
use corten_api::Raw;
use corten_api::apiextensions::v1::{JSONSchemaProps, ValidationRule};
use serde_json::Value;
use std::collections::HashMap;
use std::hash::Hash;

/// The formats that are checked; others say nothing (upstream's `supportedVersionedFormats`), dashes aside.
const FORMATS: &[&str] = &[
    "bsonobjectid",
    "uri",
    "email",
    "hostname",
    "ipv4",
    "ipv6",
    "cidr",
    "mac",
    "uuid",
    "uuid3",
    "uuid4",
    "uuid5",
    "isbn",
    "isbn10",
    "isbn13",
    "creditcard",
    "ssn",
    "hexcolor",
    "rgbcolor",
    "byte",
    "password",
    "date",
    "duration",
    "datetime",
    "k8sshortname",
    "k8slongname",
];

/// Whether values are checked against the format.
pub(crate) fn is_known_format(format: &str) -> bool {
    FORMATS.contains(&format.replace('-', "").as_str())
}

/// Things that are kept once however often they are added.
struct Pool<T> {
    list: Vec<T>,
    known: HashMap<T, u32>,
}

impl<T> Default for Pool<T> {
    fn default() -> Self {
        Pool { list: Vec::new(), known: HashMap::new() }
    }
}

impl<T: Hash + Eq + Clone> Pool<T> {
    fn add(&mut self, thing: T) -> u32 {
        if let Some(at) = self.known.get(&thing) {
            return *at;
        }
        let at = u32::try_from(self.list.len()).unwrap_or(NONE);
        self.list.push(thing.clone());
        self.known.insert(thing, at);
        at
    }
}

/// Collects the schemas of a definition's versions.
#[derive(Default)]
pub struct Builder {
    text: String,
    names: HashMap<String, u32>,
    nodes: Pool<Node>,
    edges: Vec<Edge>,
    lists: HashMap<Vec<Edge>, u32>,
    checks: Pool<Checks>,
    values: Pool<Value>,
    keys: Pool<Box<[Box<str>]>>,
    rules: Vec<Box<[ValidationRule]>>,
}

impl Builder {
    /// Adds a schema; the number by which the finished [`Schema`] knows it.
    pub fn add(&mut self, schema: &JSONSchemaProps) -> u32 {
        let mut flags = 0;
        for (is, bit) in [
            (schema.nullable, flag::NULLABLE),
            (schema.x_kubernetes_preserve_unknown_fields == Some(true), flag::PRESERVE),
            (schema.x_kubernetes_embedded_resource, flag::EMBEDDED | flag::RESOURCES),
            (schema.x_kubernetes_map_type.as_deref() == Some("atomic"), flag::MAP_ATOMIC),
            (schema.default_.is_some(), flag::DEFAULTS),
            (!schema.x_kubernetes_validations.is_empty(), flag::RULES),
        ] {
            if is {
                flags |= bit;
            }
        }
        let list = match schema.x_kubernetes_list_type.as_deref() {
            Some("set") => Some(ListType::Set),
            Some("map") => Some(ListType::Map),
            Some(_) => Some(ListType::Atomic),
            None => None,
        };
        if matches!(list, Some(ListType::Set | ListType::Map)) {
            flags |= flag::LISTS;
        }
        let properties = self.properties(schema, &mut flags);
        let items = match schema.items.as_ref().and_then(|i| i.schema.as_deref()) {
            Some(items) => self.below(items, &mut flags),
            None => NONE,
        };
        let additional = match schema.additional_properties.as_deref() {
            Some(additional) => match &additional.schema {
                Some(schema) => self.below(schema, &mut flags),
                None => {
                    flags |= if additional.allows { flag::OPEN } else { flag::SHUT };
                    NONE
                }
            },
            None => NONE,
        };
        let default = schema.default_.as_ref().and_then(Raw::to_value);
        let checks = self.checks(schema);
        let keys: Box<[Box<str>]> =
            schema.x_kubernetes_list_map_keys.iter().map(|k| k.as_str().into()).collect();
        let node = Node {
            ty: type_of(schema),
            list,
            flags,
            properties,
            items,
            additional,
            default: default.map_or(NONE, |value| self.values.add(value)),
            checks: if checks == Checks::default() { NONE } else { self.checks.add(checks) },
            keys: if keys.is_empty() { NONE } else { self.keys.add(keys) },
            rules: self.rules(&schema.x_kubernetes_validations),
        };
        self.nodes.add(node)
    }

    /// Adds a part of a schema, of which the whole knows what lies below.
    fn below(&mut self, schema: &JSONSchemaProps, flags: &mut u16) -> u32 {
        let id = self.add(schema);
        *flags |= self.nodes.list.get(id as usize).map_or(0, |node| node.flags & flag::BELOW);
        id
    }

    fn properties(&mut self, schema: &JSONSchemaProps, flags: &mut u16) -> (u32, u32) {
        let mut edges = Vec::with_capacity(schema.properties.len());
        // The map is in the order of its keys, which lookups rely on.
        for (name, property) in &schema.properties {
            let node = self.below(property, flags);
            let at = self.name(name);
            edges.push(Edge { at, length: u32::try_from(name.len()).unwrap_or(0), node });
        }
        let count = u32::try_from(edges.len()).unwrap_or(0);
        if let Some(start) = self.lists.get(&edges) {
            return (*start, count);
        }
        let start = u32::try_from(self.edges.len()).unwrap_or(0);
        self.edges.extend_from_slice(&edges);
        self.lists.insert(edges, start);
        (start, count)
    }

    fn name(&mut self, name: &str) -> u32 {
        if let Some(at) = self.names.get(name) {
            return *at;
        }
        let at = u32::try_from(self.text.len()).unwrap_or(0);
        self.text.push_str(name);
        self.names.insert(name.to_string(), at);
        at
    }

    fn rules(&mut self, rules: &[ValidationRule]) -> u32 {
        if rules.is_empty() {
            return NONE;
        }
        let found = self.rules.iter().position(|known| **known == *rules);
        let at = found.unwrap_or_else(|| {
            self.rules.push(rules.into());
            self.rules.len() - 1
        });
        u32::try_from(at).unwrap_or(NONE)
    }

    fn checks(&mut self, s: &JSONSchemaProps) -> Checks {
        let format = if is_known_format(&s.format) { s.format.as_str() } else { "" };
        let mut all = |list: &[JSONSchemaProps]| list.iter().map(|s| self.add(s)).collect::<Box<[u32]>>();
        let (all_of, any_of, one_of) = (all(&s.all_of), all(&s.any_of), all(&s.one_of));
        Checks {
            format: format.into(),
            pattern: s.pattern.as_str().into(),
            maximum: s.maximum.map(Bound::new),
            minimum: s.minimum.map(Bound::new),
            exclusive_maximum: s.exclusive_maximum,
            exclusive_minimum: s.exclusive_minimum,
            multiple_of: s.multiple_of.map(Bound::new),
            max_length: s.max_length,
            min_length: s.min_length,
            max_items: s.max_items,
            min_items: s.min_items,
            max_properties: s.max_properties,
            min_properties: s.min_properties,
            required: s.required.iter().map(|name| name.as_str().into()).collect(),
            enum_: s.enum_.iter().map(|value| value.to_value().unwrap_or_default()).collect(),
            all_of,
            any_of,
            one_of,
            not: s.not.as_deref().map(|not| self.add(not)),
        }
    }

    /// The compact form of all that was added.
    pub fn finish(self) -> Schema {
        Schema {
            text: self.text.into(),
            nodes: self.nodes.list.into(),
            edges: self.edges.into(),
            checks: self.checks.list.into(),
            values: self.values.list.into(),
            keys: self.keys.list.into(),
            rules: self.rules.into(),
        }
    }
}

fn type_of(schema: &JSONSchemaProps) -> Type {
    if schema.x_kubernetes_int_or_string {
        return Type::IntOrString;
    }
    match schema.type_.as_str() {
        "object" => Type::Object,
        "array" => Type::Array,
        "string" => Type::String,
        "integer" => Type::Integer,
        "number" => Type::Number,
        "boolean" => Type::Boolean,
        _ => Type::Any,
    }
}
