//! A tree of groups in memory.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use super::{Cgroups, DeviceRule, Limits, Stats};
use crate::{Error, Result};

#[derive(Clone, Debug, Default)]
struct Group {
    limits: Limits,
    stats: Stats,
    devices: Option<Vec<DeviceRule>>,
    processes: Vec<i32>,
}

/// Groups in memory, version 2 by default; a test sets their figures and processes.
#[derive(Debug, Default)]
pub struct FakeCgroups {
    groups: Mutex<BTreeMap<String, Group>>,
}

impl FakeCgroups {
    /// Sets the figures that [`Cgroups::stats`] will give for an existing group.
    pub fn set_stats(&self, path: &str, stats: Stats) {
        if let Some(group) = self.lock().get_mut(path) {
            group.stats = stats;
        }
    }

    /// All groups there are.
    pub fn paths(&self) -> Vec<String> {
        self.lock().keys().cloned().collect()
    }

    /// The devices that a group was limited to, if it was.
    pub fn devices(&self, path: &str) -> Option<Vec<DeviceRule>> {
        self.lock().get(path).and_then(|group| group.devices.clone())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Group>> {
        self.groups.lock().unwrap_or_else(|e| e.into_inner())
    }

    fn with<T>(&self, path: &str, work: impl FnOnce(&mut Group) -> T) -> Result<T> {
        let missing =
            || Error::new("find the control group", path, std::io::Error::from_raw_os_error(libc::ENOENT));
        self.lock().get_mut(path).map(work).ok_or_else(missing)
    }
}

fn is_within(path: &str, group: &str) -> bool {
    path == group || path.strip_prefix(group).is_some_and(|rest| rest.starts_with('/') || group == "/")
}

impl Cgroups for FakeCgroups {
    fn is_unified(&self) -> bool {
        true
    }

    fn create(&self, path: &str) -> Result<()> {
        let mut groups = self.lock();
        let ends = path.match_indices('/').map(|(at, _)| at).skip(1).chain([path.len()]);
        for end in ends {
            groups.entry(path[..end].to_owned()).or_default();
        }
        Ok(())
    }

    fn exists(&self, path: &str) -> bool {
        self.lock().contains_key(path)
    }

    fn set(&self, path: &str, limits: &Limits) -> Result<()> {
        self.with(path, |group| {
            let (now, new) = (&mut group.limits, limits.clone());
            now.cpu_shares = new.cpu_shares.or(now.cpu_shares);
            now.cpu_quota_us = new.cpu_quota_us.or(now.cpu_quota_us);
            now.cpu_period_us = new.cpu_period_us.or(now.cpu_period_us);
            now.memory_bytes = new.memory_bytes.or(now.memory_bytes);
            now.memory_swap_bytes = new.memory_swap_bytes.or(now.memory_swap_bytes);
            now.cpuset_cpus = new.cpuset_cpus.or(now.cpuset_cpus.take());
            now.cpuset_mems = new.cpuset_mems.or(now.cpuset_mems.take());
            now.pids = new.pids.or(now.pids);
            now.hugepages.extend(new.hugepages);
            now.unified.extend(new.unified);
        })
    }

    fn allow_devices(&self, path: &str, rules: &[DeviceRule]) -> Result<()> {
        self.with(path, |group| group.devices = Some(rules.to_vec()))
    }

    fn limits(&self, path: &str) -> Result<Limits> {
        self.with(path, |group| group.limits.clone())
    }

    fn stats(&self, path: &str) -> Result<Stats> {
        self.with(path, |group| group.stats)
    }

    fn children(&self, path: &str) -> Result<Vec<String>> {
        let prefix = format!("{}/", path.trim_end_matches('/'));
        let groups = self.lock();
        let below = groups.keys().filter_map(|p| p.strip_prefix(&prefix));
        Ok(below.filter(|p| !p.is_empty() && !p.contains('/')).map(str::to_owned).collect())
    }

    fn processes(&self, path: &str) -> Result<Vec<i32>> {
        let groups = self.lock();
        let inside = groups.iter().filter(|(p, _)| is_within(p, path));
        Ok(inside.flat_map(|(_, g)| g.processes.clone()).collect())
    }

    fn attach(&self, path: &str, pid: i32) -> Result<()> {
        self.with(path, |group| group.processes.push(pid))
    }

    fn kill(&self, path: &str) -> Result<()> {
        self.lock().iter_mut().filter(|(p, _)| is_within(p, path)).for_each(|(_, g)| g.processes.clear());
        Ok(())
    }

    fn remove(&self, path: &str) -> Result<()> {
        self.lock().retain(|p, _| !is_within(p, path));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_nest_and_vanish_together() {
        let groups = FakeCgroups::default();
        groups.create("/kubepods/burstable/pod1").expect("create");
        assert_eq!(groups.paths(), ["/kubepods", "/kubepods/burstable", "/kubepods/burstable/pod1"]);
        assert_eq!(groups.children("/kubepods").expect("children"), ["burstable"]);
        groups.attach("/kubepods/burstable/pod1", 7).expect("attach");
        groups.set("/kubepods", &Limits { pids: Some(5), ..Limits::default() }).expect("set");
        groups.set("/kubepods", &Limits { cpu_shares: Some(2), ..Limits::default() }).expect("set");
        assert_eq!(groups.limits("/kubepods").expect("limits").pids, Some(5));
        assert_eq!(groups.processes("/kubepods").expect("processes"), [7]);
        groups.remove("/kubepods/burstable").expect("remove");
        assert_eq!(groups.paths(), ["/kubepods"]);
        assert!(groups.stats("/kubepods/burstable").expect_err("gone").is_not_found());
    }
}
