//! Limits of a group, and the files that set them.

use std::collections::BTreeMap;

use super::convert::{QUOTA_PERIOD_US, shares_to_weight};

/// What a group may use. `None` leaves a limit as it is, -1 lifts it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Weight against other groups, 2 to 262,144, where 1,024 stands for one core.
    pub cpu_shares: Option<u64>,
    /// Microseconds of processor time per period.
    pub cpu_quota_us: Option<i64>,
    /// The period in microseconds; 100,000 when a quota comes without one.
    pub cpu_period_us: Option<u64>,
    /// Bytes of memory.
    pub memory_bytes: Option<i64>,
    /// Bytes of memory and swap together; needs `memory_bytes` beside it, unless it is -1.
    pub memory_swap_bytes: Option<i64>,
    /// The processors it may run on, such as `0-3,7`.
    pub cpuset_cpus: Option<String>,
    /// The memory nodes it may use.
    pub cpuset_mems: Option<String>,
    /// Processes and threads.
    pub pids: Option<i64>,
    /// Bytes per size of huge page, by the kernel's name of the size, such as `2MB`.
    pub hugepages: BTreeMap<String, u64>,
    /// Further files of version 2 and their values, such as `memory.min`.
    pub unified: BTreeMap<String, String>,
}

/// A value for a file of a controller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Write {
    pub controller: String,
    pub file: String,
    pub value: String,
    /// Whether some kernels lack the file, and nothing is lost without it.
    pub optional: bool,
}

fn write(controller: &str, file: impl Into<String>, value: impl ToString) -> Write {
    Write { controller: controller.to_owned(), file: file.into(), value: value.to_string(), optional: false }
}

/// A write to a file that some kernels lack.
fn optional(controller: &str, file: impl Into<String>, value: impl ToString) -> Write {
    Write { optional: true, ..write(controller, file, value) }
}

/// A limit as version 2 writes it.
fn or_max(limit: i64) -> String {
    if limit < 0 { "max".to_owned() } else { limit.to_string() }
}

impl Limits {
    /// The writes that set these limits; `unified` tells in which version a controller acts.
    pub(super) fn writes(&self, unified: impl Fn(&str) -> bool) -> Vec<Write> {
        let mut out = Vec::new();
        self.cpu_writes(unified("cpu"), &mut out);
        self.memory_writes(unified("memory"), &mut out);
        let sets = [("cpuset.cpus", &self.cpuset_cpus), ("cpuset.mems", &self.cpuset_mems)];
        out.extend(sets.into_iter().filter_map(|(file, set)| Some(write("cpuset", file, set.as_ref()?))));
        if let Some(count) = self.pids {
            out.push(write("pids", "pids.max", or_max(count)));
        }
        for (size, bytes) in &self.hugepages {
            let end = if unified("hugetlb") { "max" } else { "limit_in_bytes" };
            out.push(optional("hugetlb", format!("hugetlb.{size}.{end}"), bytes));
            // Pages are counted when they are reserved, too: what cannot be reserved is not mapped.
            out.push(optional("hugetlb", format!("hugetlb.{size}.rsvd.{end}"), bytes));
        }
        for (file, value) in &self.unified {
            let controller = file.split('.').next().unwrap_or_default();
            if unified(controller) {
                out.push(write(controller, file, value));
            }
        }
        out
    }

    /// Version 1 counts memory and swap together, version 2 swap alone.
    fn memory_writes(&self, unified: bool, out: &mut Vec<Write>) {
        let (memory, both) = (self.memory_bytes, self.memory_swap_bytes);
        if let Some(bytes) = memory {
            out.push(match unified {
                true => write("memory", "memory.max", or_max(bytes)),
                false => write("memory", "memory.limit_in_bytes", bytes.max(-1)),
            });
        }
        match (unified, both, memory) {
            (_, None, _) => {}
            (false, Some(both), _) => {
                out.push(optional("memory", "memory.memsw.limit_in_bytes", both.max(-1)));
            }
            (true, Some(both), Some(memory)) if both >= 0 && memory >= 0 => {
                out.push(optional("memory", "memory.swap.max", (both - memory).max(0)));
            }
            (true, Some(both), _) if both < 0 => out.push(optional("memory", "memory.swap.max", "max")),
            (true, Some(_), _) => {}
        }
    }

    fn cpu_writes(&self, unified: bool, out: &mut Vec<Write>) {
        if let Some(shares) = self.cpu_shares {
            out.push(match unified {
                true => write("cpu", "cpu.weight", shares_to_weight(shares)),
                false => write("cpu", "cpu.shares", shares),
            });
        }
        if unified {
            let period = self.cpu_period_us.unwrap_or(QUOTA_PERIOD_US);
            if let Some(quota) = self.cpu_quota_us {
                out.push(write("cpu", "cpu.max", format!("{} {period}", or_max(quota))));
            }
            return;
        }
        if let Some(period) = self.cpu_period_us {
            out.push(write("cpu", "cpu.cfs_period_us", period));
        }
        if let Some(quota) = self.cpu_quota_us {
            out.push(write("cpu", "cpu.cfs_quota_us", quota.max(-1)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(limits: &Limits, unified: bool) -> Vec<String> {
        let writes = limits.writes(|_| unified);
        writes.iter().map(|w| format!("{}:{}={}", w.controller, w.file, w.value)).collect()
    }

    #[test]
    fn each_version_has_its_files() {
        let limits = Limits {
            cpu_shares: Some(1024),
            cpu_quota_us: Some(20_000),
            cpu_period_us: Some(100_000),
            memory_bytes: Some(64 << 20),
            memory_swap_bytes: Some(96 << 20),
            cpuset_cpus: Some("0-1".to_owned()),
            cpuset_mems: Some("0".to_owned()),
            pids: Some(100),
            hugepages: [("2MB".to_owned(), 4 << 20)].into(),
            unified: [("memory.min".to_owned(), "4096".to_owned())].into(),
        };
        assert_eq!(
            lines(&limits, false),
            [
                "cpu:cpu.shares=1024",
                "cpu:cpu.cfs_period_us=100000",
                "cpu:cpu.cfs_quota_us=20000",
                "memory:memory.limit_in_bytes=67108864",
                "memory:memory.memsw.limit_in_bytes=100663296",
                "cpuset:cpuset.cpus=0-1",
                "cpuset:cpuset.mems=0",
                "pids:pids.max=100",
                "hugetlb:hugetlb.2MB.limit_in_bytes=4194304",
                "hugetlb:hugetlb.2MB.rsvd.limit_in_bytes=4194304",
            ]
        );
        assert_eq!(
            lines(&limits, true),
            [
                "cpu:cpu.weight=39",
                "cpu:cpu.max=20000 100000",
                "memory:memory.max=67108864",
                "memory:memory.swap.max=33554432",
                "cpuset:cpuset.cpus=0-1",
                "cpuset:cpuset.mems=0",
                "pids:pids.max=100",
                "hugetlb:hugetlb.2MB.max=4194304",
                "hugetlb:hugetlb.2MB.rsvd.max=4194304",
                "memory:memory.min=4096",
            ]
        );
    }

    #[test]
    fn nothing_given_nothing_written_and_minus_one_lifts() {
        assert!(lines(&Limits::default(), true).is_empty());
        let lifted =
            Limits { cpu_quota_us: Some(-1), memory_bytes: Some(-1), pids: Some(-1), ..Limits::default() };
        assert_eq!(
            lines(&lifted, true),
            ["cpu:cpu.max=max 100000", "memory:memory.max=max", "pids:pids.max=max"]
        );
        assert_eq!(
            lines(&lifted, false),
            ["cpu:cpu.cfs_quota_us=-1", "memory:memory.limit_in_bytes=-1", "pids:pids.max=max"]
        );
    }
}
