//! Entries of managers: read, written, capped, told apart.

use super::*;
use corten_api::meta::v1::ManagedFieldsEntry;
use corten_api::{Raw, Time};

fn entry(manager: &str, operation: &str, version: &str, fields: &str) -> ManagedFieldsEntry {
    ManagedFieldsEntry {
        manager: manager.into(),
        operation: operation.into(),
        api_version: version.into(),
        fields_type: "FieldsV1".into(),
        fields_v1: Some(Raw(fields.as_bytes().to_vec())),
        ..ManagedFieldsEntry::default()
    }
}

#[test]
fn entries_are_kept_as_they_are_and_sorted() {
    let time: Time = "2026-01-02T03:04:05Z".parse().expect("a time");
    let late = ManagedFieldsEntry { time: Some(time), ..entry("a", "Update", "v1", "{\"f:b\":{}}") };
    let entries = [
        late.clone(),
        entry("b", "Update", "v1", "{\"f:c\":{}}"),
        entry("a", "Update", "v1", "{\"f:b\" : {}}"),
        entry("z", "Apply", "v1", "{}"),
    ];
    let managed = Managed::read(&entries).expect("good entries");
    let written = managed.write();
    let names: Vec<&str> = written.iter().map(|e| e.manager.as_str()).collect();
    // Of the two of `a` the later one counts; none has a time.
    assert_eq!(names, ["z", "a", "b"]);
    assert_eq!(written[1].fields_v1, Some(Raw(b"{\"f:b\" : {}}".to_vec())));
}

#[test]
fn bad_entries_are_refused_and_an_update_falls_back_on_the_live_ones() {
    let good = [entry("a", "Update", "v1", "{\"f:a\":{}}")];
    for (bad, want) in [
        (entry("a", "Patch", "v1", "{}"), "operation must be `Apply` or `Update`"),
        (entry("a", "Apply", "", "{}"), "apiVersion must not be empty"),
        (
            ManagedFieldsEntry { fields_type: "v2".into(), ..entry("a", "Apply", "v1", "{}") },
            "invalid fieldsType \"v2\" in managed fields entry 0",
        ),
        (
            ManagedFieldsEntry { fields_type: String::new(), ..entry("a", "Apply", "v1", "{}") },
            "missing fieldsType in managed fields entry 0",
        ),
    ] {
        assert_eq!(check(std::slice::from_ref(&bad)).as_deref(), Some(want));
        let managed = Managed::of_update(&good, &[bad], "");
        assert_eq!(managed.managers.len(), 1);
    }
    assert!(check(&[entry("a", "Apply", "v1", "{\"f\":1}")]).is_some());
    let empty = [ManagedFieldsEntry::default()];
    assert!(Managed::of_update(&good, &empty, "").is_empty());
    assert_eq!(Managed::of_update(&good, &empty, "status").managers.len(), 1);
    assert_eq!(Managed::of_update(&good, &[], "").managers.len(), 1);
}

#[test]
fn the_oldest_updates_become_ancient_changes() {
    let mut s = Scene::new(json!({"type": "object", "additionalProperties": {"type": "integer"}}));
    s.update("m0", json!({"k0": 0}));
    for n in 1..13 {
        let mut object = s.live.clone();
        object[format!("k{n}")] = n.into();
        s.update(&format!("m{n}"), object);
    }
    let owners = s.owners();
    assert_eq!(owners.len(), 10, "{owners:?}");
    assert_eq!(owners[0], "ancient-changes .k0 .k1 .k2 .k3");
    assert_eq!(owners[1], "m10 .k10");
}

#[test]
fn an_update_that_changes_nothing_leaves_all_as_it_is() {
    let mut s = Scene::new(json!({"type": "object", "additionalProperties": {"type": "integer"}}));
    s.update("a", json!({"x": 1}));
    let before = s.managed.clone().write();
    s.update("b", json!({"x": 1})).update("a", json!({"x": 1}));
    assert_eq!(s.managed.clone().write(), before);
    // Who changes it again is later; what it owns stays one entry.
    s.update("a", json!({"x": 2}));
    assert_eq!(s.owners(), ["a .x"]);
    assert_ne!(s.managed.clone().write()[0].time, before[0].time);
}

#[test]
fn an_application_that_changes_nothing_keeps_its_time() {
    let mut s = Scene::new(json!({"type": "object", "additionalProperties": {"type": "integer"}}));
    s.apply("a", json!({"x": 1}));
    let before = s.managed.clone().write();
    s.apply("a", json!({"x": 1}));
    assert_eq!(s.managed.clone().write(), before);
    s.apply("b", json!({"x": 1}));
    assert_eq!(s.owners(), ["a+ .x", "b+ .x"]);
}

#[test]
fn what_was_there_before_the_first_apply_has_a_stand_in() {
    let mut s = Scene::new(json!({"type": "object", "additionalProperties": {"type": "integer"}}));
    s.live = json!({"x": 1, "y": 2});
    let why = s.refused("a", json!({"x": 3}));
    assert_eq!(why, "Apply failed with 1 conflict: conflict with \"before-first-apply\" using v1: .x");
    s.apply("a", json!({"x": 1}));
    assert_eq!(s.owners(), ["a+ .x", "before-first-apply .x .y"]);
}

#[test]
fn kubectl_takes_over_what_it_applied_from_the_client() {
    let schema = json!({"type": "object", "properties": {
        "apiVersion": {"type": "string"}, "kind": {"type": "string"},
        "metadata": {"type": "object", "properties": {
            "annotations": {"type": "object", "additionalProperties": {"type": "string"}}}},
        "data": {"type": "object", "additionalProperties": {"type": "string"}}}});
    let last = r#"{"apiVersion":"v1","kind":"X","data":{"a":"1","b":"1"}}"#;
    let live = json!({"apiVersion": "v1", "kind": "X",
        "metadata": {"annotations": {LAST_APPLIED: last}}, "data": {"a": "1", "b": "2"}});
    let mut s = Scene::new(schema);
    s.update("kubectl-client-side-apply", live);
    let config = |a: &str| json!({"apiVersion": "v1", "kind": "X", "data": {"a": a}});
    // Somebody else has changed `b` since.
    let mut both = config("3");
    both["data"]["b"] = "3".into();
    let why = s.refused("kubectl", both);
    assert_eq!(
        why,
        "Apply failed with 1 conflict: conflict with \"kubectl-client-side-apply\" using v1: .data.b"
    );
    assert!(s.refused("other", config("3")).contains(".data.a"));
    s.apply("kubectl", config("3"));
    assert_eq!(s.live["data"], json!({"a": "3", "b": "2"}));
    let renewed = last_applied::renewed(&s.live, &config("3"));
    assert_eq!(
        renewed,
        Some(Some("{\"apiVersion\":\"v1\",\"data\":{\"a\":\"3\"},\"kind\":\"X\"}\n".to_string()))
    );
    assert_eq!(last_applied::renewed(&json!({}), &config("3")), None);
}

#[test]
fn replicas_have_owners_on_both_sides_of_the_scale() {
    let replicas = [Replicas::usual("apps/v1".into())];
    let object = [
        entry("a", "Apply", "apps/v1", r#"{"f:spec":{"f:replicas":{},"f:paused":{}}}"#),
        entry("b", "Update", "apps/v1", r#"{"f:spec":{"f:minReadySeconds":{}}}"#),
    ];
    let scale = owners_of_scale(&object, &replicas).expect("good entries");
    assert_eq!(scale, [entry("a", "Apply", "autoscaling/v1", r#"{"f:spec":{"f:replicas":{}}}"#)]);
    let same = owners_after_scale(&object, &scale, &replicas, "apps/v1").expect("good entries");
    assert_eq!(same, object);
    let mut other = entry("c", "Update", "autoscaling/v1", r#"{"f:spec":{"f:replicas":{}}}"#);
    other.subresource = "scale".into();
    let after = owners_after_scale(&object, &[other.clone()], &replicas, "apps/v1").expect("good entries");
    let taken = ManagedFieldsEntry { api_version: "apps/v1".into(), ..other };
    let left = entry("a", "Apply", "apps/v1", r#"{"f:spec":{"f:paused":{}}}"#);
    assert_eq!(after, [left, object[1].clone(), taken]);
}

#[test]
fn replicas_of_custom_kinds_are_where_each_version_has_them() {
    let replicas = [Replicas::at("x/v1".into(), ".spec.n"), Replicas::at("x/v2".into(), ".spec.pool.size")];
    let object = [
        entry("a", "Apply", "x/v1", r#"{"f:spec":{"f:n":{},"f:other":{}}}"#),
        entry("b", "Update", "x/v2", r#"{"f:spec":{"f:pool":{"f:size":{}}}}"#),
        entry("c", "Update", "x/v0", r#"{"f:spec":{"f:replicas":{}}}"#),
    ];
    let of_scale = r#"{"f:spec":{"f:replicas":{}}}"#;
    let scale = owners_of_scale(&object, &replicas).expect("good entries");
    let kept = entry("a", "Apply", "autoscaling/v1", of_scale);
    assert_eq!(scale, [kept, entry("b", "Update", "autoscaling/v1", of_scale)]);
    let taken = entry("d", "Update", "autoscaling/v1", of_scale);
    let after = owners_after_scale(&object, &[taken], &replicas, "x/v2").expect("good entries");
    // A version that does not scale is forgotten.
    assert_eq!(
        after,
        [
            entry("a", "Apply", "x/v1", r#"{"f:spec":{"f:other":{}}}"#),
            entry("d", "Update", "x/v2", r#"{"f:spec":{"f:pool":{"f:size":{}}}}"#),
        ]
    );
}
