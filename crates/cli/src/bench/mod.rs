//! `corten bench`: figures of an API server, of the start of pods, and of an idle node, with the CPU time
//! and memory of the processes behind them. It speaks plain HTTPS to any Kubernetes API server, so that
//! others can be measured beside ours in the same way.

mod aims;
mod api;
mod crowd;
mod fan_out;
mod http;
mod idle;
mod load;
mod memory;
mod namespace;
mod objects;
mod part;
mod pods;
mod processes;
mod runtime;
mod stats;
mod table;

pub use objects::pod;
pub use part::{Part, Work};

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use serde::Serialize;

use corten_rt::{Stop, Tasks};

use crate::kubeconfig::Cluster;
use http::Server;
use namespace::Namespace;
use processes::Group;

/// How long connections are given to end after a run.
const GRACE: Duration = Duration::from_secs(2);

/// Measure an API server, the start of pods, or an idle machine.
#[derive(Args, Clone, Debug)]
pub struct BenchArgs {
    #[command(subcommand)]
    command: Bench,
}

#[derive(Subcommand, Clone, Debug)]
enum Bench {
    /// Requests to an API server: ConfigMaps of 1 KiB, and watches on them.
    Api(api::ApiArgs),
    /// Pods through the API: from their creation to Running and Ready, and to their end.
    Pods(pods::PodsArgs),
    /// Pods in container runtimes by CRI, side by side.
    Runtime(runtime::RuntimeArgs),
    /// What processes use while nothing happens.
    Idle(idle::IdleArgs),
}

/// Which server to measure.
#[derive(Args, Clone, Debug)]
struct TargetArgs {
    /// The cluster to measure.
    #[arg(long, env = "KUBECONFIG", default_value = "/var/lib/corten/kubeconfig", value_name = "FILE")]
    kubeconfig: PathBuf,
    #[command(flatten)]
    processes: ProcessArgs,
}

/// Whose CPU time and memory to show, and how.
#[derive(Args, Clone, Debug)]
struct ProcessArgs {
    /// A process whose CPU time and memory are shown: NAME=PID, several with commas, or NAME=COMMAND for
    /// all processes of that command. Repeatable. [default: the cluster that runs here]
    #[arg(long = "pid", value_name = "NAME=PID")]
    pids: Vec<Group>,
    /// Print JSON instead of tables.
    #[arg(long)]
    json: bool,
}

impl ProcessArgs {
    /// The groups asked for, or the cluster of this machine if it runs.
    fn groups(&self) -> Vec<Group> {
        if self.pids.is_empty() { Group::local().into_iter().collect() } else { self.pids.clone() }
    }

    /// Prints a report as it was asked for.
    fn print<R: Report>(&self, report: &R) -> Result<()> {
        if self.json {
            println!("{}", serde_json::to_string_pretty(report)?);
        } else {
            print!("{}", report.text());
        }
        Ok(())
    }
}

/// Figures, for machines (as JSON) and for people.
trait Report: Serialize {
    /// The tables.
    fn text(&self) -> String;
}

/// CPU time of a group of processes in one phase.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Cpu {
    name: String,
    /// Microseconds for each request, delivery or pod.
    micros_each: f64,
}

/// Shares what each group used between two samples among `count` things done.
fn cpu_each(
    groups: &[Group],
    before: &[processes::Sample],
    after: &[processes::Sample],
    count: usize,
) -> Vec<Cpu> {
    let used = before.iter().zip(after).map(|(before, after)| after.cpu_since(before));
    let each = |(group, used): (&Group, Duration)| Cpu {
        name: group.name.clone(),
        micros_each: used.as_secs_f64() * 1e6 / count.max(1) as f64,
    };
    groups.iter().zip(used).map(each).collect()
}

/// Runs a benchmark to its end and prints what it found; `parts` are measured in this process. Ctrl-C ends it
/// early, and still removes what it made in the cluster.
///
/// # Errors
/// When the server cannot be reached or refuses, or the run is interrupted.
pub async fn run(args: BenchArgs, parts: &'static [Part]) -> Result<()> {
    match args.command {
        Bench::Api(args) => api::run(args, parts).await,
        Bench::Pods(args) => pods::run(args).await,
        Bench::Runtime(args) => runtime::run(args).await,
        Bench::Idle(args) => idle::run(args).await,
    }
}

/// Runs `work` in a namespace of its own, which is removed whatever comes of it.
async fn in_namespace<R>(
    target: &TargetArgs,
    work: impl AsyncFnOnce(Server, Namespace, Tasks) -> Result<R>,
) -> Result<R> {
    let cluster = Cluster::load(&target.kubeconfig)?;
    let outer = Tasks::new(Stop::new());
    let server = Server::new(&cluster, &outer)?;
    let mut connection = server.connect().await?;
    let namespace = Namespace::create(&mut connection).await?;
    let tasks = Tasks::new(outer.stop().child());
    let result = tokio::select! {
        result = work(server.clone(), namespace.clone(), tasks.clone()) => result,
        signal = tokio::signal::ctrl_c() => Err(interrupted(signal)),
    };
    tasks.shutdown(GRACE).await;
    let removed = namespace.remove(&mut connection).await;
    outer.shutdown(GRACE).await;
    let result = result?;
    removed.map(|()| result)
}

fn interrupted(signal: std::io::Result<()>) -> anyhow::Error {
    match signal {
        Ok(()) => anyhow::anyhow!("interrupted"),
        Err(error) => anyhow::Error::new(error).context("cannot wait for Ctrl-C"),
    }
}

/// Refuses a number of things that makes no figure.
fn at_least_one(number: usize, flag: &str) -> Result<()> {
    if number == 0 {
        bail!("{flag} must be at least 1");
    }
    Ok(())
}

/// The deadline passed; says what was waited for.
fn late<T>(answer: Option<T>, what: &str) -> Result<T> {
    answer.with_context(|| format!("timed out: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        bench: BenchArgs,
    }

    fn parse(line: &str) -> Result<BenchArgs, clap::Error> {
        Program::try_parse_from(line.split_whitespace()).map(|program| program.bench)
    }

    #[test]
    fn the_command_line_is_read() {
        let args = parse("corten api --kubeconfig f --count 7 --pid a=1 --pid b=etcd --json").expect("valid");
        let Bench::Api(args) = args.command else { panic!("not api") };
        assert_eq!((args.count, args.connections, args.watchers), (7, 50, 200));
        assert_eq!(args.target.kubeconfig, PathBuf::from("f"));
        assert_eq!(args.target.processes.groups().len(), 2);
        assert!(args.target.processes.json);
        let Bench::Pods(args) = parse("corten pods --parallel 1,8").expect("valid").command else {
            panic!("not pods")
        };
        assert_eq!((args.parallel, args.count), (vec![1, 8], 50));
        assert!(matches!(parse("corten idle --seconds 3").expect("valid").command, Bench::Idle(_)));
        for line in ["corten", "corten api --pid x", "corten api --count many", "corten pods --parallel a"] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
