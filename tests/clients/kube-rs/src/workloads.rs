//! Deployments and what comes of them.

use crate::{NAMESPACE, eventually};
use anyhow::{Result, ensure};
use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::runtime::wait::{await_condition, conditions};
use kube::{Client, ResourceExt};
use serde_json::{from_value, json};

fn manifest(name: &str, replicas: i32) -> Result<Deployment> {
    Ok(from_value(json!({
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": "web", "image": "example.com/web:1", "ports": [{"containerPort": 80}]}]},
            },
        },
    }))?)
}

pub async fn deployment(client: &Client) -> Result<()> {
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), NAMESPACE);
    let sets: Api<ReplicaSet> = Api::namespaced(client.clone(), NAMESPACE);
    let pods: Api<Pod> = Api::namespaced(client.clone(), NAMESPACE);
    let selected = ListParams::default().labels("app=life");

    let made = deployments.create(&PostParams::default(), &manifest("life", 2)?).await?;
    let strategy = made.spec.clone().and_then(|spec| spec.strategy).and_then(|strategy| strategy.type_);
    ensure!(strategy.as_deref() == Some("RollingUpdate"), "{strategy:?}");
    eventually("two pods", async || Ok(pods.list(&selected).await?.items.len() == 2)).await?;
    let owned = sets.list(&selected).await?.items;
    ensure!(owned.len() == 1 && owned[0].owner_references()[0].kind == "Deployment", "{owned:?}");

    let sidecar = json!({"spec": {"template": {"spec": {"containers": [{"name": "log", "image": "example.com/log:1"}]}}}});
    let patched =
        deployments.patch("life", &PatchParams::default(), &Patch::Strategic(sidecar.clone())).await?;
    ensure!(containers(&patched) == ["log", "web"], "strategic: {:?}", containers(&patched));
    let patched = deployments.patch("life", &PatchParams::default(), &Patch::Merge(sidecar)).await?;
    ensure!(containers(&patched) == ["log"], "merge: {:?}", containers(&patched));
    let image = from_value(json!([
        {"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "example.com/log:2"}
    ]))?;
    deployments.patch("life", &PatchParams::default(), &Patch::Json::<()>(image)).await?;
    eventually("a ReplicaSet of the new image", async || {
        let found = sets.list(&selected).await?.items;
        Ok(found.iter().any(|set| format!("{set:?}").contains("example.com/log:2")))
    })
    .await?;

    let uid = made.uid().unwrap_or_default();
    deployments.delete("life", &DeleteParams::foreground()).await?;
    let gone = await_condition(deployments.clone(), "life", conditions::is_deleted(&uid));
    tokio::time::timeout(crate::PATIENCE, gone).await??;
    ensure!(sets.list(&selected).await?.items.is_empty(), "ReplicaSets outlive a foreground deletion");
    Ok(())
}

fn containers(deployment: &Deployment) -> Vec<String> {
    let pod = deployment.spec.as_ref().and_then(|spec| spec.template.spec.as_ref());
    let mut names: Vec<String> = pod
        .map(|pod| pod.containers.iter().map(|container| container.name.clone()).collect())
        .unwrap_or_default();
    names.sort();
    names
}

pub async fn scale(client: &Client) -> Result<()> {
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), NAMESPACE);
    let pods: Api<Pod> = Api::namespaced(client.clone(), NAMESPACE);
    deployments.create(&PostParams::default(), &manifest("scaled", 0)?).await?;
    let scale = deployments.get_scale("scaled").await?;
    ensure!(scale.spec.and_then(|spec| spec.replicas).unwrap_or_default() == 0);
    let three = Patch::Merge(json!({"spec": {"replicas": 3}}));
    deployments.patch_scale("scaled", &PatchParams::default(), &three).await?;
    let selected = ListParams::default().labels("app=scaled");
    eventually("three pods", async || Ok(pods.list(&selected).await?.items.len() == 3)).await?;
    eventually("status follows", async || {
        let status = deployments.get_status("scaled").await?.status.unwrap_or_default();
        Ok(status.replicas == Some(3) && status.unavailable_replicas == Some(3))
    })
    .await?;
    let status = Patch::Merge(json!({"status": {"collisionCount": 7}, "spec": {"replicas": 9}}));
    let patched = deployments.patch_status("scaled", &PatchParams::default(), &status).await?;
    let replicas = patched.spec.and_then(|spec| spec.replicas);
    ensure!(replicas == Some(3), "a write of the status changed the spec: {replicas:?}");
    deployments.delete("scaled", &DeleteParams::background()).await?;
    eventually("the pods follow their owner", async || Ok(pods.list(&selected).await?.items.is_empty())).await
}
