//! What sandboxes and containers use: processor and memory from their control groups, the network from the
//! namespace's counters, disk by walking the writable layer, now and then.

use crate::runtime::{Runtime, blocking};
use crate::table::{Container, Sandbox};
use corten_node_api::cri::{
    ContainerStats, CpuUsage, FilesystemIdentifier, FilesystemUsage, LinuxPodSandboxStats, MemoryUsage,
    NetworkInterfaceUsage, NetworkUsage, PodSandboxStats, ProcessUsage, SwapUsage, UInt64Value,
};
use corten_rt::Instant;
use corten_sys::cgroups::Stats;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tonic::Status;

/// A rate over less than this says nothing.
const SHORTEST: Duration = Duration::from_millis(500);
/// How long a walk's result is good at least.
const FRESH: Duration = Duration::from_secs(10);
/// How much of the time may be spent on walking one container's files: a fiftieth.
const WALK_SHARE: u32 = 50;

/// Figures of before.
#[derive(Default)]
pub struct Samples {
    rates: Mutex<HashMap<String, Rate>>,
    disks: Mutex<HashMap<String, Disk>>,
}

/// Processor time at a moment, and what it had been per second until then.
#[derive(Clone, Copy)]
struct Rate {
    at: Instant,
    usage_ns: u64,
    nano_cores: Option<u64>,
}

/// What a writable layer holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// On disk.
    pub bytes: u64,
    /// Files and directories.
    pub inodes: u64,
}

#[derive(Clone, Copy)]
struct Disk {
    held: Held,
    at: i64,
    good_until: Instant,
    walking: bool,
}

impl Samples {
    /// Forgets what is removed.
    pub fn forget(&self, id: &str) {
        self.rates.lock().remove(id);
        self.disks.lock().remove(id);
    }

    /// Processor use in billionths of a core since the last sample that is old enough; at first, over `age`,
    /// the whole time there was anything to count.
    fn nano_cores(&self, id: &str, usage_ns: u64, age: Duration, now: Instant) -> Option<u64> {
        let mut rates = self.rates.lock();
        let next = next_rate(rates.get(id).copied(), usage_ns, age, now);
        rates.insert(id.to_owned(), next);
        next.nano_cores
    }
}

fn next_rate(before: Option<Rate>, usage_ns: u64, age: Duration, now: Instant) -> Rate {
    let (since, used) = match before {
        Some(before) if now.duration_since(before.at) < SHORTEST => return before,
        Some(before) if usage_ns >= before.usage_ns => {
            (now.duration_since(before.at), usage_ns - before.usage_ns)
        }
        // Nothing is known, or the count began anew.
        _ => (age, usage_ns),
    };
    let rate = (since >= SHORTEST).then(|| u128::from(used) * 1_000_000_000 / since.as_nanos());
    Rate { at: now, usage_ns, nano_cores: rate.and_then(|r| u64::try_from(r).ok()) }
}

impl Runtime {
    /// A container's figures. One that does not run has a disk, and nothing else.
    pub(crate) async fn container_figures(
        &self,
        container: &Arc<Container>,
    ) -> Result<ContainerStats, Status> {
        let disk = self.disk(container).await?;
        let (runtime, measured) = (self.clone(), container.clone());
        blocking(move || {
            let running = measured.state.borrow().is_running();
            // Gone between the question and the answer: it has ended.
            let stats = if running { runtime.cgroups.stats(&measured.cgroup()).ok() } else { None };
            let now = runtime.now();
            let since = measured.state.borrow().outcome.started_at;
            Ok(ContainerStats {
                attributes: Some(measured.attributes()),
                cpu: stats.map(|s| runtime.cpu(&measured.id, &s, since, now)),
                memory: stats.map(|s| memory(&s, now)),
                writable_layer: Some(disk),
                swap: stats.map(|_| SwapUsage { timestamp: now, ..SwapUsage::default() }),
                io: None,
            })
        })
        .await
    }

    /// A sandbox's figures, with those of its running containers.
    pub(crate) async fn sandbox_figures(&self, sandbox: &Arc<Sandbox>) -> Result<PodSandboxStats, Status> {
        let mut containers = Vec::new();
        for container in self.table.containers_of(&sandbox.id) {
            if container.state.borrow().is_running() {
                containers.push(self.container_figures(&container).await?);
            }
        }
        let (runtime, measured) = (self.clone(), sandbox.clone());
        blocking(move || {
            let now = runtime.now();
            let (pid, since, group) = {
                let record = measured.record.lock();
                let linux = record.config.as_ref().and_then(|c| c.linux.as_ref());
                let parent = linux.map(|l| l.cgroup_parent.clone()).filter(|p| !p.is_empty());
                (record.pid, record.created_at, parent.unwrap_or_else(|| record.cgroup.clone()))
            };
            let ready = measured.ready().is_some();
            let stats = if ready { runtime.cgroups.stats(&group).ok() } else { None };
            let interfaces = if ready && measured.has_network() { interfaces(pid) } else { Vec::new() };
            Ok(PodSandboxStats {
                attributes: Some(measured.attributes()),
                linux: Some(LinuxPodSandboxStats {
                    cpu: stats.map(|s| runtime.cpu(&measured.id, &s, since, now)),
                    memory: stats.map(|s| memory(&s, now)),
                    network: network(interfaces, now),
                    process: stats.map(|s| ProcessUsage { timestamp: now, process_count: value(s.pids) }),
                    containers,
                    io: None,
                }),
                windows: None,
            })
        })
        .await
    }

    fn cpu(&self, id: &str, stats: &Stats, since: i64, now: i64) -> CpuUsage {
        let age = Duration::from_nanos(u64::try_from(now - since).unwrap_or_default());
        let nano_cores = self.samples.nano_cores(id, stats.cpu_usage_ns, age, Instant::now());
        CpuUsage {
            timestamp: now,
            usage_core_nano_seconds: value(stats.cpu_usage_ns),
            usage_nano_cores: nano_cores.and_then(value),
            psi: None,
        }
    }

    /// What a container's writable layer holds. Only the first question waits for a walk; later ones get what
    /// the last walk found, and start another in the background when that is old. Walks are the rarer, the
    /// longer they take.
    async fn disk(&self, container: &Arc<Container>) -> Result<FilesystemUsage, Status> {
        let known = {
            let mut disks = self.samples.disks.lock();
            disks.get_mut(&container.id).map(|disk| {
                let due = !disk.walking && Instant::now() > disk.good_until;
                disk.walking |= due;
                (*disk, due)
            })
        };
        let disk = match known {
            Some((disk, due)) => {
                if due {
                    let (runtime, walked) = (self.clone(), container.clone());
                    self.tasks.spawn("disk usage", async move {
                        let _ = runtime.walk(walked).await;
                    });
                }
                disk
            }
            None => self.walk(container.clone()).await?,
        };
        Ok(FilesystemUsage {
            timestamp: disk.at,
            fs_id: Some(FilesystemIdentifier { mountpoint: self.places.pods().display().to_string() }),
            used_bytes: value(disk.held.bytes),
            inodes_used: value(disk.held.inodes),
        })
    }

    async fn walk(&self, container: Arc<Container>) -> Result<Disk, Status> {
        let runtime = self.clone();
        blocking(move || {
            let begun = Instant::now();
            let held = held_below(&container.dir.join("upper"));
            let took = begun.elapsed();
            let good_until = Instant::now() + FRESH.max(took * WALK_SHARE);
            let disk = Disk { held, at: runtime.now(), good_until, walking: false };
            // One that was removed meanwhile is not remembered again.
            if runtime.table.container(&container.id).is_ok() {
                runtime.samples.disks.lock().insert(container.id.clone(), disk);
            }
            Ok(disk)
        })
        .await
    }
}

/// Counts what is on disk below a directory. What vanishes meanwhile is not counted.
pub fn held_below(dir: &Path) -> Held {
    use std::os::unix::fs::MetadataExt;
    let mut held = Held::default();
    let mut left = vec![dir.to_owned()];
    let mut linked = std::collections::HashSet::new();
    while let Some(dir) = left.pop() {
        for entry in std::fs::read_dir(&dir).into_iter().flatten().flatten() {
            let Ok(data) = entry.metadata() else { continue };
            if data.nlink() > 1 && !data.is_dir() && !linked.insert((data.dev(), data.ino())) {
                continue;
            }
            held.bytes += data.blocks() * 512;
            held.inodes += 1;
            if data.is_dir() {
                left.push(entry.path());
            }
        }
    }
    held
}

fn value(value: u64) -> Option<UInt64Value> {
    Some(UInt64Value { value })
}

fn memory(stats: &Stats, now: i64) -> MemoryUsage {
    // Without a limit nothing is known to be available.
    let available =
        (stats.memory_limit != u64::MAX).then(|| stats.memory_limit.saturating_sub(stats.memory_working_set));
    MemoryUsage {
        timestamp: now,
        working_set_bytes: value(stats.memory_working_set),
        available_bytes: available.and_then(value),
        usage_bytes: value(stats.memory_usage),
        rss_bytes: value(stats.memory_rss),
        page_faults: value(stats.page_faults),
        major_page_faults: value(stats.major_page_faults),
        psi: None,
    }
}

fn interfaces(pid: i32) -> Vec<NetworkInterfaceUsage> {
    read_interfaces(&std::fs::read_to_string(format!("/proc/{pid}/net/dev")).unwrap_or_default())
}

/// Reads `/proc/<pid>/net/dev`, without the loopback interface.
fn read_interfaces(text: &str) -> Vec<NetworkInterfaceUsage> {
    let line = |line: &str| {
        let (name, counters) = line.split_once(':')?;
        let counters: Vec<u64> = counters.split_whitespace().filter_map(|n| n.parse().ok()).collect();
        let [rx_bytes, _, rx_errors, _, _, _, _, _, tx_bytes, _, tx_errors, ..] = counters[..] else {
            return None;
        };
        Some(NetworkInterfaceUsage {
            name: name.trim().to_owned(),
            rx_bytes: value(rx_bytes),
            rx_errors: value(rx_errors),
            tx_bytes: value(tx_bytes),
            tx_errors: value(tx_errors),
        })
    };
    text.lines().filter_map(line).filter(|i| i.name != "lo").collect()
}

fn network(mut interfaces: Vec<NetworkInterfaceUsage>, now: i64) -> Option<NetworkUsage> {
    let default = interfaces.iter().position(|i| i.name == "eth0")?;
    let default_interface = Some(interfaces.remove(default));
    Some(NetworkUsage { timestamp: now, default_interface, interfaces })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn rates_are_taken_over_a_while() {
        let start = Instant::now();
        let old = Duration::from_secs(10);
        assert_eq!(next_rate(None, 1_000, Duration::ZERO, start).nano_cores, None, "too young");
        let first = next_rate(None, 1_000_000_000, old, start);
        assert_eq!(first.nano_cores, Some(100_000_000));
        let soon = next_rate(Some(first), 2_000_000_000, old, start + SHORTEST / 2);
        assert_eq!(soon.nano_cores, first.nano_cores, "too soon: the first sample stays");
        let later = next_rate(Some(first), 1_500_000_000, old, start + Duration::from_secs(2));
        assert_eq!(later.nano_cores, Some(250_000_000));
        let anew = next_rate(Some(later), 0, old, start + Duration::from_secs(4));
        assert_eq!(anew.nano_cores, Some(0), "a new group");
    }

    #[test]
    fn interfaces_are_read() {
        let text = "Inter-|   Receive\n face |bytes\n    lo: 9 9 0 0 0 0 0 0 9 9 0 0 0 0 0 0\n\
                    \x20 eth0: 100 2 3 0 0 0 0 0 200 4 5 0 0 0 0 0\n  net1: 1 0 0 0 0 0 0 0 2 0 0 0 0 0 0 0\n";
        let usage = network(read_interfaces(text), 7).expect("an interface");
        let default = usage.default_interface.expect("eth0");
        assert_eq!((default.rx_bytes, default.tx_bytes), (value(100), value(200)));
        assert_eq!((default.rx_errors, default.tx_errors), (value(3), value(5)));
        assert_eq!(usage.interfaces.len(), 1);
        assert!(network(Vec::new(), 7).is_none());
    }

    #[test]
    fn a_link_is_counted_once() {
        let dir = tempfile::tempdir().expect("directory");
        let path = |name: &str| dir.path().join(name);
        std::fs::create_dir(path("d")).expect("made");
        std::fs::write(path("d/a"), vec![1; 100_000]).expect("written");
        std::fs::hard_link(path("d/a"), path("b")).expect("linked");
        let held = held_below(dir.path());
        assert_eq!(held.inodes, 2);
        assert!((100_000..200_000).contains(&held.bytes), "{held:?}");
        assert_eq!(held_below(&path("none")), Held::default());
    }
}
