//! PersistentVolumes and claims, as objects. No driver runs.

use anyhow::{Result, ensure};
use corten_api::Kind;
use corten_api::core::v1::{PersistentVolume, PersistentVolumeClaim};
use corten_client::{DeleteOptions, ListOptions, PatchType};
use corten_conformance::{Cluster, object, spec, value, wait};
use serde_json::{Value, json};

/// Creates a volume and a claim for it, both named after the namespace.
async fn pair(cluster: &Cluster) -> Result<()> {
    let name = &cluster.namespace;
    let volume = json!({
        "metadata": {"name": name, "labels": {"e2e-pv-pool": name}},
        "spec": {
            "capacity": {"storage": "2Gi"},
            "accessModes": ["ReadWriteOnce"],
            "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": name,
            "csi": {"driver": "e2e-driver.example.com", "volumeHandle": "e2e-conformance"},
        },
    });
    let claim = json!({
        "metadata": {"name": name},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Gi"}},
            "storageClassName": name,
        },
    });
    cluster.client.all().create(object::<PersistentVolume>(&volume)?).await?;
    cluster.create::<PersistentVolumeClaim>(claim).await.map(drop)
}

fn choose(label: &str, value: &str) -> ListOptions {
    ListOptions { label_selector: format!("{label}={value}"), ..ListOptions::default() }
}

/// Patches a label, which raises the revision, and reads the object again.
async fn patched<K: Kind>(cluster: &Cluster) -> Result<()> {
    let (api, name) = (cluster.of::<K>(), &cluster.namespace);
    let before = api.get(name).await?;
    let label = json!({"metadata": {"labels": {name: "patched"}}});
    let after = api.patch(name, PatchType::Strategic, label.to_string().into_bytes()).await?;
    ensure!(after.meta().labels.get(name).is_some_and(|l| l == "patched"), "{:?}", after.meta());
    let revision = |object: &K| object.meta().resource_version.parse::<u64>();
    ensure!(revision(&before)? < revision(&after)?, "the patch did not raise the revision");
    ensure!(api.get(name).await?.meta().uid == after.meta().uid, "another object is read");
    Ok(())
}

/// Gives the object a new label by update, finds it by that, and deletes it so.
async fn updated_and_collected<K: Kind>(cluster: &Cluster) -> Result<()> {
    let name = &cluster.namespace;
    cluster
        .change::<K>(name, |object| drop(object.meta_mut().labels.insert(name.clone(), "updated".into())))
        .await?;
    let listed = cluster.client.all::<K>().list(&choose(name, "updated")).await?.items;
    ensure!(listed.len() == 1, "{} are listed", listed.len());
    cluster.of::<K>().delete_collection(choose(name, "updated"), DeleteOptions::default()).await?;
    ended::<K>(cluster).await
}

async fn ended<K: Kind>(cluster: &Cluster) -> Result<()> {
    let api = cluster.of::<K>();
    let what = format!("the end of {} {}", K::INFO.kind, cluster.namespace);
    wait(&what, async || Ok(api.find(&cluster.namespace).await?.is_none().then_some(()))).await
}

#[tokio::test]
async fn pv_pv_pvc_lifecycle() -> Result<()> {
    spec(async |cluster| {
        let name = &cluster.namespace;
        pair(cluster).await?;
        let listed = cluster.client.all::<PersistentVolume>().list(&choose("e2e-pv-pool", name)).await?.items;
        ensure!(listed.len() == 1, "{} volumes are listed", listed.len());
        ensure!(cluster.list::<PersistentVolumeClaim>("").await?.len() == 1, "not one claim");
        patched::<PersistentVolume>(cluster).await?;
        patched::<PersistentVolumeClaim>(cluster).await?;
        cluster.api::<PersistentVolumeClaim>().delete(name, DeleteOptions::default()).await?;
        ended::<PersistentVolumeClaim>(cluster).await?;
        cluster.client.all::<PersistentVolume>().delete(name, DeleteOptions::default()).await?;
        ended::<PersistentVolume>(cluster).await?;
        pair(cluster).await?;
        updated_and_collected::<PersistentVolumeClaim>(cluster).await?;
        updated_and_collected::<PersistentVolume>(cluster).await
    })
    .await
}

/// Patches and replaces the status; both are kept.
async fn statuses<K: Kind>(
    cluster: &Cluster,
    phases: &[&str],
    patch: Value,
    update: impl Fn(&mut K),
    kept: impl Fn(&Value) -> Vec<String>,
) -> Result<()> {
    let name = &cluster.namespace;
    let read = value(&*cluster.get_sub::<K, K>(name, "status").await?)?;
    let phase = read["status"]["phase"].as_str().unwrap_or_default();
    ensure!(phases.contains(&phase), "phase {phase:?}");
    let patch = patch.to_string().into_bytes();
    let patched = cluster.of::<K>().patch_sub(name, "status", PatchType::Merge, patch).await?;
    let seen = kept(&value(&*patched)?);
    ensure!(seen.iter().any(|s| s == "E2E patchedStatus"), "after the patch: {seen:?}");
    let updated = cluster.change_sub::<K>(name, "status", update).await?;
    let seen = kept(&value(&*updated)?);
    ensure!(seen.iter().any(|s| s == "E2E updateStatus"), "after the update: {seen:?}");
    Ok(())
}

#[tokio::test]
async fn pv_pv_pvc_status() -> Result<()> {
    spec(async |cluster| {
        pair(cluster).await?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
        let condition = |kind: &str, reason: &str| {
            json!({"type": kind, "status": "True", "reason": reason, "message": "Set from e2e test"})
        };
        let patch = json!({"status": {"conditions": [condition("StatusPatched", "E2E patchedStatus")]}});
        let updated = object::<PersistentVolumeClaim>(
            &json!({"status": {"conditions": [condition("StatusUpdated", "E2E updateStatus")]}}),
        )?;
        let add = |claim: &mut PersistentVolumeClaim| {
            claim.status.conditions.extend(updated.status.conditions.clone());
        };
        let reasons = |claim: &Value| {
            let all = claim["status"]["conditions"].as_array().cloned().unwrap_or_default();
            all.iter().map(|condition| text(&condition["reason"])).collect()
        };
        statuses(cluster, &["Pending", "Bound"], patch, add, reasons).await?;
        let patch = json!({"status": {"message": "StatusPatched", "reason": "E2E patchedStatus"}});
        let set = |volume: &mut PersistentVolume| volume.status.reason = "E2E updateStatus".into();
        let reason = |volume: &Value| vec![text(&volume["status"]["reason"])];
        let phases = ["Pending", "Available", "Bound"];
        statuses(cluster, &phases, patch, set, reason).await?;
        cluster.api::<PersistentVolumeClaim>().delete(&cluster.namespace, DeleteOptions::default()).await?;
        ended::<PersistentVolumeClaim>(cluster).await?;
        cluster.client.all::<PersistentVolume>().delete(&cluster.namespace, DeleteOptions::default()).await?;
        ended::<PersistentVolume>(cluster).await
    })
    .await
}
