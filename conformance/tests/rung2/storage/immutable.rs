//! ConfigMaps and Secrets that may not change any more.

use anyhow::{Result, ensure};
use corten_api::Kind;
use corten_api::core::v1::{ConfigMap, Secret};
use corten_client::{DeleteOptions, PatchType};
use corten_conformance::{Cluster, spec};
use serde_json::{Value, json};

/// Data may change until the object is immutable; then neither they nor that may, but metadata may, and the object
/// may be deleted. `datum` gives data of one key.
async fn immutable<K: Kind>(cluster: &Cluster, datum: impl Fn(&str) -> Value) -> Result<()> {
    let api = cluster.api::<K>();
    let patch =
        async |change: Value| api.patch("immutable", PatchType::Merge, change.to_string().into_bytes()).await;
    cluster.create::<K>(json!({"metadata": {"name": "immutable"}, "data": datum("data-1")})).await?;
    patch(json!({"data": datum("data-4")})).await?;
    patch(json!({"immutable": true})).await?;
    for change in [json!({"data": datum("data-5")}), json!({"immutable": false})] {
        let refused = patch(change.clone()).await;
        ensure!(refused.as_ref().err().is_some_and(|e| e.code() == 422), "{change}: {refused:?}");
    }
    patch(json!({"metadata": {"labels": {"label1": "value1"}}})).await?;
    api.delete("immutable", DeleteOptions::default()).await?;
    cluster.gone::<K>("immutable").await
}

#[tokio::test]
async fn configmapvolume_immutable() -> Result<()> {
    spec(async |cluster| immutable::<ConfigMap>(cluster, |key| json!({key: "value"})).await).await
}

#[tokio::test]
async fn secretvolume_immutable() -> Result<()> {
    spec(async |cluster| immutable::<Secret>(cluster, |key| json!({key: "dmFsdWU="})).await).await
}
