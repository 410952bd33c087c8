//! The machine's control groups.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::limits::Write;
use super::stats::number;
use super::{Cgroups, DeviceRule, Hierarchy, Layout, Limits, Stats, bpf, devices, weight_to_shares};
use crate::error::Context;
use crate::{Error, Result};

/// How often a removal is tried, with growing pauses of 3 seconds in all.
const REMOVAL_TRIES: u64 = 24;

/// Control groups under the machine's root group.
#[derive(Clone, Debug)]
pub struct KernelCgroups {
    layout: Layout,
}

impl KernelCgroups {
    /// Finds the machine's hierarchies.
    pub fn detect() -> Result<Self> {
        Ok(KernelCgroups { layout: Layout::detect()? })
    }

    /// Works on the given hierarchies.
    pub fn new(layout: Layout) -> Self {
        KernelCgroups { layout }
    }

    /// The hierarchies it works on.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    fn dirs<'a>(&'a self, path: &'a str) -> impl Iterator<Item = PathBuf> + 'a {
        self.layout.hierarchies.iter().map(move |h| group_dir(h, path))
    }

    /// The directory in which the group's processes are found: that of the process counter, or the first.
    fn process_dir(&self, path: &str) -> Option<PathBuf> {
        let first = self.layout.hierarchies.first();
        self.layout.of("pids").or(self.layout.of("memory")).or(first).map(|h| group_dir(h, path))
    }

    fn read(&self, controller: &str, path: &str, file: &str) -> String {
        let dir = self.layout.of(controller).map(|h| group_dir(h, path));
        dir.and_then(|d| std::fs::read_to_string(d.join(file)).ok()).unwrap_or_default()
    }

    fn write(&self, path: &str, write: &Write) -> Result<()> {
        let Some(hierarchy) = self.layout.of(&write.controller) else {
            return if write.optional { Ok(()) } else { Err(no_controller(path, write)) };
        };
        let file = group_dir(hierarchy, path).join(&write.file);
        match write_file(&file, &write.value) {
            Err(error) if write.optional && error.kind() == ErrorKind::NotFound => Ok(()),
            result => result,
        }
    }

    fn require(&self, path: &str) -> Result<()> {
        if self.exists(path) {
            return Ok(());
        }
        Err(Error::new("find the control group", path, std::io::Error::from_raw_os_error(libc::ENOENT)))
    }

    /// Kills what is left and tries once to remove the group everywhere.
    fn try_remove(&self, path: &str) -> Result<()> {
        self.kill(path)?;
        let mut last = Ok(());
        for dir in self.dirs(path) {
            last = last.and(remove_tree(&dir));
        }
        last
    }
}

impl Cgroups for KernelCgroups {
    fn is_unified(&self) -> bool {
        self.layout.is_unified()
    }

    fn create(&self, path: &str) -> Result<()> {
        for hierarchy in &self.layout.hierarchies {
            create_in(hierarchy, path)?;
        }
        Ok(())
    }

    fn exists(&self, path: &str) -> bool {
        let mut counting = ["cpu", "memory", "pids"].into_iter().filter_map(|c| self.layout.of(c));
        counting.all(|h| group_dir(h, path).is_dir())
    }

    fn set(&self, path: &str, limits: &Limits) -> Result<()> {
        let writes = limits.writes(|c| self.layout.of(c).map_or(self.is_unified(), |h| h.unified));
        // Period and quota bound each other, as do memory and memory with swap: whichever the kernel refuses
        // first goes in after the rest.
        let bound = |file: &str| file.starts_with("cpu.cfs_") || file == "memory.limit_in_bytes";
        let mut refused = Vec::new();
        for write in &writes {
            match self.write(path, write) {
                Err(e) if e.errno() == Some(libc::EINVAL) && bound(&write.file) => {
                    refused.push(write);
                }
                result => result?,
            }
        }
        refused.into_iter().try_for_each(|write| self.write(path, write))
    }

    fn allow_devices(&self, path: &str, rules: &[DeviceRule]) -> Result<()> {
        if let Some(v1) = self.layout.of("devices") {
            let dir = group_dir(v1, path);
            if !rules.contains(&DeviceRule::ALL) {
                write_file(&dir.join("devices.deny"), "a")?;
            }
            let allow = dir.join("devices.allow");
            return rules.iter().try_for_each(|rule| write_file(&allow, &rule.line()));
        }
        match self.layout.hierarchies.iter().find(|h| h.unified) {
            Some(v2) => bpf::replace(&group_dir(v2, path), &devices::program(rules)),
            None => Ok(()),
        }
    }

    fn limits(&self, path: &str) -> Result<Limits> {
        self.require(path)?;
        let bound = |text: &str| text.trim().parse::<i64>().ok().or(Some(-1));
        let mut limits = Limits { pids: bound(&self.read("pids", path, "pids.max")), ..Limits::default() };
        if self.is_unified() {
            let max = self.read("cpu", path, "cpu.max");
            let (quota, period) = max.trim().split_once(' ').unwrap_or(("max", ""));
            limits.cpu_shares = Some(weight_to_shares(number(&self.read("cpu", path, "cpu.weight"))));
            limits.cpu_quota_us = bound(quota);
            limits.cpu_period_us = period.parse().ok();
            limits.memory_bytes = bound(&self.read("memory", path, "memory.max"));
        } else {
            limits.cpu_shares = Some(number(&self.read("cpu", path, "cpu.shares")));
            limits.cpu_quota_us = bound(&self.read("cpu", path, "cpu.cfs_quota_us"));
            limits.cpu_period_us = Some(number(&self.read("cpu", path, "cpu.cfs_period_us")));
            let memory = self.stats(path)?.memory_limit;
            limits.memory_bytes = Some(i64::try_from(memory).unwrap_or(-1));
        }
        Ok(limits)
    }

    fn stats(&self, path: &str) -> Result<Stats> {
        self.require(path)?;
        let read = |controller: &str, file: &str| self.read(controller, path, file);
        Ok(if self.is_unified() { Stats::from_v2(read) } else { Stats::from_v1(read) })
    }

    fn children(&self, path: &str) -> Result<Vec<String>> {
        let mut names = BTreeSet::new();
        for dir in self.dirs(path) {
            names.extend(subdirectories(&dir)?);
        }
        Ok(names.into_iter().collect())
    }

    fn processes(&self, path: &str) -> Result<Vec<i32>> {
        let mut out = Vec::new();
        if let Some(dir) = self.process_dir(path) {
            collect_processes(&dir, &mut out)?;
        }
        Ok(out)
    }

    fn attach(&self, path: &str, pid: i32) -> Result<()> {
        self.dirs(path).try_for_each(|dir| write_file(&dir.join("cgroup.procs"), &pid.to_string()))
    }

    fn kill(&self, path: &str) -> Result<()> {
        let dir = self.process_dir(path);
        if let Some(file) = dir.map(|d| d.join("cgroup.kill")).filter(|f| f.exists()) {
            return write_file(&file, "1");
        }
        for pid in self.processes(path)? {
            match kill(Pid::from_raw(pid), Signal::SIGKILL) {
                Ok(()) | Err(nix::Error::ESRCH) => {}
                Err(error) => return Err(error).context("kill process", pid),
            }
        }
        Ok(())
    }

    fn remove(&self, path: &str) -> Result<()> {
        let mut result = self.try_remove(path);
        for attempt in 1..REMOVAL_TRIES {
            if result.is_ok() {
                break;
            }
            std::thread::sleep(Duration::from_millis(10 * attempt));
            result = self.try_remove(path);
        }
        result
    }
}

fn no_controller(path: &str, write: &Write) -> Error {
    let why = format!("this kernel has no controller \"{}\" of control groups", write.controller);
    Error::new("set", format!("{} of {path}", write.file), std::io::Error::new(ErrorKind::Unsupported, why))
}

fn group_dir(hierarchy: &Hierarchy, path: &str) -> PathBuf {
    hierarchy.dir.join(path.trim_start_matches('/'))
}

/// Makes the group, handing controllers (version 2) and processor sets (version 1) down. Parents that are there
/// have what they hand down since they were made.
fn create_in(hierarchy: &Hierarchy, path: &str) -> Result<()> {
    let path = path.trim_matches('/');
    if path.is_empty() {
        return Ok(());
    }
    let (above, _) = path.rsplit_once('/').unwrap_or_default();
    let dir = group_dir(hierarchy, path);
    let mut made = std::fs::create_dir(&dir);
    if made.as_ref().is_err_and(|e| e.kind() == ErrorKind::NotFound) && !above.is_empty() {
        create_in(hierarchy, above)?;
        made = std::fs::create_dir(&dir);
    }
    match made {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            return Err(error).context("create the control group", dir.display());
        }
        _ => {}
    }
    if hierarchy.unified {
        // Somebody else may have made the parents: all on the way must hand down what the last one is to have.
        hand_down_from_root(hierarchy, above, &dir)?;
    } else if hierarchy.controllers.iter().any(|c| c == "cpuset") {
        for file in ["cpuset.cpus", "cpuset.mems"] {
            inherit_cpuset(hierarchy, path, file)?;
        }
    }
    Ok(())
}

/// Hands controllers down along `path` to the group in `dir`, unless it has them all.
fn hand_down_from_root(hierarchy: &Hierarchy, path: &str, dir: &Path) -> Result<()> {
    let file = dir.join("cgroup.controllers");
    let has = std::fs::read_to_string(&file).context("read", file.display())?;
    if hierarchy.controllers.iter().all(|c| has.split_whitespace().any(|h| h == c)) {
        return Ok(());
    }
    let mut above = hierarchy.dir.clone();
    hand_down_controllers(&above, &hierarchy.controllers)?;
    for name in path.split('/').filter(|n| !n.is_empty()) {
        above.push(name);
        hand_down_controllers(&above, &hierarchy.controllers)?;
    }
    Ok(())
}

fn hand_down_controllers(dir: &Path, controllers: &[String]) -> Result<()> {
    let file = dir.join("cgroup.subtree_control");
    let enabled = std::fs::read_to_string(&file).context("read", file.display())?;
    let missing = controllers.iter().filter(|c| !enabled.split_whitespace().any(|e| e == *c));
    for controller in missing {
        // One by one: a controller that some other software holds back must not stop the rest.
        if let Err(error) = write_file(&file, &format!("+{controller}")) {
            tracing::debug!(%error, "controller not handed down");
        }
    }
    Ok(())
}

/// A new group of version 1 may run nowhere until it is told where; so may parents that somebody else made.
/// The text that the group at `path` has in `file`.
fn inherit_cpuset(hierarchy: &Hierarchy, path: &str, file: &str) -> Result<String> {
    let own = group_dir(hierarchy, path).join(file);
    let now = std::fs::read_to_string(&own).context("read", own.display())?;
    if !now.trim().is_empty() || path.is_empty() {
        return Ok(now);
    }
    let (above, _) = path.rsplit_once('/').unwrap_or_default();
    let value = inherit_cpuset(hierarchy, above, file)?;
    write_file(&own, value.trim())?;
    Ok(value)
}

fn write_file(file: &Path, value: &str) -> Result<()> {
    // Without the wish to create it, which the kernel refuses differently from a missing file.
    let open = std::fs::OpenOptions::new().write(true).open(file);
    open.and_then(|mut f| std::io::Write::write_all(&mut f, value.as_bytes()))
        .context("write", format!("{value} to {}", file.display()))
}

/// Names of the directories below; none when `dir` is missing.
fn subdirectories(dir: &Path) -> Result<Vec<String>> {
    let entries = match std::fs::read_dir(dir) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        result => result.context("list the control group", dir.display())?,
    };
    let dirs = entries.flatten().filter(|e| e.file_type().is_ok_and(|t| t.is_dir()));
    Ok(dirs.map(|e| e.file_name().to_string_lossy().into_owned()).collect())
}

fn collect_processes(dir: &Path, out: &mut Vec<i32>) -> Result<()> {
    for name in subdirectories(dir)? {
        collect_processes(&dir.join(name), out)?;
    }
    let file = dir.join("cgroup.procs");
    match std::fs::read_to_string(&file) {
        Ok(text) => out.extend(text.lines().filter_map(|l| l.parse::<i32>().ok())),
        Err(error) if is_gone(&error) => {}
        Err(error) => return Err(error).context("read", file.display()),
    }
    Ok(())
}

fn remove_tree(dir: &Path) -> Result<()> {
    for name in subdirectories(dir)? {
        remove_tree(&dir.join(name))?;
    }
    match std::fs::remove_dir(dir) {
        Err(error) if !is_gone(&error) => Err(error).context("remove the control group", dir.display()),
        _ => Ok(()),
    }
}

/// Missing, or removed while it was open.
fn is_gone(error: &std::io::Error) -> bool {
    error.kind() == ErrorKind::NotFound || error.raw_os_error() == Some(libc::ENODEV)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Child, Command};

    struct Group<'a>(&'a KernelCgroups, String);

    impl Drop for Group<'_> {
        fn drop(&mut self) {
            let _ = self.0.remove(&self.1);
        }
    }

    fn sleeper() -> Child {
        Command::new("sleep").arg("60").spawn().expect("sleep starts")
    }

    #[test]
    fn a_group_is_made_limited_counted_and_removed() {
        if !crate::is_root() {
            return eprintln!("skipped: needs root");
        }
        let groups = KernelCgroups::detect().expect("detect");
        let root = format!("/corten-test-{}", std::process::id());
        let _cleanup = Group(&groups, root.clone());
        let path = format!("{root}/burstable/pod1");
        groups.create(&path).expect("create");
        groups.create(&path).expect("creating twice is fine");
        assert!(groups.exists(&path));
        assert_eq!(groups.children(&root).expect("children"), ["burstable"]);

        let limits = Limits {
            cpu_shares: Some(1024),
            cpu_quota_us: Some(20_000),
            cpu_period_us: Some(50_000),
            memory_bytes: Some(64 << 20),
            pids: Some(100),
            ..Limits::default()
        };
        groups.set(&path, &limits).expect("set");
        let mut now = groups.limits(&path).expect("limits");
        if groups.is_unified() {
            now.cpu_shares = limits.cpu_shares; // the conversion rounds
        }
        assert_eq!(now, limits);

        let mut child = sleeper();
        groups.attach(&path, child.id() as i32).expect("attach");
        assert_eq!(groups.processes(&root).expect("processes"), [child.id() as i32]);
        let stats = groups.stats(&path).expect("stats");
        assert_eq!((stats.pids, stats.memory_limit), (1, 64 << 20));

        let reaper = std::thread::spawn(move || child.wait());
        groups.remove(&root).expect("remove kills and removes");
        assert!(!reaper.join().expect("thread").expect("wait").success());
        assert!(!groups.exists(&root) && groups.dirs(&root).all(|d| !d.exists()));
        groups.remove(&root).expect("removing twice is fine");
        assert!(groups.stats(&root).expect_err("gone").is_not_found());
    }

    fn may(path: &str, write: bool) -> bool {
        std::fs::OpenOptions::new().read(!write).write(write).open(path).is_ok()
    }

    /// Runs `work` on a thread-less copy of this process that sits in the group, through a shell.
    fn in_group(groups: &KernelCgroups, path: &str, script: &str) -> String {
        let script = format!("read go; {script}");
        let mut child = Command::new("sh")
            .args(["-c", &script])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::null())
            .spawn()
            .expect("sh starts");
        groups.attach(path, child.id() as i32).expect("attach");
        drop(child.stdin.take());
        let out = child.wait_with_output().expect("sh ends");
        String::from_utf8_lossy(&out.stdout).trim().to_owned()
    }

    #[test]
    fn a_group_uses_the_devices_that_it_may_in_both_versions() {
        if !crate::is_root() {
            return eprintln!("skipped: needs root");
        }
        assert!(may("/dev/null", true) && may("/dev/zero", false), "the test itself may");
        let all = Layout::detect().expect("detect");
        let char = |major, minor, access: &str| DeviceRule {
            kind: super::super::DeviceKind::Char,
            major,
            minor,
            access: super::super::DeviceAccess::parse(access).expect("access"),
        };
        for unified in [false, true] {
            let hierarchies: Vec<_> =
                all.hierarchies.iter().filter(|h| h.unified == unified).cloned().collect();
            if hierarchies.is_empty() {
                continue;
            }
            let groups = KernelCgroups::new(Layout { hierarchies });
            let path = format!("/corten-test-devices-{}", std::process::id());
            let _cleanup = Group(&groups, path.clone());
            groups.create(&path).expect("create");
            let script = "cat /dev/null && echo null; : >/dev/null && echo write; \
                          head -c1 /dev/zero >/dev/null && echo zero";
            for (rules, expected) in [
                (vec![char(Some(1), Some(3), "rwm")], "null\nwrite"),
                (vec![char(Some(1), Some(3), "r")], "null"),
                (vec![char(Some(1), None, "rw")], "null\nwrite\nzero"),
                (vec![DeviceRule::ALL], "null\nwrite\nzero"),
                (vec![char(None, None, "m")], ""),
            ] {
                groups.allow_devices(&path, &rules).expect("allow");
                assert_eq!(in_group(&groups, &path, script), expected, "unified: {unified}, {rules:?}");
            }
        }
    }

    #[test]
    fn memory_and_swap_grow_and_shrink_in_place() {
        if !crate::is_root() {
            return eprintln!("skipped: needs root");
        }
        let groups = KernelCgroups::detect().expect("detect");
        let path = format!("/corten-test-memory-{}", std::process::id());
        let _cleanup = Group(&groups, path.clone());
        groups.create(&path).expect("create");
        for (memory, both) in [(64, 64), (128, 192), (32, 32), (256, 256)] {
            let limits = Limits {
                memory_bytes: Some(memory << 20),
                memory_swap_bytes: Some(both << 20),
                hugepages: [("3MB".to_owned(), 0)].into(),
                ..Limits::default()
            };
            groups.set(&path, &limits).expect("set; a size of pages that there is not is passed over");
            assert_eq!(groups.limits(&path).expect("limits").memory_bytes, limits.memory_bytes);
        }
    }

    #[test]
    fn what_the_kernel_cannot_limit_is_refused() {
        let dir = std::env::temp_dir();
        let memory = Hierarchy { dir, unified: true, controllers: vec!["memory".to_owned()] };
        let groups = KernelCgroups::new(Layout { hierarchies: vec![memory] });
        let cpus = Limits { cpuset_cpus: Some("0".to_owned()), ..Limits::default() };
        let file =
            Limits { unified: [("rdma.max".to_owned(), "max".to_owned())].into(), ..Limits::default() };
        for (limits, controller) in [(cpus, "cpuset"), (file, "rdma")] {
            let error = groups.set("/a", &limits).expect_err(controller).to_string();
            assert!(error.contains(&format!("no controller \"{controller}\"")), "{error}");
        }
        let pages = Limits { hugepages: [("2MB".to_owned(), 0)].into(), ..Limits::default() };
        groups.set("/a", &pages).expect("pages that there are none of need no limit");
    }

    #[test]
    fn limits_bind() {
        if !crate::is_root() {
            return eprintln!("skipped: needs root");
        }
        let groups = KernelCgroups::detect().expect("detect");
        let path = format!("/corten-test-bind-{}", std::process::id());
        let _cleanup = Group(&groups, path.clone());
        groups.create(&path).expect("create");
        let (memory, pids) = (Some(24 << 20), Some(4));
        let limits = Limits { memory_bytes: memory, memory_swap_bytes: memory, pids, ..Limits::default() };
        groups.set(&path, &limits).expect("set");
        // Without a line end, tail keeps everything.
        let greedy = "head -c 200000000 /dev/zero | tail -n 1 >/dev/null; echo $?";
        assert_eq!(in_group(&groups, &path, greedy), "137");
        assert_eq!(groups.stats(&path).expect("stats").oom_kills, 1);
        let many = "for n in 1 2 3 4 5 6; do sleep 5 >/dev/null & done; echo forked";
        assert_eq!(in_group(&groups, &path, many), "", "a shell that cannot fork ends");
    }
}
