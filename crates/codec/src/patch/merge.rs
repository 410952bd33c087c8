//! Merge patch, as the library that upstream uses has it (github.com/evanphx/json-patch).

use super::{PatchError, fields};
use serde_json::Value;

/// Merges `patch`, an object, into `document`: objects key by key, null removes, all else replaces.
///
/// # Errors
/// The patch is no object.
pub fn apply_merge_patch(document: &mut Value, patch: Value) -> Result<(), PatchError> {
    let refused = |why: String| PatchError::Malformed(format!("error decoding patch: {why}"));
    match fields(patch).map_err(refused)? {
        Some(patch) => merge(document, Value::Object(patch)),
        None => return Err(PatchError::Malformed("Invalid JSON Patch".to_string())),
    }
    Ok(())
}

fn merge(document: &mut Value, patch: Value) {
    match (document, patch) {
        (Value::Object(map), Value::Object(changes)) => {
            for (key, change) in changes {
                match map.get_mut(&key) {
                    _ if change.is_null() => {
                        map.remove(&key);
                    }
                    Some(there) if !there.is_null() => merge(there, change),
                    _ => {
                        map.insert(key, without_nulls(change));
                    }
                }
            }
        }
        (document @ Value::Object(_), patch) => *document = patch,
        (document, patch) => *document = without_nulls(patch),
    }
}

/// What is put where nothing was has no keys to remove, not even inside of lists.
fn without_nulls(mut value: Value) -> Value {
    match &mut value {
        Value::Object(map) => {
            map.retain(|_, value| !value.is_null());
            map.values_mut().for_each(|value| *value = without_nulls(value.take()));
        }
        Value::Array(list) => list.iter_mut().for_each(|value| *value = without_nulls(value.take())),
        _ => {}
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn merges_as_rfc_7386_says() {
        for (mut doc, patch, want) in [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b"}), json!({"a": null}), json!({})),
            (json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}})),
            (json!({"a": [1]}), json!({"a": [2]}), json!({"a": [2]})),
            (json!({}), json!({"a": {"b": {"c": null}}}), json!({"a": {"b": {}}})),
            (json!([1]), json!({"a": 1}), json!({"a": 1})),
            (json!({"a": 1}), json!({"a": [null, {"b": null, "c": 1}]}), json!({"a": [null, {"c": 1}]})),
            (json!({}), json!({"a": [[{"b": null}]]}), json!({"a": [[{}]]})),
            (json!({"a": {}}), json!({"a": [{"b": null}]}), json!({"a": [{"b": null}]})),
            (json!({"a": null}), json!({"a": {"b": null}}), json!({"a": {}})),
        ] {
            apply_merge_patch(&mut doc, patch).expect("merged");
            assert_eq!(doc, want);
        }
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for (patch, want) in [
            (json!(null), "Invalid JSON Patch"),
            (
                json!([]),
                "error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}",
            ),
            (
                json!("a"),
                "error decoding patch: json: cannot unmarshal string into Go value of type map[string]interface {}",
            ),
        ] {
            let mut document = json!({"a": 1});
            let refused = apply_merge_patch(&mut document, patch).expect_err("refused");
            assert_eq!(refused, PatchError::Malformed(want.to_string()));
            assert_eq!(document, json!({"a": 1}));
        }
    }
}
