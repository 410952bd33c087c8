//! What a real server records of requests.

use crate::world::{Call, World};
use corten_apiserver::audit::{Audit, LogOptions, Policy};
use corten_apiserver::http::Limits;
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

async fn world(policy: Option<&str>) -> World {
    let policy =
        policy.map_or_else(Policy::standard, |text| Policy::parse(text.as_bytes()).expect("a policy"));
    World::built(Limits::default(), |api, directory| {
        let audit = Arc::new(Audit::new(policy, api.clock));
        let path = directory.join("audit/audit.log");
        audit.keep_log(LogOptions { path, max_size: 1 << 20, max_backup: 1, max_age: 0 }, &api.tasks);
        api.audit = Some(audit);
    })
    .await
}

fn events(directory: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(directory.join("audit/audit.log")).unwrap_or_default();
    let whole = &text[..text.rfind('\n').map_or(0, |end| end + 1)];
    whole.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

/// Waits until an event that `is` has been written.
async fn wait(world: &World, is: impl Fn(&Value) -> bool) -> Value {
    for _ in 0..600 {
        if let Some(event) = events(world.dir.path()).into_iter().find(|e| is(e)) {
            return event;
        }
        corten_rt::sleep(Duration::from_millis(50)).await;
    }
    panic!("no such event among {:#?}", events(world.dir.path()));
}

#[tokio::test]
async fn who_did_what_is_recorded_by_default() {
    let world = world(None).await;
    world.furnish().await;
    let secret = r#"{"metadata":{"name":"s"},"stringData":{"password":"hidden"}}"#;
    let made = world.admin("POST", "/api/v1/namespaces/default/secrets", secret).await;
    assert_eq!(made.code, 201, "{}", made.text());
    let event = wait(&world, |e| e["objectRef"]["resource"] == "secrets").await;
    assert_eq!(event["auditID"], made.headers["audit-id"].as_str());
    assert_eq!(event["stage"], "ResponseComplete");
    assert_eq!(event["verb"], "create");
    assert_eq!(event["objectRef"]["name"], "s");
    assert_eq!(event["responseStatus"]["code"], 201);
    assert_eq!(event["annotations"]["authorization.k8s.io/decision"], "allow");
    assert_eq!(event["sourceIPs"][0], "127.0.0.1");
    let nobody = Call { method: "GET", path: "/api/v1/secrets", headers: &[], body: b"" };
    assert_eq!(world.ask(None, &nobody).await.code, 401);
    let refused = wait(&world, |e| e["responseStatus"]["code"] == 401).await;
    assert_eq!(refused["responseStatus"]["message"], "Authentication failed, no credentials provided");
    assert_eq!(refused["user"], serde_json::json!({}));
    let (directory, tasks) = (world.dir, world.tasks);
    assert!(tasks.shutdown(Duration::from_secs(10)).await);
    let text = std::fs::read_to_string(directory.path().join("audit/audit.log")).expect("a log");
    assert!(!text.contains("hidden") && !text.contains("RequestReceived"), "{text}");
}

#[tokio::test]
async fn bodies_watches_and_impersonation_are_recorded_as_the_policy_asks() {
    let policy = "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: RequestResponse}]";
    let world = world(Some(policy)).await;
    world.furnish().await;
    let map = |e: &Value| e["objectRef"]["resource"] == "configmaps" && e["stage"] == "ResponseComplete";
    let event = wait(&world, map).await;
    assert_eq!(event["requestObject"]["data"]["a"], "b");
    assert_eq!(event["responseObject"]["metadata"]["namespace"], "default");
    let call = Call {
        method: "GET",
        path: "/api/v1/namespaces/default/configmaps/none",
        headers: &[("impersonate-user", "ann")],
        body: b"",
    };
    assert_eq!(world.ask(Some(&world.pki.admin), &call).await.code, 403);
    let forbidden = wait(&world, |e| e["responseStatus"]["code"] == 403).await;
    assert_eq!(forbidden["impersonatedUser"]["username"], "ann");
    assert_eq!(forbidden["annotations"]["authorization.k8s.io/decision"], "forbid");
    assert_eq!(forbidden["responseObject"]["reason"], "Forbidden");
    let path = "/api/v1/namespaces/default/configmaps?watch=1&timeoutSeconds=1";
    assert_eq!(world.admin("GET", path, "").await.code, 200);
    for stage in ["RequestReceived", "ResponseStarted", "ResponseComplete"] {
        wait(&world, |e| e["verb"] == "watch" && e["stage"] == stage).await;
    }
    world.end().await;
}
