//! What becomes of objects whose owners are deleted.

use anyhow::{Context, Result, ensure};
use corten_client::PatchType;
use corten_conformance::{Cluster, pods, rest::Resource, rest::is_refused, spec, wait};
use corten_rt::sleep;
use serde_json::{Value, json};
use std::time::Duration;

/// Upstream's number of replicas where nodes have little room.
const REPLICAS: usize = 10;
/// How long pods are watched that nobody may delete. Upstream: 30 seconds.
const QUIET: Duration = Duration::from_secs(15);

/// How an object is deleted that must be the very one.
fn deletion(object: &Value, policy: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": policy,
        "preconditions": {"uid": object["metadata"]["uid"]},
    })
}

fn controller(name: &str, replicas: usize) -> Value {
    let labels = json!({"gctest": name});
    let mut template = pods::template(&labels);
    template["spec"]["containers"] = json!([pods::shell("pause", "sleep 100000")]);
    template["spec"]["terminationGracePeriodSeconds"] = json!(0);
    let spec = json!({"replicas": replicas, "selector": labels, "template": template});
    json!({"metadata": {"name": name}, "spec": spec})
}

async fn full(controllers: &Resource<'_>, name: &str) -> Result<Value> {
    let all = |rc: &Value| rc["status"]["replicas"] == rc["spec"]["replicas"];
    controllers.until(name, "the controller's pods", all).await
}

#[tokio::test]
async fn gc_rc_orphan() -> Result<()> {
    spec(async |cluster| {
        let (controllers, held) =
            (cluster.resource("v1", "replicationcontrollers"), cluster.resource("v1", "pods"));
        controllers.create(&controller("simpletest.rc", REPLICAS)).await?;
        let rc = full(&controllers, "simpletest.rc").await?;
        controllers.delete_with("simpletest.rc", &deletion(&rc, "Orphan")).await?;
        controllers.gone("simpletest.rc").await?;
        sleep(QUIET).await;
        let left = held.items("").await?;
        ensure!(left.len() == REPLICAS, "{} pods are left of {REPLICAS}", left.len());
        Ok(())
    })
    .await
}

/// The objects of a Deployment's namespace: ReplicaSets and pods.
async fn remaining(cluster: &Cluster) -> Result<(Vec<Value>, Vec<Value>)> {
    let sets = cluster.resource("apps/v1", "replicasets").items("").await?;
    Ok((sets, cluster.resource("v1", "pods").items("").await?))
}

#[tokio::test]
async fn gc_deployment_orphan() -> Result<()> {
    spec(async |cluster| {
        let deployments = cluster.resource("apps/v1", "deployments");
        let labels = json!({"gctest": "orphan-rs"});
        let made = deployments
            .create(&json!({
                "metadata": {"name": "simpletest.deployment"},
                "spec": {
                    "replicas": 2,
                    "selector": {"matchLabels": labels},
                    "template": pods::template(&labels),
                },
            }))
            .await?;
        wait("the Deployment's ReplicaSet with its pods", async || {
            let (sets, pods) = remaining(cluster).await?;
            Ok((sets.len() == 1 && sets[0]["status"]["replicas"] == 2 && pods.len() == 2).then_some(()))
        })
        .await?;
        deployments.delete_with("simpletest.deployment", &deletion(&made, "Orphan")).await?;
        deployments.gone("simpletest.deployment").await?;
        let (sets, pods) = remaining(cluster).await?;
        ensure!(sets.len() == 1 && pods.len() == 2, "{} ReplicaSets and {} pods", sets.len(), pods.len());
        let owners = sets[0]["metadata"]["ownerReferences"].as_array().map_or(0, Vec::len);
        ensure!(owners == 0, "{}", sets[0]["metadata"]);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn gc_rc_foreground() -> Result<()> {
    spec(async |cluster| {
        let (controllers, held) =
            (cluster.resource("v1", "replicationcontrollers"), cluster.resource("v1", "pods"));
        controllers.create(&controller("simpletest.rc", REPLICAS)).await?;
        let rc = full(&controllers, "simpletest.rc").await?;
        controllers.delete_with("simpletest.rc", &deletion(&rc, "Foreground")).await?;
        controllers.gone("simpletest.rc").await?;
        let left = held.items("").await?;
        ensure!(left.is_empty(), "the controller went before {} pods", left.len());
        Ok(())
    })
    .await
}

#[tokio::test]
async fn gc_two_owners_one_waiting() -> Result<()> {
    const HALF: usize = REPLICAS / 2;
    spec(async |cluster| {
        let (controllers, held) =
            (cluster.resource("v1", "replicationcontrollers"), cluster.resource("v1", "pods"));
        controllers.create(&controller("simpletest-rc-to-be-deleted", REPLICAS)).await?;
        let stays = controllers.create(&controller("simpletest-rc-to-stay", 0)).await?;
        let goes = full(&controllers, "simpletest-rc-to-be-deleted").await?;
        let metadata = &stays["metadata"];
        let owner = json!({
            "apiVersion": "v1", "kind": "ReplicationController",
            "name": metadata["name"], "uid": metadata["uid"],
        });
        let patch = json!({"metadata": {"ownerReferences": [owner]}});
        for pod in held.items("").await?.iter().take(HALF) {
            let name = pod["metadata"]["name"].as_str().context("a name")?;
            let patched = held.patch(name, PatchType::Strategic, &patch).await?;
            let owners = &patched["metadata"]["ownerReferences"];
            ensure!(owners.as_array().is_some_and(|owners| owners.len() == 2), "{owners}");
        }
        controllers.delete_with("simpletest-rc-to-be-deleted", &deletion(&goes, "Foreground")).await?;
        controllers.gone("simpletest-rc-to-be-deleted").await?;
        let left = held.items("").await?;
        ensure!(left.len() == HALF, "{} pods are left of {HALF}", left.len());
        for metadata in left.iter().map(|pod| &pod["metadata"]) {
            ensure!(metadata["deletionTimestamp"].is_null(), "{metadata}");
            ensure!(metadata["ownerReferences"].as_array().is_some_and(|o| o.len() == 1), "{metadata}");
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn gc_owner_cycle() -> Result<()> {
    const NAMES: [&str; 3] = ["pod1", "pod2", "pod3"];
    spec(async |cluster| {
        let held = cluster.resource("v1", "pods");
        let mut made = Vec::new();
        for name in NAMES {
            made.push(held.create(&pods::pod(name, &[pods::container("httpd")])).await?);
        }
        for (place, name) in NAMES.into_iter().enumerate() {
            let owner = &made[(place + 2) % 3]["metadata"];
            let owner = json!({
                "apiVersion": "v1", "kind": "Pod", "name": owner["name"], "uid": owner["uid"],
                "controller": true, "blockOwnerDeletion": true,
            });
            let patch = json!({"metadata": {"ownerReferences": [owner]}});
            held.patch(name, PatchType::Strategic, &patch).await?;
        }
        held.delete_with("pod1", &deletion(&made[0], "Foreground")).await?;
        for name in NAMES {
            let gone = async || Ok(is_refused(held.get(name).await, 404)?.then_some(()));
            wait(&format!("the end of {name}"), gone).await?;
        }
        Ok(())
    })
    .await
}
