use serde_json::json;

use super::*;

#[test]
fn operations_apply_as_upstreams() {
    let from = json!({"a": 1, "l": [1, 2], "n": null, "o": {"x/y~z": {"b": true}}});
    let table: &[(Value, Result<Value, &str>)] = &[
        (json!([]), Ok(from.clone())),
        (
            json!([{"op": "replace", "path": "/a", "value": 2}, {"op": "add", "path": "/l/-", "value": 3}]),
            Ok(json!({"a": 2, "l": [1, 2, 3], "n": null, "o": {"x/y~z": {"b": true}}})),
        ),
        // To replace what is not there adds it.
        (
            json!([{"op": "replace", "path": "/o", "value": {}}, {"op": "replace", "path": "/o/new", "value": 1}]),
            Ok(json!({"a": 1, "l": [1, 2], "n": null, "o": {"new": 1}})),
        ),
        (
            json!([{"op": "replace", "path": "/l/2", "value": 1}]),
            Err("replace operation does not apply: doc is missing key: /l/2: missing value"),
        ),
        // Below zero from the end.
        (
            json!([{"op": "add", "path": "/l/-1", "value": 3}, {"op": "remove", "path": "/l/-3"}]),
            Ok(json!({"a": 1, "l": [2, 3], "n": null, "o": {"x/y~z": {"b": true}}})),
        ),
        (
            json!([{"op": "remove", "path": "/l/-3"}]),
            Err(
                "error in remove for path: '/l/-3': Unable to access invalid index: -3: invalid index referenced",
            ),
        ),
        (
            json!([{"op": "add", "path": "/l/x", "value": 3}]),
            Err(
                "error in add for path: '/l/x': value was not a proper array index: 'x': strconv.Atoi: parsing \"x\": invalid syntax",
            ),
        ),
        (
            json!([{"op": "move", "from": "/o/x~1y~0z/b", "path": "/b"}, {"op": "remove", "path": "/l"}]),
            Ok(json!({"a": 1, "b": true, "n": null, "o": {"x/y~z": {}}})),
        ),
        (
            json!([{"op": "move", "from": "/none", "path": "/b"}]),
            Err("error in move for path: 'none': Unable to remove nonexistent key: none: missing value"),
        ),
        // A copy of nothing is null, and so is what is not said.
        (
            json!([{"op": "copy", "from": "/none", "path": "/a"}, {"op": "add", "path": "/l/0"}, {"op": "remove", "path": "/o"}]),
            Ok(json!({"a": null, "l": [null, 1, 2], "n": null})),
        ),
        (
            json!([{"op": "test", "path": "/n"}, {"op": "test", "path": "/none", "value": null}, {"op": "remove", "path": "/o"}]),
            Ok(json!({"a": 1, "l": [1, 2], "n": null})),
        ),
        (
            json!([{"op": "remove", "path": "/a"}, {"op": "test", "path": "/l/0", "value": 9}]),
            Err("testing value /l/0 failed: test failed"),
        ),
        (
            json!([{"op": "add", "path": "/x/y", "value": 1}]),
            Err("add operation does not apply: doc is missing path: \"/x/y\": missing value"),
        ),
        (json!([{"op": "replace", "path": "", "value": [1]}]), Ok(json!([1]))),
        (
            json!([{"op": "replace", "path": "", "value": 1}]),
            Err("replace operation value must be object or array"),
        ),
        (json!([{"op": "jump", "path": "/a"}]), Err("Unexpected kind: jump")),
        (json!([null]), Err("Unexpected kind: unknown")),
        (json!([{"op": "add"}]), Err("add operation failed to decode path: missing value")),
    ];
    for (patch, expected) in table {
        let mut document = from.clone();
        let outcome = apply_json_patch(&mut document, patch.to_string().as_bytes());
        match expected {
            Ok(after) => assert_eq!((outcome, &document), (Ok(()), after), "{patch}"),
            Err(why) => {
                assert_eq!(outcome, Err(PatchError::Unprocessable((*why).to_owned())), "{patch}");
                assert_eq!(document, from, "all or none: {patch}");
            }
        }
    }
}

#[test]
fn what_is_no_list_of_operations_is_malformed() {
    for patch in ["{}", "[1]", "[[]]", "", "[{]"] {
        let outcome = apply_json_patch(&mut json!({}), patch.as_bytes());
        assert!(matches!(outcome, Err(PatchError::Malformed(_))), "{patch}");
    }
}

#[test]
fn copies_do_not_grow_without_bounds() {
    let doubles = |n| json!({"op": "copy", "from": "/a", "path": format!("/a/{n}")});
    let double: Vec<Value> = (0..60).map(doubles).collect();
    let outcome = try_json_patch(&mut json!({"a": {"b": "0123456789"}}), &double);
    let why = outcome.expect_err("more than there is room for");
    assert!(why.starts_with("Unable to complete the copy"), "{why}");
}

#[test]
fn a_test_that_fails_is_no_error_of_an_expression() {
    let mut document = json!({"a": 1});
    let table = [
        (json!({"op": "test", "path": "/a", "value": 9}), Ok(false)),
        (json!({"op": "test", "path": "/b", "value": 9}), Ok(false)),
        (json!({"op": "test", "path": "/a", "value": 1}), Ok(true)),
        (
            json!({"op": "test", "path": "/b/c", "value": 9}),
            Err("test operation does not apply: is missing path: /b/c: missing value".to_owned()),
        ),
    ];
    for (test, expected) in table {
        assert_eq!(try_json_patch(&mut document, std::slice::from_ref(&test)), expected, "{test}");
    }
    assert_eq!(document, json!({"a": 1}));
}
