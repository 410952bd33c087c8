//! CPU time, memory and disk writes of named processes, from `/proc` (see proc(5)).

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use serde::Serialize;

/// Length of a tick of the times in `/proc/PID/stat`; Linux fixes it at 1/100 s for user space.
const TICK: Duration = Duration::from_millis(10);
/// The kernel keeps this many bytes of a process's name.
const NAME_LENGTH: usize = 15;
/// Where a running cluster writes its process id.
const PID_FILE: &str = "/var/lib/corten/corten.pid";

/// A name and the processes behind it: `NAME=PID[,PID...]`, or `NAME=COMMAND` for all processes of that
/// command, looked up anew at every sample.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// What the figures call it.
    pub name: String,
    members: Members,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Members {
    Pids(Vec<u32>),
    Command(String),
}

impl FromStr for Group {
    type Err = String;

    fn from_str(text: &str) -> Result<Group, String> {
        let (name, who) = text.split_once('=').ok_or("write NAME=PID, or NAME=COMMAND")?;
        if name.is_empty() || who.is_empty() {
            return Err("write NAME=PID, or NAME=COMMAND; neither side may be empty".to_owned());
        }
        let pids: Result<Vec<u32>, _> = who.split(',').map(str::parse).collect();
        let members = pids.map_or_else(|_| Members::Command(who.to_owned()), Members::Pids);
        Ok(Group { name: name.to_owned(), members })
    }
}

impl Group {
    /// The cluster that runs on this machine, if it does.
    pub fn local() -> Option<Group> {
        let pid = fs::read_to_string(PID_FILE).ok()?.trim().parse().ok()?;
        Path::new("/proc")
            .join(u32::to_string(&pid))
            .exists()
            .then(|| Group { name: "corten".to_owned(), members: Members::Pids(vec![pid]) })
    }

    /// All processes of a command.
    pub fn of_command(name: &str, command: &str) -> Group {
        Group { name: name.to_owned(), members: Members::Command(command.to_owned()) }
    }

    fn pids(&self) -> Vec<u32> {
        match &self.members {
            Members::Pids(pids) => pids.clone(),
            Members::Command(command) => pids_of(command),
        }
    }

    /// What the group has used up to now. Processes that are gone are left out.
    pub fn sample(&self) -> Sample {
        let mut sample = Sample::default();
        for pid in self.pids() {
            if let Some((start, usage)) = usage(&Path::new("/proc").join(pid.to_string())) {
                sample.0.insert((pid, start), usage);
            }
        }
        sample
    }
}

/// Samples of several groups, in their order.
pub fn sample_all(groups: &[Group]) -> Vec<Sample> {
    groups.iter().map(Group::sample).collect()
}

/// A process: its id and when it started, since ids are given again.
type Process = (u32, u64);

/// What each process of a group has used since it started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sample(BTreeMap<Process, Usage>);

impl Sample {
    /// CPU time used since `before`, by all that still run.
    pub fn cpu_since(&self, before: &Sample) -> Duration {
        self.since(before, |usage| usage.cpu.as_nanos() as u64).map_or(Duration::ZERO, Duration::from_nanos)
    }

    /// Bytes written towards disks since `before`; `None` when the kernel does not show them to us.
    pub fn written_since(&self, before: &Sample) -> Option<u64> {
        self.0.values().all(|usage| usage.written.is_some()).then_some(())?;
        self.since(before, |usage| usage.written.unwrap_or(0))
    }

    /// Resident memory in bytes.
    pub fn rss(&self) -> u64 {
        self.0.values().map(|usage| usage.rss).sum()
    }

    /// Resident memory in bytes with shared pages divided; `None` when the kernel does not show it to us.
    pub fn pss(&self) -> Option<u64> {
        self.0.values().map(|usage| usage.pss).sum()
    }

    /// How many processes there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no process.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn since(&self, before: &Sample, figure: impl Fn(&Usage) -> u64) -> Option<u64> {
        let of = |process, now: &Usage| figure(now).saturating_sub(before.0.get(process).map_or(0, &figure));
        Some(self.0.iter().map(|(process, now)| of(process, now)).sum())
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Usage {
    cpu: Duration,
    rss: u64,
    pss: Option<u64>,
    written: Option<u64>,
}

/// Memory of a group before and after a run.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Memory {
    /// The group's name.
    pub name: String,
    /// How many processes it had afterwards.
    pub processes: usize,
    /// Resident bytes before.
    pub rss_before: u64,
    /// Resident bytes afterwards.
    pub rss_after: u64,
}

/// Pairs two samples of each group.
pub fn memory(groups: &[Group], before: &[Sample], after: &[Sample]) -> Vec<Memory> {
    let pairs = before.iter().zip(after);
    let one = |(group, (before, after)): (&Group, (&Sample, &Sample))| Memory {
        name: group.name.clone(),
        processes: after.len(),
        rss_before: before.rss(),
        rss_after: after.rss(),
    };
    groups.iter().zip(pairs).map(one).collect()
}

fn pids_of(command: &str) -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let wanted = kernel_name(command);
    let mut pids: Vec<u32> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| {
            fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim_end() == wanted)
        })
        .collect();
    pids.sort_unstable();
    pids
}

/// A command's name as far as the kernel keeps it.
fn kernel_name(command: &str) -> &str {
    let end = (0..=NAME_LENGTH.min(command.len())).rev().find(|&at| command.is_char_boundary(at));
    &command[..end.unwrap_or(0)]
}

fn usage(dir: &Path) -> Option<(u64, Usage)> {
    let read = |name: &str| fs::read_to_string(dir.join(name)).ok();
    let (cpu, start) = parse_stat(&read("stat")?)?;
    let usage = Usage {
        cpu,
        rss: kibibytes(&read("status")?, "VmRSS:")?,
        pss: read("smaps_rollup").and_then(|text| kibibytes(&text, "Pss:")),
        written: read("io").and_then(|text| number(&text, "write_bytes:")),
    };
    Some((start, usage))
}

/// CPU time (user and system) and start time in ticks, from `/proc/PID/stat`. The command's name stands in
/// parentheses and may itself hold blanks and parentheses.
fn parse_stat(text: &str) -> Option<(Duration, u64)> {
    let (_, after_name) = text.rsplit_once(')')?;
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok(); // field 3 is the first here
    let ticks = field(14)? + field(15)?;
    Some((TICK * u32::try_from(ticks).ok()?, field(22)?))
}

fn number(text: &str, key: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    line.split_whitespace().next()?.parse().ok()
}

fn kibibytes(text: &str, key: &str) -> Option<u64> {
    number(text, key).map(|kibibytes| kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_named_by_pids_or_by_command() {
        let pids = |name: &str, pids: &[u32]| {
            Ok(Group { name: name.to_owned(), members: Members::Pids(pids.to_vec()) })
        };
        for (text, expected) in [
            ("corten=12", pids("corten", &[12])),
            ("shims=1,2,3", pids("shims", &[1, 2, 3])),
            ("etcd=etcd", Ok(Group::of_command("etcd", "etcd"))),
            ("a=12x", Ok(Group::of_command("a", "12x"))),
        ] {
            assert_eq!(text.parse::<Group>(), expected);
        }
        for text in ["corten", "=1", "a=", ""] {
            assert!(text.parse::<Group>().is_err(), "{text}");
        }
    }

    #[test]
    fn stat_is_read_whatever_the_name() {
        let rest = "S 1 2 3 0 -1 4194560 100 0 0 0 150 50 7 7 20 0 9 0 8765 1000 200";
        for name in ["corten", "a b", "x) y (z"] {
            let text = format!("42 ({name}) {rest}\n");
            assert_eq!(parse_stat(&text), Some((Duration::from_secs(2), 8765)), "{name}");
        }
        for text in ["", "42 (a", "42 (a) S 1 2", "42 (a) S 1 2 3 0 -1 1 1 0 0 0 x 50 7 7 20 0 9 0 1"] {
            assert_eq!(parse_stat(text), None, "{text}");
        }
    }

    #[test]
    fn keyed_figures_are_found() {
        let status = "Name:\tx\nVmHWM:\t  900 kB\nVmRSS:\t  512 kB\n";
        assert_eq!(kibibytes(status, "VmRSS:"), Some(512 * 1024));
        assert_eq!(number("write_bytes: 77\ncancelled_write_bytes: 5\n", "write_bytes:"), Some(77));
        assert_eq!(number("Pss_Anon: 1 kB\n", "Pss:"), None);
        assert_eq!(number("Pss: many\n", "Pss:"), None);
    }

    #[test]
    fn only_what_was_used_in_between_counts() {
        let usage =
            |millis, written| Usage { cpu: Duration::from_millis(millis), rss: 10, pss: Some(5), written };
        let before = Sample(BTreeMap::from([((1, 1), usage(100, Some(7))), ((2, 1), usage(900, Some(0)))]));
        let mut after = Sample(BTreeMap::from([
            ((1, 1), usage(150, Some(9))), // went on
            ((2, 5), usage(30, Some(1))),  // another process under an old id
        ]));
        assert_eq!(after.cpu_since(&before), Duration::from_millis(80));
        assert_eq!(after.written_since(&before), Some(3));
        assert_eq!((after.rss(), after.pss(), after.len()), (20, Some(10), 2));
        after.0.insert((3, 1), Usage { pss: None, ..usage(1, None) });
        assert_eq!((after.written_since(&before), after.pss()), (None, None));
    }

    #[test]
    fn this_process_can_be_sampled() {
        let sample = format!("me={}", std::process::id()).parse::<Group>().expect("a group").sample();
        assert_eq!(sample.len(), 1);
        assert!(sample.rss() > 1 << 18, "{sample:?}");
        let none = "gone=4294967295".parse::<Group>().expect("a group").sample();
        assert!(none.is_empty());
    }

    #[test]
    fn long_commands_are_cut_as_the_kernel_does() {
        assert_eq!(kernel_name("containerd-shim-runc-v2"), "containerd-shim");
        assert_eq!(kernel_name("etcd"), "etcd");
        assert_eq!(kernel_name("12345678901234é"), "12345678901234");
    }
}
