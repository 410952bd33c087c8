//! `corten bench runtime`: what a pod costs in a container runtime alone, through CRI, and several runtimes
//! side by side. Their pods alternate, so that whatever else the machine does falls on all of them alike.

mod life;
mod tally;

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use corten_node_api::{CriClient, CriConfig};
use corten_rt::{Stop, Tasks};
use serde::Serialize;

use super::Report;
use super::stats::{Latency, rate};
use super::table::{Table, figure, mebibytes};
use life::{Lifetimes, Pods};
use tally::{Memory, Tally};

/// `corten bench runtime`.
#[derive(Args, Clone, Debug)]
pub struct RuntimeArgs {
    /// A runtime: NAME=SOCKET, or NAME=SOCKET,CGROUP where the runtime and all that it starts run in that
    /// cgroup, for its CPU time and memory. Repeatable.
    #[arg(long = "cri", value_name = "NAME=SOCKET[,CGROUP]", required = true)]
    runtimes: Vec<Target>,
    /// The image of the pods, with a shell; present in every runtime.
    #[arg(long, default_value = "corten.local/demo:1")]
    image: String,
    /// Pods of each runtime, one after the other and at each number of --parallel.
    #[arg(long, default_value_t = 50)]
    count: usize,
    /// How many pods are on their way at the same time; a run for each number.
    #[arg(long, value_delimiter = ',', default_value = "1,4,8")]
    parallel: Vec<usize>,
    /// Pods that idle while memory is measured.
    #[arg(long, default_value_t = 20)]
    idle: usize,
    /// Print JSON instead of tables.
    #[arg(long)]
    json: bool,
}

/// A runtime to measure.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Target {
    name: String,
    socket: String,
    cgroup: Option<String>,
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Target, String> {
        let (name, rest) = text.split_once('=').ok_or("write NAME=SOCKET or NAME=SOCKET,CGROUP")?;
        let (socket, cgroup) = rest.split_once(',').map_or((rest, None), |(s, c)| (s, Some(c.to_owned())));
        if name.is_empty() || socket.is_empty() {
            return Err("write NAME=SOCKET; neither side may be empty".to_owned());
        }
        let socket = if socket.contains("://") { socket.to_owned() } else { format!("unix://{socket}") };
        Ok(Target { name: name.to_owned(), socket, cgroup })
    }
}

/// What was found of one runtime.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Figures {
    name: String,
    version: String,
    sandbox: Latency,
    container: Latency,
    pod: Latency,
    exec: Latency,
    stop: Latency,
    remove: Latency,
    /// Stop and removal together.
    end: Latency,
    /// Pods started in a second, for each number at a time.
    started_per_second: Vec<(usize, f64)>,
    /// CPU time of a pod's whole life, milliseconds; the kernel's own threads are not in it.
    cpu_ms: Option<f64>,
    memory: Option<Memory>,
}

#[derive(Debug, Serialize)]
struct RuntimeReport {
    image: String,
    runtimes: Vec<Figures>,
}

/// One runtime while it is measured.
struct Candidate {
    pods: Arc<Pods>,
    tally: Option<Tally>,
    version: String,
    name: String,
    lifetimes: Lifetimes,
    rates: Vec<(usize, f64)>,
    cpu: Vec<Duration>,
    memory: Option<Memory>,
}

/// Measures each runtime and prints the figures side by side.
pub async fn run(args: RuntimeArgs) -> Result<()> {
    super::at_least_one(args.count, "--count")?;
    super::at_least_one(args.parallel.iter().copied().min().unwrap_or(0), "--parallel")?;
    let mut candidates = Vec::new();
    for target in &args.runtimes {
        candidates.push(Candidate::connect(target, &args.image).await?);
    }
    let tasks = Tasks::new(Stop::new());
    let measured = measure(&args, &mut candidates, &tasks).await;
    for candidate in &candidates {
        candidate.pods.clean().await;
    }
    measured?;
    let runtimes = candidates.into_iter().map(Candidate::figures).collect();
    let report = RuntimeReport { image: args.image, runtimes };
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{}", report.text());
    }
    Ok(())
}

async fn measure(args: &RuntimeArgs, candidates: &mut [Candidate], tasks: &Tasks) -> Result<()> {
    for candidate in &mut *candidates {
        // What is loaded and made only once is not a pod's.
        candidate.pods.live().await.with_context(|| format!("{}: a first pod", candidate.name))?;
    }
    for _ in 0..args.count {
        for candidate in &mut *candidates {
            candidate.one_life().await?;
        }
    }
    for &parallel in &args.parallel {
        for candidate in &mut *candidates {
            let started = candidate.pods.clone().start_many(args.count, parallel, tasks).await?;
            candidate.rates.push((parallel, rate(args.count, started.wall)));
            candidate.pods.clone().end_many(started.pods, parallel, tasks).await?;
        }
    }
    for candidate in &mut *candidates {
        candidate.idle(args.idle, tasks).await?;
    }
    Ok(())
}

impl Candidate {
    async fn connect(target: &Target, image: &str) -> Result<Self> {
        let (client, version) = CriClient::connect(&CriConfig::new(&target.socket))
            .await
            .with_context(|| format!("{}: ask the runtime at {}", target.name, target.socket))?;
        let tally = target.cgroup.as_deref().map(Tally::open).transpose()?;
        let parent = target.cgroup.as_deref().unwrap_or("/corten-bench");
        Ok(Candidate {
            pods: Arc::new(Pods::new(client, image, &format!("{parent}/pods"))?),
            tally,
            version: format!("{} {}", version.runtime_name, version.runtime_version),
            name: target.name.clone(),
            lifetimes: Lifetimes::default(),
            rates: Vec::new(),
            cpu: Vec::new(),
            memory: None,
        })
    }

    async fn one_life(&mut self) -> Result<()> {
        let before = self.tally.as_ref().map(Tally::cpu);
        let lifetime = self.pods.live().await.with_context(|| self.name.clone())?;
        self.lifetimes.add(&lifetime);
        if let (Some(before), Some(tally)) = (before, &self.tally) {
            // What it does after its answer belongs to the pod too.
            corten_rt::sleep(Duration::from_millis(30)).await;
            self.cpu.push(tally.cpu().saturating_sub(before));
        }
        Ok(())
    }

    async fn idle(&mut self, count: usize, tasks: &Tasks) -> Result<()> {
        let Some(tally) = &self.tally else { return Ok(()) };
        if count == 0 {
            return Ok(());
        }
        let before = tally.processes();
        let started = self.pods.clone().start_many(count, 4, tasks).await?;
        corten_rt::sleep(Duration::from_secs(1)).await;
        self.memory = Some(tally.memory(&before, count));
        self.pods.clone().end_many(started.pods, 4, tasks).await
    }

    fn figures(self) -> Figures {
        let l = self.lifetimes;
        let cpu = (!self.cpu.is_empty())
            .then(|| self.cpu.iter().sum::<Duration>().as_secs_f64() * 1e3 / self.cpu.len() as f64);
        Figures {
            name: self.name,
            version: self.version,
            sandbox: Latency::of(l.sandbox),
            container: Latency::of(l.container),
            pod: Latency::of(l.pod),
            exec: Latency::of(l.exec),
            stop: Latency::of(l.stop),
            remove: Latency::of(l.remove),
            end: Latency::of(l.end),
            started_per_second: self.rates,
            cpu_ms: cpu,
            memory: self.memory,
        }
    }
}

/// How one row of the table is made of a runtime's figures.
type Cell = Box<dyn Fn(&Figures) -> String>;

impl Report for RuntimeReport {
    fn text(&self) -> String {
        let mut table = Table::new(
            std::iter::once("p50 / p99 ms".to_owned()).chain(self.runtimes.iter().map(|r| r.name.clone())),
        );
        for (name, cell) in self.rows() {
            table.row(std::iter::once(name).chain(self.runtimes.iter().map(cell)));
        }
        let versions: Vec<String> =
            self.runtimes.iter().map(|r| format!("{}: {}", r.name, r.version)).collect();
        format!("pods of {} by CRI; {}\n\n{}", self.image, versions.join(", "), table.render())
    }
}

impl RuntimeReport {
    fn rows(&self) -> Vec<(String, Cell)> {
        let latency = |name: &str, of: fn(&Figures) -> &Latency| -> (String, Cell) {
            let cell = move |f: &Figures| format!("{} / {}", figure(of(f).p50_ms), figure(of(f).p99_ms));
            (name.to_owned(), Box::new(cell))
        };
        let optional = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
        let mut rows = vec![
            latency("run sandbox", |f| &f.sandbox),
            latency("create and start container", |f| &f.container),
            latency("pod in all", |f| &f.pod),
            latency("exec, synchronous", |f| &f.exec),
            latency("stop container", |f| &f.stop),
            latency("stop and remove sandbox", |f| &f.remove),
            latency("stop and removal in all", |f| &f.end),
        ];
        let parallel: Vec<usize> = self
            .runtimes
            .first()
            .map(|r| r.started_per_second.iter().map(|(n, _)| *n).collect())
            .unwrap_or_default();
        for (at, number) in parallel.into_iter().enumerate() {
            let cell =
                move |f: &Figures| optional(f.started_per_second.get(at).map(|(_, rate)| figure(*rate)));
            rows.push((format!("pods/s, {number} at a time"), Box::new(cell)));
        }
        rows.push(("CPU of a pod's life, ms".to_owned(), Box::new(move |f| optional(f.cpu_ms.map(figure)))));
        let memory = |name: &str, of: fn(&Memory) -> u64| -> (String, Cell) {
            let cell = move |f: &Figures| optional(f.memory.as_ref().map(|m| mebibytes(of(m))));
            (name.to_owned(), Box::new(cell))
        };
        rows.push(memory("daemon, resident MiB", |m| m.daemon_rss));
        rows.push(memory("each pod beside it, resident MiB", |m| m.pod_rss));
        rows.push(memory("each pod beside it, proportional MiB", |m| m.pod_pss));
        rows.push(memory("each pod beside it, private MiB", |m| m.pod_private));
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_a_name_a_socket_and_perhaps_a_cgroup() {
        let target = |name: &str, socket: &str, cgroup: Option<&str>| {
            Ok(Target { name: name.into(), socket: socket.into(), cgroup: cgroup.map(Into::into) })
        };
        for (text, expected) in [
            ("runc=/run/c.sock", target("runc", "unix:///run/c.sock", None)),
            ("a=unix:///x,/bench-a", target("a", "unix:///x", Some("/bench-a"))),
        ] {
            assert_eq!(text.parse::<Target>(), expected);
        }
        for text in ["runc", "=x", "x="] {
            assert!(text.parse::<Target>().is_err(), "{text}");
        }
    }

    #[test]
    fn runtimes_stand_side_by_side() {
        let one = |name: &str, millis: u64| Figures {
            name: name.into(),
            version: "v".into(),
            sandbox: Latency::of(vec![Duration::from_millis(millis)]),
            container: Latency::default(),
            pod: Latency::default(),
            exec: Latency::default(),
            stop: Latency::default(),
            remove: Latency::default(),
            end: Latency::default(),
            started_per_second: vec![(4, 60.0)],
            cpu_ms: None,
            memory: None,
        };
        let report = RuntimeReport { image: "i".into(), runtimes: vec![one("a", 5), one("b", 90)] };
        let text = report.text();
        let line = |start: &str| text.lines().find(|l| l.starts_with(start)).unwrap_or_default().to_owned();
        assert!(line("run sandbox").ends_with("5.00 / 5.00  90.0 / 90.0"), "{text}");
        assert!(line("pods/s, 4").ends_with("60.0         60.0"), "{text}");
        assert!(line("CPU").ends_with('-'), "{text}");
    }
}
