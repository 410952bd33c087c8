//! Arithmetic, comparison, membership, size.

use super::{Called, Maybe, no_overload};
use crate::ast::operator;
use crate::error::EvalError;
use crate::eval::Work;
use crate::time::{Duration, Timestamp};
use crate::value::{Key, List, Value, compare, equal};
use std::cmp::Ordering;
use std::rc::Rc;

pub fn call<'a>(function: &str, args: &[Value<'a>], work: &mut Work) -> Maybe<'a> {
    Some(match (function, args) {
        ("_==_", [one, other]) => equal(one, other, work).map(Value::Bool),
        ("_!=_", [one, other]) => equal(one, other, work).map(|equal| Value::Bool(!equal)),
        ("_<_" | "_<=_" | "_>_" | "_>=_", [one, other]) => order(function, one, other),
        (operator::ADD, [one, other]) => add(one, other, work),
        ("_-_", [one, other]) => subtract(one, other),
        ("_*_" | "_/_" | "_%_", [one, other]) => multiply(function, one, other),
        (operator::NOT, [Value::Bool(value)]) => Ok(Value::Bool(!value)),
        (operator::NOT, _) => Err(EvalError::no_overload()),
        (operator::NEGATE, [value]) => negate(value),
        ("@in", [value, container]) => contains(container, value, work).map(Value::Bool),
        ("size", [value]) => size(value),
        _ => return None,
    })
}

/// Upstream names the operator where the type has no such operator at all.
fn lacking<'a>(function: &str, value: &Value<'_>, has: bool) -> Called<'a> {
    let _ = value;
    Err(if has { EvalError::no_overload() } else { EvalError::new(format!("no such overload: {function}")) })
}

fn is_comparable(value: &Value<'_>) -> bool {
    matches!(
        value,
        Value::Bool(_)
            | Value::Int(_)
            | Value::Uint(_)
            | Value::Double(_)
            | Value::String(_)
            | Value::Bytes(_)
            | Value::Timestamp(_)
            | Value::Duration(_)
    )
}

fn order<'a>(function: &str, one: &Value<'a>, other: &Value<'a>) -> Called<'a> {
    let Some(ordering) = compare(one, other) else {
        if matches!((one, other), (Value::Double(_), Value::Double(_) | Value::Int(_) | Value::Uint(_))) {
            return Err(EvalError::new("NaN values cannot be ordered"));
        }
        return lacking(function, one, is_comparable(one));
    };
    Ok(Value::Bool(match function {
        "_<_" => ordering == Ordering::Less,
        "_<=_" => ordering != Ordering::Greater,
        "_>_" => ordering == Ordering::Greater,
        _ => ordering != Ordering::Less,
    }))
}

fn overflow(what: &str) -> EvalError {
    EvalError::new(format!("{what} overflow"))
}

fn int<'a>(value: Option<i64>) -> Called<'a> {
    value.map(Value::Int).ok_or_else(|| overflow("integer"))
}

fn uint<'a>(value: Option<u64>) -> Called<'a> {
    value.map(Value::Uint).ok_or_else(|| overflow("unsigned integer"))
}

fn duration<'a>(value: Option<i64>) -> Called<'a> {
    value.map(|nanos| Value::Duration(Duration(nanos))).ok_or_else(|| overflow("duration"))
}

/// A time stamp so much later; years 1 to 9999.
fn later<'a>(time: &Timestamp, nanos: i128) -> Called<'a> {
    let sum = time.as_nanosecond() + nanos;
    Timestamp::from_nanosecond(sum).map(Value::Timestamp).ok_or_else(|| overflow("timestamp"))
}

fn add<'a>(one: &Value<'a>, other: &Value<'a>, work: &mut Work) -> Called<'a> {
    match (one, other) {
        (Value::Int(one), Value::Int(other)) => int(one.checked_add(*other)),
        (Value::Uint(one), Value::Uint(other)) => uint(one.checked_add(*other)),
        (Value::Double(one), Value::Double(other)) => Ok(Value::Double(one + other)),
        (Value::String(one), Value::String(other)) => {
            work.add((one.len() + other.len()) / 16)?;
            Ok(Value::owned([&**one, &**other].concat()))
        }
        (Value::Bytes(one), Value::Bytes(other)) => {
            work.add((one.len() + other.len()) / 16)?;
            Ok(Value::Bytes([&**one, &**other].concat().into()))
        }
        (Value::List(one), Value::List(other)) => join(one, other, work),
        (Value::Duration(one), Value::Duration(other)) => duration(one.0.checked_add(other.0)),
        (Value::Timestamp(time), Value::Duration(span)) | (Value::Duration(span), Value::Timestamp(time)) => {
            later(time, i128::from(span.0))
        }
        _ => {
            let has = is_comparable(one) && !matches!(one, Value::Bool(_)) || matches!(one, Value::List(_));
            lacking(operator::ADD, one, has)
        }
    }
}

/// Two lists as one; sets and lists with keys are merged.
fn join<'a>(one: &List<'a>, other: &List<'a>, work: &mut Work) -> Called<'a> {
    use crate::declared::ListIdentity;
    let identity = match one {
        List::Json(_, _, identity) => identity,
        _ => &ListIdentity::Atomic,
    };
    if *identity == ListIdentity::Atomic {
        // Small ones are copied, large ones only referred to.
        if one.len() + other.len() > 32 {
            return Ok(Value::List(List::Joined(Rc::new((one.clone(), other.clone())))));
        }
        let mut items = one.items()?;
        items.extend(other.items()?);
        return Ok(Value::list(items));
    }
    let mut items = one.items()?;
    for item in other.items()? {
        let mut place = None;
        for (at, known) in items.iter().enumerate() {
            if same_item(identity, known, &item, work)? {
                place = Some(at);
                break;
            }
        }
        match place {
            Some(at) => items[at] = item,
            None => items.push(item),
        }
    }
    Ok(Value::list(items))
}

fn same_item<'a>(
    identity: &crate::declared::ListIdentity,
    one: &Value<'a>,
    other: &Value<'a>,
    work: &mut Work,
) -> Result<bool, EvalError> {
    let crate::declared::ListIdentity::Map(keys) = identity else { return equal(one, other, work) };
    let (Value::Map(one), Value::Map(other)) = (one, other) else { return Ok(false) };
    for key in keys {
        let key = Value::owned(key.as_str());
        let same = match (one.find(&key)?, other.find(&key)?) {
            (Some(one), Some(other)) => equal(&one, &other, work)?,
            (one, other) => one.is_none() && other.is_none(),
        };
        if !same {
            return Ok(false);
        }
    }
    Ok(true)
}

fn subtract<'a>(one: &Value<'a>, other: &Value<'a>) -> Called<'a> {
    match (one, other) {
        (Value::Int(one), Value::Int(other)) => int(one.checked_sub(*other)),
        (Value::Uint(one), Value::Uint(other)) => uint(one.checked_sub(*other)),
        (Value::Double(one), Value::Double(other)) => Ok(Value::Double(one - other)),
        (Value::Duration(one), Value::Duration(other)) => duration(one.0.checked_sub(other.0)),
        (Value::Timestamp(time), Value::Duration(span)) => later(time, -i128::from(span.0)),
        (Value::Timestamp(one), Value::Timestamp(other)) => {
            duration(i64::try_from(one.as_nanosecond() - other.as_nanosecond()).ok())
        }
        _ => {
            let has =
                is_comparable(one) && !matches!(one, Value::Bool(_) | Value::String(_) | Value::Bytes(_));
            lacking("_-_", one, has)
        }
    }
}

fn multiply<'a>(function: &str, one: &Value<'a>, other: &Value<'a>) -> Called<'a> {
    let zero = || EvalError::new(if function == "_/_" { "division by zero" } else { "modulus by zero" });
    match (one, other) {
        (Value::Int(one), Value::Int(other)) => match function {
            "_*_" => int(one.checked_mul(*other)),
            _ if *other == 0 => Err(zero()),
            "_/_" => int(one.checked_div(*other)),
            _ => int(one.checked_rem(*other)),
        },
        (Value::Uint(one), Value::Uint(other)) => match function {
            "_*_" => uint(one.checked_mul(*other)),
            _ if *other == 0 => Err(zero()),
            "_/_" => uint(one.checked_div(*other)),
            _ => uint(one.checked_rem(*other)),
        },
        (Value::Double(one), Value::Double(other)) if function != "_%_" => {
            Ok(Value::Double(if function == "_*_" { one * other } else { one / other }))
        }
        _ => {
            let whole = matches!(one, Value::Int(_) | Value::Uint(_));
            lacking(function, one, whole || (matches!(one, Value::Double(_)) && function != "_%_"))
        }
    }
}

fn negate<'a>(value: &Value<'a>) -> Called<'a> {
    match value {
        Value::Int(value) => int(value.checked_neg()),
        Value::Double(value) => Ok(Value::Double(-value)),
        _ => Err(EvalError::no_overload()),
    }
}

/// Whether a list holds the value, or a map the key.
pub fn contains<'a>(container: &Value<'a>, value: &Value<'a>, work: &mut Work) -> Result<bool, EvalError> {
    match container {
        Value::List(list) => {
            for at in 0..list.len() {
                if equal(value, &list.get(at)?, work)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        Value::Map(map) => {
            if Key::of(value).is_none() {
                return Ok(false);
            }
            Ok(map.find(value)?.is_some())
        }
        _ => Err(EvalError::no_overload()),
    }
}

fn size<'a>(value: &Value<'a>) -> Called<'a> {
    let size = match value {
        Value::String(text) => text.chars().count(),
        Value::Bytes(bytes) => bytes.len(),
        Value::List(list) => list.len(),
        Value::Map(map) => map.len(),
        Value::Optional(_) => return Err(no_overload("size", std::slice::from_ref(value))),
        _ => return Err(EvalError::new("no such overload: size")),
    };
    Ok(Value::Int(size as i64))
}
