//! Types as the checker infers them.

use crate::declared::ObjectType;
use std::fmt;
use std::sync::Arc;

/// What an expression evaluates to, as far as is known before it is evaluated.
#[derive(Clone, Debug)]
pub enum Type {
    /// Anything; found out at evaluation.
    Dyn,
    /// What an expression in error has, so that one mistake is reported once.
    Error,
    Null,
    Bool,
    Int,
    Uint,
    Double,
    String,
    Bytes,
    Timestamp,
    Duration,
    List(Arc<Type>),
    Map(Arc<(Type, Type)>),
    /// An object whose fields are declared.
    Object(Arc<ObjectType>),
    /// A type of a library that has no fields, like `net.IP`.
    Opaque(&'static str),
    /// A value, or none.
    Optional(Arc<Type>),
    /// The type of a type.
    Type(Arc<Type>),
    /// A type parameter of a function: a letter in its declaration, a number once it is used.
    Param(Param),
}

/// A type parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Param {
    Declared(char),
    Fresh(u32),
}

impl Type {
    /// A list of `items`.
    pub fn list(items: Type) -> Type {
        Type::List(Arc::new(items))
    }

    /// A map from `key` to `value`.
    pub fn map(key: Type, value: Type) -> Type {
        Type::Map(Arc::new((key, value)))
    }

    /// A value of `inner`, or none.
    pub fn optional(inner: Type) -> Type {
        Type::Optional(Arc::new(inner))
    }

    /// The type of the type `inner`.
    pub fn of(inner: Type) -> Type {
        Type::Type(Arc::new(inner))
    }

    /// Whether nothing is known of it.
    pub fn is_dyn(&self) -> bool {
        matches!(self, Type::Dyn)
    }

    pub(crate) fn is_dyn_or_error(&self) -> bool {
        matches!(self, Type::Dyn | Type::Error)
    }

    /// As declarations name it, with parameters: other than in messages, `null` is `null_type` there.
    pub fn declared_name(&self) -> String {
        match self {
            Type::List(items) => format!("list({})", items.declared_name()),
            Type::Map(entry) => format!("map({}, {})", entry.0.declared_name(), entry.1.declared_name()),
            Type::Optional(inner) => format!("optional_type({})", inner.declared_name()),
            Type::Type(inner) => format!("type({})", inner.declared_name()),
            other => other.name().to_owned(),
        }
    }

    /// The name that `type()` shows, without parameters.
    pub fn name(&self) -> &str {
        match self {
            Type::Dyn => "dyn",
            Type::Error => "!error!",
            Type::Null => "null_type",
            Type::Bool => "bool",
            Type::Int => "int",
            Type::Uint => "uint",
            Type::Double => "double",
            Type::String => "string",
            Type::Bytes => "bytes",
            Type::Timestamp => "google.protobuf.Timestamp",
            Type::Duration => "google.protobuf.Duration",
            Type::List(_) => "list",
            Type::Map(_) => "map",
            Type::Object(object) => &object.name,
            Type::Opaque(name) => name,
            Type::Optional(_) => "optional_type",
            Type::Type(_) => "type",
            Type::Param(_) => "param",
        }
    }
}

impl PartialEq for Type {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Type::List(a), Type::List(b))
            | (Type::Optional(a), Type::Optional(b))
            | (Type::Type(a), Type::Type(b)) => a == b,
            (Type::Map(a), Type::Map(b)) => a == b,
            (Type::Object(a), Type::Object(b)) => a.name == b.name,
            (Type::Opaque(a), Type::Opaque(b)) => a == b,
            (Type::Param(a), Type::Param(b)) => a == b,
            _ => std::mem::discriminant(self) == std::mem::discriminant(other),
        }
    }
}

/// As messages name it, with parameters.
impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Type::Null => f.write_str("null"),
            Type::Timestamp => f.write_str("timestamp"),
            Type::Duration => f.write_str("duration"),
            Type::List(items) => write!(f, "list({items})"),
            Type::Map(entry) => write!(f, "map({}, {})", entry.0, entry.1),
            Type::Optional(inner) => write!(f, "optional_type({inner})"),
            Type::Type(inner) => write!(f, "type({inner})"),
            Type::Param(Param::Declared(letter)) => write!(f, "{letter}"),
            Type::Param(Param::Fresh(number)) => write!(f, "_var{number}"),
            other => f.write_str(other.name()),
        }
    }
}
