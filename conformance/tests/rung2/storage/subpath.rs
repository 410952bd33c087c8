//! Parts of volumes, mounted on their own.

use anyhow::{Result, ensure};
use corten_api::core::v1::{ConfigMap, Secret};
use corten_conformance::{Cluster, pods, spec};
use serde_json::{Value, json};

/// A pod reads what is mounted at `place`, a part of a volume.
async fn reads(cluster: &Cluster, source: Value, part: &str, place: &str, text: &str) -> Result<()> {
    let map = json!({"metadata": {"name": "my-configmap"}, "data": {"configmap-key": "configmap-value"}});
    cluster.create::<ConfigMap>(map).await?;
    let secret = json!({"metadata": {"name": "my-secret"}, "data": {"secret-key": "c2VjcmV0LXZhbHVl"}});
    cluster.create::<Secret>(secret).await?;
    let mut container = pods::mounting(
        pods::shell("test", &format!("cat {place}")),
        &[("test-volume", place), ("probe", "/probe")],
    );
    container["volumeMounts"][0]["subPath"] = json!(part);
    container["securityContext"] = json!({"privileged": false});
    let volumes = [("test-volume", source), ("probe", json!({"emptyDir": {}}))];
    let mut pod = pods::with_volumes(pods::pod("subpath", &[container]), &volumes);
    pod["spec"]["securityContext"] = json!({"seLinuxOptions": {"level": "s0:c0,c1"}});
    let (phase, output) = cluster.output_of(pod, "test").await?;
    ensure!((&*phase, output.trim()) == ("Succeeded", text), "{phase}: {output:?}");
    Ok(())
}

#[tokio::test]
async fn subpath_secret() -> Result<()> {
    spec(async |cluster| {
        let source = json!({"secret": {"secretName": "my-secret"}});
        reads(cluster, source, "secret-key", "/test-volume", "secret-value").await
    })
    .await
}

#[tokio::test]
async fn subpath_configmap() -> Result<()> {
    spec(async |cluster| {
        let source = json!({"configMap": {"name": "my-configmap"}});
        reads(cluster, source, "configmap-key", "/test-volume", "configmap-value").await
    })
    .await
}

#[tokio::test]
async fn subpath_configmap_onto_existing_file() -> Result<()> {
    spec(async |cluster| {
        let source = json!({"configMap": {"name": "my-configmap"}});
        reads(cluster, source, "configmap-key", "/etc/resolv.conf", "configmap-value").await
    })
    .await
}

#[tokio::test]
async fn subpath_downward() -> Result<()> {
    spec(async |cluster| {
        let item = json!({"path": "downward/podname", "fieldRef": {"fieldPath": "metadata.name"}});
        let source = json!({"downwardAPI": {"items": [item]}});
        reads(cluster, source, "downward/podname", "/test-volume", "subpath").await
    })
    .await
}

#[tokio::test]
async fn subpath_projected() -> Result<()> {
    spec(async |cluster| {
        let items = json!([{"key": "configmap-key", "path": "projected/configmap-key"}]);
        let map = json!({"configMap": {"name": "my-configmap", "items": items}});
        let source = json!({"projected": {"sources": [map]}});
        reads(cluster, source, "projected/configmap-key", "/test-volume", "configmap-value").await
    })
    .await
}
