//! The cases of upstream's structured-merge-diff (`merge/*_test.go`), told anew.

use super::*;

fn leaves() -> Scene {
    Scene::new(json!({"type": "object", "properties": {
        "string": {"type": "string"}, "numeric": {"type": "integer"}, "bool": {"type": "boolean"}}}))
}

fn sets() -> Scene {
    Scene::new(json!({"type": "object", "properties": {
        "list": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}}}}))
}

/// Ports with a key that has a default, in an item with a name.
fn ports() -> Scene {
    let port = json!({"type": "object", "properties": {
        "port": {"type": "integer"}, "protocol": {"type": "string", "default": "TCP"},
        "name": {"type": "string"}}});
    let ports = json!({"type": "array", "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["port", "protocol"], "items": port});
    Scene::new(json!({"type": "object", "properties": {"ports": ports}}))
}

fn nested() -> Scene {
    let item = json!({"type": "object", "properties": {
        "name": {"type": "string"}, "value": {"type": "integer"},
        "labels": {"type": "object", "additionalProperties": {"type": "string"}}}});
    let list = json!({"type": "array", "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["name"], "items": item});
    Scene::new(json!({"type": "object", "properties": {
        "list": list,
        "map": {"type": "object", "additionalProperties": {"type": "string"}},
        "whole": {"type": "object", "x-kubernetes-map-type": "atomic",
            "additionalProperties": {"type": "string"}},
        "items": {"type": "array", "items": {"type": "string"}},
        "struct": {"type": "object", "properties": {
            "a": {"type": "string"}, "map": {"type": "object", "additionalProperties": {"type": "integer"}}}}}}))
}

#[test]
fn leaves_are_taken_shared_and_fought_for() {
    let mut s = leaves();
    s.apply("one", json!({"numeric": 1, "string": "a"}));
    s.holds(json!({"numeric": 1, "string": "a"}), &["one+ .numeric .string"]);
    // The same value is shared.
    s.apply("two", json!({"numeric": 1}));
    s.holds(json!({"numeric": 1, "string": "a"}), &["one+ .numeric .string", "two+ .numeric"]);
    let why = s.refused("two", json!({"numeric": 2, "string": "b"}));
    assert_eq!(why, "Apply failed with 2 conflicts: conflicts with \"one\":\n- .numeric\n- .string");
    s.force("two", json!({"numeric": 2}));
    s.holds(json!({"numeric": 2, "string": "a"}), &["one+ .string", "two+ .numeric"]);
    // Who gives something up takes it away, unless somebody else has it.
    s.apply("two", json!({"bool": true}));
    s.holds(json!({"bool": true, "string": "a"}), &["one+ .string", "two+ .bool"]);
    s.apply("one", json!({}));
    s.holds(json!({"bool": true}), &["two+ .bool"]);
}

#[test]
fn updates_win_and_are_told_by_name_and_version() {
    let mut s = leaves();
    s.apply("one", json!({"numeric": 1, "string": "a"}));
    s.update("ctl", json!({"numeric": 1, "string": "b", "bool": true}));
    s.holds(json!({"numeric": 1, "string": "b", "bool": true}), &["ctl .bool .string", "one+ .numeric"]);
    let why = s.refused("one", json!({"numeric": 1, "string": "a"}));
    assert_eq!(why, "Apply failed with 1 conflict: conflict with \"ctl\" using v1: .string");
    // What an update removes belongs to nobody.
    s.update("ctl", json!({"string": "b", "bool": true}));
    s.holds(json!({"string": "b", "bool": true}), &["ctl .bool .string"]);
    s.update("other", json!({"string": "b", "bool": false}));
    s.holds(json!({"string": "b", "bool": false}), &["ctl .string", "other .bool"]);
}

#[test]
fn explicit_nulls_are_owned() {
    let mut s = leaves();
    s.apply("one", json!({"string": null}));
    s.holds(json!({"string": null}), &["one+ .string"]);
    s.apply("one", json!({"string": "a"}));
    s.apply("two", json!({"string": "a"}));
    s.apply("one", json!({"numeric": 1}));
    s.holds(json!({"numeric": 1, "string": "a"}), &["one+ .numeric", "two+ .string"]);
}

#[test]
fn sets_are_shared_item_by_item() {
    let mut s = sets();
    s.apply("one", json!({"list": ["a", "c"]}));
    s.apply("two", json!({"list": ["b", "c"]}));
    s.holds(
        json!({"list": ["a", "b", "c"]}),
        &["one+ .list[=\"a\"] .list[=\"c\"]", "two+ .list[=\"b\"] .list[=\"c\"]"],
    );
    s.apply("one", json!({"list": ["a"]}));
    s.holds(json!({"list": ["a", "b", "c"]}), &["one+ .list[=\"a\"]", "two+ .list[=\"b\"] .list[=\"c\"]"]);
    s.apply("two", json!({"list": ["b"]}));
    s.holds(json!({"list": ["a", "b"]}), &["one+ .list[=\"a\"]", "two+ .list[=\"b\"]"]);
    let why = s.refused("two", json!({"list": ["b", "b"]}));
    assert_eq!(why, "failed to create typed patch object (new): .list: duplicate entries for key [=\"b\"]");
}

#[test]
fn the_applied_order_rules_and_the_rest_keeps_its_place() {
    for (live, config, want) in [
        (json!(["a", "b", "c"]), json!(["c", "a"]), json!(["b", "c", "a"])),
        (json!(["a", "b", "c"]), json!(["x", "b"]), json!(["a", "x", "b", "c"])),
        (json!(["a", "b"]), json!(["c"]), json!(["a", "b", "c"])),
        (json!(["a", "b", "c", "d"]), json!(["d", "b"]), json!(["a", "c", "d", "b"])),
    ] {
        let mut s = sets();
        s.update("ctl", json!({"list": live})).force("one", json!({"list": config}));
        assert_eq!(s.live["list"], want, "{config}");
    }
}

#[test]
fn what_is_twice_in_a_stored_set_is_owned_as_a_whole() {
    let mut s = sets();
    s.update("ctl", json!({"list": ["a", "b", "b"]}));
    s.holds(json!({"list": ["a", "b", "b"]}), &["ctl .list .list[=\"a\"] .list[=\"b\"]"]);
    s.force("one", json!({"list": ["a", "c"]}));
    assert_eq!(s.live["list"], json!(["a", "b", "b", "c"]));
    s.force("one", json!({"list": ["b"]}));
    assert_eq!(s.live["list"], json!(["a", "b"]));
}

#[test]
fn keys_with_defaults_name_items() {
    let mut s = ports();
    s.apply("one", json!({"ports": [{"port": 80}]}));
    s.holds(
        json!({"ports": [{"port": 80}]}),
        &["one+ .ports[port=80,protocol=\"TCP\"] .ports[port=80,protocol=\"TCP\"].port"],
    );
    // The same item, its key said.
    s.apply("one", json!({"ports": [{"port": 80, "protocol": "TCP"}, {"port": 80, "protocol": "UDP"}]}));
    assert_eq!(s.live, json!({"ports": [{"port": 80, "protocol": "TCP"}, {"port": 80, "protocol": "UDP"}]}));
    let why = s.refused("one", json!({"ports": [{"port": 80}, {"port": 80, "protocol": "TCP"}]}));
    assert_eq!(
        why,
        "failed to create typed patch object (new): .ports: duplicate entries for key [port=80,protocol=\"TCP\"]"
    );
}

#[test]
fn items_go_with_their_last_owner() {
    let mut s = nested();
    s.apply("one", json!({"list": [{"name": "a", "value": 1}, {"name": "b"}]}));
    s.apply("two", json!({"list": [{"name": "a", "labels": {"x": "y"}}]}));
    s.apply("one", json!({"list": [{"name": "b"}]}));
    s.holds(
        json!({"list": [{"name": "a", "labels": {"x": "y"}}, {"name": "b"}]}),
        &[
            "one+ .list[name=\"b\"] .list[name=\"b\"].name",
            "two+ .list[name=\"a\"] .list[name=\"a\"].labels.x .list[name=\"a\"].name",
        ],
    );
    s.apply("two", json!({}));
    s.holds(json!({"list": [{"name": "b"}]}), &["one+ .list[name=\"b\"] .list[name=\"b\"].name"]);
}

#[test]
fn what_controllers_put_below_an_item_goes_with_it() {
    let mut s = nested();
    s.apply("one", json!({"list": [{"name": "a"}, {"name": "b"}]}));
    s.update("ctl", json!({"list": [{"name": "a", "value": 7}, {"name": "b"}]}));
    s.apply("one", json!({"list": [{"name": "b"}]}));
    s.holds(json!({"list": [{"name": "b"}]}), &["one+ .list[name=\"b\"] .list[name=\"b\"].name"]);
}

#[test]
fn maps_are_merged_and_whole_ones_replaced() {
    let mut s = nested();
    s.apply("one", json!({"map": {"a": "1"}, "whole": {"a": "1"}, "items": ["x"]}));
    s.holds(json!({"map": {"a": "1"}, "whole": {"a": "1"}, "items": ["x"]}), &["one+ .items .map.a .whole"]);
    s.apply("two", json!({"map": {"b": "2"}}));
    assert_eq!(s.live["map"], json!({"a": "1", "b": "2"}));
    let why = s.refused("two", json!({"whole": {"b": "2"}}));
    assert_eq!(why, "Apply failed with 1 conflict: conflict with \"one\": .whole");
    s.force("two", json!({"whole": {"b": "2"}, "items": ["y", "y"]}));
    s.holds(
        json!({"map": {"a": "1"}, "whole": {"b": "2"}, "items": ["y", "y"]}),
        &["one+ .map.a", "two+ .items .whole"],
    );
}

#[test]
fn empty_maps_are_owned_until_something_is_in_them() {
    let mut s = nested();
    s.apply("one", json!({"struct": {}}));
    s.holds(json!({"struct": {}}), &["one+ .struct"]);
    s.apply("one", json!({"struct": {"map": {"a": 1}}}));
    s.apply("two", json!({"struct": {"map": {"b": 2}}}));
    s.apply("one", json!({}));
    s.holds(json!({"struct": {"map": {"b": 2}}}), &["two+ .struct.map.b"]);
    s.apply("two", json!({}));
    assert_eq!(s.live, Value::Null);
}

#[test]
fn a_version_that_is_gone_takes_its_owners_along() {
    let mut s = leaves();
    s.apply_in("v1", "one", json!({"numeric": 1}), false).expect("applies");
    s.apply_in("v2", "two", json!({"string": "a"}), false).expect("applies");
    s.versions = &["v2"];
    s.apply_in("v2", "two", json!({"string": "b", "numeric": 2}), false).expect("nobody minds");
    s.holds(json!({"string": "b", "numeric": 2}), &["two+ .numeric .string"]);
}

#[test]
fn one_who_applies_in_another_version_stays_the_same() {
    let mut s = leaves();
    s.apply_in("v1", "one", json!({"numeric": 1, "string": "a"}), false).expect("applies");
    s.apply_in("v2", "one", json!({"string": "a"}), false).expect("applies");
    s.holds(json!({"string": "a"}), &["one+ .string"]);
    assert_eq!(s.managed.managers[0].version, "v2");
}

#[test]
fn fields_out_of_reach_are_neither_owned_nor_fought_for() {
    let mut s = nested();
    s.reset = Reset::Except(&[&["struct"], &["map", "a"]]);
    s.apply("one", json!({"struct": {"a": "x"}, "map": {"a": "1", "b": "2"}}));
    assert_eq!(s.owners(), ["one+ .map.b"]);
    s.update("ctl", json!({"struct": {"a": "y"}, "map": {"a": "1", "b": "3"}}));
    assert_eq!(s.owners(), ["ctl .map.b"]);
    s.reset = Reset::Only(&[&["list", "*", "value"]]);
    s.update("two", json!({"struct": {"a": "z"}, "list": [{"name": "a", "value": 1}]}));
    assert_eq!(s.owners(), ["ctl .map.b", "two .list .list[name=\"a\"] .list[name=\"a\"].value"]);
}

#[test]
fn misfits_are_told_as_upstream_tells_them() {
    let mut s = nested();
    for (config, want) in [
        (json!({"nope": 1}), ".nope: field not declared in schema"),
        (
            json!({"struct": {"a": {"b": 1}}}),
            ".struct.a: expected string, got &value.valueUnstructured{Value:map[string]interface {}{\"b\":1}}",
        ),
        (
            json!({"struct": {"map": {"x": "1"}}}),
            ".struct.map.x: expected numeric (int or float), got string",
        ),
        (json!({"list": {"a": 1}}), ".list: expected list, got &{map[a:1]}"),
        (json!({"map": ["a"]}), ".map: expected map, got &{[a]}"),
        (
            json!({"list": [{"value": 1}]}),
            ".list: element 0: associative list with keys has an element that omits all key fields [\"name\"] (and doesn't have default values for any key fields)",
        ),
        (json!({"list": [null]}), ".list: element 0: associative list with keys may not have a null element"),
        (
            json!({"map": {"a": 1}, "nope": 1}),
            "errors:\n  .map.a: expected string, got &value.valueUnstructured{Value:1}\n  .nope: field not declared in schema",
        ),
    ] {
        let why = s.refused("one", config);
        assert_eq!(why, format!("failed to create typed patch object (new): {want}"));
    }
}

#[test]
fn a_type_that_became_atomic_is_owned_as_a_whole() {
    let mut s = nested();
    s.apply("one", json!({"map": {"a": "1", "b": "2"}}));
    s.types = Types::read(&json!({"type": "object", "properties": {
        "map": {"type": "object", "x-kubernetes-map-type": "atomic",
            "additionalProperties": {"type": "string"}}}}));
    let why = s.refused("two", json!({"map": {"a": "2"}}));
    assert_eq!(why, "Apply failed with 1 conflict: conflict with \"one\": .map");
}
