use super::*;
use corten_api::apps::v1::Deployment;
use corten_api::core::v1::{Pod, Service};
use corten_api::policy::v1::PodDisruptionBudget;
use serde_json::json;

fn patched(schema: &Schema, mut doc: Value, patch: Value) -> Value {
    apply_strategic_merge_patch(&mut doc, patch, schema).expect("applies");
    doc
}

#[test]
fn containers_merge_by_name_and_keep_their_place() {
    let doc = json!({"spec": {"containers": [{"name": "a", "image": "1"}, {"name": "b", "image": "1"}]}});
    let patch = json!({"spec": {"containers": [{"name": "b", "image": "2"}]}});
    let want = json!({"spec": {"containers": [{"name": "a", "image": "1"}, {"name": "b", "image": "2"}]}});
    assert_eq!(patched(Pod::schema(), doc, patch), want);
}

#[test]
fn directives_delete_replace_and_order() {
    let doc = || json!({"spec": {"containers": [{"name": "a"}, {"name": "b"}]}});
    for (patch, want) in [
        (json!([{"name": "a", "$patch": "delete"}]), json!([{"name": "b"}])),
        (json!([{"$patch": "replace"}, {"name": "c"}]), json!([{"name": "c"}])),
        (json!([{"name": "c"}]), json!([{"name": "c"}, {"name": "a"}, {"name": "b"}])),
    ] {
        let got = patched(Pod::schema(), doc(), json!({"spec": {"containers": patch}}));
        assert_eq!(got["spec"]["containers"], want);
    }
    let order = json!({"spec": {"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}], "containers": [{"name": "a", "tty": true}]}});
    let got = patched(Pod::schema(), doc(), order);
    assert_eq!(got["spec"]["containers"], json!([{"name": "b"}, {"name": "a", "tty": true}]));
}

#[test]
fn primitive_lists_unite_and_lose_what_is_named() {
    let doc = || json!({"metadata": {"finalizers": ["a", "b"]}});
    let got = patched(Pod::schema(), doc(), json!({"metadata": {"finalizers": ["c", "b"]}}));
    assert_eq!(got["metadata"]["finalizers"], json!(["c", "a", "b"]));
    let got =
        patched(Pod::schema(), doc(), json!({"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"]}}));
    assert_eq!(got["metadata"]["finalizers"], json!(["b"]));
}

#[test]
fn retain_keys_drops_the_rest() {
    let doc = json!({"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}});
    let patch = json!({"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}});
    let got = patched(Deployment::schema(), doc, patch);
    assert_eq!(got["spec"]["strategy"], json!({"type": "Recreate"}));
}

#[test]
fn service_ports_merge_by_port_and_maps_by_key() {
    let doc =
        json!({"metadata": {"labels": {"a": "1", "b": "2"}}, "spec": {"ports": [{"port": 80, "name": "x"}]}});
    let patch = json!({"metadata": {"labels": {"b": null, "c": "3"}}, "spec": {"ports": [{"port": 80, "name": "y"}, {"port": 81}]}});
    let got = patched(Service::schema(), doc, patch);
    assert_eq!(got["metadata"]["labels"], json!({"a": "1", "c": "3"}));
    assert_eq!(got["spec"]["ports"], json!([{"port": 80, "name": "y"}, {"port": 81}]));
}

#[test]
fn what_is_new_or_replaced_keeps_what_upstream_leaves_there() {
    for (doc, patch, want) in [
        // Plain maps know $retainKeys, but nothing strips it from what is new.
        (
            json!({"labels": {"a": "1"}}),
            json!({"labels": {"$retainKeys": ["b"], "b": "2"}}),
            json!({"labels": {"b": "2"}}),
        ),
        (
            json!({}),
            json!({"labels": {"$retainKeys": [], "b": null}}),
            json!({"labels": {"$retainKeys": []}}),
        ),
        // An object with a $patch is nothing new.
        (json!({}), json!({"labels": {"$patch": "replace", "b": "1"}}), json!({})),
        (json!({"labels": "x"}), json!({"labels": {"$patch": "replace", "b": "1"}}), json!({})),
        (
            json!({"labels": {"a": "1"}}),
            json!({"labels": {"$patch": "replace", "b": null}}),
            json!({"labels": {"b": null}}),
        ),
        // A list that is replaced, and an item that is added, are taken as they are.
        (
            json!({"managedFields": [{"manager": "a"}]}),
            json!({"managedFields": [{"manager": null, "$patch": "delete"}]}),
            json!({"managedFields": [{"manager": null, "$patch": "delete"}]}),
        ),
        (
            json!({"ownerReferences": [{"uid": "a"}]}),
            json!({"ownerReferences": [{"uid": "b", "name": null}]}),
            json!({"ownerReferences": [{"uid": "b", "name": null}, {"uid": "a"}]}),
        ),
    ] {
        let got = patched(Pod::schema(), json!({"metadata": doc}), json!({"metadata": patch}));
        assert_eq!(got["metadata"], want, "{patch}");
    }
}

#[test]
fn a_selector_of_disruption_budgets_is_replaced() {
    let doc = json!({"spec": {"selector": {"matchLabels": {"a": "1"}}}});
    let patch = json!({"spec": {"selector": {"matchLabels": {"b": "2"}}}});
    assert_eq!(patched(PodDisruptionBudget::schema(), doc, patch.clone()), patch);
}

#[test]
fn a_key_that_the_server_has_twice_is_moved_and_deleted_twice() {
    let doc =
        || json!({"spec": {"ports": [{"port": 80, "name": "a"}, {"port": 53}, {"port": 80, "name": "b"}]}});
    for (patch, want) in [
        (
            json!({"port": 80, "name": "x"}),
            json!([{"port": 80, "name": "x"}, {"port": 80, "name": "b"}, {"port": 53}]),
        ),
        (json!({"port": 80, "$patch": "delete"}), json!([{"port": 53}])),
    ] {
        let got = patched(Service::schema(), doc(), json!({"spec": {"ports": [patch]}}));
        assert_eq!(got["spec"]["ports"], want);
    }
}

#[test]
fn items_stand_as_set_element_order_says() {
    let named =
        |names: &str| Value::Array(names.chars().map(|name| json!({"name": name.to_string()})).collect());
    for (wanted, patch, want) in [
        ("ca", None, "bca"),
        ("cda", Some(json!([{"name": "b", "$patch": "delete"}, {"name": "d"}])), "cda"),
        // No order is none to break, and what it lacks comes turned round.
        ("", Some(named("xy")), "abcyx"),
    ] {
        let mut spec = json!({"$setElementOrder/containers": named(wanted)});
        if let Some(patch) = patch {
            spec["containers"] = patch;
        }
        let got =
            patched(Pod::schema(), json!({"spec": {"containers": named("abc")}}), json!({"spec": spec}));
        assert_eq!(got["spec"]["containers"], named(want));
    }
    let metadata = json!({
        "$setElementOrder/finalizers": ["b", "a"],
        "$deleteFromPrimitiveList/finalizers": ["b"],
        "finalizers": ["b"],
    });
    let doc = json!({"metadata": {"finalizers": ["a"]}});
    let got = patched(Pod::schema(), doc, json!({"metadata": metadata}));
    assert_eq!(got["metadata"]["finalizers"], json!(["a"]), "put in order, and only then taken away");
}

/// What is wrong with the patch of a pod.
fn refused(doc: Value, patch: &Value) -> PatchError {
    let mut doc = doc;
    match apply_strategic_merge_patch(&mut doc, patch.clone(), Pod::schema()) {
        Err(error) => error,
        Ok(()) => panic!("{patch} is accepted: {doc}"),
    }
}

#[test]
fn directives_that_are_none_are_malformed() {
    for (patch, want) in [
        (json!({"$retainKeys": "a"}), "retainKeys"),
        (json!({"$retainKeys": [{}]}), "retainKeys"),
        (json!({"$retainKeys": ["name"], "labels": {}}), "retainKeys"),
        (json!({"$deleteFromPrimitiveList": ["a"]}), "primitive list"),
        (json!({"$setElementOrder": ["a"]}), "setElementOrder list"),
    ] {
        let error = refused(json!({"metadata": {}}), &json!({"metadata": patch}));
        assert_eq!(error, PatchError::Malformed(format!("invalid patch format of {want}")), "{patch}");
    }
    let error = refused(json!({}), &json!([]));
    let want = "json: cannot unmarshal array into Go value of type map[string]interface {}";
    assert_eq!(error, PatchError::Malformed(want.into()));
}

#[test]
fn what_does_not_fit_the_schema_is_told_in_upstreams_words() {
    for (doc, patch, want) in [
        (
            json!({"odd": {}}),
            json!({"odd": {}}),
            r#"unable to find api field in struct PodSpec for the json field "odd""#,
        ),
        (
            json!({}),
            json!({"$setElementOrder/odd": []}),
            r#"unable to find api field in struct PodSpec for the json field "odd""#,
        ),
        (
            json!({"nodeSelector": {"a": {}}}),
            json!({"nodeSelector": {"a": {}}}),
            "merging an object in json but data type is not struct, instead is: map",
        ),
        (json!({"nodeName": []}), json!({"nodeName": []}), "expected slice or array type, but got: struct"),
        (
            json!({}),
            json!({"$patch": "bogus", "a": {"c": null, "b": [1, 2.5, true]}}),
            "unknown patch type: bogus in map: map[$patch:bogus a:map[b:[1 2.5 true] c:<nil>]]",
        ),
        (json!({}), json!({"$patch": 1}), "unknown patch type: %!s(int64=1) in map: map[$patch:1]"),
    ] {
        let error = refused(json!({"spec": doc}), &json!({"spec": patch}));
        assert_eq!(error, PatchError::Internal(want.into()), "{patch}");
    }
}

#[test]
fn lists_that_cannot_be_merged_are_told_in_upstreams_words() {
    let doc = || json!({"metadata": {"finalizers": ["a"]}, "spec": {"containers": [{"name": "a"}], "tolerations": [{}]}});
    for (containers, want) in [
        (json!([{"tty": null}]), "map: map[tty:<nil>] does not contain declared merge key: name"),
        (json!([{"$patch": "delete"}]), "map: map[$patch:delete] does not contain declared merge key: name"),
        (json!([{"name": "a", "$patch": "merge"}]), "merging lists cannot yet be specified in the patch"),
        (json!([{"name": "a", "$patch": "x"}]), "unknown patch type: x in map: map[$patch:x name:a]"),
        (json!(["a", null]), "list element types are not identical: [[map[name:a]] [a <nil>]]"),
        (
            json!([{"name": {}}]),
            "list items cannot be told apart by map[]: it is not a string, number or boolean",
        ),
    ] {
        let error = refused(doc(), &json!({"spec": {"containers": containers}}));
        assert_eq!(error, PatchError::Internal(want.into()), "{containers}");
    }
    for (finalizers, want) in [
        (json!([null]), "the elements of a list that is merged cannot be null"),
        (json!([{}]), "cannot merge lists without merge key for string"),
    ] {
        let error = refused(
            json!({"metadata": {"finalizers": []}}),
            &json!({"metadata": {"finalizers": finalizers}}),
        );
        assert_eq!(error, PatchError::Internal(want.into()), "{finalizers}");
    }
    let error = refused(json!({"metadata": {"finalizers": []}}), &json!({"metadata": {"finalizers": [[]]}}));
    assert_eq!(error, PatchError::Unprocessable("lists of lists are not supported".into()));
}

#[test]
fn orders_that_cannot_be_kept_are_told_in_upstreams_words() {
    let (a, b) = (json!({"name": "a"}), json!({"name": "b"}));
    for (server, wanted, patch, want) in [
        (
            json!([]),
            json!([b, a]),
            json!([a, b]),
            "The order in patch list:\n[map[name:a] map[name:b]]\n doesn't match $setElementOrder list:\n[map[name:b] map[name:a]]\n",
        ),
        (
            json!([]),
            json!([a]),
            json!([a, {"$patch": "replace"}]),
            "The order in patch list:\n[map[name:a] map[$patch:replace]]\n doesn't match $setElementOrder list:\n[map[name:a]]\n",
        ),
        (json!([]), json!([a]), json!([]), "no elements in any of the given slices"),
        (json!([a]), json!([a]), json!(null), "expected a []interface {}, but received a %!s(<nil>)"),
        (json!([a]), json!("a"), json!([a]), "expected a []interface {}, but received a string"),
        (json!([a]), json!([1]), json!([a]), "expected a map[string]interface {}, but received a int64"),
        (json!([a]), json!([1]), json!([]), "value for key 0 is not a map"),
        (json!([a]), json!([a, {}]), json!([]), "map: map[] does not contain declared merge key: name"),
    ] {
        let patch = json!({"spec": {"$setElementOrder/containers": wanted, "containers": patch}});
        let error = refused(json!({"spec": {"containers": server}}), &patch);
        assert_eq!(error, PatchError::Internal(want.into()), "{patch}");
    }
    let patch = json!({"spec": {"$setElementOrder/tolerations": [{}], "tolerations": [{}]}});
    let want = "list items cannot be told apart by map[]: it is not a string, number or boolean";
    assert_eq!(refused(json!({"spec": {}}), &patch), PatchError::Internal(want.into()));
}
