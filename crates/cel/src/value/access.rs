//! Reading out of lists, maps and JSON.

use super::{Entries, List, Map, Value};
use crate::declared::Declared;
use crate::error::EvalError;
use crate::functions::convert::{parse_date, parse_duration};
use crate::time::Timestamp;
use serde_json::Value as Json;

/// What is found at a key.
#[derive(Debug)]
pub enum Found<'a> {
    Value(Value<'a>),
    Missing,
    /// There is nothing to look into.
    NoContainer,
}

/// JSON that is declared to be so.
///
/// # Errors
/// When it is something else.
pub fn typed<'a>(json: &'a Json, declared: &'a Declared) -> Result<Value<'a>, EvalError> {
    let wrong = |expected: &str| {
        let found = match json {
            Json::Null => "null",
            Json::Bool(_) => "bool",
            Json::Number(number) if number.is_f64() => "float64",
            Json::Number(_) => "int64",
            Json::String(_) => "string",
            Json::Array(_) => "[]interface {}",
            Json::Object(_) => "map[string]interface {}",
        };
        EvalError::new(format!("invalid data, expected {expected}, got {found}"))
    };
    Ok(match (declared, json) {
        (Declared::Dyn { .. } | Declared::Other(_), json) => Value::json(json),
        (_, Json::Null) => Value::Null,
        (Declared::Bool, json) => Value::Bool(json.as_bool().ok_or_else(|| wrong("bool"))?),
        (Declared::Int, json) => Value::Int(json.as_i64().ok_or_else(|| wrong("int"))?),
        (Declared::Double, json) => Value::Double(json.as_f64().ok_or_else(|| wrong("float"))?),
        (Declared::List(list), Json::Array(items)) => {
            Value::List(List::Json(items, &list.items, &list.identity))
        }
        (Declared::List(_), _) => {
            return Err(EvalError::new(
                "invalid data, expected an array for the provided schema with type=array",
            ));
        }
        (Declared::Map(map), Json::Object(entries)) => {
            Value::Map(Map::Json(entries, Entries::Alike(&map.values)))
        }
        (Declared::Object(object), Json::Object(entries)) => {
            Value::Map(Map::Json(entries, Entries::Fields(object)))
        }
        (Declared::Map(_) | Declared::Object(_), _) => {
            return Err(EvalError::new(
                "invalid data, expected a map for the provided schema with type=object",
            ));
        }
        (_, json) => return text(json.as_str().ok_or_else(|| wrong("string"))?, declared),
    })
}

/// Text that is declared to mean something.
fn text<'a>(text: &'a str, declared: &Declared) -> Result<Value<'a>, EvalError> {
    let invalid = |what: &str| EvalError::new(format!("Invalid {what} {text}"));
    Ok(match declared {
        Declared::Duration { .. } => {
            Value::Duration(parse_duration(text).ok_or_else(|| invalid("duration"))?)
        }
        Declared::Timestamp { max_length: 12 } => {
            Value::Timestamp(parse_date(text).ok_or_else(|| invalid("date formatted string"))?)
        }
        Declared::Timestamp { .. } => {
            let time = Timestamp::parse(text).or_else(|| parse_date(text));
            Value::Timestamp(time.ok_or_else(|| invalid("date-time formatted string"))?)
        }
        Declared::Bytes { .. } => {
            use base64::Engine;
            let bytes = base64::engine::general_purpose::STANDARD.decode(text);
            Value::Bytes(bytes.map_err(|_| invalid("byte formatted string"))?.into())
        }
        _ => Value::text(text),
    })
}

impl<'a> List<'a> {
    /// How many items there are.
    pub fn len(&self) -> usize {
        match self {
            List::Json(items, ..) => items.len(),
            List::Values(items) => items.len(),
            List::Joined(both) => both.0.len() + both.1.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The item at a place.
    ///
    /// # Errors
    /// When there is none, or it is not what it was declared to be.
    pub fn get(&self, at: usize) -> Result<Value<'a>, EvalError> {
        let outside = || EvalError::new(format!("index out of bounds: {at}"));
        match self {
            List::Json(items, declared, _) => typed(items.get(at).ok_or_else(outside)?, declared),
            List::Values(items) => items.get(at).cloned().ok_or_else(outside),
            List::Joined(both) if at < both.0.len() => both.0.get(at),
            List::Joined(both) => both.1.get(at - both.0.len()),
        }
    }

    /// All items.
    ///
    /// # Errors
    /// When one is not what it was declared to be.
    pub fn items(&self) -> Result<Vec<Value<'a>>, EvalError> {
        (0..self.len()).map(|at| self.get(at)).collect()
    }
}

impl<'a> Map<'a> {
    /// How many entries there are.
    pub fn len(&self) -> usize {
        match self {
            Map::Json(map, _) => map.len(),
            Map::Values(table) => table.len(),
            Map::Lazy(_) => 0,
            Map::Made(made) => made.fields.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The keys, in order.
    ///
    /// # Errors
    /// When the keys are not known.
    pub fn keys(&self) -> Result<Vec<Value<'a>>, EvalError> {
        match self {
            Map::Json(map, _) => Ok(map.keys().map(|key| Value::text(key)).collect()),
            Map::Values(table) => Ok(table.entries().iter().map(|(key, _)| key.clone()).collect()),
            Map::Lazy(_) => Err(EvalError::no_overload()),
            Map::Made(made) => Ok(made.fields.iter().map(|(name, _)| Value::owned(name.as_str())).collect()),
        }
    }

    /// The value of a key that there is.
    ///
    /// # Errors
    /// When there is none.
    pub fn value_of(&self, key: &Value<'a>) -> Result<Value<'a>, EvalError> {
        match self.find(key)? {
            Some(value) => Ok(value),
            None => Err(EvalError::new(format!("no such key: {}", crate::functions::convert::shown(key)))),
        }
    }

    /// The value of a key.
    ///
    /// # Errors
    /// When it is not what it was declared to be, or could not be computed.
    pub fn find(&self, key: &Value<'a>) -> Result<Option<Value<'a>>, EvalError> {
        match self {
            Map::Values(table) => Ok(table.get(key).cloned()),
            Map::Json(map, entries) => {
                let Some(name) = key.as_str() else { return Ok(None) };
                match entries {
                    Entries::Alike(declared) => map.get(name).map(|json| typed(json, declared)).transpose(),
                    Entries::Fields(object) => {
                        let Some(field) = object.field(name) else { return Ok(None) };
                        map.get(&field.property).map(|json| typed(json, &field.declared)).transpose()
                    }
                }
            }
            Map::Lazy(fields) => match key.as_str() {
                Some(name) => fields.field(name).transpose(),
                None => Ok(None),
            },
            Map::Made(made) => {
                let field = made.fields.iter().find(|(name, _)| Some(name.as_str()) == key.as_str());
                Ok(field.map(|(_, value)| value.clone()))
            }
        }
    }
}

impl<'a> Value<'a> {
    /// What is at a key or an index.
    pub(crate) fn find(&self, key: &Value<'a>) -> Result<Found<'a>, EvalError> {
        match self {
            Value::Map(map) => Ok(map.find(key)?.map_or(Found::Missing, Found::Value)),
            Value::List(list) => {
                let at = match key {
                    Value::Int(at) => usize::try_from(*at).ok(),
                    Value::Uint(at) => usize::try_from(*at).ok(),
                    Value::Double(at) if at.trunc() == *at => (*at >= 0.0).then_some(*at as usize),
                    other => {
                        let kind = other.type_of();
                        let message = format!("unsupported index type '{}' in list", kind.name());
                        return Err(EvalError::new(message));
                    }
                };
                match at.filter(|at| *at < list.len()) {
                    Some(at) => list.get(at).map(Found::Value),
                    None => Ok(Found::Missing),
                }
            }
            _ => Ok(Found::NoContainer),
        }
    }
}
