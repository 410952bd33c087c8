//! What a real server records of requests.

use crate::hooks::server::{Act, HookServer};
use crate::world::{Call, World};
use corten_apiserver::audit::{Audit, BatchOptions, LogOptions, Mode, Policy, Throttle, Truncation, Webhook};
use corten_apiserver::http::Limits;
use corten_apiserver::identity::Remote;
use corten_client::http::HttpConfig;
use corten_rt::{Stop, Tasks};
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
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

/// A server that sends all events to a webhook alone.
async fn sending(hook: &HookServer, mode: Mode, size: Option<Truncation>, tasks: &Tasks) -> World {
    let policy = "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Request}]";
    let policy = Policy::parse(policy.as_bytes()).expect("a policy");
    let config = HttpConfig {
        server: format!("https://127.0.0.1:{}/events", hook.address.port()),
        authority: hook.authority.clone().into_bytes(),
        ..HttpConfig::default()
    };
    World::built(Limits::default(), |api, _| {
        let remote = Remote::new(Arc::clone(api.registry.outbound()), config).expect("a remote");
        let throttle = Some(Throttle { qps: 10.0, burst: 15.0 });
        let wait = Duration::from_secs(3600);
        let options = BatchOptions { buffer: 10_000, most: 10_000, wait, throttle };
        let pause = Duration::from_millis(1);
        let hook = Webhook::start(remote, mode, size, options, pause, tasks);
        let audit = Audit::new(policy, api.clock).logging(None, None).sending(hook);
        api.audit = Some(Arc::new(audit));
    })
    .await
}

#[tokio::test]
async fn a_webhook_takes_what_waits_when_the_server_ends() {
    let hook = HookServer::start(|_, _| Act::Answer(200, "text/plain", Vec::new())).await;
    let (tasks, size) = (Tasks::new(Stop::new()), Truncation { event: 2000, batch: 1 << 20 });
    let world = sending(&hook, Mode::Batch, Some(size), &tasks).await;
    world.furnish().await;
    let map = serde_json::json!({"metadata": {"name": "large"}, "data": {"a": "b".repeat(2000)}});
    let made = world.admin("POST", "/api/v1/namespaces/default/configmaps", &map.to_string()).await;
    assert_eq!(made.code, 201, "{}", made.text());
    assert!(hook.asked().is_empty(), "a batch is waited for");
    world.end().await;
    assert!(tasks.shutdown(Duration::from_secs(10)).await);
    let asked = hook.asked();
    assert_eq!(asked.len(), 1, "{asked:#?}");
    let (path, list) = &asked[0];
    assert_eq!((path.as_str(), &list["kind"]), ("/events", &Value::from("EventList")));
    let events = list["items"].as_array().expect("events");
    let of = |name: &str| {
        let is = |e: &&Value| e["objectRef"]["name"] == name && e["stage"] == "ResponseComplete";
        events.iter().find(is).unwrap_or_else(|| panic!("no event of {name} in {events:#?}"))
    };
    assert!(events.iter().all(|event| event["kind"].is_null()), "the list says what they are");
    assert_eq!(of("there")["requestObject"]["data"]["a"], "b");
    assert!(of("large")["requestObject"].is_null(), "it would be too large");
    assert_eq!(of("large")["annotations"]["audit.k8s.io/truncated"], "true");
    hook.end().await;
}

#[tokio::test]
async fn requests_wait_for_a_webhook_and_may_depend_on_it() {
    let good = Arc::new(AtomicBool::new(true));
    let is_good = Arc::clone(&good);
    let hook = HookServer::start(move |_, _| {
        Act::Answer(if is_good.load(Ordering::Relaxed) { 200 } else { 500 }, "text/plain", Vec::new())
    })
    .await;
    for (mode, code) in [(Mode::Blocking, 200), (Mode::BlockingStrict, 500)] {
        good.store(true, Ordering::Relaxed);
        let tasks = Tasks::new(Stop::new());
        let world = sending(&hook, mode, None, &tasks).await;
        let before = hook.asked().len();
        assert_eq!(world.admin("GET", "/api/v1/namespaces", "").await.code, 200);
        assert_eq!(hook.asked().len(), before + 2, "its two events are there before the answer is");
        good.store(false, Ordering::Relaxed);
        let answer = world.admin("GET", "/api/v1/namespaces", "").await;
        assert_eq!(answer.code, code, "{mode:?}");
        if mode == Mode::BlockingStrict {
            let why = "Internal Server Error: \"/api/v1/namespaces\": failed to store audit event\n";
            assert_eq!(answer.text(), why);
        }
        good.store(true, Ordering::Relaxed);
        let metrics = world.admin("GET", "/metrics", "").await.text();
        let rejected = u32::from(mode == Mode::BlockingStrict);
        let line = format!("apiserver_audit_requests_rejected_total {rejected}\n");
        assert!(metrics.contains(&line) && metrics.contains("{plugin=\"webhook\"} 2\n"), "{metrics}");
        world.end().await;
        assert!(tasks.shutdown(Duration::from_secs(10)).await);
    }
    hook.end().await;
}
