//! Objects that no controller acts on, and pods by themselves.

use crate::manifests::{NS, is_ready, pod};
use anyhow::{Result, ensure};
use corten_api::core::v1::{ConfigMap, Pod, Secret, ServiceAccount};
use corten_client::{DeleteOptions, ListOptions};
use corten_testkit::TestCluster;
use serde_json::json;

fn selected(label_selector: &str) -> ListOptions {
    ListOptions { label_selector: label_selector.into(), ..ListOptions::default() }
}

#[tokio::test(start_paused = true)]
async fn configmap_lifecycle() -> Result<()> {
    let cluster = TestCluster::start().await?;
    let maps = cluster.client.all::<ConfigMap>();
    cluster
        .create::<ConfigMap>(
            NS,
            json!({"metadata": {"name": "map", "labels": {"kind": "test"}}, "data": {"a": "1"}}),
        )
        .await?;
    cluster.patch::<ConfigMap>(NS, "map", json!({"data": {"a": "2"}})).await?;
    let found = maps.list(&selected("kind=test")).await?.items;
    ensure!(found.len() == 1 && found[0].data["a"] == "2", "{found:?}");
    cluster
        .client
        .namespaced::<ConfigMap>(NS)
        .delete_collection(selected("kind=test"), DeleteOptions::default())
        .await?;
    ensure!(maps.list(&selected("kind=test")).await?.items.is_empty());
    cluster.end().await;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn configmap_empty_key_rejected() -> Result<()> {
    let cluster = TestCluster::start().await?;
    let made = cluster.create::<ConfigMap>(NS, json!({"metadata": {"name": "map"}, "data": {"": "1"}})).await;
    ensure!(made.is_err_and(|error| error.to_string().contains("data[]: Invalid value")));
    cluster.end().await;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn secrets_empty_key_rejected() -> Result<()> {
    let cluster = TestCluster::start().await?;
    let made =
        cluster.create::<Secret>(NS, json!({"metadata": {"name": "secret"}, "data": {"": "MQ=="}})).await;
    ensure!(made.is_err_and(|error| error.to_string().contains("data[]: Invalid value")));
    cluster.end().await;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn secrets_patch() -> Result<()> {
    let cluster = TestCluster::start().await?;
    let labels = json!({"kind": "test"});
    cluster
        .create::<Secret>(
            NS,
            json!({"metadata": {"name": "secret", "labels": labels}, "data": {"key": "dmFsdWU="}}),
        )
        .await?;
    let patch = json!({"metadata": {"labels": {"kind": "patched"}}, "data": {"key": "dmFsdWUx"}});
    cluster.patch::<Secret>(NS, "secret", patch).await?;
    let found = cluster.client.all::<Secret>().list(&selected("kind=patched")).await?.items;
    ensure!(found.len() == 1 && &found[0].data["key"][..] == b"value1", "{found:?}");
    cluster.end().await;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn serviceaccounts_lifecycle() -> Result<()> {
    let cluster = TestCluster::start().await?;
    cluster
        .create::<ServiceAccount>(NS, json!({"metadata": {"name": "robot", "labels": {"kind": "test"}}}))
        .await?;
    cluster.patch::<ServiceAccount>(NS, "robot", json!({"automountServiceAccountToken": false})).await?;
    let accounts = cluster.client.namespaced::<ServiceAccount>(NS);
    let found = accounts.list(&selected("kind=test")).await?.items;
    ensure!(found.len() == 1 && found[0].automount_service_account_token == Some(false), "{found:?}");
    accounts.delete_collection(selected("kind=test"), DeleteOptions::default()).await?;
    ensure!(cluster.find::<ServiceAccount>(NS, "robot").await?.is_none());
    cluster.end().await;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn serviceaccounts_update() -> Result<()> {
    let cluster = TestCluster::start().await?;
    let made = cluster.create::<ServiceAccount>(NS, json!({"metadata": {"name": "robot"}})).await?;
    let mut changed = (*made).clone();
    changed.automount_service_account_token = Some(true);
    let updated = cluster.client.namespaced::<ServiceAccount>(NS).update(changed).await?;
    ensure!(updated.automount_service_account_token == Some(true));
    cluster.end().await;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn pods_deletecollection() -> Result<()> {
    let (cluster, _nodes) = TestCluster::with_nodes(1).await?;
    for name in ["a", "b", "c"] {
        let mut manifest = pod(name);
        manifest["metadata"]["labels"] = json!({"kind": "test"});
        cluster.create::<Pod>(NS, manifest).await?;
    }
    let pods = cluster.client.namespaced::<Pod>(NS);
    cluster
        .eventually("three pods run", async || {
            let found = pods.list(&selected("kind=test")).await?.items;
            Ok(found.len() == 3 && found.iter().all(|pod| is_ready(pod)))
        })
        .await?;
    pods.delete_collection(selected("kind=test"), DeleteOptions::default()).await?;
    cluster
        .eventually("they go", async || Ok(pods.list(&selected("kind=test")).await?.items.is_empty()))
        .await?;
    cluster.end().await;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn pods_lifecycle_status() -> Result<()> {
    let (cluster, _nodes) = TestCluster::with_nodes(1).await?;
    cluster.create::<Pod>(NS, pod("web")).await?;
    cluster.eventually("it runs", async || Ok(is_ready(&*cluster.get::<Pod>(NS, "web").await?))).await?;
    let patch = json!({
        "metadata": {"labels": {"kind": "patched"}},
        "spec": {"containers": [{"name": "web", "image": "web:2"}]},
    });
    let patched = cluster.patch::<Pod>(NS, "web", patch).await?;
    ensure!(patched.spec.containers[0].image == "web:2" && patched.metadata.labels["kind"] == "patched");
    let unready = json!({"status": {"conditions": [{"type": "Ready", "status": "False"}]}});
    cluster.patch_sub::<Pod>(NS, "web", "status", unready).await?;
    ensure!(!is_ready(&*cluster.get::<Pod>(NS, "web").await?), "the status was not written");
    cluster.delete::<Pod>(NS, "web", "").await?;
    cluster.eventually("it goes", async || Ok(cluster.find::<Pod>(NS, "web").await?.is_none())).await?;
    cluster.end().await;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn pods_patch_status() -> Result<()> {
    let (cluster, _nodes) = TestCluster::with_nodes(1).await?;
    cluster.create::<Pod>(NS, pod("web")).await?;
    cluster.eventually("it runs", async || Ok(is_ready(&*cluster.get::<Pod>(NS, "web").await?))).await?;
    let status = json!({"status": {"message": "Patched by a test", "reason": "E2E"}});
    cluster.patch_sub::<Pod>(NS, "web", "status", status).await?;
    let read = cluster.get::<Pod>(NS, "web").await?;
    ensure!((read.status.message.as_str(), read.status.reason.as_str()) == ("Patched by a test", "E2E"));
    ensure!(read.status.phase == "Running", "{:?}", read.status);
    cluster.end().await;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn podqos_guaranteed_class() -> Result<()> {
    let cluster = TestCluster::start().await?;
    let amounts = json!({"cpu": "100m", "memory": "100Mi"});
    for (name, resources, class) in [
        ("a", json!({"requests": amounts, "limits": amounts}), "Guaranteed"),
        ("b", json!({"limits": amounts}), "Guaranteed"),
        ("c", json!({"requests": amounts}), "Burstable"),
        ("d", json!({}), "BestEffort"),
    ] {
        let mut manifest = pod(name);
        manifest["spec"]["containers"][0]["resources"] = resources;
        let made = cluster.create::<Pod>(NS, manifest).await?;
        ensure!(made.status.qos_class == class, "{name}: {}", made.status.qos_class);
    }
    cluster.end().await;
    Ok(())
}
