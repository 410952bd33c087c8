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

/// The same for operations that an expression made: whether all tests among them held; if not, nothing is done.
///
/// # Errors
/// In the words of the library that upstream uses.
pub fn try_json_patch(document: &mut Value, operations: &[Value]) -> Result<bool, String> {
    if operations.len() > MOST_OPERATIONS {
        return Err(format!(
            "The allowed maximum operations in a JSON patch is {MOST_OPERATIONS}, got {}",
            operations.len()
        ));
    }
    let mut read = Vec::with_capacity(operations.len());
    for operation in operations {
        let parsed = serde_json::from_value::<json_patch::PatchOperation>(operation.clone());
        read.push(
            parsed.map_err(|_| format!("Unexpected kind: {}", operation["op"].as_str().unwrap_or("")))?,
        );
    }
    match json_patch::patch(document, &read) {
        Ok(()) => Ok(true),
        Err(error) if matches!(error.kind, json_patch::PatchErrorKind::TestFailed) => Ok(false),
        Err(error) => {
            let operation = &operations[error.operation];
            // What is not there is not as it should be, if it could be there.
            let path = operation["path"].as_str().unwrap_or_default();
            let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
            let tests = operation["op"] == "test" && document.pointer(parent).is_some();
            if tests { Ok(false) } else { Err(why(operation)) }
        }
    }
}

/// Why an operation does not apply.
fn why(operation: &Value) -> String {
    let text = |name: &str| operation[name].as_str().unwrap_or_default();
    let (op, path) = (text("op"), text("path"));
    match op {
        "replace" => format!("replace operation does not apply: doc is missing key: {path}: missing value"),
        "remove" => {
            let key = path.rsplit('/').next().unwrap_or_default();
            format!(
                "error in remove for path: '{path}': Unable to remove nonexistent key: {key}: missing value"
            )
        }
        "move" | "copy" => {
            let from = text("from");
            format!("{op} operation does not apply: doc is missing from path: {from}: missing value")
        }
        op => format!("{op} operation does not apply: doc is missing path: {path:?}: missing value"),
    }
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
        let test = json!({"op": "test", "path": "/a", "value": 9});
        let add = json!({"op": "add", "path": "/x/y", "value": 1});
        assert_eq!(try_json_patch(&mut doc, &[json!({"op": "remove", "path": "/a"}), test]), Ok(false));
        assert_eq!(
            try_json_patch(&mut doc, std::slice::from_ref(&add)),
            Err("add operation does not apply: doc is missing path: \"/x/y\": missing value".into())
        );
        let jump = json!({"op": "jump", "path": "/a"});
        assert_eq!(try_json_patch(&mut doc, &[jump]), Err("Unexpected kind: jump".into()));
        assert_eq!(doc, before);
        assert!(matches!(apply_json_patch(&mut doc, b"{}"), Err(PatchError::Malformed(_))));
        assert!(matches!(apply_json_patch(&mut doc, br#"[{"op":"jump"}]"#), Err(PatchError::Malformed(_))));
    }
}
