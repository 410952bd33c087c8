//! What Kubernetes and cel-go add to lists.

use super::{Called, Maybe, index, no_overload};
use crate::error::EvalError;
use crate::eval::Work;
use crate::time::Duration;
use crate::value::{Key, List, Value, compare, equal};
use std::cmp::Ordering;
use std::collections::HashSet;

/// The longest list that `lists.range` makes.
const LONGEST_RANGE: i64 = 1_000_000;

pub fn call<'a>(function: &str, args: &[Value<'a>], work: &mut Work) -> Maybe<'a> {
    Some(match (function, args) {
        ("isSorted", [Value::List(list)]) => is_sorted(list),
        ("sum", [Value::List(list)]) => sum(list),
        ("min" | "max", [Value::List(list)]) => extreme(function, list),
        ("indexOf", [Value::List(list), value]) => position(list, value, false, work),
        ("lastIndexOf", [Value::List(list), value]) => position(list, value, true, work),
        ("sort", [Value::List(list)]) => list.items().and_then(|items| sort(items.clone(), items, work)),
        ("@sortByAssociatedKeys", [Value::List(list), Value::List(keys)]) => {
            list.items().and_then(|items| sort(items, keys.items()?, work))
        }
        ("distinct", [Value::List(list)]) => distinct(list, work),
        ("reverse", [Value::List(list)]) => list.items().map(|mut items| {
            items.reverse();
            Value::list(items)
        }),
        ("flatten", [Value::List(list)]) => flattened(list, 1),
        ("flatten", [Value::List(list), Value::Int(depth)]) => flattened(list, *depth),
        ("slice", [Value::List(list), Value::Int(from), Value::Int(to)]) => slice(list, *from, *to),
        ("lists.range", [Value::Int(end)]) => range(*end),
        (
            "isSorted"
            | "sum"
            | "min"
            | "max"
            | "sort"
            | "@sortByAssociatedKeys"
            | "distinct"
            | "reverse"
            | "flatten"
            | "slice"
            | "lists.range"
            | "indexOf"
            | "lastIndexOf",
            _,
        ) => Err(no_overload(function, args)),
        _ => return None,
    })
}

fn range<'a>(end: i64) -> Called<'a> {
    if end > LONGEST_RANGE {
        return Err(EvalError::CallLimit);
    }
    Ok(Value::list((0..end).map(Value::Int).collect()))
}

fn is_sorted<'a>(list: &List<'a>) -> Called<'a> {
    let items = list.items()?;
    for pair in items.windows(2) {
        match compare(&pair[0], &pair[1]) {
            Some(Ordering::Greater) => return Ok(Value::Bool(false)),
            Some(_) => {}
            None => return Err(EvalError::no_overload()),
        }
    }
    Ok(Value::Bool(true))
}

fn sum<'a>(list: &List<'a>) -> Called<'a> {
    let mut total: Option<Value<'a>> = None;
    for item in list.items()? {
        let overflow = || EvalError::new("integer overflow");
        total = Some(match (total, item) {
            (None, item) => item,
            (Some(Value::Int(one)), Value::Int(other)) => {
                Value::Int(one.checked_add(other).ok_or_else(overflow)?)
            }
            (Some(Value::Uint(one)), Value::Uint(other)) => {
                let sum = one.checked_add(other);
                Value::Uint(sum.ok_or_else(|| EvalError::new("unsigned integer overflow"))?)
            }
            (Some(Value::Double(one)), Value::Double(other)) => Value::Double(one + other),
            (Some(Value::Duration(one)), Value::Duration(other)) => {
                let sum = one.0.checked_add(other.0);
                Value::Duration(Duration(sum.ok_or_else(|| EvalError::new("duration overflow"))?))
            }
            _ => return Err(EvalError::no_overload()),
        });
    }
    Ok(total.unwrap_or(Value::Int(0)))
}

fn extreme<'a>(function: &str, list: &List<'a>) -> Called<'a> {
    let wanted = if function == "min" { Ordering::Less } else { Ordering::Greater };
    let mut best: Option<Value<'a>> = None;
    for item in list.items()? {
        best = Some(match best {
            None => item,
            Some(known) => match compare(&item, &known) {
                Some(ordering) if ordering == wanted => item,
                Some(_) => known,
                None => return Err(EvalError::no_overload()),
            },
        });
    }
    best.ok_or_else(|| EvalError::new(format!("{function} called on empty list")))
}

fn position<'a>(list: &List<'a>, value: &Value<'a>, last: bool, work: &mut Work) -> Called<'a> {
    let mut found = -1;
    for at in 0..list.len() {
        if equal(&list.get(at)?, value, work)? {
            found = at as i64;
            if !last {
                break;
            }
        }
    }
    Ok(Value::Int(found))
}

fn sort<'a>(items: Vec<Value<'a>>, keys: Vec<Value<'a>>, work: &mut Work) -> Called<'a> {
    if items.len() != keys.len() {
        return Err(EvalError::new(format!(
            "@sortByAssociatedKeys() expected a list of the same size as the associated keys list, but got {} and \
             {} elements respectively",
            items.len(),
            keys.len()
        )));
    }
    work.add(items.len() * 8)?;
    if let Some(first) = keys.first() {
        if compare(first, first).is_none() && !matches!(first, Value::Double(_)) {
            return Err(EvalError::new("list elements must be comparable"));
        }
        if keys.iter().any(|key| key.type_of() != first.type_of()) {
            return Err(EvalError::new("list elements must have the same type"));
        }
    }
    let mut pairs: Vec<_> = keys.into_iter().zip(items).collect();
    pairs.sort_by(|(one, _), (other, _)| compare(one, other).unwrap_or(Ordering::Equal));
    Ok(Value::list(pairs.into_iter().map(|(_, item)| item).collect()))
}

fn distinct<'a>(list: &List<'a>, work: &mut Work) -> Called<'a> {
    let (mut known, mut unique) = (HashSet::new(), Vec::<Value<'a>>::new());
    for item in list.items()? {
        // Shared and borrowed texts are different keys, so texts are looked up as shared ones.
        let key = match &item {
            Value::String(text) => Some(Key::Shared((**text).into())),
            other => Key::of(other),
        };
        let new = match key {
            Some(key) => known.insert(key),
            None => {
                let mut seen = false;
                for other in &unique {
                    if equal(&item, other, work)? {
                        seen = true;
                        break;
                    }
                }
                !seen
            }
        };
        if new {
            unique.push(item);
        }
    }
    Ok(Value::list(unique))
}

fn flattened<'a>(list: &List<'a>, depth: i64) -> Called<'a> {
    if depth < 0 {
        return Err(EvalError::new("level must be non-negative"));
    }
    let mut items = Vec::new();
    flatten(list, depth, &mut items)?;
    Ok(Value::list(items))
}

fn flatten<'a>(list: &List<'a>, depth: i64, into: &mut Vec<Value<'a>>) -> Result<(), EvalError> {
    for item in list.items()? {
        match item {
            Value::List(inner) if depth > 0 => flatten(&inner, depth - 1, into)?,
            other => into.push(other),
        }
    }
    Ok(())
}

fn slice<'a>(list: &List<'a>, from: i64, to: i64) -> Called<'a> {
    let refused = |why: String| Err(EvalError::new(format!("cannot slice({from}, {to}), {why}")));
    let (Some(start), Some(end)) = (index(from), index(to)) else {
        return refused("negative indexes not supported".to_owned());
    };
    if start > end {
        return refused("start index must be less than or equal to end index".to_owned());
    }
    if list.len() < end {
        return refused(format!("list is length {}", list.len()));
    }
    (start..end).map(|at| list.get(at)).collect::<Result<_, _>>().map(Value::list)
}
