//! What `/metrics` shows, beside upstream's stable metrics: their names and labels are what dashboards and alerts ask
//! for.

use crate::world::{Call, World};
use std::collections::BTreeSet;

/// Upstream's stable and beta metrics of a quiet API server, with their labels in order. Those of webhooks, policies,
/// encryption and reloads are there once there is something to count.
const STABLE: [(&str, &str); 15] = [
    ("apiserver_admission_controller_admission_duration_seconds_count", "name operation rejected type"),
    ("apiserver_admission_step_admission_duration_seconds_count", "operation rejected type"),
    ("apiserver_current_inflight_requests", "request_kind"),
    ("apiserver_flowcontrol_current_executing_requests", "flow_schema priority_level"),
    ("apiserver_flowcontrol_current_executing_seats", "flow_schema priority_level"),
    ("apiserver_flowcontrol_current_inqueue_requests", "flow_schema priority_level"),
    ("apiserver_flowcontrol_dispatched_requests_total", "flow_schema priority_level"),
    ("apiserver_flowcontrol_nominal_limit_seats", "priority_level"),
    (
        "apiserver_request_duration_seconds_count",
        "component dry_run group resource scope subresource verb version",
    ),
    ("apiserver_request_total", "code component dry_run group resource scope subresource verb version"),
    ("apiserver_requested_deprecated_apis", "group removed_release resource subresource version"),
    ("apiserver_response_sizes_count", "component group resource scope subresource verb version"),
    ("apiserver_storage_objects", "resource"),
    ("apiserver_storage_size_bytes", "storage_cluster_id"),
    ("kubernetes_feature_enabled", "name stage"),
];

/// The names of the labels of each sample, by its name.
fn samples(text: &str) -> BTreeSet<(String, String)> {
    let of = |line: &str| {
        let (name, labels) = line.split_once(['{', ' '])?;
        let labels = labels.split_once('}').map_or("", |(labels, _)| labels);
        let names = labels.split("\",").filter_map(|label| label.split_once('=')).map(|(name, _)| name);
        Some((name.to_string(), names.collect::<Vec<_>>().join(" ")))
    };
    text.lines().filter(|line| !line.starts_with('#')).filter_map(of).collect()
}

#[tokio::test]
async fn the_stable_metrics_are_upstreams() {
    let world = World::new().await;
    world.furnish().await;
    let map = r#"{"metadata":{"name":"a"}}"#;
    assert_eq!(world.admin("POST", "/api/v1/namespaces/default/configmaps", map).await.code, 201);
    let dry = "/api/v1/namespaces/default/configmaps?dryRun=All";
    assert_eq!(world.admin("POST", dry, &map.replace("\"a\"", "\"b\"")).await.code, 201);
    assert_eq!(world.admin("GET", "/api/v1/configmaps", "").await.code, 200);
    assert_eq!(world.admin("GET", "/api/v1/endpoints", "").await.code, 200);
    let token = [("authorization", "Bearer none")];
    let call = Call { method: "GET", path: "/api", headers: &token, body: b"" };
    assert_eq!(world.ask(None, &call).await.code, 401);
    let text = world.admin("GET", "/metrics", "").await.text();
    let there = samples(&text);
    for (name, labels) in STABLE {
        assert!(
            there.contains(&(name.to_string(), labels.to_string())),
            "{name}{{{labels}}} is not in\n{text}"
        );
    }
    for line in [
        "apiserver_admission_controller_admission_duration_seconds_count{name=\"NamespaceLifecycle\",operation=\"CREATE\",rejected=\"false\",type=\"admit\"} ",
        "apiserver_requested_deprecated_apis{group=\"\",removed_release=\"\",resource=\"endpoints\",subresource=\"\",version=\"v1\"} 1",
        "apiserver_request_total{code=\"201\",component=\"apiserver\",dry_run=\"All\",group=\"\",resource=\"configmaps\",scope=\"resource\",subresource=\"\",verb=\"POST\",version=\"v1\"} 1",
        "apiserver_request_sli_duration_seconds_count{component=\"apiserver\",group=\"\",resource=\"configmaps\",scope=\"resource\",subresource=\"\",verb=\"POST\",version=\"v1\"} ",
        "authentication_attempts{result=\"error\"} 1",
        "authorization_attempts_total{result=\"allowed\"}",
        "apiserver_client_certificate_expiration_seconds_bucket{le=\"0\"} 0",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    // Each family is told once, before its samples.
    let families: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
    let mut once = BTreeSet::new();
    assert!(families.iter().all(|family| once.insert(*family)), "{families:?}");
    world.end().await;
}

#[tokio::test]
async fn checks_of_health_are_told_apart() {
    let world = World::new().await;
    world.furnish().await;
    assert_eq!(world.admin("GET", "/readyz?exclude=ping", "").await.code, 200);
    let text = world.admin("GET", "/metrics/slis", "").await.text();
    assert!(text.contains("kubernetes_healthcheck{name=\"etcd\",type=\"readyz\"} 1\n"), "{text}");
    let line = "kubernetes_healthchecks_total{name=\"etcd\",status=\"success\",type=\"readyz\"} 1\n";
    assert!(text.contains(line) && !text.contains("name=\"ping\""), "{text}");
    world.end().await;
}
