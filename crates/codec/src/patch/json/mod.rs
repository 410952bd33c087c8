//! JSON patch (RFC 6902), as the library reads it that upstream uses, which is not always the RFC's way: to replace
//! what an object lacks adds it, an index below zero counts from the end, and what is missing equals null.

mod operation;
mod place;

use serde_json::Value;

use super::PatchError;
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
    match apply_all(document, operations) {
        Ok(()) => Ok(true),
        Err(Failure::Test(_)) => Ok(false),
        Err(Failure::Other(why)) => Err(why),
    }
}

fn apply_all(document: &mut Value, operations: &[Value]) -> Result<(), Failure> {
    if operations.len() > MOST_OPERATIONS {
        let asked = operations.len();
        return Err(Failure::Other(format!(
            "The allowed maximum operations in a JSON patch is {MOST_OPERATIONS}, got {asked}"
        )));
    }
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
