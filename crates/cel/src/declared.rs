//! What data is declared to be, with the bounds that the cost estimate needs.

use crate::types::Type;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The declared type of data: what it looks like to expressions, how it is to be read from JSON, and how large
/// it may be.
#[derive(Clone, Debug)]
pub enum Declared {
    /// Anything; JSON is taken as it is. `max_size` bounds a string's length where there is a bound.
    Dyn {
        max_size: Option<u64>,
    },
    Bool,
    Int,
    Double,
    /// Text of at most `max_length` characters.
    String {
        max_length: Option<u64>,
    },
    /// Bytes, in JSON as base64.
    Bytes {
        max_length: Option<u64>,
    },
    /// A time stamp (RFC 3339), or a date.
    Timestamp {
        max_length: u64,
    },
    /// A duration like `1h30m`.
    Duration {
        max_length: u64,
    },
    List(Arc<ListType>),
    Map(Arc<MapType>),
    Object(Arc<ObjectType>),
    /// A value that is no JSON, such as an authorizer.
    Other(Type),
}

/// A declared list.
#[derive(Clone, Debug)]
pub struct ListType {
    pub items: Declared,
    /// The most items there may be; `None`: unknown.
    pub max_items: Option<u64>,
    /// What makes items the same in comparisons and additions.
    pub identity: ListIdentity,
}

/// `x-kubernetes-list-type`, with its keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ListIdentity {
    #[default]
    Atomic,
    Set,
    /// By these properties.
    Map(Vec<String>),
}

/// A declared map with keys of text.
#[derive(Clone, Debug)]
pub struct MapType {
    pub values: Declared,
    /// The most entries there may be; `None`: unknown.
    pub max_properties: Option<u64>,
}

/// A declared object.
#[derive(Clone, Debug, Default)]
pub struct ObjectType {
    /// Unique among the types of an environment; types of the same name are the same type.
    pub name: String,
    /// By their names in expressions: [`escape`](crate::escape)d.
    pub fields: BTreeMap<String, Field>,
}

/// A field of a declared object.
#[derive(Clone, Debug)]
pub struct Field {
    /// Its name in JSON.
    pub property: String,
    pub declared: Declared,
}

impl ObjectType {
    /// An object of these properties, named as in JSON; what has no name in expressions is left out.
    pub fn new(name: &str, fields: impl IntoIterator<Item = (String, Declared)>) -> Arc<Self> {
        let fields = fields.into_iter().filter_map(|(property, declared)| {
            Some((crate::escape(&property)?, Field { property, declared }))
        });
        Arc::new(ObjectType { name: name.to_owned(), fields: fields.collect() })
    }

    /// The field that expressions call `name`; reserved words need no escape as upstream's `has(x.namespace)`.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.get(name).or_else(|| {
            let escaped = crate::escape(name).filter(|escaped| escaped != name && !name.contains("__"))?;
            self.fields.get(&escaped)
        })
    }
}

impl Declared {
    /// Anything.
    pub const DYN: Declared = Declared::Dyn { max_size: None };
    /// Text without a bound.
    pub const STRING: Declared = Declared::String { max_length: None };

    /// A list of any number of `items`.
    pub fn list(items: Declared) -> Declared {
        Declared::List(Arc::new(ListType { items, max_items: None, identity: ListIdentity::Atomic }))
    }

    /// A map from text to any number of `values`.
    pub fn map(values: Declared) -> Declared {
        Declared::Map(Arc::new(MapType { values, max_properties: None }))
    }

    /// The type as the checker knows it.
    pub fn to_type(&self) -> Type {
        match self {
            Declared::Dyn { .. } => Type::Dyn,
            Declared::Bool => Type::Bool,
            Declared::Int => Type::Int,
            Declared::Double => Type::Double,
            Declared::String { .. } => Type::String,
            Declared::Bytes { .. } => Type::Bytes,
            Declared::Timestamp { .. } => Type::Timestamp,
            Declared::Duration { .. } => Type::Duration,
            Declared::List(list) => Type::list(list.items.to_type()),
            Declared::Map(map) => Type::map(Type::String, map.values.to_type()),
            Declared::Object(object) => Type::Object(object.clone()),
            Declared::Other(other) => other.clone(),
        }
    }
}

/// A type of which no sizes are known.
impl From<Type> for Declared {
    fn from(of: Type) -> Self {
        Declared::Other(of)
    }
}
