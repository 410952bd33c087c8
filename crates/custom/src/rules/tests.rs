use super::{Change, Rules, evaluate};
use crate::testing::{props, schema};
use serde_json::{Value, json};

/// What the rules of a schema say of an object, and of a change of it.
fn found(of: &Value, new: &Value, old: Option<&Value>) -> (Vec<String>, Vec<String>) {
    let (table, root) = schema(of.clone());
    let root = table.at(root).expect("a schema");
    let rules = Rules::of(&props(of.clone()), true).expect("rules");
    let change = old.map_or(Change::NONE, |old| Change::update(new, old, root));
    let found = evaluate(&rules, root, "", new, change);
    let text = |errors: Vec<_>| errors.iter().map(ToString::to_string).collect();
    (text(found.errors), text(found.ratcheted))
}

fn spec(rules: &Value, properties: &Value) -> Value {
    json!({"type": "object", "properties": {
        "spec": {"type": "object", "x-kubernetes-validations": rules, "properties": properties}}})
}

#[test]
fn rules_find_what_is_wrong() {
    let numbers = json!({"a": {"type": "integer"}, "b": {"type": "integer"},
        "m": {"type": "object", "additionalProperties": {"type": "integer"}}});
    for (rule, want) in [
        (json!({"rule": "self.a < self.b"}), "spec: Invalid value: failed rule: self.a < self.b"),
        (json!({"rule": "self.a < self.b", "message": " less "}), "spec: Invalid value: less"),
        (
            json!({"rule": "self.a < self.b", "message": "less", "messageExpression": "'a is ' + string(self.a)"}),
            "spec: Invalid value: a is 3",
        ),
        (
            json!({"rule": "self.a < self.b", "message": "less", "messageExpression": "string(self.a/0)"}),
            "spec: Invalid value: less",
        ),
        (
            json!({"rule": "self.a < self.b", "reason": "FieldValueForbidden", "fieldPath": ".a"}),
            "spec.a: Forbidden: failed rule: self.a < self.b",
        ),
        (
            json!({"rule": "self.a < self.b", "reason": "FieldValueRequired", "fieldPath": ".m['x']"}),
            "spec.m[x]: Required value: failed rule: self.a < self.b",
        ),
        (json!({"rule": "self.a < self.b", "reason": "FieldValueDuplicate"}), "spec: Duplicate value"),
        (
            json!({"rule": "self.m['y'] == 1", "message": "y"}),
            "spec: Invalid value: \"object\": no such key: y evaluating rule: y",
        ),
    ] {
        let of = spec(&json!([rule]), &numbers);
        let (errors, _) = found(&of, &json!({"spec": {"a": 3, "b": 2, "m": {"x": 1}}}), None);
        assert_eq!(errors, [want], "{rule}");
        let (errors, _) = found(&of, &json!({"spec": {"a": 1, "b": 2, "m": {"y": 1}}}), None);
        assert!(errors.is_empty(), "{rule}: {errors:?}");
    }
}

#[test]
fn transitions_are_judged_where_there_is_a_past() {
    let list = json!({"list": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"],
        "items": {"type": "object", "properties": {"k": {"type": "string"}, "v": {"type": "integer",
            "x-kubernetes-validations": [{"rule": "self >= oldSelf", "message": "grows"}]}}}}});
    let of = spec(
        &json!([{"rule": "oldSelf.hasValue() || size(self.list) < 2", "optionalOldSelf": true, "message": "new"}]),
        &list,
    );
    let object = |items: Value| json!({"spec": {"list": items}});
    let item = |key: &str, value: i64| json!({"k": key, "v": value});
    for (new, old, want) in [
        (json!([item("a", 1)]), None, vec![]),
        (json!([item("a", 1), item("b", 1)]), None, vec!["spec: Invalid value: new"]),
        (json!([item("b", 1), item("a", 1)]), Some(json!([item("a", 1)])), vec![]),
        (
            json!([item("b", 1), item("a", 0)]),
            Some(json!([item("a", 1)])),
            vec!["spec.list[1].v: Invalid value: 0: grows"],
        ),
    ] {
        let (errors, _) = found(&of, &object(new.clone()), old.map(object).as_ref());
        assert_eq!(errors, want, "{new}");
    }
}

#[test]
fn what_stays_as_it_was_is_only_told() {
    let of = spec(
        &json!([]),
        &json!({"a": {"type": "string", "x-kubernetes-validations": [{"rule": "self == 'good'", "message": "bad"}]},
            "other": {"type": "integer"},
            "list": {"type": "array", "items": {"type": "integer", "x-kubernetes-validations": [{"rule": "self > 0"}]}}}),
    );
    let old = json!({"spec": {"a": "was", "other": 1, "list": [-1]}});
    for (new, errors, told) in [
        (json!({"a": "was", "other": 2}), vec![], vec!["spec.a: Invalid value: \"was\": bad"]),
        (json!({"a": "is", "other": 2}), vec!["spec.a: Invalid value: \"is\": bad"], vec![]),
        (json!({"list": [-1]}), vec![], vec!["spec.list[0]: Invalid value: -1: failed rule: self > 0"]),
        (json!({"list": [-1, 1]}), vec!["spec.list[0]: Invalid value: -1: failed rule: self > 0"], vec![]),
    ] {
        let got = found(&of, &json!({"spec": new}), Some(&old));
        assert_eq!(
            got,
            (
                errors.iter().map(ToString::to_string).collect(),
                told.iter().map(ToString::to_string).collect()
            ),
            "{new}"
        );
    }
}

#[test]
fn what_costs_too_much_ends_it() {
    let of = spec(
        &json!([
            {"rule": "self.list.all(a, self.list.all(b, self.list.all(c, a + b + c != 3)))", "message": "slow"},
            {"rule": "false", "message": "never asked"}]),
        &json!({"list": {"type": "array", "items": {"type": "integer"}}}),
    );
    let list: Vec<i64> = (10..400).collect();
    let (errors, _) = found(&of, &json!({"spec": {"list": list}}), None);
    let want = "spec: Invalid value: \"object\": 'operation cancelled: actual cost limit exceeded': no further validation rules will be run due to call cost exceeds limit for rule: slow";
    assert_eq!(errors, [want]);
}
