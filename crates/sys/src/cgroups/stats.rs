//! What a group has used, read from the files of either version.

/// Figures of a group and all below it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Processor time in nanoseconds.
    pub cpu_usage_ns: u64,
    /// Periods in which a quota was in force, and in how many of them it stopped the group.
    pub cpu_periods: u64,
    /// Periods in which the group ran into its quota.
    pub cpu_throttled_periods: u64,
    /// How long it was stopped by its quota, in nanoseconds.
    pub cpu_throttled_ns: u64,
    /// Bytes of memory, page cache included.
    pub memory_usage: u64,
    /// Bytes the kernel could not give back easily: the usage without inactive file pages.
    pub memory_working_set: u64,
    /// Bytes of anonymous memory.
    pub memory_rss: u64,
    /// The limit in bytes; `u64::MAX` for none.
    pub memory_limit: u64,
    /// Page faults, and those that needed the disk.
    pub page_faults: u64,
    /// Page faults that needed the disk.
    pub major_page_faults: u64,
    /// How often the kernel killed a process here for want of memory.
    pub oom_kills: u64,
    /// Processes and threads now.
    pub pids: u64,
}

/// Above this, version 1 means that there is no limit (it rounds 2^63 down to a page).
const V1_UNLIMITED: u64 = (i64::MAX as u64) & !0xffff;

/// The value behind `name` in a file of `name value` lines.
fn field(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(' '));
    line.map(number).unwrap_or_default()
}

pub(super) fn number(text: &str) -> u64 {
    text.trim().parse().unwrap_or_default()
}

impl Stats {
    /// Reads version 1; `read` gives a file of a controller, empty when there is none.
    pub(super) fn from_v1(read: impl Fn(&str, &str) -> String) -> Self {
        let memory = read("memory", "memory.stat");
        let cpu = read("cpu", "cpu.stat");
        let usage = number(&read("memory", "memory.usage_in_bytes"));
        let limit = number(&read("memory", "memory.limit_in_bytes"));
        Stats {
            cpu_usage_ns: number(&read("cpuacct", "cpuacct.usage")),
            cpu_periods: field(&cpu, "nr_periods"),
            cpu_throttled_periods: field(&cpu, "nr_throttled"),
            cpu_throttled_ns: field(&cpu, "throttled_time"),
            memory_usage: usage,
            memory_working_set: usage.saturating_sub(field(&memory, "total_inactive_file")),
            memory_rss: field(&memory, "total_rss"),
            memory_limit: if limit == 0 || limit >= V1_UNLIMITED { u64::MAX } else { limit },
            page_faults: field(&memory, "total_pgfault"),
            major_page_faults: field(&memory, "total_pgmajfault"),
            oom_kills: field(&read("memory", "memory.oom_control"), "oom_kill"),
            pids: number(&read("pids", "pids.current")),
        }
    }

    /// Reads version 2.
    pub(super) fn from_v2(read: impl Fn(&str, &str) -> String) -> Self {
        let memory = read("memory", "memory.stat");
        let cpu = read("cpu", "cpu.stat");
        let usage = number(&read("memory", "memory.current"));
        Stats {
            cpu_usage_ns: field(&cpu, "usage_usec") * 1000,
            cpu_periods: field(&cpu, "nr_periods"),
            cpu_throttled_periods: field(&cpu, "nr_throttled"),
            cpu_throttled_ns: field(&cpu, "throttled_usec") * 1000,
            memory_usage: usage,
            memory_working_set: usage.saturating_sub(field(&memory, "inactive_file")),
            memory_rss: field(&memory, "anon"),
            memory_limit: read("memory", "memory.max").trim().parse().unwrap_or(u64::MAX),
            page_faults: field(&memory, "pgfault"),
            major_page_faults: field(&memory, "pgmajfault"),
            oom_kills: field(&read("memory", "memory.events"), "oom_kill"),
            pids: number(&read("pids", "pids.current")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_one() {
        let stats = Stats::from_v1(|_, file| {
            let text = match file {
                "memory.stat" => {
                    "cache 1\ntotal_rss 700\ntotal_inactive_file 300\ntotal_pgfault 9\ntotal_pgmajfault 2\n"
                }
                "memory.usage_in_bytes" => "1000\n",
                "memory.limit_in_bytes" => "9223372036854771712\n",
                "memory.oom_control" => "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n",
                "cpuacct.usage" => "123456\n",
                "cpu.stat" => "nr_periods 40\nnr_throttled 39\nthrottled_time 5000\n",
                "pids.current" => "4\n",
                _ => "",
            };
            text.to_owned()
        });
        let expected = Stats {
            cpu_usage_ns: 123_456,
            cpu_periods: 40,
            cpu_throttled_periods: 39,
            cpu_throttled_ns: 5000,
            memory_usage: 1000,
            memory_working_set: 700,
            memory_rss: 700,
            memory_limit: u64::MAX,
            page_faults: 9,
            major_page_faults: 2,
            oom_kills: 3,
            pids: 4,
        };
        assert_eq!(stats, expected);
    }

    #[test]
    fn version_two() {
        let stats = Stats::from_v2(|_, file| {
            let text = match file {
                "memory.stat" => "anon 700\ninactive_file 3000\npgfault 9\npgmajfault 2\n",
                "memory.current" => "1000\n",
                "memory.max" => "4096\n",
                "memory.events" => "oom 4\noom_kill 3\n",
                "cpu.stat" => "usage_usec 5\nnr_periods 40\nnr_throttled 39\nthrottled_usec 6\n",
                _ => "",
            };
            text.to_owned()
        });
        assert_eq!((stats.cpu_usage_ns, stats.cpu_throttled_ns), (5000, 6000));
        assert_eq!((stats.memory_working_set, stats.memory_limit, stats.oom_kills), (0, 4096, 3));
    }
}
