//! Matching against patterns.

use super::{Called, no_overload};
use crate::pattern::Pattern;
use crate::value::Value;

/// The most matches that `findAll` returns.
const MOST_MATCHES: usize = 1_000_000;

/// `matches`, `find` and `findAll`, the pattern compiled already.
pub fn call<'a>(function: &str, pattern: &Pattern, args: &[Value<'a>]) -> Called<'a> {
    let Some(text) = args.first().and_then(Value::as_str) else {
        return Err(no_overload(function, args));
    };
    Ok(match (function, args) {
        ("matches", _) => Value::Bool(pattern.is_match(text)),
        ("find", _) => Value::owned(pattern.find(text).unwrap_or_default()),
        (_, [_, _]) => all(pattern, text, MOST_MATCHES),
        (_, [_, _, Value::Int(most)]) => {
            all(pattern, text, usize::try_from(*most).unwrap_or(MOST_MATCHES).min(MOST_MATCHES))
        }
        _ => return Err(no_overload(function, args)),
    })
}

fn all<'a>(pattern: &Pattern, text: &str, most: usize) -> Value<'a> {
    Value::list(pattern.find_all(text).take(most).map(Value::owned).collect())
}
