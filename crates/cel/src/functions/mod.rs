//! What functions do. Types were checked where they were known; what turns out otherwise is no overload.

mod authorizer;
pub mod convert;
pub mod format;
mod lists;
pub mod named_format;
pub mod net;
mod operators;
mod optional;
pub mod quantity;
pub mod regex;
pub mod semver;
mod sets;
mod strings;
mod times;
pub mod url;

use crate::error::EvalError;
use crate::eval::Work;
use crate::types::Type;
use crate::value::Value;

type Called<'a> = Result<Value<'a>, EvalError>;

/// `None` when the function is another file's.
type Maybe<'a> = Option<Called<'a>>;

/// Calls the function; a target is the first argument.
pub fn call<'a>(function: &str, args: &[Value<'a>], work: &mut Work) -> Called<'a> {
    operators::call(function, args, work)
        .or_else(|| convert::call(function, args, work))
        .or_else(|| strings::call(function, args, work))
        .or_else(|| lists::call(function, args, work))
        .or_else(|| optional::call(function, args))
        .or_else(|| times::call(function, args))
        .or_else(|| sets::call(function, args, work))
        .or_else(|| net::call(function, args))
        .or_else(|| quantity::call(function, args))
        .or_else(|| semver::call(function, args))
        .or_else(|| url::call(function, args))
        .or_else(|| named_format::call(function, args))
        .or_else(|| authorizer::call(function, args))
        .unwrap_or_else(|| Err(no_overload(function, args)))
}

/// `no such overload: f(int, string)`.
pub fn no_overload(function: &str, args: &[Value<'_>]) -> EvalError {
    let of = |value: &Value<'_>| match value.type_of() {
        // The types of types are named alike.
        Type::Type(_) => "type".to_owned(),
        other => other.name().to_owned(),
    };
    let types: Vec<String> = args.iter().map(of).collect();
    EvalError::new(format!("no such overload: {function}({})", types.join(", ")))
}

/// A place in a list or text; negative ones and those beyond what can be are refused.
fn index(value: i64) -> Option<usize> {
    usize::try_from(value).ok()
}
