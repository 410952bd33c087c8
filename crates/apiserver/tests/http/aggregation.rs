//! Groups and versions that another server answers for.

use std::time::Duration;

use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::hooks::server::{Act, HookServer};
use crate::world::{Call, World};

const SERVICES: &str = "/apis/apiregistration.k8s.io/v1/apiservices";
const ROOT: &str = "/apis/things.ex.io/v1";

/// An API server with one resource.
async fn other() -> HookServer {
    HookServer::start(|path, body| match path {
        "/apis" => Act::Answer(404, "text/plain", b"404 page not found".to_vec()),
        ROOT => {
            let resource = json!({
                "name": "things", "singularName": "thing", "namespaced": true, "kind": "Thing",
                "verbs": ["get", "list", "create"],
            });
            Act::Json(json!({"kind": "APIResourceList", "groupVersion": "things.ex.io/v1", "resources": [resource]}))
        }
        "/openapi/v3" => Act::Json(json!({"paths": {"apis/things.ex.io/v1": {"serverRelativeURL": "/openapi/v3/apis/things.ex.io/v1?hash=1"}}})),
        "/openapi/v3/apis/things.ex.io/v1" => Act::Json(json!({"openapi": "3.0.0", "info": {"title": "things"}})),
        "/openapi/v2" => Act::Json(json!({"swagger": "2.0", "paths": {"/apis/things.ex.io/v1/things": {}}, "definitions": {"io.ex.Thing": {"type": "object"}}})),
        "/apis/things.ex.io/v1/away" => Act::Redirect,
        _ => Act::Json(json!({"kind": "Thing", "apiVersion": "things.ex.io/v1", "sent": body})),
    })
    .await
}

fn service(server: &HookServer) -> Value {
    json!({
        "metadata": {"name": "v1.things.ex.io"},
        "spec": {
            "group": "things.ex.io", "version": "v1", "groupPriorityMinimum": 2000, "versionPriority": 10,
            "service": {"namespace": "default", "name": "hook", "port": server.address.port()},
            "caBundle": server.client("/")["caBundle"],
        },
    })
}

/// Waits until the condition has this reason; its message.
async fn until(world: &World, reason: &str) -> String {
    let mut seen = Value::Null;
    for _ in 0..2000 {
        let condition = &world.admin("GET", &format!("{SERVICES}/v1.things.ex.io"), "").await.json()["status"]
            ["conditions"][0];
        if condition["reason"] == reason {
            return condition["message"].as_str().unwrap_or_default().to_string();
        }
        seen = condition.clone();
        corten_rt::sleep(Duration::from_millis(20)).await;
    }
    panic!("never {reason}, but {seen}");
}

#[tokio::test]
async fn another_server_answers_for_its_version() {
    let world = World::new().await;
    world.furnish().await;
    world.aggregation.start(&world.tasks);
    let server = other().await;
    let made = world.admin("POST", SERVICES, &service(&server).to_string()).await;
    assert_eq!(made.code, 201, "{}", made.text());
    assert_eq!(until(&world, "ServiceNotFound").await, "service/hook in \"default\" is not present");
    let answer = world.admin("GET", &format!("{ROOT}/things"), "").await;
    assert_eq!((answer.code, answer.text().as_str()), (503, "service unavailable\n"));
    server.service_client(&world, "/").await;
    assert_eq!(until(&world, "Passed").await, "all checks passed");

    // A request goes on as it is, but for who makes it.
    let call = Call {
        method: "POST",
        path: &format!("{ROOT}/namespaces/default/things?dryRun=All"),
        headers: &[
            ("content-type", "application/json"),
            ("x-remote-user", "root"),
            ("authorization", "Basic x"),
        ],
        body: br#"{"a":1}"#,
    };
    let answer = world.ask(Some(&world.pki.admin), &call).await;
    assert_eq!((answer.code, &answer.json()["sent"]), (200, &json!({"a": 1})), "{}", answer.text());
    let heard = server.heard();
    let heard = heard.iter().find(|h| h.method == "POST").expect("heard");
    assert_eq!(heard.path, format!("{ROOT}/namespaces/default/things?dryRun=All"));
    assert_eq!(heard.headers["x-remote-user"], "kubernetes-admin");
    let groups: Vec<_> = heard.headers.get_all("x-remote-group").iter().collect();
    assert_eq!(groups, ["system:masters", "system:authenticated"]);
    assert!(!heard.headers.contains_key("authorization"));
    let front =
        corten_auth::pki::Inspected::from_der(&heard.certificate.clone().expect("a certificate").into());
    assert_eq!(front.expect("a certificate").common_name, "front-proxy-client");
    let away = world.admin("GET", &format!("{ROOT}/away"), "").await;
    assert_eq!(away.code, 502, "{}", away.text());
    world.end().await;
    server.end().await;
}

#[tokio::test]
async fn what_it_serves_is_told_beside_our_own() {
    let world = World::new().await;
    world.furnish().await;
    world.aggregation.start(&world.tasks);
    let server = other().await;
    server.service_client(&world, "/").await;
    let made = world.admin("POST", SERVICES, &service(&server).to_string()).await;
    assert_eq!(made.code, 201, "{}", made.text());
    until(&world, "Passed").await;
    let accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
    let mut found = Value::Null;
    for _ in 0..2000 {
        let groups = world.get_with("/apis", "accept", accept).await.json();
        let items = groups["items"].as_array().cloned().unwrap_or_default();
        found = items.into_iter().find(|g| g["metadata"]["name"] == "things.ex.io").unwrap_or_default();
        if found["versions"][0]["freshness"] == "Current" {
            break;
        }
        corten_rt::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(found["versions"][0]["resources"][0]["resource"], "things", "{found}");
    let older = world.admin("GET", "/apis/things.ex.io", "").await.json();
    assert_eq!(older["preferredVersion"]["version"], "v1");
    let groups = world.admin("GET", "/apis", "").await.json();
    let groups = groups["groups"].as_array().cloned().unwrap_or_default();
    assert!(groups.iter().any(|g| g["name"] == "things.ex.io") && groups.iter().any(|g| g["name"] == "apps"));
    assert_eq!(world.admin("GET", ROOT, "").await.json()["resources"][0]["kind"], "Thing");
    let index = world.admin("GET", "/openapi/v3", "").await.json();
    let url =
        index["paths"]["apis/things.ex.io/v1"]["serverRelativeURL"].as_str().unwrap_or_default().to_string();
    assert_eq!(world.admin("GET", &url, "").await.json()["info"]["title"], "things", "{url}");
    let whole = world.admin("GET", "/openapi/v2", "").await.json();
    assert_eq!(whole["definitions"]["io.ex.Thing"]["type"], "object");
    assert!(whole["paths"]["/apis/things.ex.io/v1/things"].is_object());
    assert!(whole["paths"]["/api/v1/pods"].is_object() || whole["paths"]["/api/v1/pods"].is_null());
    let protobuf = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";
    let encoded = world.get_with("/openapi/v2", "accept", protobuf).await;
    assert_eq!(encoded.headers["content-type"], protobuf);
    assert!(encoded.text().contains("io.ex.Thing"));
    let metrics = world.admin("GET", "/metrics", "").await.text();
    assert!(metrics.contains("aggregator_unavailable_apiservice{name=\"v1.things.ex.io\"} 0\n"), "{metrics}");

    // When it goes, so does all of that.
    let gone = world.admin("DELETE", &format!("{SERVICES}/v1.things.ex.io"), "").await;
    assert_eq!(gone.code, 200);
    for _ in 0..2000 {
        if world.admin("GET", ROOT, "").await.code == 404 {
            break;
        }
        corten_rt::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(world.admin("GET", "/apis/things.ex.io", "").await.code, 404);
    world.end().await;
    server.end().await;
}

#[tokio::test]
async fn upgrades_pass_through() {
    let world = World::new().await;
    world.furnish().await;
    world.aggregation.start(&world.tasks);
    let server = other().await;
    server.service_client(&world, "/").await;
    world.admin("POST", SERVICES, &service(&server).to_string()).await;
    until(&world, "Passed").await;
    let call = Call {
        method: "GET",
        path: &format!("{ROOT}/namespaces/default/things/x/exec"),
        headers: &[("connection", "Upgrade"), ("upgrade", "echo")],
        body: b"",
    };
    let mut response = world.open(Some(&world.pki.admin), &call).await;
    assert_eq!(response.status(), 101);
    let mut stream = TokioIo::new(hyper::upgrade::on(&mut response).await.expect("an upgrade"));
    stream.write_all(b"hello").await.expect("sent");
    let mut back = [0; 5];
    stream.read_exact(&mut back).await.expect("an echo");
    assert_eq!(&back, b"hello");
    assert_eq!(server.heard().last().expect("heard").headers["x-remote-user"], "kubernetes-admin");
    drop(stream);
    world.end().await;
    server.end().await;
}

#[tokio::test]
async fn own_versions_are_registered() {
    let world = World::new().await;
    world.aggregation.start(&world.tasks);
    let mut found = Value::Null;
    for _ in 0..2000 {
        found = world.admin("GET", &format!("{SERVICES}/v1.apps"), "").await.json();
        if found["kind"] == "APIService" {
            break;
        }
        corten_rt::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(found["spec"]["groupPriorityMinimum"], 17800, "{found}");
    assert_eq!(found["status"]["conditions"][0]["reason"], "Local");
    assert_eq!(found["metadata"]["labels"]["kube-aggregator.kubernetes.io/automanaged"], "onstart");
    world.end().await;
}
