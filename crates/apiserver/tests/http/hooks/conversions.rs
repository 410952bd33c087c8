//! Versions of custom kinds that a webhook converts.

use serde_json::{Value, json};

use super::server::{Act, HookServer};
use crate::custom::until;
use crate::world::World;

const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

fn objects(version: &str) -> String {
    format!("/apis/conv.example.com/{version}/namespaces/default/things")
}

/// `hostPort` of version 1 is `host` and `port` in version 2.
fn converted(object: &Value, to: &str) -> Value {
    let mut object = object.clone();
    let text = |object: &Value, field: &str| object[field].as_str().unwrap_or_default().to_string();
    if to == "conv.example.com/v2" {
        let joined = text(&object, "hostPort");
        let (host, port) = joined.split_once(':').unwrap_or((&joined, ""));
        (object["host"], object["port"]) = (host.into(), port.into());
        object["metadata"]["labels"] = json!({"host": host});
    } else {
        object["hostPort"] = format!("{}:{}", text(&object, "host"), text(&object, "port")).into();
        object["metadata"]["labels"] = Value::Null;
    }
    object["apiVersion"] = to.into();
    object
}

fn answered(review: &Value) -> Act {
    let request = &review["request"];
    let given = request["objects"].as_array().cloned().unwrap_or_default();
    let to = request["desiredAPIVersion"].as_str().unwrap_or_default();
    let result = match given.iter().any(|object| object["hostPort"] == "bad:1") {
        true => json!({"status": "Failure", "message": "no such host"}),
        false => json!({"status": "Success"}),
    };
    let all: Vec<Value> = given.iter().map(|object| converted(object, to)).collect();
    Act::Json(json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "ConversionReview",
        "response": {"uid": request["uid"], "result": result, "convertedObjects": all},
    }))
}

async fn define(w: &World, conversion: Value) {
    let version = |name: &str, fields: &[&str]| {
        let properties: Value = fields.iter().map(|f| (f.to_string(), json!({"type": "string"}))).collect();
        let selectable: Vec<Value> = fields.iter().map(|f| json!({"jsonPath": format!(".{f}")})).collect();
        json!({"name": name, "served": true, "storage": name == "v1", "selectableFields": selectable,
            "schema": {"openAPIV3Schema": {"type": "object", "properties": properties}}})
    };
    let definition = json!({
        "metadata": {"name": "things.conv.example.com"},
        "spec": {"group": "conv.example.com", "scope": "Namespaced", "conversion": conversion,
            "versions": [version("v1", &["hostPort"]), version("v2", &["host", "port"])],
            "names": {"plural": "things", "kind": "Thing"}}
    });
    let made = w.admin("POST", DEFINITIONS, &definition.to_string()).await;
    assert_eq!(made.code, 201, "{}", made.text());
    until(w, &objects("v2"), "served", |a| a.code == 200).await;
}

async fn create(w: &World, version: &str, name: &str, fields: Value) -> String {
    let mut object = fields;
    object["apiVersion"] = format!("conv.example.com/{version}").into();
    object["kind"] = "Thing".into();
    object["metadata"] = json!({"name": name});
    let made = w.admin("POST", &objects(version), &object.to_string()).await;
    assert_eq!(made.code, 201, "{}", made.text());
    made.json()["metadata"]["resourceVersion"].as_str().unwrap_or_default().to_string()
}

/// The names that a list shows, and where it goes on.
async fn names(w: &World, version: &str, query: &str) -> (Vec<String>, String) {
    let list = w.admin("GET", &format!("{}?{query}", objects(version)), "").await;
    assert_eq!(list.code, 200, "{}", list.text());
    let list = list.json();
    let name = |item: &Value| item["metadata"]["name"].as_str().unwrap_or_default().to_string();
    let names = list["items"].as_array().into_iter().flatten().map(name).collect();
    (names, list["metadata"]["continue"].as_str().unwrap_or_default().to_string())
}

/// What a watch tells within its time: kinds of events, and of what.
async fn told(w: &World, version: &str, query: &str) -> Vec<(String, String)> {
    let path = format!("{}?watch=true&timeoutSeconds=1&{query}", objects(version));
    let events = w.admin("GET", &path, "").await;
    let event = |line: &str| {
        let event: Value = serde_json::from_str(line).expect("an event");
        let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
        let about = [&event["object"]["metadata"]["name"], &event["object"]["message"]];
        (text(&event["type"]), about.into_iter().map(text).collect::<String>())
    };
    events.text().lines().map(event).collect()
}

fn pairs(of: &[(&str, &str)]) -> Vec<(String, String)> {
    of.iter().map(|(kind, name)| (kind.to_string(), name.to_string())).collect()
}

#[tokio::test]
async fn objects_are_selected_as_their_version_shows_them() {
    let w = World::new().await;
    w.furnish().await;
    let server = HookServer::start(|_, review| answered(review)).await;
    let client = server.client("/");
    define(&w, json!({"strategy": "Webhook", "webhook": {"clientConfig": client, "conversionReviewVersions": ["v1"]}}))
        .await;
    let begun = create(&w, "v2", "zero", json!({"host": "other"})).await;
    create(&w, "v2", "both", json!({"host": "host1", "port": "80"})).await;
    create(&w, "v2", "one", json!({"host": "host1", "port": "8080"})).await;

    for (version, query, want) in [
        ("v2", "fieldSelector=host%3Dhost1", &["both", "one"][..]),
        ("v2", "fieldSelector=host%3Dhost1,port%3D80", &["both"]),
        ("v2", "fieldSelector=host%3Dhost1,metadata.name%3Done", &["one"]),
        ("v2", "labelSelector=host%3Dother", &["zero"]),
        ("v1", "fieldSelector=hostPort%3Dhost1:8080", &["one"]),
        ("v1", "labelSelector=host%3Dother", &[]),
        ("v1", "", &["both", "one", "zero"]),
    ] {
        assert_eq!(names(&w, version, query).await.0, want, "{version} {query}");
    }
    let (first, rest) = names(&w, "v2", "fieldSelector=host%3Dhost1&limit=1").await;
    let (second, end) = names(&w, "v2", &format!("fieldSelector=host%3Dhost1&limit=1&continue={rest}")).await;
    assert_eq!((first, second, end.is_empty()), (vec!["both".into()], vec!["one".into()], true));
    let foreign = w.admin("GET", &format!("{}?fieldSelector=host%3Dx", objects("v1")), "").await;
    assert_eq!(foreign.code, 400, "{}", foreign.text());

    let changed = w.admin("PATCH", &format!("{}/one", objects("v2")), r#"{"host":"host2"}"#).await;
    assert_eq!(changed.code, 200, "{}", changed.text());
    let gone = w.admin("DELETE", &format!("{}?fieldSelector=host%3Dhost1", objects("v2")), "").await;
    assert_eq!(gone.code, 200, "{}", gone.text());
    assert_eq!(names(&w, "v1", "").await.0, ["one", "zero"]);
    let since = format!("resourceVersion={begun}&fieldSelector=");
    let (any, one) = (format!("{since}host%3Dhost1"), format!("{since}hostPort%3Dhost1:80"));
    let (any_port, one_port) = tokio::join!(told(&w, "v2", &any), told(&w, "v1", &one));
    assert_eq!(
        any_port,
        pairs(&[("ADDED", "both"), ("ADDED", "one"), ("DELETED", "one"), ("DELETED", "both")])
    );
    assert_eq!(one_port, pairs(&[("ADDED", "both"), ("DELETED", "both")]));
    let initial = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
    let initial = told(&w, "v2", &format!("{initial}&fieldSelector=host%3Dhost2")).await;
    assert_eq!(initial[..2], pairs(&[("ADDED", "one"), ("BOOKMARK", "")]));
    w.end().await;
    server.end().await;
}

#[tokio::test]
async fn conversions_that_fail_are_told_and_counted() {
    let w = World::new().await;
    w.furnish().await;
    let server = HookServer::start(|_, review| answered(review)).await;
    let client = server.client("/");
    define(&w, json!({"strategy": "Webhook", "webhook": {"clientConfig": client, "conversionReviewVersions": ["v1"]}}))
        .await;
    let begun = create(&w, "v1", "good", json!({"hostPort": "a:1"})).await;
    assert_eq!(w.admin("GET", &format!("{}/good", objects("v2")), "").await.json()["host"], "a");
    create(&w, "v1", "bad", json!({"hostPort": "bad:1"})).await;
    let why = "conversion webhook for conv.example.com/v1, Kind=Thing failed: no such host";
    let refused = w.admin("GET", &format!("{}/bad", objects("v2")), "").await;
    assert_eq!((refused.code, refused.refusal().2.contains(why)), (500, true), "{}", refused.text());
    let events = told(&w, "v2", &format!("resourceVersion={begun}")).await;
    assert_eq!(events.len(), 1, "{events:?}");
    assert!(events[0].0 == "ERROR" && events[0].1.contains(why), "{events:?}");
    assert_eq!(told(&w, "v1", &format!("resourceVersion={begun}")).await, pairs(&[("ADDED", "bad")]));
    let metrics = w.admin("GET", "/metrics", "").await;
    for line in [
        "apiserver_conversion_webhook_request_total{failure_type=\"conversion_webhook_malformed_response_failure\",result=\"failure\"} 2\n",
        "apiserver_conversion_webhook_request_total{failure_type=\"\",result=\"success\"} 1\n",
        "apiserver_crd_conversion_webhook_duration_seconds_count{crd_name=\"things.conv.example.com\",from_version=\"v1\",succeeded=\"true\",to_version=\"v2\"} 1\n",
    ] {
        assert!(metrics.text().contains(line), "{line}");
    }
    // What goes with its definition is not converted.
    let at = format!("{DEFINITIONS}/things.conv.example.com");
    assert_eq!(w.admin("DELETE", &at, "").await.code, 200);
    until(&w, &at, "gone", |a| a.code == 404).await;
    w.end().await;
    server.end().await;
}

#[tokio::test]
async fn without_a_webhook_fields_are_those_of_either_version() {
    let w = World::new().await;
    w.furnish().await;
    define(&w, json!({"strategy": "None"})).await;
    create(&w, "v1", "first", json!({"hostPort": "a:1"})).await;
    let begun = create(&w, "v1", "second", json!({"hostPort": "b:1"})).await;
    assert_eq!(names(&w, "v1", "fieldSelector=hostPort%3Db:1").await.0, ["second"]);
    // Version 2 does not know the field.
    assert_eq!(names(&w, "v2", "fieldSelector=host%3D").await.0, ["first", "second"]);
    assert_eq!(names(&w, "v2", "fieldSelector=host!%3D").await.0, Vec::<String>::new());
    create(&w, "v1", "third", json!({"hostPort": "c:1"})).await;
    let events = told(&w, "v2", &format!("resourceVersion={begun}&fieldSelector=host%3D")).await;
    assert_eq!(events, pairs(&[("ADDED", "third")]));
    w.end().await;
}
