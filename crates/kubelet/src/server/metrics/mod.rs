//! The node's metrics: the kubelet's own, and those of what runs here.

mod cadvisor;
mod own;
mod resource;

pub use corten_metrics::TEXT_FORMAT;

use super::Node;
use crate::stats::{DISK_FRESH, Disks};
use corten_api::Quantity;
use corten_api::core::v1::Container;
use corten_metrics::Text;
use std::collections::BTreeMap;

/// `/metrics`.
pub async fn metrics(node: &Node) -> String {
    // Volumes are measured for nobody but those who have claims.
    let pods = node.directory.pods();
    let claims = pods
        .iter()
        .flat_map(|p| &p.spec.volumes)
        .any(|v| v.volume_source.persistent_volume_claim.is_some() || v.volume_source.ephemeral.is_some());
    let disks = if claims { node.directory.disks(DISK_FRESH).await } else { Default::default() };
    own::text(node, &pods, &disks)
}

/// `/metrics/resource`.
pub async fn resource(node: &Node) -> String {
    resource::text(&*node.directory.usage().await)
}

/// `/metrics/probes`.
pub fn probes(node: &Node) -> String {
    let mut out = Text::default();
    if let Some(meters) = node.directory.meters() {
        let pods = node.directory.pods();
        meters.keep_pods(|namespace, name| {
            pods.iter().any(|p| p.metadata.namespace == namespace && p.metadata.name == name)
        });
        meters.write(&mut out, true);
    }
    out.finish()
}

/// `/metrics/cadvisor`.
pub async fn cadvisor(node: &Node) -> String {
    let usage = node.directory.usage().await;
    let disks: std::sync::Arc<Disks> = node.directory.disks(DISK_FRESH).await;
    let pods = node.directory.pods();
    let spec = |uid: &str, name: &str| {
        let pod = pods.iter().find(|p| p.metadata.uid == uid);
        let all = pod.map(|p| p.spec.containers.iter().chain(&p.spec.init_containers));
        all.into_iter().flatten().find(|c| c.name == name).map_or((2, 0, 0), limits)
    };
    cadvisor::text(&usage, &disks, &spec)
}

/// Shares, quota and bytes that a container asks for.
fn limits(c: &Container) -> (i64, i64, i64) {
    let of = |list: &BTreeMap<String, Quantity>, name: &str| list.get(name).copied();
    let limit = of(&c.resources.limits, "cpu").map(|q| q.milli_value());
    let request = of(&c.resources.requests, "cpu").map(|q| q.milli_value()).or(limit).unwrap_or(0);
    let memory = of(&c.resources.limits, "memory").map_or(0, |q| q.value());
    ((request * 1024 / 1000).max(2), limit.unwrap_or(0) * 100, memory)
}

/// Nanoseconds as seconds.
fn seconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e9
}
