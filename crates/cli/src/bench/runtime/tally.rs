//! CPU time and memory of a runtime that has a cgroup to itself. The cgroup counts all that ever ran in it
//! and below, processes that are gone included; what kernel threads do for it is not counted.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Serialize;

/// The names of processes that a runtime keeps beside a pod's containers, in the pod's own groups.
const SUPERVISORS: [&str; 2] = ["corten-pod", "conmon"];

/// A runtime's cgroup.
pub struct Tally {
    dir: PathBuf,
    usage: Usage,
}

enum Usage {
    /// Version 1: nanoseconds.
    Nanoseconds(PathBuf),
    /// Version 2: the line `usage_usec` of `cpu.stat`.
    Stat(PathBuf),
}

/// Memory of a runtime while pods idle.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Memory {
    /// Resident bytes of what ran before the pods.
    pub daemon_rss: u64,
    /// Resident bytes of what runs for each pod: shims or supervisors. Containers are not in it.
    pub pod_rss: u64,
    /// The same with shared pages divided.
    pub pod_pss: u64,
    /// The same without shared pages.
    pub pod_private: u64,
}

impl Tally {
    /// The cgroup `path`, such as `/bench`.
    pub fn open(path: &str) -> Result<Self> {
        let root = Path::new("/sys/fs/cgroup");
        let own = path.trim_start_matches('/');
        let first = root.join("cpuacct").join(own);
        let (dir, usage) = if first.exists() {
            (first.clone(), Usage::Nanoseconds(first.join("cpuacct.usage")))
        } else {
            let second = root.join(own);
            (second.clone(), Usage::Stat(second.join("cpu.stat")))
        };
        std::fs::metadata(dir.join("cgroup.procs")).with_context(|| format!("find the cgroup {path}"))?;
        Ok(Tally { dir, usage })
    }

    /// CPU time up to now.
    pub fn cpu(&self) -> Duration {
        let read = |path: &Path| std::fs::read_to_string(path).unwrap_or_default();
        match &self.usage {
            Usage::Nanoseconds(path) => Duration::from_nanos(read(path).trim().parse().unwrap_or(0)),
            Usage::Stat(path) => Duration::from_micros(field(&read(path), "usage_usec").unwrap_or(0)),
        }
    }

    /// The daemon, shims and supervisors: the cgroup's own processes, and those of the groups below that
    /// are no containers.
    pub fn processes(&self) -> BTreeSet<u32> {
        let mut found: BTreeSet<u32> = members(&self.dir).collect();
        let mut below = vec![self.dir.clone()];
        while let Some(dir) = below.pop() {
            let entries = std::fs::read_dir(&dir).into_iter().flatten().flatten();
            let groups: Vec<PathBuf> = entries.map(|e| e.path()).filter(|path| path.is_dir()).collect();
            found.extend(groups.iter().flat_map(|group| members(group)).filter(|pid| is_supervisor(*pid)));
            below.extend(groups);
        }
        found
    }

    /// Memory of the processes that were there `before`, and of those that came with `pods` pods.
    pub fn memory(&self, before: &BTreeSet<u32>, pods: usize) -> Memory {
        let mut memory = Memory::default();
        for pid in self.processes() {
            let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
            let bytes = |name: &str| field(&text, name).unwrap_or(0) << 10;
            if before.contains(&pid) {
                memory.daemon_rss += bytes("Rss:");
            } else {
                memory.pod_rss += bytes("Rss:");
                memory.pod_pss += bytes("Pss:");
                memory.pod_private += bytes("Private_Clean:") + bytes("Private_Dirty:");
            }
        }
        let each = |sum: &mut u64| *sum /= pods.max(1) as u64;
        each(&mut memory.pod_rss);
        each(&mut memory.pod_pss);
        each(&mut memory.pod_private);
        memory
    }
}

fn members(group: &Path) -> impl Iterator<Item = u32> + use<> {
    let text = std::fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
    text.lines().filter_map(|line| line.parse().ok()).collect::<Vec<u32>>().into_iter()
}

fn is_supervisor(pid: u32) -> bool {
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    SUPERVISORS.iter().any(|supervisor| name.starts_with(supervisor))
}

/// The number after `name` at the start of a line.
fn field(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_numbers_after_their_names() {
        let text = "00400000-7fff rollup\nRss:    1024 kB\nPss:     512 kB\nusage_usec 77\n";
        assert_eq!(field(text, "Rss:"), Some(1024));
        assert_eq!(field(text, "usage_usec"), Some(77));
        assert_eq!(field(text, "Private:"), None);
    }

    #[test]
    fn a_missing_cgroup_is_named() {
        let error = Tally::open("/there-is-no-such-group").err().map(|e| e.to_string());
        assert_eq!(error.as_deref(), Some("find the cgroup /there-is-no-such-group"));
    }
}
