//! Taints that evict pods. While a node has one, no other spec may run.

use anyhow::{Context, Result, ensure};
use corten_api::core::v1::{Node, Pod, Taint};
use corten_client::ListOptions;
use corten_conformance::{Cluster, pods, spec_alone};
use corten_rt::{Instant, sleep};
use serde_json::{Value, json};
use std::time::Duration;

const KEY: &str = "kubernetes.io/e2e-evict-taint-key";

/// A pod on a node that tolerates the taint for some seconds.
fn pod(name: &str, node: &str, seconds: u32) -> Value {
    let mut pod = pods::pod(name, &[pods::container("pause")]);
    pod["spec"]["nodeSelector"] = json!({"kubernetes.io/hostname": node});
    pod["spec"]["tolerations"] = json!([{
        "key": KEY, "value": "evictTaintVal", "effect": "NoExecute", "tolerationSeconds": seconds,
    }]);
    pod
}

/// The names of two nodes. Each spec has its own, since they run at the same time.
async fn nodes(cluster: &Cluster) -> Result<[String; 2]> {
    let nodes = cluster.client.all::<Node>().list(&ListOptions::default()).await?.items;
    let mut names = nodes.iter().filter(|n| !n.spec.unschedulable).map(|n| n.metadata.name.clone());
    let pair = [names.next(), names.next()];
    pair.into_iter().collect::<Option<Vec<_>>>().and_then(|all| all.try_into().ok()).context("two nodes")
}

async fn taint(cluster: &Cluster, node: &str, on: bool) -> Result<()> {
    let taint = Taint {
        key: KEY.into(),
        value: "evictTaintVal".into(),
        effect: "NoExecute".into(),
        ..Taint::default()
    };
    let set = |node: &mut Node| {
        node.spec.taints.retain(|t| t.key != KEY);
        if on {
            node.spec.taints.push(taint.clone());
        }
    };
    let changed = cluster.change::<Node>(node, set).await?;
    ensure!(changed.spec.taints.iter().any(|t| t.key == KEY) == on, "{:?}", changed.spec.taints);
    Ok(())
}

/// Runs `body` while the node is tainted; the taint is removed whatever happens.
async fn tainted(cluster: &Cluster, node: &str, body: impl AsyncFnOnce() -> Result<()>) -> Result<()> {
    taint(cluster, node, true).await?;
    let result = body().await;
    taint(cluster, node, false).await?;
    result
}

/// When the pod is on its way out, or gone.
async fn evicted(cluster: &Cluster, name: &str) -> Result<Instant> {
    let leaving = async || {
        let pod = cluster.api::<Pod>().find(name).await?;
        Ok(pod.is_none_or(|pod| pod.metadata.deletion_timestamp.is_some()).then(Instant::now))
    };
    corten_conformance::wait(&format!("the eviction of {name}"), leaving).await
}

#[tokio::test]
async fn tainteviction_taint_removal_cancels() -> Result<()> {
    spec_alone(async |cluster| {
        let [node, _] = nodes(cluster).await?;
        let pod = cluster.ready_pod(pod("taint-eviction-4", &node, 10)).await?;
        tainted(cluster, &node, async || {
            sleep(Duration::from_secs(4)).await;
            let now = cluster.api::<Pod>().get("taint-eviction-4").await?;
            ensure!(now.metadata.deletion_timestamp.is_none(), "evicted at once");
            Ok(())
        })
        .await?;
        sleep(Duration::from_secs(12)).await;
        let now = cluster.api::<Pod>().get("taint-eviction-4").await?;
        let same = now.metadata.uid == pod.metadata.uid && now.metadata.deletion_timestamp.is_none();
        ensure!(same, "evicted although the taint was removed");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn tainteviction_multi_pods_mintolerationseconds() -> Result<()> {
    spec_alone(async |cluster| {
        let [_, node] = nodes(cluster).await?;
        cluster.ready_pod(pod("taint-eviction-b1", &node, 3)).await?;
        cluster.ready_pod(pod("taint-eviction-b2", &node, 12)).await?;
        let begun = Instant::now();
        tainted(cluster, &node, async || {
            for (name, seconds) in [("taint-eviction-b1", 3), ("taint-eviction-b2", 12)] {
                let after = evicted(cluster, name).await? - begun;
                let due = Duration::from_secs(seconds);
                ensure!(after + Duration::from_secs(1) > due, "{name} was evicted after {after:?}");
                ensure!(after < due + Duration::from_secs(8), "{name} was evicted only after {after:?}");
                cluster.gone::<Pod>(name).await?;
            }
            Ok(())
        })
        .await
    })
    .await
}
