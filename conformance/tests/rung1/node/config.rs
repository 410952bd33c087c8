//! ConfigMaps and Secrets: as objects, and as environment.

use anyhow::{Context, Result, ensure};
use corten_api::Kind;
use corten_api::core::v1::{ConfigMap, Secret};
use corten_client::{DeleteOptions, ListOptions, PatchType};
use corten_conformance::{Cluster, object, pods, spec};
use serde_json::{Value, json};

fn map(name: &str) -> Value {
    let data = json!({"data-1": "value-1", "data-2": "value-2", "data-3": "value-3"});
    json!({"metadata": {"name": name}, "data": data})
}

/// A pod that prints its environment and ends.
fn printer(field: &str, env: Value) -> Value {
    let mut container = pods::container("env-test");
    // Without a shell, which drops what is no shell variable.
    container["command"] = json!(["env"]);
    container[field] = env;
    pods::pod("printer", &[container])
}

async fn prints(cluster: &Cluster, pod: Value, lines: &[&str]) -> Result<()> {
    let (phase, output) = cluster.output_of(pod, "env-test").await?;
    ensure!(phase == "Succeeded", "{phase}: {output}");
    for line in lines {
        ensure!(output.lines().any(|l| l == *line), "no {line:?} in {output}");
    }
    Ok(())
}

#[tokio::test]
async fn configmap_env_var() -> Result<()> {
    spec(async |cluster| {
        cluster.create::<ConfigMap>(map("configmap-test")).await?;
        let from = json!({"configMapKeyRef": {"name": "configmap-test", "key": "data-1"}});
        let pod = printer("env", json!([{"name": "CONFIG_DATA_1", "valueFrom": from}]));
        prints(cluster, pod, &["CONFIG_DATA_1=value-1"]).await
    })
    .await
}

#[tokio::test]
async fn configmap_envfrom() -> Result<()> {
    spec(async |cluster| {
        cluster.create::<ConfigMap>(map("configmap-test")).await?;
        let reference = json!({"name": "configmap-test"});
        let from = json!([{"configMapRef": reference}, {"prefix": "p-", "configMapRef": reference}]);
        let all = ["data-1=value-1", "data-2=value-2", "data-3=value-3"];
        let prefixed = ["p-data-1=value-1", "p-data-2=value-2", "p-data-3=value-3"];
        prints(cluster, printer("envFrom", from), &[all, prefixed].concat()).await
    })
    .await
}

async fn empty_key_refused<K: Kind>(cluster: &Cluster, value: Value) -> Result<()> {
    let error =
        cluster.api::<K>().create(object::<K>(&value)?).await.err().context("an empty key is taken")?;
    let status = error.status();
    ensure!((status.code, &*status.reason) == (422, "Invalid"), "{status:?}");
    Ok(())
}

#[tokio::test]
async fn configmap_empty_key_rejected() -> Result<()> {
    spec(async |cluster| {
        let map = json!({"metadata": {"name": "configmap-test-emptykey"}, "data": {"": "value-1"}});
        empty_key_refused::<ConfigMap>(cluster, map).await
    })
    .await
}

#[tokio::test]
async fn configmap_lifecycle() -> Result<()> {
    spec(async |cluster| {
        let labels = json!({"test-configmap-static": "true"});
        let map = json!({"metadata": {"name": "life", "labels": labels}, "data": {"valueName": "value"}});
        let made = cluster.create::<ConfigMap>(map).await?;
        let api = cluster.api::<ConfigMap>();
        let read = api.get("life").await?;
        ensure!(read == made && read.data["valueName"] == "value", "{read:?}");
        let patch = br#"{"metadata":{"labels":{"test-configmap":"patched"}},"data":{"valueName":"value1"}}"#;
        let patched = api.patch("life", PatchType::Strategic, patch.to_vec()).await?;
        let revision = |m: &ConfigMap| m.metadata.resource_version.parse::<u64>();
        ensure!(revision(&read)? < revision(&patched)?, "the patch did not raise the revision");
        let options = ListOptions { label_selector: "test-configmap=patched".into(), ..Default::default() };
        let all = cluster.client.all::<ConfigMap>().list(&options).await?.items;
        let ours = |m: &ConfigMap| m.metadata.uid == made.metadata.uid && m.data["valueName"] == "value1";
        ensure!(all.iter().any(|m| ours(m)), "not listed by its new label");
        let chosen =
            ListOptions { label_selector: "test-configmap-static=true".into(), ..Default::default() };
        api.delete_collection(chosen, DeleteOptions::default()).await?;
        ensure!(cluster.list::<ConfigMap>("test-configmap-static=true").await?.is_empty(), "still listed");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn configmap_update() -> Result<()> {
    spec(async |cluster| {
        cluster.create::<ConfigMap>(json!({"metadata": {"name": "update"}})).await?;
        let fill = |m: &mut ConfigMap| drop(m.data.insert("data".into(), "value".into()));
        cluster.change::<ConfigMap>("update", fill).await?;
        let read = cluster.api::<ConfigMap>().get("update").await?;
        ensure!(read.data.get("data").is_some_and(|v| v == "value"), "{read:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn secrets_env_var() -> Result<()> {
    spec(async |cluster| {
        let secret = json!({"metadata": {"name": "secret-test"}, "data": {"data-1": "dmFsdWUtMQ=="}});
        cluster.create::<Secret>(secret).await?;
        let from = json!({"secretKeyRef": {"name": "secret-test", "key": "data-1"}});
        let pod = printer("env", json!([{"name": "SECRET_DATA", "valueFrom": from}]));
        prints(cluster, pod, &["SECRET_DATA=value-1"]).await
    })
    .await
}

#[tokio::test]
async fn secrets_empty_key_rejected() -> Result<()> {
    spec(async |cluster| {
        let secret = json!({"metadata": {"name": "secret-emptykey"}, "data": {"": "dmFsdWUtMQ=="}});
        empty_key_refused::<Secret>(cluster, secret).await
    })
    .await
}

#[tokio::test]
async fn secrets_patch() -> Result<()> {
    spec(async |cluster| {
        let labels = json!({"testsecret-constant": "true"});
        let secret = json!({"metadata": {"name": "patched", "labels": labels}, "data": {"key": "dmFsdWU="}});
        let made = cluster.create::<Secret>(secret).await?;
        ensure!(made.type_ == "Opaque", "type {}", made.type_);
        let options = ListOptions { label_selector: "testsecret-constant=true".into(), ..Default::default() };
        let listed = async || anyhow::Ok(cluster.client.all::<Secret>().list(&options).await?.items);
        let ours = |s: &Secret| s.metadata.namespace == cluster.namespace;
        ensure!(listed().await?.iter().any(|s| ours(s)), "not listed in all namespaces");
        let patch = br#"{"metadata":{"labels":{"testsecret":"true"}},"data":{"key":"dmFsdWUx"}}"#.to_vec();
        let patched = cluster.api::<Secret>().patch("patched", PatchType::Strategic, patch).await?;
        ensure!(patched.data["key"] == b"value1", "{:?}", patched.data);
        ensure!(patched.metadata.resource_version != made.metadata.resource_version, "the same revision");
        let chosen = ListOptions { label_selector: "testsecret=true".into(), ..Default::default() };
        cluster.api::<Secret>().delete_collection(chosen, DeleteOptions::default()).await?;
        ensure!(!listed().await?.iter().any(|s| ours(s)), "still listed");
        Ok(())
    })
    .await
}
