//! VolumeAttachments, and their status.

use anyhow::{Context, Result, ensure};
use corten_api::core::v1::Node;
use corten_api::storage::v1::VolumeAttachment;
use corten_client::{DeleteOptions, ListOptions, PatchType};
use corten_conformance::{Cluster, Life, object, spec, wait};
use serde_json::{Value, json};

/// An attachment of a volume that does not exist, to a node that does.
async fn attachment(cluster: &Cluster) -> Result<(String, Value)> {
    let nodes = cluster.client.all::<Node>().list(&ListOptions::default()).await?.items;
    let node = nodes.first().context("a node")?;
    let name = format!("va-{}", cluster.namespace);
    let attachment = json!({
        "metadata": {"name": name},
        "spec": {
            "attacher": "e2e-test.storage.k8s.io",
            "nodeName": node.metadata.name,
            "source": {"persistentVolumeName": format!("pv-{}", cluster.namespace)},
        },
    });
    Ok((name, attachment))
}

#[tokio::test]
async fn volumeattachment_lifecycle() -> Result<()> {
    spec(async |cluster| {
        let (_, attachment) = attachment(cluster).await?;
        cluster.lives::<VolumeAttachment>(&Life::labelled(attachment)).await
    })
    .await
}

#[tokio::test]
async fn volumeattachment_status() -> Result<()> {
    spec(async |cluster| {
        let (name, attachment) = attachment(cluster).await?;
        let api = cluster.client.all::<VolumeAttachment>();
        api.create(object::<VolumeAttachment>(&attachment)?).await?;
        let label = br#"{"metadata":{"labels":{"va":"patched"}}}"#.to_vec();
        let patched = api.patch(&name, PatchType::Merge, label).await?;
        ensure!(patched.metadata.labels.get("va").is_some_and(|l| l == "patched"), "{patched:?}");
        let read = cluster.get_sub::<VolumeAttachment, VolumeAttachment>(&name, "status").await?;
        ensure!(!read.status.attached, "attached from the start");
        let patch = br#"{"status":{"attached":true}}"#.to_vec();
        let patched = api.patch_sub(&name, "status", PatchType::Merge, patch).await?;
        ensure!(patched.status.attached, "the patch of the status is not kept");
        let mut other = VolumeAttachment::clone(&patched);
        other.status.attached = false;
        ensure!(!api.update_status(other).await?.status.attached, "the update of the status is not kept");
        api.delete(&name, DeleteOptions::default()).await?;
        wait("the attachment's end", async || Ok(api.find(&name).await?.is_none().then_some(()))).await
    })
    .await
}
