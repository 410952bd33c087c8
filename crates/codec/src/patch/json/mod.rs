//! JSON patch (RFC 6902), as the library reads it that upstream uses, which is not always the RFC's way: to replace
//! what an object lacks adds it, an index below zero counts from the end, and what is missing equals null.

mod operation;
mod place;

use std::collections::BTreeMap;

use serde::de::IgnoredAny;
use serde_json::Value;
use serde_json::value::RawValue;

use super::PatchError;
use crate::json::find_duplicates;
use crate::quote::quoted;
use crate::{DecodeError, Problems};
use operation::{Budget, Failure};

/// Upstream's bound on one patch.
const MOST_OPERATIONS: usize = 10_000;

/// Applies a list of operations to `document`, all or none.
///
/// # Errors
/// When the patch is no list of operations, too long, or does not fit the document.
pub fn apply_json_patch(document: &mut Value, patch: &[u8]) -> Result<(), PatchError> {
    let operations: Vec<Value> = serde_json::from_slice(patch)
        .map_err(|e| PatchError::Malformed(format!("error decoding patch: {e}")))?;
    if let Some(other) = operations.iter().find(|operation| !operation.is_object() && !operation.is_null()) {
        return Err(PatchError::Malformed(format!("error decoding patch: {other} is no operation")));
    }
    if let Some(why) = too_many(&operations) {
        return Err(PatchError::TooLarge(why));
    }
    match apply_all(document, &operations) {
        Ok(()) => Ok(()),
        Err(Failure::Test(why) | Failure::Other(why)) => Err(PatchError::Unprocessable(why)),
    }
}

/// The same for operations that an expression made: whether all tests among them held; if not, nothing is done.
///
/// # Errors
/// In the words of the library that upstream uses.
pub fn try_json_patch(document: &mut Value, operations: &[Value]) -> Result<bool, String> {
    if let Some(why) = too_many(operations) {
        return Err(why);
    }
    match apply_all(document, operations) {
        Ok(()) => Ok(true),
        Err(Failure::Test(_)) => Ok(false),
        Err(Failure::Other(why)) => Err(why),
    }
}

fn too_many(operations: &[Value]) -> Option<String> {
    let asked = operations.len();
    (asked > MOST_OPERATIONS)
        .then(|| format!("The allowed maximum operations in a JSON patch is {MOST_OPERATIONS}, got {asked}"))
}

/// What strict reading finds in a patch: members of operations that it does not know, or that stand twice.
///
/// # Errors
/// When the patch is no list of operations.
pub fn judge_json_patch(patch: &[u8], problems: &mut Problems) -> Result<(), DecodeError> {
    const KNOWN: [&str; 4] = ["op", "path", "from", "value"];
    let operations: Vec<&RawValue> =
        serde_json::from_slice(patch).map_err(|e| DecodeError::Syntax(e.to_string()))?;
    for (at, operation) in operations.into_iter().enumerate() {
        let members: Option<BTreeMap<String, IgnoredAny>> = serde_json::from_str(operation.get()).ok();
        for unknown in members.iter().flat_map(BTreeMap::keys).filter(|name| !KNOWN.contains(&name.as_str()))
        {
            problems.add(format!("json patch unknown field {}", quoted(&format!("[{at}].{unknown}"))));
        }
        let mut twice = Problems::strict();
        find_duplicates(operation.get().as_bytes(), &mut twice)?;
        for found in twice.found() {
            problems.add(format!("json patch {}", found.replacen('"', &format!("\"[{at}]."), 1)));
        }
    }
    Ok(())
}

fn apply_all(document: &mut Value, operations: &[Value]) -> Result<(), Failure> {
    let mut changed = document.clone();
    let mut budget = Budget::default();
    for operation in operations {
        operation::apply(&mut changed, operation, &mut budget)?;
    }
    *document = changed;
    Ok(())
}

#[cfg(test)]
mod tests;
