//! Optional values.

use super::{Maybe, no_overload};
use crate::error::EvalError;
use crate::value::{Map, Value};

pub fn call<'a>(function: &str, args: &[Value<'a>]) -> Maybe<'a> {
    Some(match (function, args) {
        ("optional.of", [value]) => Ok(value.clone().some()),
        ("optional.none", []) => Ok(Value::Optional(None)),
        ("optional.ofNonZeroValue", [value]) => {
            Ok(if is_zero(value) { Value::Optional(None) } else { value.clone().some() })
        }
        ("hasValue", [Value::Optional(inner)]) => Ok(Value::Bool(inner.is_some())),
        ("value", [Value::Optional(inner)]) => match inner {
            Some(inner) => Ok((**inner).clone()),
            None => Err(EvalError::new("optional.none() dereference")),
        },
        ("optional.unwrap" | "unwrapOpt", [Value::List(list)]) => unwrap(list),
        ("first" | "last", [Value::List(list)]) => {
            let at = if function == "first" { Some(0) } else { list.len().checked_sub(1) };
            match at.filter(|at| *at < list.len()) {
                Some(at) => list.get(at).map(Value::some),
                None => Ok(Value::Optional(None)),
            }
        }
        ("hasValue" | "value" | "optional.unwrap" | "unwrapOpt" | "first" | "last", _) => {
            Err(no_overload(function, args))
        }
        _ => return None,
    })
}

fn unwrap<'a>(list: &crate::value::List<'a>) -> super::Called<'a> {
    let mut items = Vec::new();
    for item in list.items()? {
        match item {
            Value::Optional(inner) => items.extend(inner.map(|inner| (*inner).clone())),
            other => {
                let shown = super::convert::shown(&other);
                return Err(EvalError::new(format!("value {shown} is not optional")));
            }
        }
    }
    Ok(Value::list(items))
}

fn is_zero(value: &Value<'_>) -> bool {
    match value {
        Value::Null | Value::Optional(None) | Value::Bool(false) | Value::Int(0) | Value::Uint(0) => true,
        Value::Double(value) => *value == 0.0,
        Value::String(text) => text.is_empty(),
        Value::Bytes(bytes) => bytes.is_empty(),
        Value::List(list) => list.is_empty(),
        Value::Map(Map::Lazy(_)) => false,
        Value::Map(map) => map.is_empty(),
        Value::Duration(span) => span.0 == 0,
        Value::Timestamp(time) => time.as_second() == -62_135_596_800,
        _ => false,
    }
}
