//! The types that apply sees: the tables of built-in kinds, the schemas of custom resources, and values
//! without a schema. What OpenAPI says of a type decides how it is merged (upstream's `schemaconv`).

use crate::openapi::markers;
use corten_api::{Field, Form, ListKind, Schema, Type};
use serde_json::Value;

/// Types that are known only at run time: the structural schemas of custom resources, node by node. What a
/// node's number means is the implementor's business.
///
/// The rules are upstream's (`schemaconv.ToSchemaFromOpenAPI`): a schema without `type` allows scalar, list
/// and map; `x-kubernetes-preserve-unknown-fields` holds for all schemas below; an object's root declares
/// `apiVersion`, `kind` (both [`TypeRef::STRING`]) and `metadata` ([`TypeRef::metadata`]), as does an embedded
/// resource.
pub trait ApplyTypes: Send + Sync {
    /// The scalars allowed; none when the type is a list or map alone.
    fn scalar(&self, node: u64) -> Option<Scalar>;
    /// As a list: `x-kubernetes-list-type` and `-map-keys`, and the type of the items.
    fn list(&self, node: u64) -> Option<List<'_>>;
    /// As a map: whether it is atomic (`x-kubernetes-map-type`), and the type of undeclared keys.
    fn map(&self, node: u64) -> Option<Dynamic<'_>>;
    /// The type of a declared property.
    fn field(&self, node: u64, name: &str) -> Option<TypeRef<'_>>;
    /// The default of a declared property, for items of lists that leave a key out.
    fn default_of(&self, node: u64, field: &str) -> Option<Value>;
}

/// A map of [`ApplyTypes`].
pub struct Dynamic<'a> {
    pub atomic: bool,
    /// The type of keys that are not declared: `additionalProperties`, or [`TypeRef::Deduced`] where unknown
    /// fields are preserved or nothing is declared at all. `None` refuses them.
    pub other: Option<TypeRef<'a>>,
}

/// What a scalar may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scalar {
    Number,
    String,
    Bool,
    Any,
}

/// A reference to a type.
#[derive(Clone, Copy)]
pub enum TypeRef<'a> {
    /// A built-in kind, or a struct of one.
    Struct(&'static Schema),
    /// A field of a struct.
    Field(&'static Schema, &'static Field),
    /// An item or value of such a field.
    Of(&'static Type),
    Scalar(Scalar),
    /// A node of types that are known at run time.
    Custom(&'a dyn ApplyTypes, u64),
    /// Without schema: maps are merged, lists and scalars replaced.
    Deduced,
    /// Without schema, replaced as a whole.
    Atomic,
}

/// What a type may be; most are one of the three.
#[derive(Clone, Copy, Default)]
pub struct Atom<'a> {
    pub map: Option<Map<'a>>,
    pub scalar: Option<Scalar>,
    pub list: Option<List<'a>>,
}

/// A list.
#[derive(Clone, Copy)]
pub struct List<'a> {
    pub kind: ListKind,
    pub keys: Keys<'a>,
    pub item: TypeRef<'a>,
}

/// The names of a list's keys.
#[derive(Clone, Copy)]
pub enum Keys<'a> {
    Static(&'static [&'static str]),
    Custom(&'a [Box<str>]),
}

/// A map or struct.
#[derive(Clone, Copy)]
pub struct Map<'a> {
    pub atomic: bool,
    /// The type of keys that are not declared.
    pub other: Option<TypeRef<'a>>,
    fields: Fields<'a>,
}

#[derive(Clone, Copy)]
enum Fields<'a> {
    None,
    Static(&'static Schema),
    Custom(&'a dyn ApplyTypes, u64),
}

impl<'a> Keys<'a> {
    /// The names.
    pub fn names(self) -> Vec<&'a str> {
        match self {
            Keys::Static(names) => names.to_vec(),
            Keys::Custom(names) => names.iter().map(|n| &**n).collect(),
        }
    }

    /// Whether there is none: a set.
    pub fn is_empty(self) -> bool {
        match self {
            Keys::Static(names) => names.is_empty(),
            Keys::Custom(names) => names.is_empty(),
        }
    }
}

impl<'a> Map<'a> {
    /// The type of a declared field.
    pub fn field(self, name: &str) -> Option<TypeRef<'a>> {
        match self.fields {
            Fields::None => None,
            Fields::Static(schema) => field_of(schema, name),
            Fields::Custom(custom, node) => custom.field(node, name),
        }
    }

    /// Whether the map has no declared fields and its keys no type.
    pub fn is_deduced(self) -> bool {
        matches!((self.fields, self.other), (Fields::None, Some(TypeRef::Deduced)))
    }

    /// The default of a declared field.
    pub fn default_of(self, name: &str) -> Option<Value> {
        match self.fields {
            Fields::None => None,
            Fields::Static(schema) => {
                schema.lookup(name)?.default.and_then(|text| serde_json::from_str(text).ok())
            }
            Fields::Custom(custom, node) => custom.default_of(node, name),
        }
    }
}

fn field_of(schema: &'static Schema, name: &str) -> Option<TypeRef<'static>> {
    if schema.kind.is_some() && matches!(name, "apiVersion" | "kind") {
        return Some(TypeRef::STRING);
    }
    for field in schema.fields {
        if field.inline {
            if let Some(found) = field.ty.as_struct().and_then(|inner| field_of(inner, name)) {
                return Some(found);
            }
        } else if field.name == name {
            return Some(TypeRef::Field(schema, field));
        }
    }
    None
}

impl<'a> TypeRef<'a> {
    pub const STRING: TypeRef<'static> = TypeRef::Scalar(Scalar::String);

    /// `metadata` of an object.
    pub fn metadata() -> TypeRef<'static> {
        TypeRef::Struct(corten_api::meta::v1::ObjectMeta::schema())
    }

    /// What the type may be.
    pub fn resolve(self) -> Atom<'a> {
        match self {
            TypeRef::Struct(schema) => of_struct(schema, None),
            TypeRef::Field(schema, field) => of_field(schema, field),
            TypeRef::Of(ty) => of_type(ty),
            TypeRef::Scalar(scalar) => Atom { scalar: Some(scalar), ..Atom::default() },
            TypeRef::Custom(custom, node) => Atom {
                scalar: custom.scalar(node),
                list: custom.list(node),
                map: custom.map(node).map(|m| Map {
                    atomic: m.atomic,
                    other: m.other,
                    fields: Fields::Custom(custom, node),
                }),
            },
            TypeRef::Deduced => any(false),
            TypeRef::Atomic => any(true),
        }
    }
}

/// A value of any shape.
fn any(atomic: bool) -> Atom<'static> {
    let other = Some(if atomic { TypeRef::Atomic } else { TypeRef::Deduced });
    Atom {
        scalar: Some(Scalar::Any),
        list: Some(List { kind: ListKind::Atomic, keys: Keys::Static(&[]), item: TypeRef::Atomic }),
        map: Some(Map { atomic, other, fields: Fields::None }),
    }
}

fn of_struct(schema: &'static Schema, atomic: Option<bool>) -> Atom<'static> {
    if schema.form != Form::Object {
        return any(false);
    }
    let atomic = atomic.unwrap_or_else(|| markers::is_atomic(schema));
    // What declares nothing may hold anything.
    let other = (schema.fields.is_empty() && schema.kind.is_none()).then_some(TypeRef::Deduced);
    Atom { map: Some(Map { atomic, other, fields: Fields::Static(schema) }), ..Atom::default() }
}

fn of_field(schema: &'static Schema, field: &'static Field) -> Atom<'static> {
    let atomic = markers::map_type(schema, field).map(|kind| kind == "atomic");
    match field.ty {
        Type::Struct(of) => of_struct(of(), atomic),
        Type::List(item) | Type::Items(item) => {
            let keys = if field.list == ListKind::Map { field.keys } else { &[] };
            let list = List { kind: field.list, keys: Keys::Static(keys), item: TypeRef::Of(item) };
            Atom { list: Some(list), ..Atom::default() }
        }
        Type::Map(of) => {
            let map =
                Map { atomic: atomic == Some(true), other: Some(TypeRef::Of(of)), fields: Fields::None };
            Atom { map: Some(map), ..Atom::default() }
        }
        // A schema's `default`, `example` and `enum` are merged; other raw values are replaced.
        Type::Raw => any(!raw_is_merged(schema)),
        ty => of_type(ty),
    }
}

/// Whether JSON of any shape in this struct is merged key by key.
pub(super) fn raw_is_merged(schema: &Schema) -> bool {
    matches!(schema.name, "JSONSchemaProps" | "ManagedFieldsEntry")
}

fn of_type(ty: &'static Type) -> Atom<'static> {
    let scalar = |scalar| Atom { scalar: Some(scalar), ..Atom::default() };
    match ty {
        Type::Bool => scalar(Scalar::Bool),
        Type::Int32 | Type::Int64 | Type::Float64 => scalar(Scalar::Number),
        Type::String | Type::Bytes => scalar(Scalar::String),
        Type::Quantity | Type::Time | Type::MicroTime => scalar(Scalar::Any),
        Type::IntOrString => any(false),
        Type::Raw => any(true),
        Type::Struct(schema) => of_struct(schema(), None),
        Type::List(item) | Type::Items(item) => {
            let list = List { kind: ListKind::Atomic, keys: Keys::Static(&[]), item: TypeRef::Of(item) };
            Atom { list: Some(list), ..Atom::default() }
        }
        Type::Map(of) => {
            let map = Map { atomic: false, other: Some(TypeRef::Of(of)), fields: Fields::None };
            Atom { map: Some(map), ..Atom::default() }
        }
    }
}

impl<'a> Atom<'a> {
    /// The type narrowed to what the value is; `null` and absence leave it open.
    pub fn deduce(self, value: Option<&Value>) -> Atom<'a> {
        match value {
            Some(Value::Bool(_) | Value::Number(_) | Value::String(_)) if self.scalar.is_some() => {
                Atom { scalar: self.scalar, ..Atom::default() }
            }
            Some(Value::Array(_)) if self.list.is_some() => Atom { list: self.list, ..Atom::default() },
            Some(Value::Object(_)) if self.map.is_some() => Atom { map: self.map, ..Atom::default() },
            _ => self,
        }
    }

    /// Which of the three it may be.
    pub fn shape(&self) -> (bool, bool, bool) {
        (self.map.is_some(), self.scalar.is_some(), self.list.is_some())
    }
}
