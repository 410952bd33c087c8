//! `corten bench idle`: what processes use while nobody asks anything of them.

use std::time::Duration;

use anyhow::{Result, bail};
use clap::Args;
use serde::Serialize;

use corten_rt::{Instant, sleep};

use super::processes::{Group, Sample, sample_all};
use super::table::{Table, figure, mebibytes};
use super::{ProcessArgs, Report};

/// `corten bench idle`.
#[derive(Args, Clone, Debug)]
pub struct IdleArgs {
    /// How long to look.
    #[arg(long, default_value_t = 30)]
    seconds: u64,
    #[command(flatten)]
    processes: ProcessArgs,
}

/// What a group used while it was looked at.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Idle {
    name: String,
    processes: usize,
    /// Percent of one core.
    cpu_percent: f64,
    rss_bytes: u64,
    pss_bytes: Option<u64>,
    written_bytes: Option<u64>,
    written_bytes_per_second: Option<f64>,
}

#[derive(Debug, Serialize)]
struct IdleReport {
    seconds: f64,
    processes: Vec<Idle>,
}

/// Looks at the groups named; by default at the cluster, containerd and its shims on this machine.
pub async fn run(args: IdleArgs) -> Result<()> {
    super::at_least_one(args.seconds as usize, "--seconds")?;
    let groups = groups(&args.processes);
    let before = sample_all(&groups);
    let start = Instant::now();
    sleep(Duration::from_secs(args.seconds)).await;
    let (after, wall) = (sample_all(&groups), start.elapsed());
    let found: Vec<Idle> = (groups.iter().zip(before.iter().zip(&after)))
        .filter(|(_, (_, after))| !after.is_empty())
        .map(|(group, (before, after))| idle(&group.name, before, after, wall))
        .collect();
    if found.is_empty() {
        bail!("none of the processes runs; name one with --pid NAME=PID");
    }
    args.processes.print(&IdleReport { seconds: wall.as_secs_f64(), processes: found })
}

fn groups(args: &ProcessArgs) -> Vec<Group> {
    let mut groups = args.groups();
    if args.pids.is_empty() {
        groups.push(Group::of_command("containerd", "containerd"));
        groups.push(Group::of_command("shims", "containerd-shim-runc-v2"));
    }
    groups
}

fn idle(name: &str, before: &Sample, after: &Sample, wall: Duration) -> Idle {
    let seconds = wall.as_secs_f64();
    let written = after.written_since(before);
    Idle {
        name: name.to_owned(),
        processes: after.len(),
        cpu_percent: after.cpu_since(before).as_secs_f64() / seconds * 100.0,
        rss_bytes: after.rss(),
        pss_bytes: after.pss(),
        written_bytes: written,
        written_bytes_per_second: written.map(|bytes| bytes as f64 / seconds),
    }
}

impl Report for IdleReport {
    fn text(&self) -> String {
        let mut table =
            Table::new(["process", "count", "CPU % of a core", "RSS MiB", "PSS MiB", "written KiB/s"]);
        for idle in &self.processes {
            let or_unknown = |text: Option<String>| text.unwrap_or_else(|| "?".to_owned());
            table.row([
                idle.name.clone(),
                idle.processes.to_string(),
                figure(idle.cpu_percent),
                mebibytes(idle.rss_bytes),
                or_unknown(idle.pss_bytes.map(mebibytes)),
                or_unknown(idle.written_bytes_per_second.map(|bytes| figure(bytes / 1024.0))),
            ]);
        }
        format!("idle for {:.0} s\n\n{}", self.seconds, table.render())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_seen_is_unknown() {
        let report = IdleReport {
            seconds: 30.0,
            processes: vec![Idle {
                name: "corten".into(),
                processes: 1,
                cpu_percent: 1.25,
                rss_bytes: 64 << 20,
                pss_bytes: None,
                written_bytes: Some(30 << 10),
                written_bytes_per_second: Some(1024.0),
            }],
        };
        let text = report.text();
        let row = text.lines().last().expect("a row");
        let cells: Vec<&str> = row.split_whitespace().collect();
        assert_eq!(cells, ["corten", "1", "1.25", "64.0", "?", "1.00"]);
        assert!(text.starts_with("idle for 30 s\n"));
    }
}
