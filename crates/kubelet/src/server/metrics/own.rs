//! `/metrics`: the kubelet about itself.

use super::super::Node;
use crate::stats::{Disk, Disks};
use corten_api::core::v1::Pod;
use corten_metrics::{Kind, Text, write_process};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The text.
pub fn text(node: &Node, pods: &[Arc<Pod>], disks: &Disks) -> String {
    let mut out = Text::default();
    let info = "A metric with a constant '1' value labeled by version and platform";
    out.family("kubernetes_build_info", Kind::Gauge, info);
    out.sample(
        &[("gitVersion", &node.version), ("platform", &format!("linux/{}", std::env::consts::ARCH))],
        1,
    );
    out.family("kubelet_node_name", Kind::Gauge, "The node's name. The count is always 1.");
    out.sample(&[("node", &node.name)], 1);
    counts(&mut out, pods);
    volumes(&mut out, disks);
    if let Some(meters) = node.directory.meters() {
        let help = "Timestamp in seconds when PLEG was last seen active.";
        out.single("kubelet_pleg_last_seen_seconds", Kind::Gauge, help, meters.last_relist());
        meters.write(&mut out, false);
    }
    write_process(&mut out);
    out.finish()
}

fn counts(out: &mut Text, pods: &[Arc<Pod>]) {
    let live = |p: &&Arc<Pod>| !corten_semantics::pod::is_terminal(p);
    let mut containers: BTreeMap<&str, usize> = BTreeMap::new();
    let mut running = 0;
    for pod in pods.iter().filter(live) {
        let status = &pod.status;
        let all = status
            .init_container_statuses
            .iter()
            .chain(&status.container_statuses)
            .chain(&status.ephemeral_container_statuses);
        let mut any = false;
        for s in all {
            let state = match (&s.state.running, &s.state.terminated) {
                (Some(_), _) => "running",
                (_, Some(_)) => "exited",
                _ => "created",
            };
            any |= state == "running";
            *containers.entry(state).or_default() += 1;
        }
        running += usize::from(any);
    }
    let is_static = |p: &&Arc<Pod>| p.metadata.annotations.contains_key("kubernetes.io/config.mirror");
    let fixed = pods.iter().filter(is_static).count();
    let active = pods.iter().filter(live).count();
    let name = "kubelet_running_pods";
    out.single(name, Kind::Gauge, "Number of pods that have a running pod sandbox", running);
    out.family("kubelet_running_containers", Kind::Gauge, "Number of containers currently running");
    for state in ["created", "exited", "running"] {
        let count = containers.get(state).copied().unwrap_or_default();
        out.sample(&[("container_state", state)], count);
    }
    let help = "The number of pods the kubelet is being instructed to run. static is true if the pod is not from the apiserver.";
    out.family("kubelet_desired_pods", Kind::Gauge, help);
    out.sample(&[("static", "")], pods.len() - fixed);
    out.sample(&[("static", "true")], fixed);
    let help = "The number of pods the kubelet considers active and which are being considered when admitting new pods. static is true if the pod is not from the apiserver.";
    out.family("kubelet_active_pods", Kind::Gauge, help);
    out.sample(&[("static", "")], active.saturating_sub(fixed));
    let help = "The number of mirror pods the kubelet will try to create (one per admitted static pod)";
    out.single("kubelet_mirror_pods", Kind::Gauge, help, fixed);
}

/// A figure of a volume, with the name of its metric and what it tells.
type Figure = (&'static str, &'static str, fn(&Disk) -> u64);

fn volumes(out: &mut Text, disks: &Disks) {
    const FAMILIES: [Figure; 6] = [
        ("kubelet_volume_stats_available_bytes", "Number of available bytes in the volume", |d| d.available),
        ("kubelet_volume_stats_capacity_bytes", "Capacity in bytes of the volume", |d| d.capacity),
        ("kubelet_volume_stats_inodes", "Maximum number of inodes in the volume", |d| d.inodes),
        ("kubelet_volume_stats_inodes_free", "Number of free inodes in the volume", |d| d.inodes_free),
        ("kubelet_volume_stats_inodes_used", "Number of used inodes in the volume", |d| d.inodes_used),
        ("kubelet_volume_stats_used_bytes", "Number of used bytes in the volume", |d| d.used),
    ];
    let mut claims = BTreeMap::new();
    for volume in disks.pods.values().flat_map(|p| &p.volumes) {
        if let Some(claim) = &volume.claim {
            claims.insert(claim, volume.disk);
        }
    }
    for (name, help, value) in FAMILIES.into_iter().filter(|_| !claims.is_empty()) {
        out.family(name, Kind::Gauge, help);
        for ((namespace, claim), disk) in &claims {
            out.sample(&[("namespace", namespace), ("persistentvolumeclaim", claim)], value(disk));
        }
    }
}
