//! Values, most of them views of JSON that is read as far as an expression looks.

mod access;
mod equal;
mod json;
mod table;

use crate::authorizer::{Authorizer, ResourceCheck, ResourceCheckFields, Subject};
use crate::declared::{Declared, ListIdentity, ObjectType};
use crate::error::EvalError;
use crate::extension::Extension;
use crate::time::{Duration, Timestamp};
use crate::types::Type;
use serde_json::Value as Json;
use std::fmt;
use std::ops::Deref;
use std::rc::Rc;

pub(crate) use access::Found;
pub use access::typed;
pub(crate) use equal::{compare, equal};
pub use table::{Key, Table};

/// A value; what it borrows lives for `'a`.
#[derive(Clone, Debug)]
pub enum Value<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    String(Text<'a>),
    Bytes(Rc<[u8]>),
    Timestamp(Timestamp),
    Duration(Duration),
    List(List<'a>),
    Map(Map<'a>),
    Type(Type),
    /// A value, or none.
    Optional(Option<Rc<Value<'a>>>),
    /// A value of one of Kubernetes' libraries.
    Extension(Extension<'a>),
}

/// Text, borrowed or shared.
#[derive(Clone)]
pub enum Text<'a> {
    Borrowed(&'a str),
    Shared(Rc<str>),
}

/// A list.
#[derive(Clone, Debug)]
pub enum List<'a> {
    /// Of JSON, each item declared like this.
    Json(&'a [Json], &'a Declared, &'a ListIdentity),
    Values(Rc<Vec<Value<'a>>>),
    /// Two lists, one after the other.
    Joined(Rc<(List<'a>, List<'a>)>),
}

/// A map or an object.
#[derive(Clone)]
pub enum Map<'a> {
    Json(&'a serde_json::Map<String, Json>, Entries<'a>),
    /// In the order of insertion.
    Values(Rc<Table<'a>>),
    /// Fields that are computed when they are asked for.
    Lazy(Rc<dyn Fields<'a> + 'a>),
    /// An object that an expression made (`Object{...}`).
    Made(Rc<MadeObject<'a>>),
}

/// What the entries of a JSON object are declared to be.
#[derive(Clone, Copy, Debug)]
pub enum Entries<'a> {
    /// All the same.
    Alike(&'a Declared),
    /// Each by its name.
    Fields(&'a ObjectType),
}

/// Fields that are computed when they are asked for.
pub trait Fields<'a> {
    /// The field's value; `None` when there is no such field.
    fn field(&self, name: &str) -> Option<Result<Value<'a>, EvalError>>;
}

/// An object that an expression made.
#[derive(Clone, Debug)]
pub struct MadeObject<'a> {
    /// The name of its type.
    pub name: String,
    pub fields: Vec<(String, Value<'a>)>,
}

static ATOMIC: ListIdentity = ListIdentity::Atomic;
static DYN: Declared = Declared::DYN;

impl<'a> Value<'a> {
    /// JSON as it is, undeclared.
    pub fn json(json: &'a Json) -> Value<'a> {
        match json {
            Json::Null => Value::Null,
            Json::Bool(value) => Value::Bool(*value),
            Json::Number(number) => number
                .as_i64()
                .map(Value::Int)
                .unwrap_or_else(|| Value::Double(number.as_f64().unwrap_or(f64::NAN))),
            Json::String(text) => Value::text(text),
            Json::Array(items) => Value::List(List::Json(items, &DYN, &ATOMIC)),
            Json::Object(map) => Value::Map(Map::Json(map, Entries::Alike(&DYN))),
        }
    }

    /// Borrowed text.
    pub fn text(text: &'a str) -> Value<'a> {
        Value::String(Text::Borrowed(text))
    }

    /// Text of its own.
    pub fn owned(text: impl Into<Rc<str>>) -> Value<'a> {
        Value::String(Text::Shared(text.into()))
    }

    /// A list of these.
    pub fn list(items: Vec<Value<'a>>) -> Value<'a> {
        Value::List(List::Values(Rc::new(items)))
    }

    /// A map of these; of equal keys the last counts, and what can be no key is left out.
    pub fn map(entries: impl IntoIterator<Item = (Value<'a>, Value<'a>)>) -> Value<'a> {
        let mut table = Table::default();
        for (key, value) in entries {
            if table.set(key, value).is_err() {
                continue;
            }
        }
        Value::Map(Map::Values(Rc::new(table)))
    }

    /// Who is asked what the request's user may do.
    pub fn authorizer(authorizer: &'a dyn Authorizer) -> Value<'a> {
        Value::Extension(Extension::Authorizer(Subject { authorizer, service_account: None }))
    }

    /// The same, about a resource.
    pub fn resource_check(authorizer: &'a dyn Authorizer, fields: ResourceCheckFields) -> Value<'a> {
        let subject = Subject { authorizer, service_account: None };
        Value::Extension(Extension::ResourceCheck(Rc::new(ResourceCheck { subject, fields })))
    }

    /// This value as an optional one.
    pub fn some(self) -> Value<'a> {
        Value::Optional(Some(Rc::new(self)))
    }

    /// The truth value, if it is one.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Value::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// The text, if it is text.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// The type as far as the value alone tells it.
    pub fn type_of(&self) -> Type {
        match self {
            Value::Null => Type::Null,
            Value::Bool(_) => Type::Bool,
            Value::Int(_) => Type::Int,
            Value::Uint(_) => Type::Uint,
            Value::Double(_) => Type::Double,
            Value::String(_) => Type::String,
            Value::Bytes(_) => Type::Bytes,
            Value::Timestamp(_) => Type::Timestamp,
            Value::Duration(_) => Type::Duration,
            Value::List(_) => Type::list(Type::Dyn),
            Value::Map(map) => map.type_of(),
            Value::Type(_) => Type::of(Type::Dyn),
            Value::Optional(_) => Type::optional(Type::Dyn),
            Value::Extension(extension) => extension.type_of(),
        }
    }
}

impl Map<'_> {
    fn type_of(&self) -> Type {
        match self {
            Map::Made(made) => Type::Object(std::sync::Arc::new(ObjectType {
                name: made.name.clone(),
                ..ObjectType::default()
            })),
            _ => Type::map(Type::Dyn, Type::Dyn),
        }
    }
}

impl fmt::Debug for Map<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Map::Json(map, _) => f.debug_tuple("Json").field(map).finish(),
            Map::Values(entries) => f.debug_tuple("Values").field(entries).finish(),
            Map::Lazy(_) => f.write_str("Lazy"),
            Map::Made(made) => f.debug_tuple("Made").field(made).finish(),
        }
    }
}

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Text::Borrowed(text) => text,
            Text::Shared(text) => text,
        }
    }
}

impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}
