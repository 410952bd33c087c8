//! Manifests that several tests use, and questions that several ask.

use anyhow::Result;
use corten_api::core::v1::Pod;
use corten_testkit::TestCluster;
use serde_json::{Value, json};
use std::sync::Arc;

pub const NS: &str = "default";

/// A Deployment or ReplicaSet of pods labelled `app: NAME`.
pub fn workload(name: &str, replicas: u32, image: &str) -> Value {
    json!({
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": template(name, image),
        },
    })
}

pub fn template(app: &str, image: &str) -> Value {
    json!({
        "metadata": {"labels": {"app": app}},
        "spec": {"containers": [{"name": "web", "image": image}]},
    })
}

pub fn replication_controller(name: &str, replicas: u32) -> Value {
    json!({
        "metadata": {"name": name},
        "spec": {"replicas": replicas, "selector": {"app": name}, "template": template(name, "web:1")},
    })
}

pub fn pod(name: &str) -> Value {
    let mut pod = template(name, "web:1");
    pod["metadata"]["name"] = json!(name);
    pod
}

/// The pods labelled `app: NAME` that nobody has deleted.
pub async fn pods_of(cluster: &TestCluster, app: &str) -> Result<Vec<Arc<Pod>>> {
    let mut pods = cluster.list::<Pod>(NS).await?;
    pods.retain(|pod| {
        pod.metadata.deletion_timestamp.is_none() && pod.metadata.labels.get("app").is_some_and(|a| a == app)
    });
    Ok(pods)
}

pub fn is_ready(pod: &Pod) -> bool {
    pod.status.conditions.iter().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

pub fn image(pod: &Pod) -> &str {
    pod.spec.containers.first().map_or("", |container| &container.image)
}
