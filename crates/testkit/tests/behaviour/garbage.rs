//! What becomes of dependents when their owner goes.

use crate::manifests::{NS, pods_of, replication_controller, workload};
use anyhow::{Result, ensure};
use corten_api::apps::v1::{Deployment, ReplicaSet};
use corten_api::core::v1::{Pod, ReplicationController};
use corten_testkit::{HollowNode, TestCluster};
use std::time::Duration;

async fn deployment() -> Result<(TestCluster, Vec<HollowNode>)> {
    let (cluster, nodes) = TestCluster::with_nodes(1).await?;
    cluster.create::<Deployment>(NS, workload("web", 2, "web:1")).await?;
    cluster
        .eventually("two pods run", async || {
            let pods = pods_of(&cluster, "web").await?;
            Ok(pods.len() == 2 && pods.iter().all(|pod| pod.status.phase == "Running"))
        })
        .await?;
    Ok((cluster, nodes))
}

#[tokio::test(start_paused = true)]
async fn gc_deployment_background() -> Result<()> {
    let (cluster, _nodes) = deployment().await?;
    cluster.delete::<Deployment>(NS, "web", "Background").await?;
    ensure!(cluster.find::<Deployment>(NS, "web").await?.is_none(), "the owner goes at once");
    cluster
        .eventually("the dependents go", async || {
            Ok(cluster.list::<ReplicaSet>(NS).await?.is_empty() && cluster.list::<Pod>(NS).await?.is_empty())
        })
        .await?;
    cluster.end().await;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn foreground_deletion_waits_for_the_dependents() -> Result<()> {
    let (cluster, _nodes) = deployment().await?;
    cluster.delete::<Deployment>(NS, "web", "Foreground").await?;
    let waiting = cluster.get::<Deployment>(NS, "web").await?;
    ensure!(waiting.metadata.finalizers == ["foregroundDeletion"], "{:?}", waiting.metadata.finalizers);
    cluster
        .eventually("the owner goes last", async || {
            if cluster.find::<Deployment>(NS, "web").await?.is_some() {
                return Ok(false);
            }
            ensure!(cluster.list::<ReplicaSet>(NS).await?.is_empty(), "a ReplicaSet outlives its owner");
            ensure!(cluster.list::<Pod>(NS).await?.is_empty(), "a pod outlives its owner");
            Ok(true)
        })
        .await?;
    cluster.end().await;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn orphans_stay_and_lose_their_owner() -> Result<()> {
    let (cluster, _nodes) = deployment().await?;
    cluster.delete::<Deployment>(NS, "web", "Orphan").await?;
    cluster
        .eventually("the owner goes", async || Ok(cluster.find::<Deployment>(NS, "web").await?.is_none()))
        .await?;
    cluster
        .throughout(Duration::from_secs(60), "the ReplicaSet and its pods stay", async || {
            let sets = cluster.list::<ReplicaSet>(NS).await?;
            Ok(sets.len() == 1
                && sets[0].metadata.owner_references.is_empty()
                && pods_of(&cluster, "web").await?.len() == 2)
        })
        .await?;
    cluster.end().await;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn gc_rc_background() -> Result<()> {
    let (cluster, _nodes) = TestCluster::with_nodes(1).await?;
    cluster.create::<ReplicationController>(NS, replication_controller("rc", 2)).await?;
    cluster.eventually("two pods", async || Ok(pods_of(&cluster, "rc").await?.len() == 2)).await?;
    cluster.delete::<ReplicationController>(NS, "rc", "Background").await?;
    cluster.eventually("the pods go", async || Ok(cluster.list::<Pod>(NS).await?.is_empty())).await?;
    cluster.end().await;
    Ok(())
}
