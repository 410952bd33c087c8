//! Devices: their classes, claims, templates and slices as objects. No driver runs.

use anyhow::Result;
use corten_api::resource::v1::{DeviceClass, ResourceClaim, ResourceClaimTemplate, ResourceSlice};
use corten_client::PatchType;
use corten_conformance::{Life, spec};
use serde_json::{Value, json};

fn selectors(expression: &str) -> Value {
    json!({"selectors": [{"cel": {"expression": expression}}]})
}

#[tokio::test]
async fn dra_deviceclass_crud() -> Result<()> {
    spec(async |cluster| {
        let name = format!("test-{}", cluster.namespace);
        let class = json!({"metadata": {"name": name}, "spec": selectors("false")});
        cluster.lives::<DeviceClass>(&Life::changed(class, json!({"spec": selectors("1 == 0")}))).await
    })
    .await
}

fn claim() -> Value {
    json!({"devices": {"requests": [{"name": "req-0", "exactly": {"deviceClassName": "dra.example.com"}}]}})
}

#[tokio::test]
async fn dra_resourceclaim_crud_status() -> Result<()> {
    spec(async |cluster| {
        let life = Life {
            // An allocation of nothing is a valid one.
            status: Some(json!({"status": {"allocation": {}}})),
            patches: &[PatchType::Strategic, PatchType::Apply, PatchType::Merge],
            ..Life::labelled(json!({"metadata": {"name": "test"}, "spec": claim()}))
        };
        cluster.lives::<ResourceClaim>(&life).await
    })
    .await
}

#[tokio::test]
async fn dra_resourceclaimtemplate_crud() -> Result<()> {
    spec(async |cluster| {
        let template = json!({"metadata": {"name": "test"}, "spec": {"spec": claim()}});
        cluster.lives::<ResourceClaimTemplate>(&Life::labelled(template)).await
    })
    .await
}

#[tokio::test]
async fn dra_resourceslice_crud() -> Result<()> {
    spec(async |cluster| {
        let slice = json!({
            "metadata": {"name": format!("test-{}", cluster.namespace)},
            "spec": {
                "driver": "dra.example.com",
                "pool": {"name": "cluster", "generation": 1, "resourceSliceCount": 1},
                "nodeName": "no-such-node",
            },
        });
        let devices = json!({"spec": {"devices": [{"name": "device-0"}]}});
        cluster.lives::<ResourceSlice>(&Life::changed(slice, devices)).await
    })
    .await
}
