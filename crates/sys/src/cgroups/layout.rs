//! Which hierarchies of control groups a machine has, and what each counts.

use std::path::{Path, PathBuf};

use crate::Result;
use crate::error::Context;
use crate::mounts::parse_mountinfo;

/// One mounted tree of groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hierarchy {
    /// Where its root group is.
    pub dir: PathBuf,
    /// Whether it is version 2's.
    pub unified: bool,
    /// The controllers that act in it; `name=systemd` and its like are none.
    pub controllers: Vec<String>,
}

/// All hierarchies of the machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// In the order they were mounted, each directory once.
    pub hierarchies: Vec<Hierarchy>,
}

const V1_CONTROLLERS: [&str; 13] = [
    "blkio",
    "cpu",
    "cpuacct",
    "cpuset",
    "devices",
    "freezer",
    "hugetlb",
    "memory",
    "misc",
    "net_cls",
    "net_prio",
    "perf_event",
    "pids",
];

impl Layout {
    /// Looks at this process's mounts.
    pub fn detect() -> Result<Self> {
        let path = "/proc/self/mountinfo";
        let text = std::fs::read_to_string(path).context("read", path)?;
        let mut layout = Self::from_mountinfo(&text, |dir| {
            std::fs::read_to_string(dir.join("cgroup.controllers")).unwrap_or_default()
        });
        // Another mount may lie over one.
        layout.hierarchies.retain(|h| h.dir.join("cgroup.procs").exists());
        Ok(layout)
    }

    /// Decides from the mounts' text; `controllers_of` gives the `cgroup.controllers` of a version 2 mount.
    /// Of several mounts of one hierarchy the first counts.
    pub fn from_mountinfo(text: &str, controllers_of: impl Fn(&Path) -> String) -> Self {
        let mut layout = Layout::default();
        for mount in parse_mountinfo(text) {
            let unified = match mount.fs_type.as_str() {
                "cgroup" => false,
                "cgroup2" => true,
                _ => continue,
            };
            let mut controllers: Vec<String> = if unified {
                controllers_of(&mount.target).split_whitespace().map(str::to_owned).collect()
            } else {
                mount.super_options.into_iter().filter(|o| V1_CONTROLLERS.contains(&o.as_str())).collect()
            };
            controllers.sort();
            let known = layout.hierarchies.iter().any(|h| {
                h.dir == mount.target
                    || (h.unified && unified)
                    || (!unified && !controllers.is_empty() && h.controllers == controllers)
            });
            if !known {
                layout.hierarchies.push(Hierarchy { dir: mount.target, unified, controllers });
            }
        }
        layout
    }

    /// The hierarchy in which a controller acts.
    pub fn of(&self, controller: &str) -> Option<&Hierarchy> {
        self.hierarchies.iter().find(|h| h.controllers.iter().any(|c| c == controller))
    }

    /// Whether memory is limited through version 2.
    pub fn is_unified(&self) -> bool {
        self.of("memory").is_some_and(|h| h.unified)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const V1: &str = "\
        31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n\
        32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n\
        35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
        36 31 0:32 / /elsewhere/memory rw - cgroup cgroup rw,memory\n\
        40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd\n\
        41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
    const V2: &str = "31 23 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate\n";

    #[test]
    fn version_one_beside_an_almost_empty_version_two() {
        let layout = Layout::from_mountinfo(V1, |_| "hugetlb\n".to_owned());
        let dirs: Vec<_> = layout.hierarchies.iter().map(|h| h.dir.display().to_string()).collect();
        assert_eq!(
            dirs,
            ["cpu,cpuacct", "memory", "systemd", "unified"].map(|d| format!("/sys/fs/cgroup/{d}"))
        );
        assert!(!layout.is_unified());
        assert_eq!(layout.of("cpuacct"), layout.of("cpu"));
        assert!(layout.of("hugetlb").is_some_and(|h| h.unified));
        assert_eq!(layout.of("pids"), None);
    }

    #[test]
    fn version_two_alone() {
        let layout = Layout::from_mountinfo(V2, |_| "cpuset cpu io memory pids\n".to_owned());
        assert_eq!(layout.hierarchies.len(), 1);
        assert!(layout.is_unified());
        assert!(layout.of("pids").is_some());
    }
}
