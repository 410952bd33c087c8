//! Webhooks for admission, asked over HTTPS.

mod conversions;
mod failures;
pub mod server;

use serde_json::{Value, json};
use server::{Act, HookServer, deny, patch, review};

use crate::world::World;

const CONFIG_MAPS: &str = "/api/v1/namespaces/default/configmaps";
const GROUP: &str = "/apis/admissionregistration.k8s.io/v1";

/// One webhook for some resources, `group/version/plural` each.
pub fn webhook(name: &str, client: Value, resources: &[&str]) -> Value {
    let rules: Vec<Value> = resources
        .iter()
        .map(|resource| {
            let parts: Vec<&str> = resource.splitn(3, '/').collect();
            json!({"operations": ["*"], "apiGroups": [parts[0]], "apiVersions": [parts[1]], "resources": [parts[2]]})
        })
        .collect();
    json!({
        "name": name, "clientConfig": client, "rules": rules, "sideEffects": "None",
        "admissionReviewVersions": ["v1"], "timeoutSeconds": 10,
    })
}

/// Makes a configuration of webhooks.
pub async fn configure(world: &World, plural: &str, name: &str, hooks: Vec<Value>) {
    let body = json!({"metadata": {"name": name}, "webhooks": hooks}).to_string();
    let made = world.admin("POST", &format!("{GROUP}/{plural}"), &body).await;
    assert_eq!(made.code, 201, "{}", made.text());
}

pub const MUTATING: &str = "mutatingwebhookconfigurations";
pub const VALIDATING: &str = "validatingwebhookconfigurations";

fn config_map(name: &str) -> String {
    json!({"metadata": {"name": name}, "data": {"a": "b"}}).to_string()
}

#[tokio::test]
async fn objects_are_changed_and_judged() {
    let world = World::new().await;
    world.furnish().await;
    let server = HookServer::start(|path, asked| match path {
        "/add" => patch(asked, json!([{"op": "add", "path": "/data/added", "value": "yes"}])),
        "/judge" if asked["request"]["object"]["data"]["a"] == "bad" => deny(asked, "bad data"),
        _ => review(asked, json!({"allowed": true, "warnings": ["look here"]})),
    })
    .await;
    // Both ways to a webhook: a URL, and a Service, here of a kind that leads to this machine.
    let by_service = server.service_client(&world, "/add").await;
    configure(&world, MUTATING, "m", vec![webhook("add.ex.io", by_service, &["/v1/configmaps"])]).await;
    let judge = webhook("judge.ex.io", server.client("/judge"), &["/v1/configmaps"]);
    configure(&world, VALIDATING, "v", vec![judge]).await;

    let made = world.admin("POST", CONFIG_MAPS, &config_map("one")).await;
    assert_eq!((made.code, &made.json()["data"]["added"]), (201, &json!("yes")), "{}", made.text());
    assert_eq!(made.headers["warning"], "299 - \"look here\"");
    let bad = world.admin("PATCH", &format!("{CONFIG_MAPS}/one"), r#"{"data":{"a":"bad"}}"#).await;
    let message = "admission webhook \"judge.ex.io\" denied the request: bad data".to_string();
    assert_eq!(bad.refusal(), (403, "Forbidden".into(), message));

    let asked = server.asked();
    let (_, created) = asked.iter().find(|(path, _)| path == "/judge").expect("asked");
    let request = &created["request"];
    assert_eq!(request["object"]["data"]["added"], "yes");
    assert_eq!(request["userInfo"]["username"], "kubernetes-admin");
    assert_eq!(request["options"]["kind"], "CreateOptions");
    let (_, patched) = asked.last().expect("asked");
    assert_eq!(patched["request"]["oldObject"]["data"]["a"], "b");
    assert_eq!(patched["request"]["options"]["kind"], "UpdateOptions");
    world.end().await;
    server.end().await;
}

#[tokio::test]
async fn defaults_follow_a_change() {
    let world = World::new().await;
    world.furnish().await;
    let server = HookServer::start(|_, asked| {
        let container = json!({"name": "second", "image": "img"});
        patch(asked, json!([{"op": "add", "path": "/spec/containers/-", "value": container}]))
    })
    .await;
    configure(&world, MUTATING, "m", vec![webhook("add.ex.io", server.client("/"), &["/v1/pods"])]).await;
    let pod = json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "first", "image": "img"}]}});
    let made = world.admin("POST", "/api/v1/namespaces/default/pods", &pod.to_string()).await;
    assert_eq!(made.code, 201, "{}", made.text());
    assert_eq!(made.json()["spec"]["containers"][1]["terminationMessagePath"], "/dev/termination-log");
    world.end().await;
    server.end().await;
}

#[tokio::test]
async fn deletions_and_connections_are_judged() {
    let world = World::new().await;
    world.furnish().await;
    let server = HookServer::start(|_, asked| {
        let request = &asked["request"];
        match request["operation"].as_str() {
            Some("DELETE") if request["oldObject"]["metadata"]["labels"]["keep"] == "yes" => {
                deny(asked, "kept")
            }
            Some("CONNECT") if request["kind"]["kind"] == "PodAttachOptions" => deny(asked, "no attaching"),
            _ => review(asked, json!({"allowed": true})),
        }
    })
    .await;
    let hook = webhook("h.ex.io", server.client("/"), &["/v1/configmaps", "/v1/pods/attach"]);
    configure(&world, VALIDATING, "v", vec![hook]).await;
    for (name, labels) in [("kept", json!({"keep": "yes", "all": "x"})), ("free", json!({"all": "x"}))] {
        let body = json!({"metadata": {"name": name, "labels": labels}}).to_string();
        assert_eq!(world.admin("POST", CONFIG_MAPS, &body).await.code, 201);
    }
    let denied = "admission webhook \"h.ex.io\" denied the request: ";
    let refused = world.admin("DELETE", &format!("{CONFIG_MAPS}/kept"), "").await;
    assert_eq!(refused.refusal().2, format!("{denied}kept"));
    let refused = world.admin("DELETE", &format!("{CONFIG_MAPS}?labelSelector=all"), "").await;
    assert_eq!(refused.refusal().2, format!("{denied}kept"));
    let left = world.admin("GET", &format!("{CONFIG_MAPS}?labelSelector=all"), "").await.json();
    assert_eq!(left["items"].as_array().map(Vec::len), Some(1), "the other is gone");
    let pod = json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "img"}]}});
    let made = world.admin("POST", "/api/v1/namespaces/default/pods", &pod.to_string()).await;
    assert_eq!(made.code, 201, "{}", made.text());
    let attach = world.admin("POST", "/api/v1/namespaces/default/pods/p/attach?stdin=true", "").await;
    assert_eq!(attach.refusal(), (403, "Forbidden".into(), format!("{denied}no attaching")));
    let asked = server.asked();
    let (_, connect) = asked.last().expect("asked");
    assert_eq!(connect["request"]["object"]["stdin"], true);
    assert_eq!(connect["request"]["subResource"], "attach");
    world.end().await;
    server.end().await;
}

#[tokio::test]
async fn configurations_themselves_are_never_judged() {
    let world = World::new().await;
    world.furnish().await;
    let server = HookServer::start(|_, asked| deny(asked, "nothing goes")).await;
    configure(&world, VALIDATING, "v", vec![webhook("h.ex.io", server.client("/"), &["*/*/*"])]).await;
    assert_eq!(world.admin("POST", CONFIG_MAPS, &config_map("x")).await.code, 403);
    let gone = world.admin("DELETE", &format!("{GROUP}/{VALIDATING}/v"), "").await;
    assert_eq!(gone.code, 200, "{}", gone.text());
    assert_eq!(world.admin("POST", CONFIG_MAPS, &config_map("x")).await.code, 201, "at once");
    world.end().await;
    server.end().await;
}

#[tokio::test]
async fn other_versions_are_shown_as_the_rule_names_them() {
    let world = World::new().await;
    world.furnish().await;
    let server = HookServer::start(|_, asked| {
        patch(asked, json!([{"op": "replace", "path": "/spec/targetCPUUtilizationPercentage", "value": 33}]))
    })
    .await;
    let hook = webhook("h.ex.io", server.client("/"), &["autoscaling/v1/horizontalpodautoscalers"]);
    configure(&world, MUTATING, "m", vec![hook]).await;
    let target = json!({"kind": "Deployment", "apiVersion": "apps/v1", "name": "d"});
    let metric = json!({"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}});
    let scaler = json!({"metadata": {"name": "h"}, "spec": {"scaleTargetRef": target, "maxReplicas": 3, "metrics": [metric]}});
    let path = "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers";
    let made = world.admin("POST", path, &scaler.to_string()).await;
    assert_eq!(made.code, 201, "{}", made.text());
    assert_eq!(made.json()["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"], 33);
    let (_, asked) = server.asked().remove(0);
    assert_eq!(asked["request"]["kind"]["version"], "v1");
    assert_eq!(asked["request"]["requestKind"]["version"], "v2");
    assert_eq!(asked["request"]["object"]["apiVersion"], "autoscaling/v1");
    world.end().await;
    server.end().await;
}

#[tokio::test]
async fn who_hangs_holds_up_nobody_else() {
    let world = World::new().await;
    world.furnish().await;
    let server = HookServer::start(|_, _| Act::Hang).await;
    let mut hook = webhook("h.ex.io", server.client("/"), &["/v1/configmaps"]);
    hook["objectSelector"] = json!({"matchLabels": {"slow": "yes"}});
    hook["timeoutSeconds"] = json!(30);
    configure(&world, VALIDATING, "v", vec![hook]).await;
    let slow = json!({"metadata": {"name": "slow", "labels": {"slow": "yes"}}}).to_string();
    let hanging = world.admin("POST", CONFIG_MAPS, &slow);
    let others = async {
        while server.asked().is_empty() {
            corten_rt::sleep(std::time::Duration::from_millis(5)).await;
        }
        for i in 0..20 {
            let made = world.admin("POST", CONFIG_MAPS, &config_map(&format!("quick-{i}"))).await;
            assert_eq!(made.code, 201, "{}", made.text());
        }
    };
    tokio::select! {
        answer = hanging => panic!("the webhook never answers, but {answer:?}"),
        () = others => {}
    }
    world.end().await;
    server.end().await;
}

#[tokio::test]
async fn subresources_are_shown_as_they_are_asked_for() {
    let world = World::new().await;
    world.furnish().await;
    let server = HookServer::start(|_, asked| {
        let request = &asked["request"];
        match (request["subResource"].as_str(), request["object"]["spec"]["replicas"].as_i64()) {
            (Some("scale"), Some(5)) => {
                patch(asked, json!([{"op": "replace", "path": "/spec/replicas", "value": 2}]))
            }
            _ => review(asked, json!({"allowed": true})),
        }
    })
    .await;
    let resources = [
        "/v1/pods/binding",
        "/v1/pods/eviction",
        "/v1/bindings",
        "apps/v1/replicasets/scale",
        "/v1/serviceaccounts/token",
    ];
    configure(&world, MUTATING, "m", vec![webhook("h.ex.io", server.client("/"), &resources)]).await;

    let labels = json!({"app": "x"});
    let pod = |name: &str| json!({"metadata": {"name": name, "labels": labels}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
    let pods = "/api/v1/namespaces/default/pods";
    for name in ["p", "q"] {
        assert_eq!(world.admin("POST", pods, &pod(name).to_string()).await.code, 201);
    }
    let target = json!({"kind": "Node", "name": "n"});
    let binding = json!({"metadata": {"name": "p"}, "target": target}).to_string();
    assert_eq!(world.admin("POST", &format!("{pods}/p/binding"), &binding).await.code, 201);
    let binding = json!({"metadata": {"name": "q"}, "target": target}).to_string();
    let bound = world.admin("POST", "/api/v1/namespaces/default/bindings", &binding).await;
    assert_eq!(bound.code, 201, "{}", bound.text());
    let eviction = json!({"metadata": {"name": "q"}}).to_string();
    let evicted = world.admin("POST", &format!("{pods}/q/eviction"), &eviction).await;
    assert_eq!(evicted.code, 201, "{}", evicted.text());

    let sets = "/apis/apps/v1/namespaces/default/replicasets";
    let template = json!({"metadata": {"labels": labels}, "spec": pod("x")["spec"]});
    let set = json!({"metadata": {"name": "s"}, "spec": {"selector": {"matchLabels": labels}, "template": template}});
    assert_eq!(world.admin("POST", sets, &set.to_string()).await.code, 201);
    let scaled = world.admin("PATCH", &format!("{sets}/s/scale"), r#"{"spec":{"replicas":5}}"#).await;
    assert_eq!((scaled.code, &scaled.json()["spec"]["replicas"]), (200, &json!(2)), "{}", scaled.text());
    assert_eq!(world.admin("GET", &format!("{sets}/s"), "").await.json()["spec"]["replicas"], 2);

    let seen: Vec<String> = server.asked().iter().map(|(_, asked)| told(&asked["request"])).collect();
    assert_eq!(
        seen,
        [
            "CREATE pods/binding /v1/Binding p",
            "CREATE bindings/ /v1/Binding q",
            "CREATE pods/eviction policy/v1/Eviction q",
            "UPDATE replicasets/scale autoscaling/v1/Scale s from 1",
        ]
    );
    let metrics = world.admin("GET", "/metrics", "").await.text();
    let line = "apiserver_admission_webhook_request_total{code=\"200\",name=\"h.ex.io\",operation=\"UPDATE\",rejected=\"false\",type=\"admit\"} 1";
    assert!(metrics.lines().any(|l| l == line), "{metrics}");
    world.end().await;
    server.end().await;
}

/// What a review is about, in a line.
fn told(request: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
    let (operation, resource) = (text(&request["operation"]), text(&request["resource"]["resource"]));
    let kind = ["group", "version", "kind"].map(|part| text(&request["kind"][part])).join("/");
    let mut told =
        format!("{operation} {resource}/{} {kind} {}", text(&request["subResource"]), text(&request["name"]));
    assert_eq!(request["object"]["kind"], request["kind"]["kind"]);
    if let Some(before) = request["oldObject"]["spec"]["replicas"].as_i64() {
        told += &format!(" from {before}");
    }
    told
}
