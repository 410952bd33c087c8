//! SIG Architecture: the shape of the cluster itself.

use anyhow::{Result, ensure};
use corten_api::core::v1::Node;
use corten_client::ListOptions;
use corten_conformance::spec;

/// Needs a cluster of two nodes.
#[tokio::test]
async fn nodes_at_least_two_untainted_nodes() -> Result<()> {
    spec(async |cluster| {
        let nodes = cluster.client.all::<Node>().list(&ListOptions::default()).await?.items;
        let ready = |n: &Node| n.status.conditions.iter().any(|c| c.type_ == "Ready" && c.status == "True");
        let repelled = |n: &Node| n.spec.taints.iter().any(|t| t.effect != "PreferNoSchedule");
        let usable = nodes.iter().filter(|n| ready(n) && !n.spec.unschedulable && !repelled(n)).count();
        ensure!(usable >= 2, "{usable} of {} nodes are ready and take pods", nodes.len());
        Ok(())
    })
    .await
}
