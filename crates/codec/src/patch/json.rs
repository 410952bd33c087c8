//! JSON patch, bounded in the number of its operations.

use super::PatchError;
use serde_json::Value;

/// Upstream's bound on one patch.
const MOST_OPERATIONS: usize = 10_000;

/// Applies a list of operations to `document`, all or none.
pub fn apply_json_patch(document: &mut Value, patch: &[u8]) -> Result<(), PatchError> {
    let operations: Vec<Value> = serde_json::from_slice(patch)
        .map_err(|e| PatchError::Malformed(format!("error decoding patch: {e}")))?;
    if operations.len() > MOST_OPERATIONS {
        return Err(PatchError::Unprocessable(format!(
            "The allowed maximum operations in a JSON patch is {MOST_OPERATIONS}, got {}",
            operations.len()
        )));
    }
    let operations: json_patch::Patch = serde_json::from_value(Value::Array(operations))
        .map_err(|e| PatchError::Malformed(format!("error decoding patch: {e}")))?;
    json_patch::patch(document, &operations).map_err(|e| {
        PatchError::Unprocessable(format!(
            "the server rejected our request due to an error in our request: {e}"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn operations_apply_all_or_none() {
        let mut doc = json!({"a": 1, "l": [1, 2]});
        apply_json_patch(
            &mut doc,
            br#"[{"op":"replace","path":"/a","value":2},{"op":"add","path":"/l/-","value":3}]"#,
        )
        .expect("applies");
        assert_eq!(doc, json!({"a": 2, "l": [1, 2, 3]}));
        let before = doc.clone();
        let failed = apply_json_patch(
            &mut doc,
            br#"[{"op":"remove","path":"/a"},{"op":"test","path":"/l/0","value":9}]"#,
        );
        assert!(matches!(failed, Err(PatchError::Unprocessable(_))));
        assert_eq!(doc, before);
        assert!(matches!(apply_json_patch(&mut doc, b"{}"), Err(PatchError::Malformed(_))));
        assert!(matches!(apply_json_patch(&mut doc, br#"[{"op":"jump"}]"#), Err(PatchError::Malformed(_))));
    }
}
