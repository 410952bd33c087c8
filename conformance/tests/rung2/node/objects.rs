//! Leases, nodes and templates of pods, as objects.

use anyhow::{Result, ensure};
use corten_api::coordination::v1::Lease;
use corten_api::core::v1::{Node, PodTemplate};
use corten_client::{DeleteOptions, ListOptions, PatchType};
use corten_conformance::{Cluster, Life, object, pods, spec, value};
use serde_json::{Value, json};

fn lease_spec(holder: &str, seconds: i32, minute: u32, transitions: i32) -> Value {
    json!({
        "holderIdentity": holder,
        "leaseDurationSeconds": seconds,
        "acquireTime": format!("2026-01-01T00:{minute:02}:02.000000Z"),
        "renewTime": format!("2026-01-01T00:{minute:02}:05.000000Z"),
        "leaseTransitions": transitions,
    })
}

/// The lease is stored with this spec; gives its revision.
async fn leased(cluster: &Cluster, spec: &Value) -> Result<u64> {
    let read = cluster.api::<Lease>().get("lease").await?;
    let seen = value(&*read)?["spec"].take();
    ensure!(seen == *spec, "{seen} instead of {spec}");
    Ok(read.metadata.resource_version.parse()?)
}

#[tokio::test]
async fn lease_api() -> Result<()> {
    spec(async |cluster| {
        let api = cluster.api::<Lease>();
        let first = lease_spec("holder", 30, 1, 0);
        cluster.create::<Lease>(json!({"metadata": {"name": "lease"}, "spec": first})).await?;
        let created = leased(cluster, &first).await?;
        let second = lease_spec("holder2", 30, 2, 1);
        let whole = object::<Lease>(&json!({"metadata": {"name": "lease"}, "spec": second}))?;
        cluster.change::<Lease>("lease", |lease| lease.spec = whole.spec.clone()).await?;
        leased(cluster, &second).await?;
        let third = lease_spec("holder3", 60, 3, 2);
        let patch = json!({"spec": third}).to_string().into_bytes();
        api.patch("lease", PatchType::Strategic, patch).await?;
        ensure!(created < leased(cluster, &third).await?, "the patch did not raise the revision");
        let labels = json!({"deletecollection": "true"});
        cluster
            .create::<Lease>(json!({"metadata": {"name": "lease2", "labels": labels}, "spec": first}))
            .await?;
        ensure!(cluster.list::<Lease>("").await?.len() == 2, "not two leases");
        let chosen = ListOptions { label_selector: "deletecollection=true".into(), ..ListOptions::default() };
        api.delete_collection(chosen, DeleteOptions::default()).await?;
        ensure!(cluster.list::<Lease>("").await?.len() == 1, "not one lease");
        api.delete("lease", DeleteOptions::default()).await?;
        ensure!(api.find("lease").await?.is_none(), "the lease is still there");
        let all = cluster.client.all::<Lease>().list(&ListOptions::default()).await?.items;
        ensure!(!all.is_empty(), "no leases in all namespaces");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn nodelifecycle_node_crud() -> Result<()> {
    spec(async |cluster| {
        let node = json!({
            "metadata": {"name": format!("e2e-fake-node-{}", cluster.namespace)},
            "spec": {"unschedulable": true},
        });
        cluster.lives::<Node>(&Life::labelled(node)).await
    })
    .await
}

fn template(name: &str) -> Value {
    json!({
        "metadata": {"name": name, "labels": {"podtemplate-set": "true"}},
        "template": {"spec": {"containers": [pods::container("nginx")]}},
    })
}

#[tokio::test]
async fn podtemplates_lifecycle() -> Result<()> {
    spec(async |cluster| cluster.lives::<PodTemplate>(&Life::labelled(template("nginx-pod-template"))).await)
        .await
}

#[tokio::test]
async fn podtemplates_deletecollection() -> Result<()> {
    spec(async |cluster| {
        for number in 1..=3 {
            cluster.create::<PodTemplate>(template(&format!("test-podtemplate-{number}"))).await?;
        }
        ensure!(cluster.list::<PodTemplate>("podtemplate-set=true").await?.len() == 3, "not three templates");
        let chosen = ListOptions { label_selector: "podtemplate-set=true".into(), ..ListOptions::default() };
        cluster.api::<PodTemplate>().delete_collection(chosen, DeleteOptions::default()).await?;
        cluster
            .until_list::<PodTemplate>("podtemplate-set=true", "no templates", |all| all.is_empty())
            .await?;
        Ok(())
    })
    .await
}

#[tokio::test]
async fn podtemplates_replace() -> Result<()> {
    spec(async |cluster| {
        cluster.create::<PodTemplate>(template("replaced")).await?;
        let annotate =
            |t: &mut PodTemplate| drop(t.metadata.annotations.insert("updated".into(), "true".into()));
        let updated = cluster.change::<PodTemplate>("replaced", annotate).await?;
        ensure!(updated.metadata.annotations.get("updated").is_some_and(|v| v == "true"), "{updated:?}");
        Ok(())
    })
    .await
}
