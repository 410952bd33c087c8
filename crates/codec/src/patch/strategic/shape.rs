//! What the schema knows of a place in the document.

use super::complaint::{Result, fault};
use crate::openapi::markers;
use crate::quote::quoted;
use corten_api::{Field, Schema, Type};

/// The type of a JSON object.
#[derive(Clone, Copy)]
pub enum Shape<'a> {
    Struct(&'a Schema),
    /// All else. Objects inside cannot be merged, only replaced.
    Other(&'static Type),
}

/// How a list is patched.
pub struct Rules {
    pub merge: bool,
    /// The key by which items are paired; empty where they are scalars.
    pub key: &'static str,
    pub items: Shape<'static>,
}

impl Shape<'_> {
    fn of(ty: &'static Type) -> Shape<'static> {
        match ty {
            Type::Struct(schema) => Shape::Struct(schema()),
            other => Shape::Other(other),
        }
    }

    /// The shape of the object in this field, and whether a patch replaces it as a whole.
    pub fn object(self, key: &str) -> Result<(Shape<'static>, bool)> {
        let field = self.field(key)?;
        let replaced = match self {
            Shape::Struct(schema) => markers::patch_strategy(schema, field) == Some("replace"),
            Shape::Other(_) => false,
        };
        Ok((Self::of(field.ty), replaced))
    }

    /// How the list in this field is patched.
    pub fn list(self, key: &str) -> Result<Rules> {
        let field = self.field(key)?;
        let items = match field.ty {
            Type::List(items) | Type::Items(items) => items,
            other if field.optional || matches!(other, Type::Bytes) => other,
            _ => return fault("expected slice or array type, but got: struct"),
        };
        if matches!(items, Type::List(_) | Type::Items(_)) {
            return fault("unexpected slice of slice");
        }
        Ok(Rules { merge: field.merge, key: field.merge_key, items: Self::of(items) })
    }

    fn field(self, key: &str) -> Result<&'static Field> {
        let name = match self {
            Shape::Struct(schema) => match schema.lookup(key).or_else(|| folded(schema, key)) {
                Some(field) => return Ok(field),
                None => schema.name,
            },
            Shape::Other(Type::Quantity) => "Quantity",
            Shape::Other(Type::Time) => "Time",
            Shape::Other(Type::MicroTime) => "MicroTime",
            Shape::Other(Type::IntOrString) => "IntOrString",
            Shape::Other(Type::Raw) => "RawExtension",
            Shape::Other(_) => {
                let kind = self.kind();
                return fault(format!(
                    "merging an object in json but data type is not struct, instead is: {kind}"
                ));
            }
        };
        fault(format!("unable to find api field in struct {name} for the json field {}", quoted(key)))
    }

    /// The kind of the Go type.
    pub fn kind(self) -> &'static str {
        let Shape::Other(ty) = self else { return "struct" };
        match ty {
            Type::Bool => "bool",
            Type::Int32 => "int32",
            Type::Int64 => "int64",
            Type::Float64 => "float64",
            Type::String => "string",
            Type::Bytes | Type::List(_) | Type::Items(_) => "slice",
            Type::Map(_) => "map",
            Type::Quantity
            | Type::Time
            | Type::MicroTime
            | Type::IntOrString
            | Type::Raw
            | Type::Struct(_) => "struct",
        }
    }
}

/// The field whose name is this but for the case of letters.
fn folded(schema: &Schema, key: &str) -> Option<&'static Field> {
    schema.fields.iter().find_map(|field| match field.ty {
        Type::Struct(inner) if field.inline => folded(inner(), key),
        _ => (!field.inline && field.name.eq_ignore_ascii_case(key)).then_some(field),
    })
}
