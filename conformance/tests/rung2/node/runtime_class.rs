//! Classes of runtimes: admission, and the objects.

use anyhow::{Result, ensure};
use corten_api::core::v1::Pod;
use corten_api::node::v1::RuntimeClass;
use corten_client::{Call, DeleteOptions, Target, WriteOptions};
use corten_conformance::{Cluster, Life, object, pods, spec, value, wait};
use serde_json::{Value, json};
use std::sync::Arc;

fn pod(class: &str) -> Value {
    let mut pod = pods::pod("classy", &[pods::shell("test", "true")]);
    pod["spec"]["runtimeClassName"] = json!(class);
    pod["spec"]["automountServiceAccountToken"] = json!(false);
    pod
}

/// Asks whether a pod of the class would be taken; it must be forbidden.
async fn rejected(cluster: &Cluster, class: &str) -> Result<bool> {
    let options = WriteOptions { dry_run: true, ..WriteOptions::default() };
    let namespace = Some(cluster.namespace.clone());
    let target =
        Target { kind: <Pod as corten_api::Kind>::INFO, namespace, name: String::new(), subresource: "" };
    let call = Call::Create(Arc::new(object::<Pod>(&pod(class))?), options);
    match cluster.client.call(target, call).await {
        Ok(_) => Ok(false),
        Err(e) => {
            ensure!(e.code() == 403, "{e}");
            Ok(true)
        }
    }
}

#[tokio::test]
async fn runtimeclass_reject_missing() -> Result<()> {
    spec(async |cluster| {
        let class = format!("{}-nonexistent", cluster.namespace);
        ensure!(rejected(cluster, &class).await?, "a pod without its class is taken");
        Ok(())
    })
    .await
}

/// Creates a class of a handler that no node may have: these specs look at admission and scheduling.
async fn class(cluster: &Cluster, more: Value) -> Result<String> {
    let mut class = more;
    class["metadata"] = json!({"name": format!("{}-class", cluster.namespace)});
    class["handler"] = json!("test-handler");
    let made = cluster.client.all().create(object::<RuntimeClass>(&class)?).await?;
    Ok(made.metadata.name.clone())
}

async fn delete(cluster: &Cluster, class: &str) -> Result<()> {
    let api = cluster.client.all::<RuntimeClass>();
    api.delete(class, DeleteOptions::default()).await?;
    wait("the class's end", async || Ok(api.find(class).await?.is_none().then_some(()))).await
}

#[tokio::test]
async fn runtimeclass_reject_deleted() -> Result<()> {
    spec(async |cluster| {
        let class = class(cluster, json!({})).await?;
        delete(cluster, &class).await?;
        wait("the rejection", async || Ok(rejected(cluster, &class).await?.then_some(()))).await
    })
    .await
}

/// A pod of a class is scheduled, with this overhead.
async fn scheduled(cluster: &Cluster, more: Value, overhead: &Value) -> Result<()> {
    let class = class(cluster, more).await?;
    cluster.create::<Pod>(pod(&class)).await?;
    let scheduled =
        |pod: &Pod| pod.status.conditions.iter().any(|c| c.type_ == "PodScheduled" && c.status == "True");
    let pod = cluster.until::<Pod>("classy", "a scheduled pod", scheduled).await?;
    delete(cluster, &class).await?;
    let seen = value(&*pod)?;
    let seen = seen["spec"].get("overhead").unwrap_or(&Value::Null);
    ensure!(seen == overhead, "overhead {seen}");
    ensure!(!pod.spec.node_name.is_empty(), "no node");
    Ok(())
}

#[tokio::test]
async fn runtimeclass_no_overhead() -> Result<()> {
    spec(async |cluster| scheduled(cluster, json!({}), &Value::Null).await).await
}

#[tokio::test]
async fn runtimeclass_overhead() -> Result<()> {
    spec(async |cluster| {
        let fixed = json!({"cpu": "10m", "memory": "1Mi"});
        scheduled(cluster, json!({"overhead": {"podFixed": fixed}}), &fixed).await
    })
    .await
}

#[tokio::test]
async fn runtimeclass_api() -> Result<()> {
    spec(async |cluster| {
        let name = format!("{}-class", cluster.namespace);
        let class = json!({"metadata": {"name": name}, "handler": "conformance-runtime-class"});
        let annotate = json!({"metadata": {"annotations": {"patched": "true", "updated": "true"}}});
        cluster.lives::<RuntimeClass>(&Life::changed(class, annotate)).await
    })
    .await
}
