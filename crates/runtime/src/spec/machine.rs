//! What is true of the machine as long as it runs.

use corten_sys::cgroups::Layout;
use nix::sys::resource::{Resource, getrlimit};

use super::refusal::Refusal;
use super::seccomp::Arch;

/// As many open files as containers get where the machine allows it.
const OPEN_FILES: u64 = 1_048_576;

/// The machine's facts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// Its control groups.
    pub cgroups: Layout,
    /// The capabilities that this process can hand on, a bit each.
    pub capabilities: u64,
    /// Version of the kernel: major and minor.
    pub kernel: (u32, u32),
    /// Its processor.
    pub arch: Arch,
    /// Whether the kernel filters system calls.
    pub seccomp: bool,
    /// Whether AppArmor is enabled.
    pub apparmor: bool,
    /// Whether SELinux is enabled.
    pub selinux: bool,
    /// The hard limit of open files.
    pub open_files: u64,
}

impl Machine {
    /// Looks at this machine.
    pub fn detect() -> Result<Machine, Refusal> {
        let internal = |e: &dyn std::fmt::Display| Refusal::Internal(e.to_string());
        let status = std::fs::read_to_string("/proc/self/status").map_err(|e| internal(&e))?;
        let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").map_err(|e| internal(&e))?;
        let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).map_err(|e| internal(&e))?;
        let apparmor = std::fs::read_to_string("/sys/module/apparmor/parameters/enabled");
        Ok(Machine {
            cgroups: Layout::detect().map_err(|e| internal(&e))?,
            capabilities: bounding_set(&status),
            kernel: kernel_version(&release),
            arch: Arch::native(),
            seccomp: status.lines().any(|line| line.starts_with("Seccomp:")),
            apparmor: apparmor.is_ok_and(|text| text.starts_with('Y')),
            selinux: std::path::Path::new("/sys/fs/selinux/enforce").exists(),
            open_files: hard,
        })
    }

    /// Whether the kernel is at least of this version.
    pub(super) fn kernel_at_least(&self, major: u32, minor: u32) -> bool {
        self.kernel >= (major, minor)
    }

    /// `mount_setattr`: mounts can be made read-only as a tree, and ids mapped.
    pub(super) fn has_mount_attributes(&self) -> bool {
        self.kernel_at_least(5, 12)
    }

    /// The limits of a container's processes: as many open files as may be, the rest as this process has it.
    pub(super) fn rlimits(&self) -> Vec<(u32, (u64, u64))> {
        let files = self.open_files.min(OPEN_FILES);
        vec![(Resource::RLIMIT_NOFILE as u32, (files, files))]
    }
}

/// The line `CapBnd` of `/proc/self/status`.
fn bounding_set(status: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix("CapBnd:"));
    line.and_then(|text| u64::from_str_radix(text.trim(), 16).ok()).unwrap_or_default()
}

/// `6.18.44-cloud` is (6, 18).
fn kernel_version(release: &str) -> (u32, u32) {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|n| n.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

#[cfg(test)]
impl Machine {
    /// A machine with everything, on version 1 or version 2.
    pub(super) fn example(unified: bool) -> Machine {
        use corten_sys::cgroups::Hierarchy;
        let v1 = |dir: &str, controllers: &[&str]| Hierarchy {
            dir: format!("/sys/fs/cgroup/{dir}").into(),
            unified: false,
            controllers: controllers.iter().map(|c| (*c).to_owned()).collect(),
        };
        let hierarchies = if unified {
            let controllers = ["cpu", "cpuset", "hugetlb", "io", "memory", "pids"];
            let controllers = controllers.map(str::to_owned).to_vec();
            vec![Hierarchy { dir: "/sys/fs/cgroup".into(), unified: true, controllers }]
        } else {
            let unified =
                Hierarchy { dir: "/sys/fs/cgroup/unified".into(), unified: true, controllers: Vec::new() };
            vec![
                v1("cpu,cpuacct", &["cpu", "cpuacct"]),
                v1("memory", &["memory"]),
                v1("devices", &["devices"]),
                v1("pids", &["pids"]),
                v1("systemd", &[]),
                unified,
            ]
        };
        Machine {
            cgroups: Layout { hierarchies },
            capabilities: (1 << 41) - 1,
            kernel: (6, 18),
            arch: Arch::native(),
            seccomp: true,
            apparmor: false,
            selinux: false,
            open_files: 20_000,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_and_capabilities_are_read() {
        for (release, version) in
            [("6.18.44-fc\n", (6, 18)), ("5.4", (5, 4)), ("4.19.0+", (4, 19)), ("x", (0, 0))]
        {
            assert_eq!(kernel_version(release), version, "{release}");
        }
        assert_eq!(bounding_set("CapEff:\t00\nCapBnd:\t000001ffffffffff\n"), (1 << 41) - 1);
        assert_eq!(bounding_set(""), 0);
    }

    #[test]
    fn this_machine_has_facts() {
        let machine = Machine::detect().expect("detect");
        assert!(machine.kernel.0 >= 4 && machine.open_files > 0, "{machine:?}");
    }
}
