//! The tables that describe the API's structs. They are data: the derive writes them, `codec` reads them.

use crate::KindInfo;

/// What a value is, whatever its Rust representation.
#[derive(Debug)]
pub enum Type {
    Bool,
    Int32,
    Int64,
    Float64,
    String,
    /// Bytes, base64 in JSON.
    Bytes,
    Quantity,
    /// A time in whole seconds.
    Time,
    /// A time in microseconds.
    MicroTime,
    IntOrString,
    /// JSON of any shape, kept as text (`RawExtension`, `FieldsV1`, `JSON`).
    Raw,
    List(&'static Type),
    /// A list that protobuf wraps in a message of its own (`items = 1`).
    Items(&'static Type),
    /// Keys are strings.
    Map(&'static Type),
    /// Through a function, since structs may contain themselves.
    Struct(fn() -> &'static Schema),
}

impl Type {
    /// The schema, when this is a struct.
    pub fn as_struct(&self) -> Option<&'static Schema> {
        match self {
            Type::Struct(schema) => Some(schema()),
            _ => None,
        }
    }

    /// The type of the items or values of a list or map.
    pub fn element(&self) -> Option<&'static Type> {
        match self {
            Type::List(t) | Type::Items(t) | Type::Map(t) => Some(t),
            _ => None,
        }
    }
}

/// A Rust type that stands for a [`Type`].
pub trait Typed {
    const TYPE: &'static Type;
}

/// How a struct is written in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Object,
    /// `JSONSchemaPropsOrBool`: a schema or `true`/`false`.
    SchemaOrBool,
    /// `JSONSchemaPropsOrArray`: a schema or a list of them.
    SchemaOrList,
    /// `JSONSchemaPropsOrStringArray`: a schema or a list of strings.
    SchemaOrStrings,
}

/// How server-side apply treats a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListKind {
    Atomic,
    Set,
    Map,
}

/// One struct.
#[derive(Debug)]
pub struct Schema {
    /// The name of upstream's Go type, which error messages show.
    pub name: &'static str,
    /// `core.v1`, `meta.v1`, ...: the package, for definition names.
    pub package: &'static str,
    pub form: Form,
    pub fields: &'static [Field],
    /// Set on roots.
    pub kind: Option<&'static KindInfo>,
}

/// One field of a struct.
#[derive(Debug)]
pub struct Field {
    /// JSON name; empty for an inline struct.
    pub name: &'static str,
    /// Protobuf tag; 0 when the field is not in protobuf.
    pub tag: u32,
    pub ty: &'static Type,
    /// Absence differs from the zero value (a pointer upstream).
    pub optional: bool,
    /// A zero value is left out of JSON.
    pub omit_empty: bool,
    /// A time that is written as `null` when unset.
    pub nullable: bool,
    /// The struct's fields stand in the parent's JSON object; in protobuf it is nested.
    pub inline: bool,
    pub required: bool,
    /// A map or struct that apply replaces as a whole.
    pub atomic: bool,
    pub list: ListKind,
    /// Keys of a [`ListKind::Map`].
    pub keys: &'static [&'static str],
    /// Strategic merge patch merges this list or map instead of replacing it.
    pub merge: bool,
    pub retain_keys: bool,
    /// The key by which strategic merge patch pairs items; empty for lists of scalars.
    pub merge_key: &'static str,
    /// Default as JSON text.
    pub default: Option<&'static str>,
}

impl Schema {
    /// The field of this JSON name, looked for in inline structs too: the path of field numbers to it.
    pub fn find(&self, json: &str) -> Option<(usize, &'static Field)> {
        self.fields.iter().enumerate().find(|(_, f)| f.name == json && !f.inline)
    }

    /// The field of this JSON name here or in an inline struct below.
    pub fn lookup(&self, json: &str) -> Option<&'static Field> {
        self.find(json).map(|(_, f)| f).or_else(|| {
            self.fields
                .iter()
                .filter(|f| f.inline)
                .find_map(|f| f.ty.as_struct().and_then(|s| s.lookup(json)))
        })
    }
}
