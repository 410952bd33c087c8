//! Flow control as clients meet it.

use crate::world::{Call, World};
use corten_apiserver::http::Limits;
use serde_json::json;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const GROUP: &str = "/apis/flowcontrol.apiserver.k8s.io/v1";

async fn post(world: &World, path: &str, body: serde_json::Value) -> serde_json::Value {
    let answer = world.admin("POST", path, &body.to_string()).await;
    assert_eq!(answer.code, 201, "{}", answer.text());
    answer.json()
}

/// Lets `ann` do anything.
async fn allow(world: &World) {
    let rbac = "/apis/rbac.authorization.k8s.io/v1";
    let rules = json!([{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]);
    post(world, &format!("{rbac}/clusterroles"), json!({"metadata": {"name": "all"}, "rules": rules})).await;
    let binding = json!({
        "metadata": {"name": "ann"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "all"},
        "subjects": [{"kind": "User", "name": "ann", "apiGroup": "rbac.authorization.k8s.io"}],
    });
    post(world, &format!("{rbac}/clusterrolebindings"), binding).await;
}

const ANN: [(&str, &str); 2] = [("impersonate-user", "ann"), ("impersonate-group", "system:authenticated")];

#[tokio::test]
async fn a_full_server_says_come_back() {
    let world = World::with(Limits { reads: 1, writes: 0, ..Limits::default() }).await;
    world.furnish().await;
    allow(&world).await;
    // A request whose body does not come holds the only seat of who is nobody in particular.
    let mut slow = world.connect(Some(&world.pki.admin)).await;
    let head = "POST /api/v1/namespaces/default/configmaps HTTP/1.1\r\nhost: x\r\nimpersonate-user: ann\r\nimpersonate-group: system:authenticated\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{";
    slow.write_all(head.as_bytes()).await.expect("sent");
    let call = Call { method: "GET", path: "/api/v1/pods", headers: &ANN, body: b"" };
    let mut answer = world.ask(Some(&world.pki.admin), &call).await;
    for _ in 0..600 {
        if answer.code == 429 {
            break;
        }
        corten_rt::sleep(Duration::from_millis(10)).await;
        answer = world.ask(Some(&world.pki.admin), &call).await;
    }
    assert_eq!((answer.code, answer.headers["retry-after"].as_str()), (429, "1"));
    assert!(answer.headers.contains_key("x-kubernetes-pf-prioritylevel-uid"));
    assert_eq!(answer.text(), "Too many requests, please try again later.\n");
    // The masters always have room.
    assert_eq!(world.admin("GET", "/api/v1/pods", "").await.code, 200);
    let metrics = world.admin("GET", "/metrics", "").await.text();
    let line = "apiserver_flowcontrol_rejected_requests_total{flow_schema=\"catch-all\",priority_level=\"catch-all\",reason=\"concurrency-limit\"}";
    assert!(metrics.contains(line), "{metrics}");
    let dump = world.admin("GET", "/debug/api_priority_and_fairness/dump_priority_levels", "").await.text();
    assert!(dump.contains("\ncatch-all, 0, false, false, 0, 1, "), "{dump}");
    // Once it is done, there is room again.
    slow.shutdown().await.expect("closed");
    let mut rest = Vec::new();
    let _ = slow.read_to_end(&mut rest).await;
    for _ in 0..600 {
        answer = world.ask(Some(&world.pki.admin), &call).await;
        if answer.code == 200 {
            break;
        }
        corten_rt::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(answer.code, 200);
    world.end().await;
}

#[tokio::test]
async fn answers_name_their_class_and_objects_change_it() {
    let world = World::new().await;
    allow(&world).await;
    let level = json!({"metadata": {"name": "mine"}, "spec": {"type": "Limited", "limited": {
        "nominalConcurrencyShares": 5, "limitResponse": {"type": "Reject"}}}});
    let level = post(&world, &format!("{GROUP}/prioritylevelconfigurations"), level).await;
    let rule = json!({"subjects": [{"kind": "User", "user": {"name": "ann"}}],
        "resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "namespaces": ["*"], "clusterScope": true}]});
    let schema = json!({"metadata": {"name": "mine"}, "spec": {"matchingPrecedence": 7,
        "priorityLevelConfiguration": {"name": "mine"}, "rules": [rule]}});
    let schema = post(&world, &format!("{GROUP}/flowschemas"), schema).await;
    let call = Call { method: "GET", path: "/api/v1/pods", headers: &ANN, body: b"" };
    let mut answer = world.ask(Some(&world.pki.admin), &call).await;
    for _ in 0..600 {
        if answer.headers["x-kubernetes-pf-flowschema-uid"]
            == schema["metadata"]["uid"].as_str().unwrap_or("-")
        {
            break;
        }
        corten_rt::sleep(Duration::from_millis(10)).await;
        answer = world.ask(Some(&world.pki.admin), &call).await;
    }
    assert_eq!(level["metadata"]["uid"], answer.headers["x-kubernetes-pf-prioritylevel-uid"].as_str());
    // Without its level the schema dangles, and is not matched.
    let path = format!("{GROUP}/prioritylevelconfigurations/mine");
    assert_eq!(world.admin("DELETE", &path, "").await.code, 200);
    let mut status = json!(null);
    for _ in 0..600 {
        status = world.admin("GET", &format!("{GROUP}/flowschemas/mine"), "").await.json()["status"].clone();
        if status["conditions"][0]["status"] == "True" {
            break;
        }
        corten_rt::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(status["conditions"][0]["type"], "Dangling", "{status}");
    assert_eq!(status["conditions"][0]["reason"], "NotFound");
    world.end().await;
}

#[tokio::test]
async fn without_priorities_the_number_counts() {
    let world = World::with(Limits { writes: 1, fair: false, ..Limits::default() }).await;
    world.furnish().await;
    allow(&world).await;
    let mut slow = world.connect(Some(&world.pki.admin)).await;
    let head = "POST /api/v1/namespaces/default/configmaps HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{";
    slow.write_all(head.as_bytes()).await.expect("sent");
    let path = "/api/v1/namespaces/default/configmaps";
    let headers: Vec<(&str, &str)> = [ANN.as_slice(), &[("content-type", "application/json")]].concat();
    let call =
        Call { method: "POST", path, headers: &headers, body: br#"{"metadata":{"generateName":"m-"}}"# };
    let mut answer = world.ask(Some(&world.pki.admin), &call).await;
    for _ in 0..600 {
        if answer.code == 429 {
            break;
        }
        corten_rt::sleep(Duration::from_millis(10)).await;
        answer = world.ask(Some(&world.pki.admin), &call).await;
    }
    assert_eq!((answer.code, answer.headers["retry-after"].as_str()), (429, "1"));
    assert!(!answer.headers.contains_key("x-kubernetes-pf-prioritylevel-uid"));
    // What reads has room of its own, and the masters always have.
    let read = Call { method: "GET", path, headers: &ANN, body: b"" };
    assert_eq!(world.ask(Some(&world.pki.admin), &read).await.code, 200);
    assert_eq!(world.admin("POST", path, r#"{"metadata":{"name":"mine"}}"#).await.code, 201);
    drop(slow);
    world.end().await;
}

#[tokio::test]
async fn chance_has_clients_connect_anew() {
    let world = World::with(Limits { goaway_chance: 1.0, ..Limits::default() }).await;
    let (mut sender, connection) = world.connect_shared().await;
    let url = format!("https://{}/version", world.address);
    let request = hyper::Request::get(url).body(http_body_util::Full::default());
    let (answer, ended) = tokio::join!(
        async {
            let answer = sender.send_request(request.expect("a request")).await.expect("an answer");
            let code = answer.status();
            http_body_util::BodyExt::collect(answer.into_body()).await.expect("a body");
            code
        },
        corten_rt::timeout(Duration::from_secs(20), connection),
    );
    assert_eq!(answer, 200, "it is answered");
    assert!(ended.is_some(), "and then the server goes away");
    // HTTP/1.1 knows no such thing.
    assert_eq!(world.admin("GET", "/version", "").await.code, 200);
    world.end().await;
}
