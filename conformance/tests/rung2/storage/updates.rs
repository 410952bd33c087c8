//! What changes in ConfigMaps and Secrets changes in running pods.

use super::sources::Source::{self, ConfigMap, ProjectedConfigMap, ProjectedSecret, Secret};
use anyhow::Result;
use corten_api::core::v1;
use corten_conformance::{Cluster, pods, spec};
use serde_json::{Value, json};

/// A container that says each second what is in a file.
fn follower(name: &str, volume: &str, file: &str) -> Value {
    let line = format!("while :; do cat /etc/{volume}/{file} || echo error reading; echo; sleep 0.5; done");
    pods::mounting(pods::shell(name, &line), &[(volume, &format!("/etc/{volume}"))])
}

async fn says(cluster: &Cluster, container: &str, text: &str) -> Result<()> {
    let what = format!("{text:?} from {container}");
    let last = |logs: &str| logs.lines().rfind(|line| !line.is_empty()).is_some_and(|line| line == text);
    cluster.until_logs("follower", container, &what, last).await.map(drop)
}

/// A pod that follows one file sees its new text.
async fn updates(cluster: &Cluster, source: Source) -> Result<()> {
    source.create(cluster, "origin", json!({"data-1": "value-1"})).await?;
    let pod = pods::pod("follower", &[follower("update", "volume", "data-1")]);
    let volume = source.volume("origin", json!({}), None);
    cluster.ready_pod(pods::with_volumes(pod, &[("volume", volume)])).await?;
    says(cluster, "update", "value-1").await?;
    source.replace(cluster, "origin", json!({"data-1": "value-2"})).await?;
    says(cluster, "update", "value-2").await
}

/// Objects that need not be there: one is deleted, one changed, one made, and the pod sees it.
async fn optional_updates(cluster: &Cluster, source: Source) -> Result<()> {
    for name in ["delete", "update"] {
        source.create(cluster, name, json!({"data-1": "value-1"})).await?;
    }
    let files = [("delete", "data-1"), ("update", "data-3"), ("create", "data-1")];
    let pod = pods::pod("follower", &files.map(|(name, file)| follower(name, name, file)));
    let volumes = files.map(|(name, _)| (name, source.volume(name, json!({"optional": true}), None)));
    cluster.ready_pod(pods::with_volumes(pod, &volumes)).await?;
    says(cluster, "create", "error reading").await?;
    says(cluster, "update", "error reading").await?;
    says(cluster, "delete", "value-1").await?;
    source.delete(cluster, "delete").await?;
    source.replace(cluster, "update", json!({"data-3": "value-3"})).await?;
    source.create(cluster, "create", json!({"data-1": "value-1"})).await?;
    says(cluster, "create", "value-1").await?;
    says(cluster, "update", "value-3").await?;
    says(cluster, "delete", "error reading").await
}

#[tokio::test]
async fn configmapvolume_updates() -> Result<()> {
    spec(async |cluster| updates(cluster, ConfigMap).await).await
}

#[tokio::test]
async fn projectedconfigmap_updates() -> Result<()> {
    spec(async |cluster| updates(cluster, ProjectedConfigMap).await).await
}

#[tokio::test]
async fn configmapvolume_optional_updates() -> Result<()> {
    spec(async |cluster| optional_updates(cluster, ConfigMap).await).await
}

#[tokio::test]
async fn projectedconfigmap_optional_updates() -> Result<()> {
    spec(async |cluster| optional_updates(cluster, ProjectedConfigMap).await).await
}

#[tokio::test]
async fn secretvolume_optional_updates() -> Result<()> {
    spec(async |cluster| optional_updates(cluster, Secret).await).await
}

#[tokio::test]
async fn projectedsecret_optional_updates() -> Result<()> {
    spec(async |cluster| optional_updates(cluster, ProjectedSecret).await).await
}

#[tokio::test]
async fn configmapvolume_binary_data() -> Result<()> {
    spec(async |cluster| {
        // de ca fe ba d0 fe ff
        let binary = json!({"dump.bin": "3sr+utD+/w=="});
        let map =
            json!({"metadata": {"name": "origin"}, "data": {"data-1": "value-1"}, "binaryData": binary});
        cluster.create::<v1::ConfigMap>(map).await?;
        let line = "cat /etc/volume/data-1; echo; od -An -tx1 /etc/volume/dump.bin";
        let reader = pods::mounting(pods::shell("reader", line), &[("volume", "/etc/volume")]);
        let volume = ConfigMap.volume("origin", json!({}), None);
        let pod = pods::with_volumes(pods::pod("reader", &[reader]), &[("volume", volume)]);
        cluster.prints(pod, &["value-1", " de ca fe ba d0 fe ff"]).await
    })
    .await
}
