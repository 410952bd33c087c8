//! Containers that are added to running pods.

use anyhow::{Result, ensure};
use corten_api::core::v1::Pod;
use corten_client::PatchType;
use corten_conformance::{Cluster, object, pods, spec};
use serde_json::json;

/// Adds a container that says `polo` to a running pod, and speaks with it.
async fn debugged(cluster: &Cluster) -> Result<()> {
    let mut container = pods::container("test-container-1");
    container["command"] = json!(["sleep", "10000"]);
    let pod = cluster.ready_pod(pods::pod("target", &[container])).await?;
    ensure!(pod.metadata.generation == 1, "generation {}", pod.metadata.generation);
    let mut debugger = pods::shell("debugger", "while true; do echo polo; sleep 1; done");
    debugger["stdin"] = json!(true);
    debugger["tty"] = json!(true);
    let patch = json!({"spec": {"ephemeralContainers": [debugger]}}).to_string().into_bytes();
    cluster.api::<Pod>().patch_sub("target", "ephemeralcontainers", PatchType::Strategic, patch).await?;
    let runs = |pod: &Pod| {
        let statuses = &pod.status.ephemeral_container_statuses;
        statuses.iter().any(|s| s.name == "debugger" && s.state.running.is_some())
    };
    let pod = cluster.until::<Pod>("target", "a running debugger", runs).await?;
    ensure!(pod.metadata.generation == 2, "generation {}", pod.metadata.generation);
    let ran = cluster.run_in("target", "debugger", &["/bin/echo", "marco"]).await?;
    ensure!(ran.code == 0 && ran.stdout.contains("marco"), "{ran:?}");
    cluster.until_logs("target", "debugger", "polo", |logs| logs.contains("polo")).await.map(drop)
}

/// How many such containers the subresource tells of.
async fn count(cluster: &Cluster) -> Result<usize> {
    let pod = cluster.get_sub::<Pod, Pod>("target", "ephemeralcontainers").await?;
    Ok(pod.spec.ephemeral_containers.len())
}

#[tokio::test]
async fn ephemeral_start_ephemeral_container() -> Result<()> {
    spec(async |cluster| debugged(cluster).await).await
}

#[tokio::test]
async fn ephemeral_update_ephemeral_containers() -> Result<()> {
    spec(async |cluster| {
        debugged(cluster).await?;
        ensure!(count(cluster).await? == 1, "not one ephemeral container");
        let second =
            object::<Pod>(&json!({"spec": {"ephemeralContainers": [pods::container("debugger2")]}}))?;
        let add =
            |pod: &mut Pod| pod.spec.ephemeral_containers.extend(second.spec.ephemeral_containers.clone());
        cluster.change_sub::<Pod>("target", "ephemeralcontainers", add).await?;
        ensure!(count(cluster).await? == 2, "not two ephemeral containers");
        Ok(())
    })
    .await
}
