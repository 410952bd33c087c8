//! Namespaces, what they are born with and what they take along.

use crate::manifests::pod;
use anyhow::{Result, ensure};
use corten_api::core::v1::{ConfigMap, Namespace, Pod, Service, ServiceAccount};
use corten_testkit::{HollowNode, TestCluster};
use serde_json::json;

const NAME: &str = "short-lived";

async fn namespace() -> Result<(TestCluster, Vec<HollowNode>)> {
    let (cluster, nodes) = TestCluster::with_nodes(1).await?;
    cluster.create::<Namespace>("", json!({"metadata": {"name": NAME}})).await?;
    cluster
        .eventually("the default ServiceAccount comes", async || {
            Ok(cluster.find::<ServiceAccount>(NAME, "default").await?.is_some())
        })
        .await?;
    Ok((cluster, nodes))
}

async fn delete(cluster: &TestCluster) -> Result<()> {
    cluster.delete::<Namespace>("", NAME, "").await?;
    cluster
        .eventually("the namespace goes", async || Ok(cluster.find::<Namespace>("", NAME).await?.is_none()))
        .await?;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn namespaces_delete_removes_pods() -> Result<()> {
    let (cluster, _nodes) = namespace().await?;
    cluster.create::<Pod>(NAME, pod("web")).await?;
    cluster
        .eventually("the pod runs", async || {
            Ok(cluster.get::<Pod>(NAME, "web").await?.status.phase == "Running")
        })
        .await?;
    delete(&cluster).await?;
    ensure!(cluster.list::<Pod>(NAME).await?.is_empty());
    cluster.create::<Namespace>("", json!({"metadata": {"name": NAME}})).await?;
    ensure!(cluster.list::<Pod>(NAME).await?.is_empty(), "the namesake is born empty");
    cluster.end().await;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn namespaces_delete_removes_services() -> Result<()> {
    let (cluster, _nodes) = namespace().await?;
    cluster
        .create::<Service>(NAME, json!({"metadata": {"name": "web"}, "spec": {"ports": [{"port": 80}]}}))
        .await?;
    delete(&cluster).await?;
    ensure!(cluster.list::<Service>(NAME).await?.is_empty());
    cluster.end().await;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn nothing_is_made_in_a_namespace_that_goes() -> Result<()> {
    let (cluster, _nodes) = namespace().await?;
    let held = json!({"metadata": {"name": "held", "finalizers": ["example.com/hold"]}});
    cluster.create::<ConfigMap>(NAME, held).await?;
    cluster.delete::<Namespace>("", NAME, "").await?;
    let terminating = cluster.get::<Namespace>("", NAME).await?;
    ensure!(terminating.status.phase == "Terminating", "{:?}", terminating.status);
    let refused = cluster.create::<ConfigMap>(NAME, json!({"metadata": {"name": "late"}})).await;
    let message = refused.err().map(|error| error.to_string()).unwrap_or_default();
    ensure!(message.contains("because it is being terminated"), "{message}");
    cluster
        .patch::<ConfigMap>(
            NAME,
            "held",
            json!({"metadata": {"$deleteFromPrimitiveList/finalizers": ["example.com/hold"]}}),
        )
        .await?;
    cluster
        .eventually("the namespace goes", async || Ok(cluster.find::<Namespace>("", NAME).await?.is_none()))
        .await?;
    cluster.end().await;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn namespaces_patch() -> Result<()> {
    let (cluster, _nodes) = namespace().await?;
    let patched =
        cluster.patch::<Namespace>("", NAME, json!({"metadata": {"labels": {"test": "yes"}}})).await?;
    ensure!(patched.metadata.labels.get("test").is_some_and(|value| value == "yes"));
    ensure!(patched.metadata.labels.get("kubernetes.io/metadata.name").is_some_and(|name| name == NAME));
    cluster.end().await;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn namespaces_update() -> Result<()> {
    let (cluster, _nodes) = namespace().await?;
    let mut changed = (*cluster.get::<Namespace>("", NAME).await?).clone();
    changed.metadata.labels.insert("updated".into(), "yes".into());
    let updated = cluster.client.all::<Namespace>().update(changed).await?;
    ensure!(updated.metadata.labels.contains_key("updated"));
    cluster.end().await;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn namespaces_status_patch_update() -> Result<()> {
    let (cluster, _nodes) = namespace().await?;
    let condition =
        json!({"type": "StatusPatch", "status": "True", "reason": "E2E", "message": "set by a test"});
    cluster
        .patch_sub::<Namespace>("", NAME, "status", json!({"status": {"conditions": [condition]}}))
        .await?;
    let mut changed = (*cluster.get::<Namespace>("", NAME).await?).clone();
    ensure!(changed.status.conditions.iter().any(|c| c.type_ == "StatusPatch"), "{:?}", changed.status);
    changed.status.conditions[0].reason = "Updated".into();
    let updated = cluster.client.all::<Namespace>().update_status(changed).await?;
    ensure!(updated.status.conditions[0].reason == "Updated");
    cluster.end().await;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn serviceaccounts_kube_root_ca_crt_in_every_ns() -> Result<()> {
    let (cluster, _nodes) = namespace().await?;
    let published = async || {
        let map = cluster.find::<ConfigMap>(NAME, "kube-root-ca.crt").await?;
        Ok(map.is_some_and(|map| map.data.get("ca.crt").is_some_and(|text| text == "a certificate")))
    };
    cluster.eventually("the certificate is published", published).await?;
    cluster.delete::<ConfigMap>(NAME, "kube-root-ca.crt", "").await?;
    cluster.eventually("a deleted one comes back", published).await?;
    cluster.patch::<ConfigMap>(NAME, "kube-root-ca.crt", json!({"data": {"ca.crt": ""}})).await?;
    cluster.eventually("a changed one is put right", published).await?;
    cluster.end().await;
    Ok(())
}
