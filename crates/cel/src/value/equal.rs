//! Equality and order.

use super::{List, Map, Value};
use crate::declared::ListIdentity;
use crate::error::EvalError;
use crate::eval::Work;
use std::cmp::Ordering;

/// Whether the values are equal; numbers of different types are compared as numbers.
pub fn equal<'a>(one: &Value<'a>, other: &Value<'a>, work: &mut Work) -> Result<bool, EvalError> {
    work.add(1)?;
    Ok(match (one, other) {
        (Value::Null, Value::Null) => true,
        (Value::Bool(one), Value::Bool(other)) => one == other,
        (Value::String(one), Value::String(other)) => **one == **other,
        (Value::Bytes(one), Value::Bytes(other)) => one == other,
        (Value::Type(one), Value::Type(other)) => one.name() == other.name(),
        (Value::List(one), Value::List(other)) => lists(one, other, work)?,
        (Value::Map(one), Value::Map(other)) => maps(one, other, work)?,
        (Value::Optional(one), Value::Optional(other)) => match (one, other) {
            (Some(one), Some(other)) => equal(one, other, work)?,
            (one, other) => one.is_none() && other.is_none(),
        },
        (Value::Extension(one), Value::Extension(other)) => one.equal(other),
        (one, other) => compare(one, other) == Some(Ordering::Equal),
    })
}

fn lists<'a>(one: &List<'a>, other: &List<'a>, work: &mut Work) -> Result<bool, EvalError> {
    if one.len() != other.len() {
        return Ok(false);
    }
    let identity = match (one, other) {
        (List::Json(_, _, identity), _) | (_, List::Json(_, _, identity)) => identity,
        _ => &ListIdentity::Atomic,
    };
    if *identity == ListIdentity::Atomic {
        for at in 0..one.len() {
            if !equal(&one.get(at)?, &other.get(at)?, work)? {
                return Ok(false);
            }
        }
        return Ok(true);
    }
    // Sets, and lists with keys, are the same in whatever order: equal items have equal keys.
    let others = other.items()?;
    for item in one.items()? {
        let mut found = false;
        for other in &others {
            if equal(&item, other, work)? {
                found = true;
                break;
            }
        }
        if !found {
            return Ok(false);
        }
    }
    Ok(true)
}

fn maps<'a>(one: &Map<'a>, other: &Map<'a>, work: &mut Work) -> Result<bool, EvalError> {
    if let (Map::Json(one, _), Map::Json(other, _)) = (one, other)
        && std::ptr::eq(*one, *other)
    {
        return Ok(true);
    }
    if one.len() != other.len() {
        return Ok(false);
    }
    if let (Map::Made(one), Map::Made(other)) = (one, other)
        && one.name != other.name
    {
        return Ok(false);
    }
    for key in one.keys()? {
        let (mine, theirs) = (raw(one, &key)?, raw(other, &key)?);
        let (Some(mine), Some(theirs)) = (mine, theirs) else { return Ok(false) };
        if !equal(&mine, &theirs, work)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The value of a key as it is in JSON, where fields have their own names and may be undeclared.
fn raw<'a>(map: &Map<'a>, key: &Value<'a>) -> Result<Option<Value<'a>>, EvalError> {
    let (Map::Json(json, super::Entries::Fields(object)), Some(name)) = (map, key.as_str()) else {
        return map.find(key);
    };
    let Some(value) = json.get(name) else { return Ok(None) };
    match object.fields.values().find(|field| field.property == name) {
        Some(field) => super::typed(value, &field.declared).map(Some),
        None => Ok(Some(Value::json(value))),
    }
}

/// How the values are ordered; `None` when they are not.
pub fn compare(one: &Value<'_>, other: &Value<'_>) -> Option<Ordering> {
    match (one, other) {
        (Value::Bool(one), Value::Bool(other)) => Some(one.cmp(other)),
        (Value::String(one), Value::String(other)) => Some((**one).cmp(other)),
        (Value::Bytes(one), Value::Bytes(other)) => Some(one.cmp(other)),
        (Value::Timestamp(one), Value::Timestamp(other)) => Some(one.cmp(other)),
        (Value::Duration(one), Value::Duration(other)) => Some(one.cmp(other)),
        (Value::Double(one), Value::Double(other)) => one.partial_cmp(other),
        (Value::Double(one), other) => whole(other).and_then(|other| against(*one, other)),
        (one, Value::Double(other)) => whole(one).and_then(|one| against(*other, one)).map(Ordering::reverse),
        (one, other) => Some(whole(one)?.cmp(&whole(other)?)),
    }
}

fn whole(value: &Value<'_>) -> Option<i128> {
    match value {
        Value::Int(value) => Some(i128::from(*value)),
        Value::Uint(value) => Some(i128::from(*value)),
        _ => None,
    }
}

/// A double against a whole number, exactly.
fn against(double: f64, whole: i128) -> Option<Ordering> {
    if double.is_nan() {
        return None;
    }
    // Beyond the range of 64 bits a double is larger, or smaller, than any whole number there is.
    if double.abs() >= 2e19 {
        return double.partial_cmp(&0.0);
    }
    let floor = double.floor();
    Some(
        (floor as i128)
            .cmp(&whole)
            .then_with(|| if double > floor { Ordering::Greater } else { Ordering::Equal }),
    )
}
