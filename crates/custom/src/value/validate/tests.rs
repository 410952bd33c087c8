use super::*;
use crate::testing::schema;
use serde_json::json;

fn told(of: &serde_json::Value, value: &Value, old: Option<&Value>) -> Vec<String> {
    let (table, root) = schema(of.clone());
    let old = old.map_or(Old::Unknown, Old::Was);
    let root = table.at(root).expect("a schema");
    validate("", value, old, root).iter().map(ToString::to_string).collect()
}

/// A schema whose field `x` is `of`.
fn field(of: serde_json::Value) -> serde_json::Value {
    json!({"type": "object", "properties": {"spec": {"type": "object", "properties": {"x": of}}}})
}

#[test]
fn values_are_judged_in_upstreams_words() {
    for (of, value, want) in [
        (
            json!({"type": "integer"}),
            json!("a"),
            r#"spec.x: Invalid value: "string": spec.x in body must be of type integer: "string""#,
        ),
        (
            json!({"type": "integer"}),
            json!(1.5),
            r#"spec.x: Invalid value: "number": spec.x in body must be of type integer: "number""#,
        ),
        (json!({"type": "integer"}), json!(2.0), ""),
        (json!({"type": "number"}), json!(2), ""),
        (
            json!({"type": "string"}),
            json!(null),
            r#"spec.x: Invalid value: "null": spec.x in body must be of type string: "null""#,
        ),
        (json!({"type": "string", "nullable": true}), json!(null), ""),
        (
            json!({"type": "string"}),
            json!({}),
            r#"spec.x: Invalid value: "object": spec.x in body must be of type string: "object""#,
        ),
        (
            json!({"x-kubernetes-int-or-string": true}),
            json!(true),
            r#"spec.x: Invalid value: "boolean": spec.x in body must be of type integer,string: "boolean""#,
        ),
        (json!({"x-kubernetes-int-or-string": true}), json!("a"), ""),
        (
            json!({"type": "string", "enum": ["a", "b"]}),
            json!("c"),
            r#"spec.x: Unsupported value: "c": supported values: "a", "b""#,
        ),
        (
            json!({"type": "integer", "enum": [1, 2]}),
            json!(3),
            r#"spec.x: Unsupported value: 3: supported values: "1", "2""#,
        ),
        (
            json!({"type": "string", "maxLength": 2}),
            json!("abc"),
            "spec.x: Too long: may not be more than 2 bytes",
        ),
        (
            json!({"type": "string", "minLength": 4}),
            json!("abc"),
            r#"spec.x: Invalid value: "abc": spec.x in body should be at least 4 chars long"#,
        ),
        (
            json!({"type": "string", "pattern": "^b"}),
            json!("abc"),
            r#"spec.x: Invalid value: "abc": spec.x in body should match '^b'"#,
        ),
        (
            json!({"type": "string", "format": "ipv4"}),
            json!("abc"),
            r#"spec.x: Invalid value: "abc": spec.x in body must be of type ipv4: "abc""#,
        ),
        (
            json!({"type": "integer", "format": "int32", "maximum": 3}),
            json!(4),
            "spec.x: Invalid value: 4: spec.x in body should be less than or equal to 3",
        ),
        (
            json!({"type": "integer", "minimum": 3, "exclusiveMinimum": true}),
            json!(3),
            "spec.x: Invalid value: 3: spec.x in body should be greater than 3",
        ),
        (
            json!({"type": "number", "maximum": 0.5}),
            json!(0.75),
            "spec.x: Invalid value: 0.75: spec.x in body should be less than or equal to 0.5",
        ),
        (
            json!({"type": "integer", "multipleOf": 5}),
            json!(7),
            "spec.x: Invalid value: 7: spec.x in body should be a multiple of 5",
        ),
        (
            json!({"type": "array", "maxItems": 1, "items": {"type": "string"}}),
            json!(["a", "b"]),
            "spec.x: Too many: 2: must have at most 1 items",
        ),
        (
            json!({"type": "array", "minItems": 1, "items": {"type": "string"}}),
            json!([]),
            "spec.x: Invalid value: 0: spec.x in body should have at least 1 items",
        ),
        (
            json!({"type": "array", "items": {"type": "string"}}),
            json!(["a", 1]),
            r#"spec.x[1]: Invalid value: "integer": spec.x[1] in body must be of type string: "integer""#,
        ),
        (
            json!({"type": "object", "maxProperties": 1, "additionalProperties": {"type": "string"}}),
            json!({"a": "", "b": ""}),
            "spec.x: Too many: 2: must have at most 1 items",
        ),
        (
            json!({"type": "object", "additionalProperties": {"type": "string"}}),
            json!({"a": 1}),
            r#"spec.x.a: Invalid value: "integer": spec.x.a in body must be of type string: "integer""#,
        ),
        (json!({"type": "object", "required": ["a"]}), json!({}), "spec.x.a: Required value"),
        (
            json!({"type": "string", "not": {"enum": ["a"]}}),
            json!("a"),
            r#"<nil>: Invalid value: "": "spec.x" must not validate the schema (not)"#,
        ),
        (
            json!({"type": "string", "oneOf": [{"pattern": "a"}, {"pattern": "b"}]}),
            json!("ab"),
            r#"<nil>: Invalid value: "": "spec.x" must validate one and only one schema (oneOf). Found 2 valid alternatives"#,
        ),
    ] {
        let got = told(&field(of), &json!({"spec": {"x": value}}), None);
        assert_eq!(got.join("; "), want);
    }
}

#[test]
fn of_alternatives_the_nearest_is_told() {
    let of = field(json!({"type": "object", "anyOf": [
        {"required": ["a"]}, {"required": ["b"], "properties": {"b": {"minimum": 3}}}],
        "properties": {"a": {"type": "string"}, "b": {"type": "integer"}}}));
    let got = told(&of, &json!({"spec": {"x": {"b": 1}}}), None);
    assert_eq!(
        got,
        [
            r#"<nil>: Invalid value: "": "spec.x" must validate at least one schema (anyOf)"#,
            "spec.x.b: Invalid value: 1: spec.x.b in body should be greater than or equal to 3"
        ]
    );
}

#[test]
fn what_did_not_change_may_stay_wrong() {
    let of = json!({"type": "object", "properties": {
        "a": {"type": "integer"},
        "map": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"],
            "items": {"type": "object", "properties": {"k": {"type": "string"}, "v": {"type": "integer"}}}},
        "list": {"type": "array", "items": {"type": "integer"}}}});
    let old = json!({"a": "x", "map": [{"k": "1", "v": "bad"}, {"k": "2"}], "list": ["bad", 1]});
    assert_eq!(told(&of, &old, Some(&old)), [""; 0]);
    let moved = json!({"a": "x", "map": [{"k": "2"}, {"k": "1", "v": "bad"}], "list": ["bad", 1]});
    assert_eq!(told(&of, &moved, Some(&old)), [""; 0]);
    let changed = json!({"a": "y", "map": [{"k": "1", "v": "worse"}], "list": ["bad", 2]});
    assert_eq!(told(&of, &changed, Some(&old)).len(), 3);
}
