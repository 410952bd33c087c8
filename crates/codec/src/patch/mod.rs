//! The three patches that change a JSON document: JSON patch (RFC 6902), merge patch (RFC 7386) and
//! strategic merge patch, which reads lists' merge keys from the schema.

mod json;
mod merge;
mod strategic;

pub use json::{apply_json_patch, judge_json_patch, try_json_patch};
pub use merge::apply_merge_patch;
pub use strategic::apply_strategic_merge_patch;

use serde_json::{Map, Value};

/// Why a patch was not applied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatchError {
    /// The patch itself is not well-formed (400).
    #[error("{0}")]
    Malformed(String),
    /// The patch asks for too much (413).
    #[error("{0}")]
    TooLarge(String),
    /// The patch does not fit the document (422).
    #[error("{0}")]
    Unprocessable(String),
    /// Upstream's server reports it as a fault of its own (500).
    #[error("{0}")]
    Internal(String),
}

/// The fields of a patch that has to be an object; of null there are none.
fn fields(patch: Value) -> Result<Option<Map<String, Value>>, String> {
    let found = match patch {
        Value::Object(fields) => return Ok(Some(fields)),
        Value::Null => return Ok(None),
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
    };
    Err(format!("json: cannot unmarshal {found} into Go value of type map[string]interface {{}}"))
}
