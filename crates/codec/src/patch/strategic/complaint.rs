//! What is wrong with a patch, in upstream's words.

use crate::patch::PatchError;
use crate::shown::{go_type, shown, shown_list};
use serde_json::Value;

pub type Result<T> = std::result::Result<T, PatchError>;

/// An error that upstream's server takes for one of its own.
pub fn fault<T>(why: impl Into<String>) -> Result<T> {
    Err(PatchError::Internal(why.into()))
}

/// A directive that is not what it must be.
pub fn bad_format<T>(of: &str) -> Result<T> {
    Err(PatchError::Malformed(format!("invalid patch format of {of}")))
}

pub fn not_object<T>(value: &Value) -> Result<T> {
    unexpected("map[string]interface {}", value)
}

pub fn not_list<T>(value: &Value) -> Result<T> {
    unexpected("[]interface {}", value)
}

fn unexpected<T>(wanted: &str, value: &Value) -> Result<T> {
    let found = if value.is_null() { "%!s(<nil>)" } else { go_type(value) };
    fault(format!("expected a {wanted}, but received a {found}"))
}

pub fn no_merge_key<T>(item: &Value, key: &str) -> Result<T> {
    fault(format!("map: {} does not contain declared merge key: {key}", shown(item)))
}

/// Upstream panics at it.
pub fn no_scalar<T>(value: &Value) -> Result<T> {
    fault(format!(
        "list items cannot be told apart by {}: it is not a string, number or boolean",
        shown(value)
    ))
}

/// The `$patch` of this map is none.
pub fn unknown_directive<T>(patch: &Value) -> Result<T> {
    let directive = match &patch[super::DIRECTIVE] {
        Value::String(text) => text.clone(),
        Value::Null => "%!s(<nil>)".to_string(),
        other @ (Value::Bool(_) | Value::Number(_)) => format!("%!s({}={})", go_type(other), shown(other)),
        other => shown(other),
    };
    fault(format!("unknown patch type: {directive} in map: {}", shown(patch)))
}

pub fn out_of_order<T>(patch: &[Value], wanted: &[Value]) -> Result<T> {
    fault(format!(
        "The order in patch list:\n{}\n doesn't match $setElementOrder list:\n{}\n",
        shown_list(patch),
        shown_list(wanted)
    ))
}

pub fn mixed_types<T>(lists: [&[Value]; 2]) -> Result<T> {
    let [one, other] = lists.map(shown_list);
    fault(format!("list element types are not identical: [{one} {other}]"))
}
