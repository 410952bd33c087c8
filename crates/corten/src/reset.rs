//! `corten reset`: nothing is left behind.

use crate::node::CGROUP_ROOT_FILE;
use crate::process;
use crate::runtime::containerd::Layout;
use crate::runtime::embedded;
use anyhow::{Context, Result};
use corten_cli::steps::Steps;
use corten_node_api::cri::{ListPodSandboxRequest, RemovePodSandboxRequest, StopPodSandboxRequest};
use corten_node_api::{CriClient, CriConfig};
use corten_sys::cgroups::{Cgroups, KernelCgroups};
use corten_sys::interfaces::KernelInterfaces;
use corten_sys::mounts::{KernelMounts, Mounts};
use corten_sys::nft::KernelNft;
use std::path::Path;
use std::time::Duration;

/// Ends and removes everything that belongs to the data directory.
pub async fn run(data_dir: &Path) -> Result<()> {
    let steps = Steps::new();
    if let Some(pid) = process::running(data_dir) {
        let step = steps.step("stop corten");
        process::end(pid, Duration::from_secs(30)).await?;
        step.done();
    }
    let layout = Layout::new(data_dir);
    let step = steps.step("remove pods");
    remove_pods(data_dir).await;
    stop_containerd(&layout).await?;
    let own = embedded::Layout::new(data_dir).runtime();
    let ended = tokio::task::spawn_blocking(move || remove_own(&own));
    ended.await?.context("end the pods")?;
    step.done();
    let step = steps.step("remove network, cgroups and mounts");
    // Where no node noted its cgroups there was none: the network and /kubepods may be another's.
    if let Ok(cgroup_root) = std::fs::read_to_string(data_dir.join(CGROUP_ROOT_FILE)) {
        let removed = tokio::task::spawn_blocking(move || remove_node(&cgroup_root));
        removed.await??;
    }
    let below = data_dir.to_path_buf();
    let unmounted = tokio::task::spawn_blocking(move || KernelMounts.unmount_under(&below));
    unmounted.await?.context("unmount what is below the data directory")?;
    step.done();
    let step = steps.step("remove the data directory");
    match std::fs::remove_dir_all(data_dir) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            return Err(e).with_context(|| format!("remove {}", data_dir.display()));
        }
        _ => {}
    }
    // The shims' sockets and runc's state lie where containerd has them compiled in; empty directories go too.
    for directory in ["s", "runc/k8s.io", "runc", ""].map(|d| Path::new("/run/containerd").join(d)) {
        let _ = std::fs::remove_dir(directory);
    }
    step.done();
    Ok(())
}

/// Removes the node's network and cgroups. The runtime's plugins no longer answer, so cables are removed here,
/// with everything else of the network.
fn remove_node(cgroup_root: &str) -> Result<()> {
    corten_network::remove_all(corten_network::BRIDGE, &KernelInterfaces, &KernelNft::default())
        .context("remove the node's network")?;
    KernelCgroups::detect().and_then(|c| c.remove(cgroup_root)).context("remove the pods' cgroups")
}

/// Ends the pods of the embedded runtime, whose process is gone, and removes their cgroups.
fn remove_own(root: &Path) -> Result<()> {
    if root.exists() {
        corten_runtime::remove_pods(root, &KernelCgroups::detect()?)?;
    }
    Ok(())
}

/// Removes the sandboxes of our own containerd; what it cannot remove, the steps after it do.
async fn remove_pods(data_dir: &Path) {
    let socket = data_dir.join("containerd/containerd.sock");
    if !socket.exists() {
        return;
    }
    let Ok(cri) = CriClient::new(&CriConfig::new(format!("unix://{}", socket.display()))) else { return };
    let listing = cri.list_pod_sandbox(ListPodSandboxRequest { filter: None });
    let Some(Ok(listed)) = corten_rt::timeout(Duration::from_secs(5), listing).await else { return };
    for sandbox in listed.items {
        let stop = StopPodSandboxRequest { pod_sandbox_id: sandbox.id.clone() };
        let remove = RemovePodSandboxRequest { pod_sandbox_id: sandbox.id.clone() };
        // Without the node's process its network plugin fails, and the runtime with it: go on by force.
        let _ = corten_rt::timeout(Duration::from_secs(20), cri.stop_pod_sandbox(stop)).await;
        let _ = corten_rt::timeout(Duration::from_secs(20), cri.remove_pod_sandbox(remove)).await;
        forget_network(&sandbox.id);
    }
    for directory in [PLUGIN_RESULTS, "/var/lib/cni"] {
        let _ = std::fs::remove_dir(directory);
    }
}

/// Where the runtime notes what network plugins answered; it is compiled in.
const PLUGIN_RESULTS: &str = "/var/lib/cni/results";

/// Removes the notes on a sandbox's network, which the runtime keeps when a plugin fails.
fn forget_network(sandbox: &str) {
    for note in [format!("corten-{sandbox}-eth0"), format!("cni-loopback-{sandbox}-lo")] {
        let _ = std::fs::remove_file(Path::new(PLUGIN_RESULTS).join(note));
    }
}

async fn stop_containerd(layout: &Layout) -> Result<()> {
    let pid = std::fs::read_to_string(layout.pid_file()).ok().and_then(|t| t.trim().parse::<i32>().ok());
    let Some(pid) = pid else { return Ok(()) };
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    if name.trim() == "containerd" {
        process::end(pid, Duration::from_secs(10)).await?;
    }
    // Shims that are left belong to sandboxes that could not be removed.
    for pid in shims(&layout.root) {
        process::end(pid, Duration::from_secs(1)).await?;
    }
    Ok(())
}

/// The shims whose containerd is the one below `root`.
fn shims(root: &Path) -> Vec<i32> {
    let Ok(processes) = std::fs::read_dir("/proc") else { return Vec::new() };
    let address = root.join("containerd.sock").to_string_lossy().into_owned();
    processes
        .flatten()
        .filter_map(|p| p.file_name().to_string_lossy().parse::<i32>().ok())
        .filter(|pid| {
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let words: Vec<&[u8]> = line.split(|b| *b == 0).collect();
            words.first().is_some_and(|w| w.ends_with(b"containerd-shim-runc-v2"))
                && words.contains(&address.as_bytes())
        })
        .collect()
}
