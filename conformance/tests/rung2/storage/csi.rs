//! What storage drivers tell the API, and volumes of theirs inside pods. No driver runs.

use anyhow::{Result, ensure};
use corten_api::core::v1::Pod;
use corten_api::storage::v1::{CSIDriver, CSINode, CSIStorageCapacity};
use corten_client::{DeleteOptions, PatchType};
use corten_conformance::{Life, pods, spec, value};
use serde_json::json;

#[tokio::test]
async fn csi_csidriver_lifecycle() -> Result<()> {
    spec(async |cluster| {
        for modes in [json!(["Ephemeral"]), json!(["Persistent", "Ephemeral"])] {
            let driver = json!({
                "metadata": {"name": format!("inline-driver-{}", cluster.namespace)},
                "spec": {"volumeLifecycleModes": modes, "fsGroupPolicy": "ReadWriteOnceWithFSType"},
            });
            cluster.lives::<CSIDriver>(&Life::labelled(driver)).await?;
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn csi_csinode_lifecycle() -> Result<()> {
    spec(async |cluster| {
        let node = json!({"metadata": {"name": format!("e2e-csinode-{}", cluster.namespace)}});
        cluster.lives::<CSINode>(&Life::labelled(node)).await
    })
    .await
}

#[tokio::test]
async fn csi_csistoragecapacity_api() -> Result<()> {
    spec(async |cluster| {
        let capacity = json!({"metadata": {"name": "csc1"}, "storageClassName": "e2e.example.com"});
        let annotate = json!({"metadata": {"annotations": {"patched": "true", "updated": "true"}}});
        cluster.lives::<CSIStorageCapacity>(&Life::changed(capacity, annotate)).await
    })
    .await
}

#[tokio::test]
async fn csi_inline_volume_in_pod_api() -> Result<()> {
    spec(async |cluster| {
        let container = pods::mounting(
            pods::shell("main", "ls /mnt/vol1 /mnt/vol2"),
            &[("vol1", "/mnt/vol1"), ("vol2", "/mnt/vol2")],
        );
        let csi = [
            ("vol1", json!({"csi": {"driver": "e2e.example.com"}})),
            ("vol2", json!({"csi": {"driver": "e2e.example.com", "fsType": "ext4", "readOnly": true}})),
        ];
        let pod = pods::with_volumes(pods::pod("inline", &[container]), &csi);
        let created = cluster.create::<Pod>(pod).await?;
        let api = cluster.api::<Pod>();
        let read = api.get("inline").await?;
        ensure!(read.metadata.uid == created.metadata.uid, "{:?}", read.metadata);
        let volumes = value(&*read)?["spec"]["volumes"].take();
        for (index, (name, source)) in csi.iter().enumerate() {
            ensure!(volumes[index]["name"] == *name && volumes[index]["csi"] == source["csi"], "{volumes}");
        }
        let label = br#"{"metadata":{"labels":{"inline":"patched"}}}"#.to_vec();
        let patched = api.patch("inline", PatchType::Strategic, label).await?;
        ensure!(patched.metadata.labels.get("inline").is_some_and(|l| l == "patched"), "{patched:?}");
        ensure!(cluster.list::<Pod>("inline=patched").await?.len() == 1, "not listed by its label");
        let now = DeleteOptions { grace_period_seconds: Some(0), ..DeleteOptions::default() };
        api.delete("inline", now).await?;
        cluster.gone::<Pod>("inline").await
    })
    .await
}
