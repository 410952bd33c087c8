//! Classes of storage, and of its attributes.

use anyhow::Result;
use corten_api::storage::v1::{StorageClass, VolumeAttributesClass};
use corten_conformance::{Life, spec};
use serde_json::json;

#[tokio::test]
async fn storageclass_lifecycle() -> Result<()> {
    spec(async |cluster| {
        let name = format!("{}-class", cluster.namespace);
        let class = json!({"metadata": {"name": name}, "provisioner": "e2e-fake-provisioner"});
        cluster.lives::<StorageClass>(&Life::labelled(class)).await
    })
    .await
}

#[tokio::test]
async fn volumeattributesclass_lifecycle() -> Result<()> {
    spec(async |cluster| {
        let name = format!("{}-class", cluster.namespace);
        let class = json!({
            "metadata": {"name": name}, "driverName": "e2e-fake-csi-driver", "parameters": {"foo": "bar"},
        });
        cluster.lives::<VolumeAttributesClass>(&Life::labelled(class)).await
    })
    .await
}
