//! `/metrics`: the kubelet about itself.

use super::super::Node;
use super::text::Text;
use crate::stats::{Disk, Disks};
use corten_api::core::v1::Pod;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The text.
pub fn text(node: &Node, pods: &[Arc<Pod>], disks: &Disks) -> String {
    let mut out = Text::default();
    let info = "A metric with a constant '1' value labeled by version and platform";
    out.family("kubernetes_build_info", "gauge", info);
    out.sample(
        &[("gitVersion", &node.version), ("platform", &format!("linux/{}", std::env::consts::ARCH))],
        1,
        None,
    );
    out.family("kubelet_node_name", "gauge", "The node's name. The count is always 1.");
    out.sample(&[("node", &node.name)], 1, None);
    counts(&mut out, pods);
    volumes(&mut out, disks);
    if let Some(meters) = node.directory.meters() {
        let help = "Timestamp in seconds when PLEG was last seen active.";
        out.single("kubelet_pleg_last_seen_seconds", "gauge", help, meters.last_relist());
        meters.write(&mut out.out, false);
    }
    process(&mut out, node);
    out.out
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
    out.single(name, "gauge", "Number of pods that have a running pod sandbox", running);
    out.family("kubelet_running_containers", "gauge", "Number of containers currently running");
    for state in ["created", "exited", "running"] {
        let count = containers.get(state).copied().unwrap_or_default();
        out.sample(&[("container_state", state)], count, None);
    }
    let help = "The number of pods the kubelet is being instructed to run. static is true if the pod is not from the apiserver.";
    out.family("kubelet_desired_pods", "gauge", help);
    out.sample(&[("static", "")], pods.len() - fixed, None);
    out.sample(&[("static", "true")], fixed, None);
    let help = "The number of pods the kubelet considers active and which are being considered when admitting new pods. static is true if the pod is not from the apiserver.";
    out.family("kubelet_active_pods", "gauge", help);
    out.sample(&[("static", "")], active.saturating_sub(fixed), None);
    let help = "The number of mirror pods the kubelet will try to create (one per admitted static pod)";
    out.single("kubelet_mirror_pods", "gauge", help, fixed);
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
        out.family(name, "gauge", help);
        for ((namespace, claim), disk) in &claims {
            out.sample(&[("namespace", namespace), ("persistentvolumeclaim", claim)], value(disk), None);
        }
    }
}

fn process(out: &mut Text, node: &Node) {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let stat = read("/proc/self/stat");
    // The fields behind the command, which may hold anything, in brackets.
    let fields: Vec<u64> = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .map(|f| f.parse().unwrap_or_default())
        .collect();
    let field = |at: usize| fields.get(at - 3).copied().unwrap_or_default();
    let help = "Total user and system CPU time spent in seconds.";
    out.single("process_cpu_seconds_total", "counter", help, (field(14) + field(15)) as f64 / 100.0);
    out.single("process_resident_memory_bytes", "gauge", "Resident memory size in bytes.", field(24) * 4096);
    out.single("process_virtual_memory_bytes", "gauge", "Virtual memory size in bytes.", field(23));
    let open = std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
    out.single("process_open_fds", "gauge", "Number of open file descriptors.", open);
    let limits = read("/proc/self/limits");
    let most = limits.lines().find_map(|l| l.strip_prefix("Max open files")?.split_whitespace().next());
    let help = "Maximum number of open file descriptors.";
    out.single("process_max_fds", "gauge", help, most.and_then(|m| m.parse::<u64>().ok()).unwrap_or(0));
    let uptime = read("/proc/uptime");
    let uptime: f64 = uptime.split_whitespace().next().and_then(|t| t.parse().ok()).unwrap_or_default();
    let booted = node.clock.now().as_millisecond() as f64 / 1000.0 - uptime;
    let help = "Start time of the process since unix epoch in seconds.";
    out.single("process_start_time_seconds", "gauge", help, booted + field(22) as f64 / 100.0);
}
