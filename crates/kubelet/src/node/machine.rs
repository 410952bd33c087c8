//! What the machine has, and what it is.

use super::NodeConfig;
use corten_api::Quantity;
use corten_api::core::v1::{NodeRuntimeHandler, NodeRuntimeHandlerFeatures, NodeSwapStatus, NodeSystemInfo};
use corten_node_api::cri::StatusResponse;
use corten_semantics::resources::ResourceList;
use std::path::Path;

/// What the machine has; `root` is where pods' files are.
pub fn capacity(most_pods: u32, root: &Path) -> ResourceList {
    let cpus = std::thread::available_parallelism().map_or(1, |n| n.get() as i64);
    let mut out = ResourceList::from([
        ("cpu".to_string(), Quantity::whole(cpus)),
        ("memory".to_string(), Quantity::bytes(memory_bytes() / 1024 * 1024)),
        ("ephemeral-storage".to_string(), Quantity::bytes(disk_bytes(root) / 1024 * 1024)),
        ("hugepages-1Gi".to_string(), Quantity::whole(0)),
        ("hugepages-2Mi".to_string(), Quantity::whole(0)),
        ("pods".to_string(), Quantity::whole(i64::from(most_pods))),
    ]);
    out.extend(hugepages(Path::new("/sys/kernel/mm/hugepages")));
    out
}

/// The machine's memory.
pub fn memory_bytes() -> i64 {
    kilobytes("MemTotal:") * 1024
}

fn kilobytes(name: &str) -> i64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|l| l.strip_prefix(name));
    line.and_then(|l| l.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

fn disk_bytes(root: &Path) -> i64 {
    // Before the first pod the directory is not there yet.
    let found = root.ancestors().find_map(|p| nix::sys::statvfs::statvfs(p).ok());
    found.map_or(0, |s| s.blocks() as i64 * s.fragment_size() as i64)
}

/// The huge pages that are set aside, by size.
fn hugepages(dir: &Path) -> ResourceList {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let read = |e: std::fs::DirEntry| {
        let name = e.file_name().into_string().ok()?;
        let kib: i64 = name.strip_prefix("hugepages-")?.strip_suffix("kB")?.parse().ok()?;
        let count = std::fs::read_to_string(e.path().join("nr_hugepages")).ok()?;
        let bytes = kib * 1024;
        let count: i64 = count.trim().parse().ok()?;
        Some((format!("hugepages-{}", Quantity::bytes(bytes)), Quantity::bytes(count * bytes)))
    };
    entries.filter_map(read).collect()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default().trim().to_string()
}

/// What the machine is.
pub fn system_info(config: &NodeConfig) -> NodeSystemInfo {
    let release = read("/etc/os-release");
    let name = release.lines().find_map(|l| l.strip_prefix("PRETTY_NAME=")).unwrap_or("Linux");
    let machine = read("/etc/machine-id");
    let board = read("/sys/class/dmi/id/product_uuid");
    let uuid = [&board, &machine, &config.name].into_iter().find(|id| !id.is_empty());
    NodeSystemInfo {
        system_uuid: uuid.cloned().unwrap_or_default(),
        machine_id: machine,
        boot_id: read("/proc/sys/kernel/random/boot_id"),
        kernel_version: read("/proc/sys/kernel/osrelease"),
        os_image: name.trim_matches('"').to_string(),
        container_runtime_version: config.runtime.clone(),
        kubelet_version: config.version.clone(),
        operating_system: "linux".into(),
        architecture: architecture().into(),
        swap: Some(Box::new(NodeSwapStatus { capacity: Some(kilobytes("SwapTotal:") * 1024) })),
        ..NodeSystemInfo::default()
    }
}

/// The machine's architecture, as Go names it.
pub fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// The ways in which the runtime can run pods.
pub fn handlers(told: &StatusResponse) -> Vec<NodeRuntimeHandler> {
    let of = |h: &corten_node_api::cri::RuntimeHandler| NodeRuntimeHandler {
        name: h.name.clone(),
        features: h.features.map(|f| {
            Box::new(NodeRuntimeHandlerFeatures {
                recursive_read_only_mounts: Some(f.recursive_read_only_mounts),
                user_namespaces: Some(f.user_namespaces),
            })
        }),
    };
    let mut out: Vec<NodeRuntimeHandler> = told.runtime_handlers.iter().map(of).collect();
    out.sort_by(|a, b| a.name.cmp(&b.name));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_has_something_to_offer() {
        let capacity = capacity(110, Path::new("/nowhere/at/all"));
        assert!(capacity["cpu"].value() > 0 && capacity["memory"].value() > 1 << 20);
        assert!(capacity["ephemeral-storage"].value() > 0, "that of the nearest directory there is");
    }

    #[test]
    fn huge_pages_are_counted_by_size() {
        let dir = tempfile::tempdir().expect("directory");
        for (name, count) in [("hugepages-2048kB", "3\n"), ("hugepages-1048576kB", "0\n"), ("other", "9")] {
            std::fs::create_dir(dir.path().join(name)).expect("made");
            std::fs::write(dir.path().join(name).join("nr_hugepages"), count).expect("written");
        }
        let got: Vec<String> = hugepages(dir.path()).iter().map(|(n, q)| format!("{n}={q}")).collect();
        assert_eq!(got, ["hugepages-1Gi=0", "hugepages-2Mi=6Mi"]);
    }
}
