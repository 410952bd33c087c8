//! Gives each node a range of pod addresses out of the cluster's (upstream's `nodeipam`, range allocator).

use crate::Context;
use crate::shell::{Controller, wake_on};
use async_trait::async_trait;
use corten_api::core::v1::Node;
use corten_client::{Client, Informer, Key, PatchType, WorkQueue};
use corten_semantics::{ApiError, ApiResult};
use std::collections::HashSet;
use std::net::Ipv4Addr;
use std::time::Duration;

/// The controller.
pub struct NodeRanges {
    client: Client,
    nodes: Informer<Node>,
    cluster: String,
    prefix: u8,
}

impl NodeRanges {
    pub fn new(context: &Context) -> Self {
        NodeRanges {
            client: context.client.clone(),
            nodes: context.informers.of(),
            cluster: context.settings.cluster_cidr.clone(),
            prefix: context.settings.node_prefix,
        }
    }
}

/// The first range of `prefix` bits within `cluster` that nobody has; `None` when all are taken or the
/// cluster's range is malformed.
pub fn free_range(cluster: &str, prefix: u8, taken: &HashSet<String>) -> Option<String> {
    let (base, bits) = cluster.split_once('/')?;
    let (base, bits): (Ipv4Addr, u8) = (base.parse().ok()?, bits.parse().ok()?);
    if prefix < bits || prefix > 30 {
        return None;
    }
    let count = 1u32.checked_shl(u32::from(prefix - bits))?;
    let step = 1u32 << (32 - prefix);
    let base = u32::from(base) & u32::MAX.checked_shl(u32::from(32 - bits)).unwrap_or(0);
    (0..count)
        .filter_map(|i| base.checked_add(i.checked_mul(step)?))
        .map(|address| format!("{}/{prefix}", Ipv4Addr::from(address)))
        .find(|range| !taken.contains(range))
}

#[async_trait]
impl Controller for NodeRanges {
    // One at a time, so that two nodes never get the same range.
    fn workers(&self) -> usize {
        1
    }

    fn watch(&self, queue: &WorkQueue<Key>) {
        if !self.cluster.is_empty() {
            wake_on(&self.nodes, queue);
        }
    }

    async fn synced(&self) {
        self.nodes.synced().await;
    }

    async fn reconcile(&self, key: &Key) -> ApiResult<Option<Duration>> {
        // Read past the cache: it may not show the range that was given out a moment ago.
        let nodes = self.client.all::<Node>().list(&Default::default()).await?.items;
        let Some(node) = nodes.iter().find(|n| n.metadata.name == key.name) else { return Ok(None) };
        if !node.spec.pod_cidr.is_empty() {
            return Ok(None);
        }
        let taken = nodes.iter().map(|n| n.spec.pod_cidr.clone()).collect();
        let range = free_range(&self.cluster, self.prefix, &taken).ok_or_else(|| {
            ApiError::internal("no pod range is left for the node: widen the cluster's range")
        })?;
        let patch = format!(r#"{{"spec":{{"podCIDR":"{range}","podCIDRs":["{range}"]}}}}"#);
        self.client.all::<Node>().patch(&key.name, PatchType::Strategic, patch.into_bytes()).await?;
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_given_out_in_order_until_none_is_left() {
        let mut taken = HashSet::new();
        for want in ["10.0.0.0/25", "10.0.0.128/25"] {
            let range = free_range("10.0.0.7/24", 25, &taken).expect("free");
            assert_eq!(range, want);
            taken.insert(range);
        }
        assert_eq!(free_range("10.0.0.0/24", 25, &taken), None);
        assert_eq!(free_range("nonsense", 24, &taken), None);
        assert_eq!(free_range("10.0.0.0/24", 16, &taken), None);
    }
}
