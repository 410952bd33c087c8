//! Custom kinds through HTTP: from definition to document, their rules, versions and ends.

use std::time::Duration;

use corten_rt::{Instant, sleep};
use serde_json::{Value, json};

use crate::world::{Answer, Call, World};

const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const WIDGETS: &str = "/apis/example.com/v1/namespaces/default/widgets";

/// Asks until the answer is as it should be.
pub async fn until(w: &World, path: &str, what: &str, fits: impl Fn(&Answer) -> bool) -> Answer {
    let end = Instant::now() + Duration::from_secs(30);
    loop {
        let answer = w.admin("GET", path, "").await;
        if fits(&answer) {
            return answer;
        }
        assert!(Instant::now() < end, "{what}: {} {}", answer.code, answer.text());
        sleep(Duration::from_millis(20)).await;
    }
}

fn version(name: &str, storage: bool) -> Value {
    json!({
        "name": name, "served": true, "storage": storage,
        "subresources": {"status": {}, "scale": {"specReplicasPath": ".spec.replicas",
            "statusReplicasPath": ".status.replicas", "labelSelectorPath": ".status.selector"}},
        "selectableFields": [{"jsonPath": ".spec.color"}],
        "additionalPrinterColumns": [{"name": "Color", "type": "string", "jsonPath": ".spec.color"}],
        "schema": {"openAPIV3Schema": {"type": "object", "description": "A widget.", "properties": {
            "spec": {
                "type": "object",
                "x-kubernetes-validations": [
                    {"rule": "self.replicas <= self.max", "messageExpression": "'too many of ' + self.color"},
                    {"rule": "self.color == oldSelf.color", "message": "stays", "fieldPath": ".color"}],
                "properties": {
                    "replicas": {"type": "integer", "default": 1},
                    "max": {"type": "integer", "default": 10},
                    "color": {"type": "string", "default": "red", "maxLength": 10},
                    "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
                    "ports": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["port"],
                        "items": {"type": "object", "required": ["port"], "properties": {
                            "port": {"type": "integer"}, "name": {"type": "string", "maxLength": 5}}}}}},
            "status": {"type": "object", "properties": {
                "replicas": {"type": "integer"}, "selector": {"type": "string"}}}}}}
    })
}

fn definition(versions: &[Value]) -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.com"},
        "spec": {"group": "example.com", "scope": "Namespaced", "versions": versions,
            "names": {"plural": "widgets", "kind": "Widget", "shortNames": ["wd"], "categories": ["all"]}}
    })
}

fn widget(name: &str, spec: &Value) -> String {
    json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": name}, "spec": spec})
        .to_string()
}

async fn define(w: &World, versions: &[Value]) {
    w.furnish().await;
    let made = w.admin("POST", DEFINITIONS, &definition(versions).to_string()).await;
    assert_eq!(made.code, 201, "{}", made.text());
    until(w, &format!("{DEFINITIONS}/widgets.example.com"), "established", |a| {
        a.text().contains("InitialNamesAccepted")
    })
    .await;
}

#[tokio::test]
async fn a_definition_is_served_discovered_and_published() {
    let w = World::new().await;
    define(&w, &[version("v1", true)]).await;
    let resources = w.admin("GET", "/apis/example.com/v1", "").await.json();
    let names: Vec<&str> =
        resources["resources"].as_array().into_iter().flatten().filter_map(|r| r["name"].as_str()).collect();
    assert_eq!(names, ["widgets", "widgets/status", "widgets/scale"]);
    assert_eq!(resources["resources"][0]["shortNames"], json!(["wd"]));
    let index = w.admin("GET", "/openapi/v3", "").await.json();
    let url =
        index["paths"]["apis/example.com/v1"]["serverRelativeURL"].as_str().expect("a document").to_string();
    let v3 = w.admin("GET", &url, "").await;
    assert_eq!(v3.headers["cache-control"], "public, immutable");
    let v3 = v3.json();
    let own = &v3["components"]["schemas"]["com.example.v1.Widget"];
    let gvk = json!([{"group": "example.com", "version": "v1", "kind": "Widget"}]);
    assert_eq!(own["x-kubernetes-group-version-kind"], gvk);
    assert_eq!(own["x-kubernetes-selectable-fields"], json!([{"fieldPath": "spec.color"}]));
    assert_eq!(own["properties"]["spec"]["properties"]["color"]["default"], "red");
    let item = &v3["components"]["schemas"]["com.example.v1.WidgetList"]["properties"]["items"]["items"];
    assert_eq!(item, &json!({"$ref": "#/components/schemas/com.example.v1.Widget"}));
    let post = &v3["paths"]["/apis/example.com/v1/namespaces/{namespace}/widgets"]["post"];
    assert_eq!(post["operationId"], "createExampleComV1NamespacedWidget");
    let v2 = w.admin("GET", "/openapi/v2", "").await.json();
    let own = &v2["definitions"]["com.example.v1.Widget"];
    assert_eq!(own["description"], "A widget.");
    assert_eq!(own["properties"]["spec"]["properties"]["color"].get("default"), None);
    assert!(
        v2["paths"]["/apis/example.com/v1/namespaces/{namespace}/widgets/{name}/scale"]["patch"].is_object()
    );
    assert!(v2["definitions"]["io.k8s.api.core.v1.Pod"].is_object());
    // With the definition its document goes.
    let gone = w.admin("DELETE", &format!("{DEFINITIONS}/widgets.example.com"), "").await;
    assert_eq!(gone.code, 200, "{}", gone.text());
    until(&w, "/openapi/v3", "unpublished", |a| !a.text().contains("example.com")).await;
    assert_eq!(until(&w, WIDGETS, "gone", |a| a.code == 404).await.text(), "404 page not found\n");
    w.end().await;
}

#[tokio::test]
async fn rules_are_asked_of_every_write() {
    let w = World::new().await;
    define(&w, &[version("v1", true)]).await;
    let refused = w.admin("POST", WIDGETS, &widget("a", &json!({"replicas": 11}))).await;
    let why = "Widget.example.com \"a\" is invalid: spec: Invalid value: too many of red";
    assert_eq!(refused.refusal(), (422, "Invalid".into(), why.into()));
    let made = w.admin("POST", WIDGETS, &widget("a", &json!({"replicas": 9}))).await;
    assert_eq!((made.code, &made.json()["spec"]["color"]), (201, &json!("red")), "{}", made.text());
    let at = format!("{WIDGETS}/a");
    let refused = w.admin("PATCH", &at, r#"{"spec":{"color":"blue"}}"#).await;
    let why = "Widget.example.com \"a\" is invalid: spec.color: Invalid value: stays";
    assert_eq!(refused.refusal(), (422, "Invalid".into(), why.into()));
    let scaled = w.admin("PATCH", &format!("{at}/scale"), r#"{"spec":{"replicas":3}}"#).await;
    assert_eq!((scaled.code, &scaled.json()["spec"]["replicas"]), (200, &json!(3)), "{}", scaled.text());
    let status =
        w.admin("PATCH", &format!("{at}/status"), r#"{"status":{"selector":"a=b"},"spec":{"max":1}}"#).await;
    assert_eq!(
        (&status.json()["spec"]["max"], &status.json()["metadata"]["generation"]),
        (&json!(10), &json!(2))
    );
    let scale = w.admin("GET", &format!("{at}/scale"), "").await;
    assert_eq!(scale.json()["status"]["selector"], "a=b");
    // Nobody is told of replicas that nobody has set; whoever changes a scale has to.
    let made = w.admin("POST", WIDGETS, &widget("unset", &Value::Null).replace(",\"spec\":null", "")).await;
    assert_eq!(made.code, 201, "{}", made.text());
    let unset = format!("{WIDGETS}/unset/scale");
    let why = "Internal error occurred: the spec replicas field \".spec.replicas\" does not exist";
    let refusal = w.admin("GET", &unset, "").await.refusal();
    assert_eq!(refusal, (500, "InternalError".into(), why.into()));
    let refusal = w.admin("PATCH", &unset, r#"{"metadata":{"name":"unset"}}"#).await.refusal();
    let why = "the spec replicas field \".spec.replicas\" cannot be empty";
    assert_eq!(refusal, (400, "BadRequest".into(), why.into()));
    let scaled = w.admin("PATCH", &unset, r#"{"spec":{"replicas":0}}"#).await;
    assert_eq!((scaled.code, &scaled.json()["spec"]), (200, &json!({})), "{}", scaled.text());
    assert_eq!(w.admin("GET", &unset, "").await.code, 200);
    assert_eq!(w.admin("DELETE", &format!("{WIDGETS}/unset"), "").await.code, 200);
    let found = w.admin("GET", &format!("{WIDGETS}?fieldSelector=spec.color%3Dred"), "").await.json();
    assert_eq!(found["items"].as_array().map(Vec::len), Some(1));
    // A rule that comes later tolerates what stays as it was, and says so.
    let mut stricter = version("v1", true);
    let ports = &mut stricter["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["max"];
    ports["x-kubernetes-validations"] = json!([{"rule": "self > 100", "message": "too few"}]);
    ports.as_object_mut().expect("a schema").remove("default");
    let change = json!({"spec": {"versions": [stricter]}}).to_string();
    let changed = w.admin("PATCH", &format!("{DEFINITIONS}/widgets.example.com"), &change).await;
    assert_eq!(changed.code, 200, "{}", changed.text());
    let new = json!({"max": 5}).to_string();
    let end = Instant::now() + Duration::from_secs(30);
    while w.admin("PATCH", &at, &format!(r#"{{"spec":{new}}}"#)).await.code != 422 {
        assert!(Instant::now() < end, "the new rule is asked");
        sleep(Duration::from_millis(20)).await;
    }
    let kept = w.admin("PATCH", &at, r#"{"spec":{"replicas":2}}"#).await;
    assert_eq!(kept.code, 200, "{}", kept.text());
    w.end().await;
}

#[tokio::test]
async fn fields_are_validated_and_applied_by_the_schema() {
    let w = World::new().await;
    define(&w, &[version("v1", true)]).await;
    let body = widget("a", &json!({"unknown": 1, "free": {"known": 1}}));
    let strict = w.admin("POST", &format!("{WIDGETS}?fieldValidation=Strict"), &body).await;
    let why = "strict decoding error: unknown field \"spec.unknown\"";
    let (code, reason, message) = strict.refusal();
    assert_eq!((code, reason.as_str()), (400, "BadRequest"), "{message}");
    assert!(message.ends_with(why), "{message}");
    let warned = w.admin("POST", &format!("{WIDGETS}?fieldValidation=Warn"), &body).await;
    assert_eq!(warned.code, 201, "{}", warned.text());
    assert_eq!(
        warned.headers.get("warning").map(String::as_str),
        Some("299 - \"unknown field \\\"spec.unknown\\\"\"")
    );
    assert_eq!(warned.json()["spec"]["free"], json!({"known": 1}));
    let apply = |manager: &str, ports: Value| {
        let (w, body) = (&w, widget("b", &json!({"ports": ports})));
        let path = format!("{WIDGETS}/b?fieldManager={manager}");
        async move {
            let headers = [("content-type", "application/apply-patch+yaml")];
            let call = Call { method: "PATCH", path: &path, headers: &headers, body: body.as_bytes() };
            w.ask(Some(&w.pki.admin), &call).await
        }
    };
    assert_eq!(apply("one", json!([{"port": 1, "name": "a"}])).await.code, 201);
    let both = apply("two", json!([{"port": 2, "name": "b"}])).await;
    assert_eq!(both.json()["spec"]["ports"], json!([{"port": 1, "name": "a"}, {"port": 2, "name": "b"}]));
    let fought = apply("two", json!([{"port": 1, "name": "c"}])).await;
    let why = "Apply failed with 1 conflict: conflict with \"one\": .spec.ports[port=1].name";
    assert_eq!(fought.refusal(), (409, "Conflict".into(), why.into()));
    w.end().await;
}

#[tokio::test]
async fn another_version_is_stored_and_the_old_one_remembered() {
    let w = World::new().await;
    define(&w, &[version("v1", true)]).await;
    let made = w.admin("POST", WIDGETS, &widget("a", &json!({}))).await;
    assert_eq!(made.code, 201, "{}", made.text());
    let at = format!("{DEFINITIONS}/widgets.example.com");
    let change = json!({"spec": {"versions": [version("v1", false), version("v2", true)]}}).to_string();
    let changed = w.admin("PATCH", &at, &change).await.json();
    assert_eq!(changed["status"]["storedVersions"], json!(["v1", "v2"]));
    let path = WIDGETS.replace("v1", "v2") + "/a";
    let newer = until(&w, &path, "served", |a| a.code == 200).await.json();
    assert_eq!((&newer["apiVersion"], &newer["spec"]["color"]), (&json!("example.com/v2"), &json!("red")));
    let refused =
        w.admin("PATCH", &at, &json!({"spec": {"versions": [version("v2", true)]}}).to_string()).await;
    assert!(
        refused
            .refusal()
            .2
            .contains("status.storedVersions[0]: Invalid value: \"v1\": missing from spec.versions")
    );
    w.end().await;
}

#[tokio::test]
async fn what_is_built_in_cannot_be_added_to() {
    let w = World::new().await;
    let approved = json!({"api-approved.kubernetes.io": "unapproved, of a test"});
    let mut shadow = definition(&[version("v1", true), version("v7", false)]);
    shadow["metadata"] = json!({"name": "widgets.networking.k8s.io", "annotations": approved});
    shadow["spec"]["group"] = "networking.k8s.io".into();
    let made = w.admin("POST", DEFINITIONS, &shadow.to_string()).await;
    assert_eq!(made.code, 201, "{}", made.text());
    // The version that is its own is served, the one that is upstream's has what it had.
    until(&w, "/apis/networking.k8s.io/v7/widgets", "served", |a| a.code == 200).await;
    let v1 = w.admin("GET", "/apis/networking.k8s.io/v1", "").await.text();
    assert!(v1.contains("networkpolicies") && !v1.contains("widgets"), "{v1}");
    assert_eq!(w.admin("GET", "/apis/networking.k8s.io/v1/widgets", "").await.code, 404);
    w.end().await;
}

#[tokio::test]
async fn a_watch_ends_when_its_version_is_served_no_more() {
    let w = World::new().await;
    define(&w, &[version("v1", true), version("v2", false)]).await;
    let newer = WIDGETS.replace("v1", "v2");
    assert_eq!(w.admin("POST", WIDGETS, &widget("a", &json!({}))).await.code, 201);
    let follow = format!("{newer}?watch=1&resourceVersion=0");
    let without = async {
        sleep(Duration::from_millis(200)).await;
        let mut gone = version("v2", false);
        gone["served"] = false.into();
        let change = json!({"spec": {"versions": [version("v1", true), gone]}}).to_string();
        w.admin("PATCH", &format!("{DEFINITIONS}/widgets.example.com"), &change).await
    };
    let both = async { tokio::join!(w.admin("GET", &follow, ""), without) };
    let (watched, changed) =
        tokio::time::timeout(Duration::from_secs(30), both).await.expect("the watch ends");
    assert_eq!(changed.code, 200, "{}", changed.text());
    assert!(watched.text().starts_with("{\"type\":\"ADDED\""), "{}", watched.text());
    // Who comes back is told to look for another version.
    until(&w, &follow, "not served", |a| a.code == 404).await;
    assert_eq!(w.admin("GET", &format!("{WIDGETS}/a"), "").await.code, 200);
    w.end().await;
}

#[tokio::test]
async fn a_definition_waits_for_its_objects() {
    let w = World::new().await;
    define(&w, &[version("v1", true)]).await;
    let body = json!({"apiVersion": "example.com/v1", "kind": "Widget",
        "metadata": {"name": "a", "finalizers": ["example.com/held"]}, "spec": {}});
    assert_eq!(w.admin("POST", WIDGETS, &body.to_string()).await.code, 201);
    assert_eq!(w.admin("POST", WIDGETS, &widget("b", &json!({}))).await.code, 201);
    let at = format!("{DEFINITIONS}/widgets.example.com");
    assert_eq!(w.admin("DELETE", &at, "").await.code, 200);
    until(&w, &at, "terminating", |a| a.text().contains("InstanceDeletionInProgress")).await;
    until(&w, &format!("{WIDGETS}/b"), "deleted", |a| a.code == 404).await;
    let refused = w.admin("POST", WIDGETS, &widget("c", &json!({}))).await;
    let why = "create not allowed while custom resource definition is terminating";
    assert_eq!((refused.code, refused.refusal().2.contains(why)), (403, true), "{}", refused.text());
    assert_eq!(w.admin("GET", &at, "").await.code, 200);
    assert_eq!(
        w.admin("PATCH", &format!("{WIDGETS}/a"), r#"{"metadata":{"finalizers":null}}"#).await.code,
        200
    );
    until(&w, &at, "gone", |a| a.code == 404).await;
    w.end().await;
}
