//! Owners of fields, where writes, subresources, versions and kinds of their own meet.

use serde_json::{Value, json};

use crate::apply::{DEPLOYMENTS, MAPS, apply, owners, send};
use crate::hooks::server::{HookServer, patch};
use crate::hooks::{MUTATING, configure, webhook};
use crate::world::{Answer, Call, World};

const MERGE: &str = "application/merge-patch+json";
const JSON: &str = "application/json";

async fn world() -> World {
    let w = World::new().await;
    w.furnish().await;
    w
}

fn config_map(managers: Value) -> String {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m", "managedFields": managers},
        "data": {"a": "1"},
    })
    .to_string()
}

#[tokio::test]
async fn only_ten_updates_are_told_apart() {
    let w = world().await;
    let at = |manager: &str| format!("{MAPS}/m?fieldManager={manager}");
    let config = "{apiVersion: v1, kind: ConfigMap, metadata: {name: m}, data: {a: x}}";
    assert_eq!(apply(&w, &at("one"), config).await.code, 201);
    let mut last = Value::Null;
    for number in 0..20 {
        let body = json!({"data": {format!("k{number:02}"): "v"}}).to_string();
        let answer = send(&w, "PATCH", &at(&format!("u{number:02}")), MERGE, "x", &body).await;
        assert_eq!(answer.code, 200, "{}", answer.text());
        last = answer.json();
    }
    let all = owners(&last);
    assert_eq!(all.len(), 11, "{all:?}");
    assert!(all[0].starts_with("one Apply v1"), "{all:?}");
    let ancient = all.iter().find(|o| o.starts_with("ancient-changes Update v1")).expect("the old ones");
    assert!(
        ancient.contains("f:k00") && ancient.contains("f:k10") && !ancient.contains("f:k11"),
        "{ancient}"
    );
    w.end().await;
}

#[tokio::test]
async fn owners_can_be_forgotten_and_never_break_a_write() {
    let w = world().await;
    let at = format!("{MAPS}/m?fieldManager=me");
    let wrong =
        json!([{"manager": "x", "operation": "Apply", "apiVersion": "v1", "fieldsType": "", "fieldsV1": {}}]);
    let path = format!("{MAPS}?fieldManager=me");
    let made = send(&w, "POST", &path, JSON, "x", &config_map(wrong.clone())).await;
    let mine = [r#"me Update v1 -: {"f:data":{".":{},"f:a":{}}}"#];
    assert_eq!((made.code, owners(&made.json())), (201, mine.map(String::from).to_vec()), "{}", made.text());
    let put = send(&w, "PUT", &at, JSON, "x", &config_map(wrong.clone())).await;
    assert_eq!((put.code, owners(&put.json())), (200, mine.map(String::from).to_vec()), "{}", put.text());
    let replace = json!([{"op": "replace", "path": "/metadata/managedFields", "value": wrong}]).to_string();
    let patched = send(&w, "PATCH", &at, "application/json-patch+json", "x", &replace).await;
    assert_eq!(owners(&patched.json()), mine, "{}", patched.text());
    // One empty entry forgets all, in every kind of patch.
    let reset = json!([{"op": "replace", "path": "/metadata/managedFields", "value": [{}]}]).to_string();
    let merge = json!({"metadata": {"managedFields": [{}]}}).to_string();
    for (media, body) in [
        ("application/json-patch+json", &reset),
        (MERGE, &merge),
        ("application/strategic-merge-patch+json", &merge),
    ] {
        let config = "{apiVersion: v1, kind: ConfigMap, metadata: {name: m}, data: {b: z}}";
        let applied = apply(&w, &at, config).await;
        assert!(!owners(&applied.json()).is_empty(), "{}", applied.text());
        let emptied = send(&w, "PATCH", &at, media, "x", body).await;
        assert_eq!((emptied.code, owners(&emptied.json())), (200, vec![]), "{media}: {}", emptied.text());
    }
    let long = "m".repeat(129);
    let refused =
        send(&w, "PUT", &format!("{MAPS}/m?fieldManager={long}"), JSON, "x", &config_map(json!([]))).await;
    assert_eq!(refused.code, 422, "{}", refused.text());
    w.end().await;
}

#[tokio::test]
async fn versions_and_identities_of_configurations_must_fit() {
    let w = world().await;
    let at = format!("{MAPS}/m?fieldManager=me");
    let config = |meta: &str| {
        format!("{{apiVersion: v1, kind: ConfigMap, metadata: {{name: m{meta}}}, data: {{a: x}}}}")
    };
    // What is created has no version to fit.
    let made = apply(&w, &at, &config(", resourceVersion: \"7\"")).await;
    assert_eq!(made.code, 201, "{}", made.text());
    let modified = "Operation cannot be fulfilled on configmaps \"m\": the object has been modified; please apply your changes to the latest version and try again";
    let refused = apply(&w, &at, &config(", resourceVersion: \"1\"")).await;
    assert_eq!(refused.refusal(), (409, "Conflict".into(), modified.into()));
    let refused = apply(&w, &at, &config(", uid: other")).await;
    assert_eq!((refused.code, &refused.json()["reason"]), (422, &json!("Invalid")), "{}", refused.text());
    let version = made.json()["metadata"]["resourceVersion"].as_str().unwrap_or_default().to_string();
    let fits = apply(&w, &at, &config(&format!(", resourceVersion: \"{version}\""))).await;
    assert_eq!(
        (fits.code, &fits.json()["metadata"]["resourceVersion"]),
        (200, &json!(version)),
        "{}",
        fits.text()
    );
    let elsewhere = apply(&w, &at, &config(", namespace: other")).await;
    assert_eq!(elsewhere.code, 400, "{}", elsewhere.text());
    w.end().await;
}

#[tokio::test]
async fn who_may_not_create_applies_to_what_is_there() {
    let w = world().await;
    let role = json!({"metadata": {"name": "patches"}, "rules": [
        {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["patch"]}]});
    let rbac = "/apis/rbac.authorization.k8s.io/v1";
    let binding = json!({
        "metadata": {"name": "patches"},
        "subjects": [{"kind": "User", "name": "panda", "apiGroup": "rbac.authorization.k8s.io"}],
        "roleRef": {"kind": "ClusterRole", "name": "patches", "apiGroup": "rbac.authorization.k8s.io"},
    });
    for (plural, body) in [("clusterroles", role), ("clusterrolebindings", binding)] {
        let made = w.admin("POST", &format!("{rbac}/{plural}"), &body.to_string()).await;
        assert_eq!(made.code, 201, "{}", made.text());
    }
    let as_panda = async |name: &str| -> Answer {
        let path = format!("{MAPS}/{name}?fieldManager=panda");
        let headers = [("content-type", "application/apply-patch+yaml"), ("impersonate-user", "panda")];
        let body = format!("{{apiVersion: v1, kind: ConfigMap, metadata: {{name: {name}}}, data: {{p: q}}}}");
        let call = Call { method: "PATCH", path: &path, headers: &headers, body: body.as_bytes() };
        w.ask(Some(&w.pki.admin), &call).await
    };
    let why = "configmaps \"new\" is forbidden: User \"panda\" cannot create resource \"configmaps\" in API group \"\" in the namespace \"default\"";
    assert_eq!(as_panda("new").await.refusal(), (403, "Forbidden".into(), why.into()));
    assert_eq!(as_panda("there").await.code, 200);
    w.end().await;
}

#[tokio::test]
async fn subresources_have_no_say_in_owners() {
    let w = world().await;
    let config = "{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, spec: {selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: i}]}}}}";
    let made = apply(&w, &format!("{DEPLOYMENTS}/web?fieldManager=one"), config).await;
    assert_eq!(made.code, 201, "{}", made.text());
    let body = json!({
        "metadata": {"managedFields": [{
            "manager": "evil", "operation": "Update", "apiVersion": "apps/v1", "fieldsType": "FieldsV1",
            "fieldsV1": {"f:spec": {"f:replicas": {}}},
        }]},
        "status": {"conditions": [{"type": "Mine", "status": "True"}]},
    });
    let path = format!("{DEPLOYMENTS}/web/status?fieldManager=two");
    let answer = send(&w, "PATCH", &path, MERGE, "x", &body.to_string()).await;
    let (was, is) = (owners(&made.json()), owners(&answer.json()));
    assert_eq!((is.len(), &is[0]), (2, &was[0]), "{is:?}");
    assert!(is[1].starts_with("two Update apps/v1 status: {\"f:status\""), "{is:?}");
    w.end().await;
}

#[tokio::test]
async fn owners_follow_their_object_into_another_version() {
    let w = world().await;
    let hpas = |version: &str| {
        format!("/apis/autoscaling/{version}/namespaces/default/horizontalpodautoscalers/h?fieldManager=")
    };
    let spec = "minReplicas: 1, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}";
    let one = format!(
        "{{apiVersion: autoscaling/v1, kind: HorizontalPodAutoscaler, metadata: {{name: h}}, spec: {{maxReplicas: 5, targetCPUUtilizationPercentage: 50, {spec}}}}}"
    );
    let two = format!(
        "{{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {{name: h}}, spec: {{maxReplicas: 6, {spec}}}}}"
    );
    let made = apply(&w, &(hpas("v1") + "me"), &one).await;
    assert_eq!(made.code, 201, "{}", made.text());
    assert!(owners(&made.json())[0].starts_with("me Apply autoscaling/v1"), "{}", made.text());
    // What was applied in one version and is no more in the other goes; its default takes the place.
    let changed = apply(&w, &(hpas("v2") + "me"), &two).await;
    let cpu = &changed.json()["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"];
    assert_eq!((changed.code, cpu), (200, &json!(80)), "{}", changed.text());
    let all = owners(&changed.json());
    assert_eq!(all.len(), 1, "{all:?}");
    assert!(all[0].starts_with("me Apply autoscaling/v2"), "{all:?}");
    let refused = apply(&w, &(hpas("v1") + "you"), &one).await;
    let message = "Apply failed with 1 conflict: conflict with \"me\": .spec.maxReplicas";
    assert_eq!(refused.refusal(), (409, "Conflict".into(), message.into()));
    w.end().await;
}

#[tokio::test]
async fn a_webhook_cannot_break_the_owners() {
    let w = world().await;
    let server = HookServer::start(|_, asked| {
        let broken = json!([{"manager": "hook", "operation": "Nonsense"}]);
        patch(asked, json!([{"op": "replace", "path": "/metadata/managedFields", "value": broken}]))
    })
    .await;
    let hook = webhook("owners.ex.io", server.client("/"), &["/v1/configmaps"]);
    configure(&w, MUTATING, "m", vec![hook]).await;
    let made = send(&w, "POST", &format!("{MAPS}?fieldManager=me"), JSON, "x", &config_map(json!([]))).await;
    assert_eq!(made.code, 201, "{}", made.text());
    assert_eq!(owners(&made.json()), [r#"me Update v1 -: {"f:data":{".":{},"f:a":{}}}"#]);
    let warning = made.headers.get("warning").cloned().unwrap_or_default();
    assert!(warning.contains(".metadata.managedFields was in an invalid state after admission"), "{warning}");
    w.end().await;
}

#[tokio::test]
async fn owners_that_make_an_object_too_large_are_forgotten() {
    let w = world().await;
    let data: serde_json::Map<String, Value> =
        (0..9_999).map(|n| (format!("{}{n}", "a-very-long-key-".repeat(5)), json!("A"))).collect();
    let body = json!({"metadata": {"name": "m"}, "data": data}).to_string();
    let made = w.admin("POST", MAPS, &body).await;
    assert_eq!((made.code, owners(&made.json())), (201, vec![]));
    let config = "{apiVersion: v1, kind: ConfigMap, metadata: {name: m}}";
    let refused = apply(&w, &format!("{MAPS}/m?fieldManager=me"), config).await;
    assert_eq!((refused.code, &refused.json()["reason"]), (413, &json!("RequestEntityTooLarge")));
    let small = w.admin("POST", MAPS, r#"{"metadata":{"name":"n"},"data":{"a":"b"}}"#).await;
    assert_eq!(owners(&small.json()).len(), 1);
    let patched = w.admin("PATCH", &format!("{MAPS}/n"), &json!({"data": data}).to_string()).await;
    assert_eq!((patched.code, owners(&patched.json())), (200, vec![]));
    w.end().await;
}

const WIDGETS: &str = "/apis/example.com/v1/namespaces/default/widgets";

async fn widgets(w: &World) {
    let text = json!({"type": "string"});
    let spec = json!({"type": "object", "properties": {
        "size": {"type": "integer"},
        "parts": {
            "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
            "items": {"type": "object", "required": ["name"], "properties": {"name": text, "value": text}},
        },
        "tags": {"type": "array", "x-kubernetes-list-type": "set", "items": text},
        "whole": {"type": "object", "x-kubernetes-map-type": "atomic", "properties": {"a": text, "b": text}},
    }});
    let schema = json!({"type": "object", "properties": {
        "spec": spec,
        "status": {"type": "object", "properties": {"size": {"type": "integer"}}},
    }});
    let crd = json!({
        "metadata": {"name": "widgets.example.com"},
        "spec": {
            "group": "example.com", "scope": "Namespaced",
            "names": {"plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList"},
            "versions": [{
                "name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema},
                "subresources": {
                    "status": {},
                    "scale": {"specReplicasPath": ".spec.size", "statusReplicasPath": ".status.size"},
                },
            }],
        },
    });
    let definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    let made = w.admin("POST", definitions, &crd.to_string()).await;
    assert_eq!(made.code, 201, "{}", made.text());
    for _ in 0..600 {
        let crd = w.admin("GET", &format!("{definitions}/widgets.example.com"), "").await.json();
        let conditions = crd["status"]["conditions"].as_array().cloned().unwrap_or_default();
        if conditions.iter().any(|c| c["type"] == "Established" && c["status"] == "True") {
            assert!(
                owners(&crd).iter().any(|o| o.starts_with("kube-apiserver Update")),
                "{:?}",
                owners(&crd)
            );
            return;
        }
        corten_rt::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("the kind is never established");
}

#[tokio::test]
async fn custom_kinds_are_applied_by_their_schema() {
    let w = world().await;
    widgets(&w).await;
    let at = |rest: &str| format!("{WIDGETS}/w{rest}");
    let widget =
        |rest: &str| format!("{{apiVersion: example.com/v1, kind: Widget, metadata: {{name: w}}, {rest}}}");
    let config =
        widget("spec: {size: 1, parts: [{name: a, value: x}], tags: [p], whole: {a: x}}, status: {size: 9}");
    let made = apply(&w, &at("?fieldManager=one"), &config).await;
    assert_eq!((made.code, &made.json()["status"]), (201, &Value::Null), "{}", made.text());
    assert_eq!(
        owners(&made.json()),
        [
            r#"one Apply example.com/v1 -: {"f:spec":{"f:parts":{"k:{\"name\":\"a\"}":{".":{},"f:name":{},"f:value":{}}},"f:size":{},"f:tags":{"v:\"p\"":{}},"f:whole":{}}}"#
        ]
    );
    let other = widget("spec: {parts: [{name: b, value: v}], tags: [q], whole: {b: v}}");
    let refused = apply(&w, &at("?fieldManager=two"), &other).await;
    let message = "Apply failed with 1 conflict: conflict with \"one\": .spec.whole";
    assert_eq!(refused.refusal(), (409, "Conflict".into(), message.into()));
    let forced = apply(&w, &at("?fieldManager=two&force=true"), &other).await;
    assert_eq!(
        forced.json()["spec"],
        json!({
            "size": 1, "parts": [{"name": "a", "value": "x"}, {"name": "b", "value": "v"}],
            "tags": ["p", "q"], "whole": {"b": "v"},
        })
    );
    let unknown = apply(&w, &at("?fieldManager=two"), &widget("spec: {zork: 1}")).await;
    let message = "failed to create typed patch object (/w; example.com/v1, Kind=Widget): .spec.zork: field not declared in schema";
    assert_eq!((unknown.code, unknown.refusal().2), (500, message.to_string()));
    let status =
        apply(&w, &at("/status?fieldManager=ctl"), &widget("spec: {size: 7}, status: {size: 3}")).await;
    assert_eq!((&status.json()["spec"]["size"], &status.json()["status"]["size"]), (&json!(1), &json!(3)));
    // The number of replicas changes hands through the scale, where this kind has it.
    let scaled =
        send(&w, "PATCH", &at("/scale?fieldManager=hpa"), MERGE, "x", r#"{"spec":{"replicas":5}}"#).await;
    assert_eq!(scaled.code, 200, "{}", scaled.text());
    let object = w.admin("GET", &at(""), "").await.json();
    let all = owners(&object);
    let hpa = r#"hpa Update example.com/v1 scale: {"f:spec":{"f:size":{}}}"#.to_string();
    assert!(object["spec"]["size"] == 5 && all.contains(&hpa), "{all:?}");
    assert!(!all.iter().any(|o| o.starts_with("one ") && o.contains("f:size")), "{all:?}");
    let less = apply(&w, &at("?fieldManager=one"), &widget("spec: {parts: []}")).await;
    assert_eq!(
        less.json()["spec"],
        json!({
            "size": 5, "parts": [{"name": "b", "value": "v"}], "tags": ["q"], "whole": {"b": "v"},
        })
    );
    w.end().await;
}

#[tokio::test]
async fn the_count_of_a_daemon_sets_templates_is_its_writers() {
    let w = world().await;
    let sets = "/apis/apps/v1/namespaces/default/daemonsets";
    let body = json!({"metadata": {"name": "d"}, "spec": {
        "selector": {"matchLabels": {"a": "b"}},
        "template": {
            "metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]},
        },
    }});
    let made = send(&w, "POST", &format!("{sets}?fieldManager=me"), JSON, "x", &body.to_string()).await;
    let annotations = r#""f:annotations":{".":{},"f:deprecated.daemonset.template.generation":{}}"#;
    assert!(owners(&made.json())[0].contains(annotations), "{}", made.text());
    let status = json!({"metadata": {"annotations": null}, "status": {"numberReady": 1}}).to_string();
    let written = send(&w, "PATCH", &format!("{sets}/d/status"), MERGE, "x", &status).await;
    let count = &written.json()["metadata"]["annotations"]["deprecated.daemonset.template.generation"];
    assert_eq!((written.code, count), (200, &json!("1")), "{}", written.text());
    w.end().await;
}
