//! Nodes that come, lack room, and die.

use crate::manifests::{NS, is_ready, pod, pods_of, workload};
use anyhow::{Result, ensure};
use corten_api::apps::v1::Deployment;
use corten_api::core::v1::{Event, Node, Pod};
use corten_testkit::{Size, TestCluster};
use serde_json::json;
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn pods_of_a_dead_node_move() -> Result<()> {
    let (cluster, nodes) = TestCluster::with_nodes(2).await?;
    cluster.create::<Deployment>(NS, workload("web", 4, "web:1")).await?;
    let ready_on = async |node: &str| {
        let pods = pods_of(&cluster, "web").await?;
        Ok::<_, anyhow::Error>(pods.iter().filter(|pod| pod.spec.node_name == node && is_ready(pod)).count())
    };
    cluster
        .eventually("both nodes run pods", async || {
            Ok(ready_on("node-0").await? + ready_on("node-1").await? == 4)
        })
        .await?;
    ensure!(ready_on("node-0").await? == 2, "pods are spread");

    nodes[0].die();
    let unknown = async || {
        let node = cluster.get::<Node>("", "node-0").await?;
        Ok(node.status.conditions.iter().any(|c| c.type_ == "Ready" && c.status == "Unknown"))
    };
    let after = cluster.within(Duration::from_secs(70), "the node is found unreachable", unknown).await?;
    ensure!(after > Duration::from_secs(25), "after {after:?} already");
    let node = cluster.get::<Node>("", "node-0").await?;
    cluster.eventually("its pods are not ready", async || Ok(ready_on("node-0").await? == 0)).await?;
    ensure!(node.metadata.deletion_timestamp.is_none());

    // 300 seconds of toleration by default, then the pods are deleted and replaced elsewhere.
    cluster
        .throughout(Duration::from_secs(280), "pods are tolerated", async || {
            Ok(pods_of(&cluster, "web").await?.iter().filter(|pod| pod.spec.node_name == "node-0").count()
                == 2)
        })
        .await?;
    cluster.eventually("the pods move", async || Ok(ready_on("node-1").await? == 4)).await?;
    let node = cluster.get::<Node>("", "node-0").await?;
    let taints: Vec<&str> = node.spec.taints.iter().map(|taint| taint.key.as_str()).collect();
    ensure!(taints.contains(&"node.kubernetes.io/unreachable"), "{taints:?}");
    cluster.end().await;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_node_that_returns_in_time_keeps_its_pods() -> Result<()> {
    let (cluster, nodes) = TestCluster::with_nodes(1).await?;
    cluster.create::<Deployment>(NS, workload("web", 2, "web:1")).await?;
    let ready = async |wanted: usize| {
        let pods = pods_of(&cluster, "web").await?;
        Ok(pods.len() == 2 && pods.iter().filter(|pod| is_ready(pod)).count() == wanted)
    };
    cluster.eventually("two pods run", async || ready(2).await).await?;
    let names = async || {
        let pods = pods_of(&cluster, "web").await?;
        Ok::<_, anyhow::Error>(pods.iter().map(|pod| pod.metadata.name.clone()).collect::<Vec<_>>())
    };
    let before = names().await?;
    nodes[0].die();
    cluster.eventually("they are held for lost", async || ready(0).await).await?;
    let _again = cluster.add_node("node-0", Size::default()).await?;
    cluster
        .eventually("the node is as before", async || {
            let node = cluster.get::<Node>("", "node-0").await?;
            Ok(node.spec.taints.is_empty() && ready(2).await?)
        })
        .await?;
    // Longer than pods are tolerated on a node that is lost.
    cluster.throughout(Duration::from_secs(400), "they stay", async || Ok(names().await? == before)).await?;
    cluster.end().await;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_pod_without_room_waits_for_a_node() -> Result<()> {
    let cluster = TestCluster::start().await?;
    let _small = cluster.add_node("small", Size { cpu: "1".into(), ..Size::default() }).await?;
    let mut big = pod("big");
    big["spec"]["containers"][0]["resources"] = json!({"requests": {"cpu": "2"}});
    cluster.create::<Pod>(NS, big).await?;
    cluster
        .eventually("it is unschedulable, and says why", async || {
            let pod = cluster.get::<Pod>(NS, "big").await?;
            Ok(pod.status.conditions.iter().any(|c| {
                c.type_ == "PodScheduled"
                    && c.reason == "Unschedulable"
                    && c.message.starts_with("0/1 nodes are available: 1 Insufficient cpu.")
            }))
        })
        .await?;
    cluster
        .eventually("an Event says so too", async || {
            Ok(cluster.list::<Event>(NS).await?.iter().any(|event| event.reason == "FailedScheduling"))
        })
        .await?;
    let _large = cluster.add_node("large", Size::default()).await?;
    cluster
        .eventually("it runs on the new node", async || {
            let pod = cluster.get::<Pod>(NS, "big").await?;
            Ok(pod.spec.node_name == "large" && is_ready(&pod))
        })
        .await?;
    cluster.end().await;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_cordoned_node_gets_no_pods() -> Result<()> {
    let (cluster, _nodes) = TestCluster::with_nodes(2).await?;
    cluster.patch::<Node>("", "node-0", json!({"spec": {"unschedulable": true}})).await?;
    cluster
        .eventually("the taint follows", async || {
            Ok(!cluster.get::<Node>("", "node-0").await?.spec.taints.is_empty())
        })
        .await?;
    cluster.create::<Deployment>(NS, workload("web", 4, "web:1")).await?;
    cluster
        .eventually("all run on the other", async || {
            let pods = pods_of(&cluster, "web").await?;
            Ok(pods.len() == 4 && pods.iter().all(|pod| pod.spec.node_name == "node-1" && is_ready(pod)))
        })
        .await?;
    cluster.end().await;
    Ok(())
}
