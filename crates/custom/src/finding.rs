//! Field errors about JSON values, which messages show as Go prints them.

use crate::value::path::Path;
use corten_semantics::field::{FieldError, Mistake};
use serde_json::Value;

/// A value as a message shows it.
pub(crate) fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => format!("{text:?}"),
        Value::Number(number) => crate::value::shown_number(number),
        other => other.to_string(),
    }
}

pub(crate) fn error(path: String, mistake: Mistake, value: String, detail: impl Into<String>) -> FieldError {
    FieldError { path, mistake, value, detail: detail.into() }
}

/// The value is wrong.
pub(crate) fn invalid(path: String, value: &Value, detail: impl Into<String>) -> FieldError {
    error(path, Mistake::Invalid, shown(value), detail)
}

/// The value stands there twice.
pub(crate) fn duplicate(path: String, value: &Value) -> FieldError {
    error(path, Mistake::Duplicate, shown(value), "")
}

/// A value is missing.
pub(crate) fn required(path: &Path<'_>, detail: &str) -> FieldError {
    FieldError::required(path.text(), detail)
}
