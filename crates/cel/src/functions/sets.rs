//! Lists as sets.

use super::operators::contains;
use super::{Maybe, no_overload};
use crate::error::EvalError;
use crate::eval::Work;
use crate::value::Value;

pub fn call<'a>(function: &str, args: &[Value<'a>], work: &mut Work) -> Maybe<'a> {
    if !function.starts_with("sets.") {
        return None;
    }
    let [one @ Value::List(_), other @ Value::List(_)] = args else {
        return Some(Err(no_overload(function, args)));
    };
    let answer = match function {
        "sets.contains" => all(one, other, work),
        "sets.equivalent" => all(one, other, work).and_then(|all_of| Ok(all_of && all(other, one, work)?)),
        "sets.intersects" => any(one, other, work),
        _ => return None,
    };
    Some(answer.map(Value::Bool))
}

fn all<'a>(set: &Value<'a>, subset: &Value<'a>, work: &mut Work) -> Result<bool, EvalError> {
    let Value::List(items) = subset else { return Ok(false) };
    for item in items.items()? {
        if !contains(set, &item, work)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn any<'a>(one: &Value<'a>, other: &Value<'a>, work: &mut Work) -> Result<bool, EvalError> {
    let Value::List(items) = one else { return Ok(false) };
    for item in items.items()? {
        if contains(other, &item, work)? {
            return Ok(true);
        }
    }
    Ok(false)
}
