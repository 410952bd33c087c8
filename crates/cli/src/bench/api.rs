//! `corten bench api`: what each kind of request costs an API server.

use std::time::Duration;

use anyhow::{Result, bail};
use clap::Args;
use hyper::Method;
use serde::Serialize;

use corten_rt::Tasks;

use super::aims::{self, Compared, WRITERS};
use super::crowd::{self, CrowdArgs};
use super::fan_out::{self, Fan, Over};
use super::http::{Call, Connection, Lines, Server};
use super::load::{Load, Outcome};
use super::memory::{self, Held, MemoryArgs};
use super::namespace::Namespace;
use super::objects::{self, PATCHES, PAYLOAD, config_map};
use super::part::{self, Part};
use super::processes::{Group, Memory, memory, sample_all};
use super::stats::{Latency, rate};
use super::table::{Table, figure, mebibytes};
use super::{Cpu, Report, TargetArgs, cpu_each};

/// Lists of everything are sent by no more clients than this, since each answer is megabytes long.
const LISTERS: usize = 4;
/// Writes in a second where they are steady, and the time from one to the next.
const STEADY: usize = 50;
const PACE: Duration = Duration::from_millis(1000 / STEADY as u64);

/// `corten bench api`.
#[derive(Args, Clone, Debug)]
pub struct ApiArgs {
    #[command(flatten)]
    pub(super) target: TargetArgs,
    /// Connections that send requests at the same time.
    #[arg(long, default_value_t = 50)]
    pub(super) connections: usize,
    /// Objects: each is created, read, updated, patched and deleted once.
    #[arg(long, default_value_t = 5000)]
    pub(super) count: usize,
    /// Lists of all objects.
    #[arg(long, default_value_t = 40)]
    lists: usize,
    /// Watches on all objects at the same time, over connections that they share and then each over its own; 0
    /// leaves the fan-out away.
    #[arg(long, default_value_t = 200)]
    pub(super) watchers: usize,
    /// Writes of the burst that all watches follow.
    #[arg(long, default_value_t = 200)]
    burst: usize,
    /// Seconds of steady writes, 50 each second, that all watches follow.
    #[arg(long, default_value_t = 10)]
    steady_seconds: usize,
    #[command(flatten)]
    crowd: CrowdArgs,
    #[command(flatten)]
    held: MemoryArgs,
}

/// The figures of one operation.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Figures {
    pub(super) operation: String,
    pub(super) errors: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) first_error: Option<String>,
    pub(super) per_second: f64,
    #[serde(flatten)]
    pub(super) latency: Latency,
    /// Bytes of an answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) bytes_each: Option<f64>,
    pub(super) cpu: Vec<Cpu>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ApiReport {
    connections: usize,
    objects: usize,
    watchers: usize,
    operations: Vec<Figures>,
    compared: Vec<Compared>,
    /// Requests that the server's audit log recorded at level Metadata meanwhile; none where it does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    audited: Option<u64>,
    memory: Vec<Memory>,
    /// What the server holds for many things.
    held: Vec<Held>,
}

/// Runs all operations in a namespace of their own, and prints their figures.
pub async fn run(args: ApiArgs, parts: &'static [Part]) -> Result<()> {
    super::at_least_one(args.connections, "--connections")?;
    super::at_least_one(args.count, "--count")?;
    let report = super::in_namespace(&args.target, async |server, namespace, tasks| {
        let mut report = measure(&args, server, namespace, tasks).await?;
        for part in parts {
            report.operations.push(part::measure(part, args.count)?);
        }
        report.compared = aims::compare(&report.operations);
        Ok(report)
    });
    args.target.processes.print(&report.await?)
}

async fn measure(args: &ApiArgs, server: Server, namespace: Namespace, tasks: Tasks) -> Result<ApiReport> {
    let groups = args.target.processes.groups();
    settle(&groups).await;
    let memory_before = sample_all(&groups);
    let audited_before = audited(&server).await;
    let connections = server.connect_many(args.connections).await?;
    let mut runner = Runner { connections, tasks, groups, namespace, done: Vec::new() };
    warm_up(args, &mut runner).await?;
    requests(args, &mut runner).await?;
    for fan in fans(args) {
        runner.fan_out(&server, fan).await?;
    }
    if args.watchers > 0 && args.steady_seconds > 0 {
        writes_alone(args, &server, &mut runner).await?;
    }
    let crowd = crowd::measure(&args.crowd, args.count, &server, &mut runner).await?;
    let maps = runner.namespace.path("configmaps");
    let delete = move |n| Call::new(Method::DELETE, format!("{maps}/cm-{n}"));
    runner.run("delete", args.count, delete).await?;
    let (maps, first) = (runner.namespace.path("configmaps"), args.count);
    runner.connections = server.connect_many(WRITERS).await?;
    let create = move |n| Call::with(Method::POST, maps.clone(), config_map(first + n, "rate"));
    runner.run(&format!("create, {WRITERS} clients"), args.count, create).await?;
    let audited_after = audited(&server).await;

    let Runner { groups, done, connections, tasks, namespace } = runner;
    drop(connections);
    let memory = memory(&groups, &memory_before, &sample_all(&groups));
    let mut held =
        memory::measure(&args.held, (&groups, &memory_before), &server, &namespace, &tasks).await?;
    held.splice(0..0, crowd);
    Ok(ApiReport {
        connections: args.connections,
        objects: args.count,
        watchers: args.watchers,
        operations: done,
        compared: Vec::new(),
        audited: audited_before.zip(audited_after).map(|(before, after)| after.saturating_sub(before)),
        memory,
        held,
    })
}

/// Waits, though not for ever, until the server has nothing more to do of its own: one that has just started has.
async fn settle(groups: &[Group]) {
    const LOOK: Duration = Duration::from_millis(500);
    const QUIET: Duration = Duration::from_millis(10);
    const MOST_LOOKS: usize = 40;
    let mut before = sample_all(groups);
    for _ in 0..MOST_LOOKS {
        corten_rt::sleep(LOOK).await;
        let after = sample_all(groups);
        let used: Duration = after.iter().zip(&before).map(|(after, before)| after.cpu_since(before)).sum();
        if used <= QUIET {
            return;
        }
        before = after;
    }
}

/// A few of each kind of request: what a server reads when it is asked for the first time is read.
async fn warm_up(args: &ApiArgs, runner: &mut Runner) -> Result<()> {
    let count = args.count / 10;
    let maps = runner.namespace.path("configmaps");
    let create = move |n| Call::with(Method::POST, maps.clone(), config_map(n, "warm"));
    let maps = runner.namespace.path("configmaps");
    let get = move |n| Call::new(Method::GET, format!("{maps}/cm-{n}"));
    let maps = runner.namespace.path("configmaps");
    let delete = move |n| Call::new(Method::DELETE, format!("{maps}/cm-{n}"));
    Load { count, pace: Duration::ZERO, call: create }.run(&mut runner.connections, &runner.tasks).await?;
    Load { count, pace: Duration::ZERO, call: get }.run(&mut runner.connections, &runner.tasks).await?;
    Load { count, pace: Duration::ZERO, call: delete }.run(&mut runner.connections, &runner.tasks).await?;
    Ok(())
}

/// One kind of request after the other.
async fn requests(args: &ApiArgs, runner: &mut Runner) -> Result<()> {
    let count = args.count;
    let maps = || runner.namespace.path("configmaps");
    let path = maps();
    let create = move |n| Call::with(Method::POST, path.clone(), config_map(n, &format!("create-{n}")));
    let path = maps();
    let get = move |n| Call::new(Method::GET, format!("{path}/cm-{n}"));
    let path = maps();
    let list = move |_| Call::new(Method::GET, path.clone());
    let path = maps();
    let update =
        move |n| Call::with(Method::PUT, format!("{path}/cm-{n}"), config_map(n, &format!("update-{n}")));
    runner.run("create", count, create).await?;
    runner.run("get", count, get).await?;
    let rest = runner.connections.split_off(LISTERS.min(args.connections));
    runner.run(&format!("list of {count}"), args.lists, list).await?;
    runner.connections.extend(rest);
    runner.run("update", count, update).await?;
    for patch in PATCHES {
        let path = runner.namespace.path("configmaps");
        runner.run(patch.operation, count, move |n| patch.call(&path, n)).await?;
    }
    if let Some(connection) = runner.connections.first_mut() {
        super::pods::wait_for_account(connection, &runner.namespace).await;
    }
    let path = runner.namespace.path("pods");
    let create = move |n| Call::with(Method::POST, path.clone(), objects::pod(n));
    runner.run("create a Pod", count, create).await
}

/// What steady writes cost by themselves, and with watches that none of them matters to.
async fn writes_alone(args: &ApiArgs, server: &Server, runner: &mut Runner) -> Result<()> {
    const OTHERS: &str = "&fieldSelector=metadata.name%3Dnone-of-these";
    let (count, objects) = (args.steady_seconds * STEADY / 2, args.count);
    let path = runner.namespace.path("configmaps");
    let version = runner.namespace.version(&mut server.connect().await?, "configmaps").await?;
    let mut watches = Vec::new();
    for (others, with) in
        [(0, String::new()), (args.watchers, format!(", {} watches of others", args.watchers))]
    {
        watches.extend(fan_out::open(server, &path, &format!("{version}{OTHERS}"), others, Over::Own).await?);
        let path = path.clone();
        let update = move |n: usize| {
            let mark = format!("steady-{others}-{n}");
            Call::with(Method::PUT, format!("{path}/cm-{}", n % objects), config_map(n % objects, &mark))
        };
        runner.run_at(PACE, &format!("update, {STEADY} writes/s{with}"), count, update).await?;
    }
    Ok(())
}

/// How many requests the server's audit log has recorded at level Metadata; `None` where it does not tell.
async fn audited(server: &Server) -> Option<u64> {
    const LEVEL: &str = "apiserver_audit_level_total{level=\"Metadata\"} ";
    let metrics = server.connect().await.ok()?.call(Call::new(Method::GET, "/metrics")).await.ok()?;
    let text = std::str::from_utf8(&metrics).ok()?;
    text.lines().find_map(|line| line.strip_prefix(LEVEL))?.parse().ok()
}

/// The runs that watches follow: all writes at once, then few at a time; watches that share connections, as
/// those of one process do and those of ten, and watches that do not.
fn fans(args: &ApiArgs) -> Vec<Fan> {
    let mut fans = Vec::new();
    let mut first = 0;
    for over in [Over::shared(args.watchers, 1), Over::shared(args.watchers, 10), Over::Own] {
        for (what, writes, pace) in [
            ("burst".to_owned(), args.burst, Duration::ZERO),
            (format!("{STEADY} writes/s"), args.steady_seconds * STEADY, PACE),
        ] {
            let operation = format!("watch, {what}, {over}");
            let (watchers, objects) = (args.watchers, args.count);
            fans.push(Fan { operation, watchers, over, writes, first, pace, objects });
            first += writes;
        }
    }
    fans.retain(|fan| fan.writes > 0 && fan.watchers > 0);
    fans
}

/// Runs one operation after the other over the same connections.
pub(super) struct Runner {
    connections: Vec<Connection>,
    pub(super) tasks: Tasks,
    pub(super) groups: Vec<Group>,
    pub(super) namespace: Namespace,
    done: Vec<Figures>,
}

impl Runner {
    pub(super) async fn run<F>(&mut self, operation: &str, count: usize, call: F) -> Result<()>
    where
        F: Fn(usize) -> Call + Send + Sync + 'static,
    {
        self.run_at(Duration::ZERO, operation, count, call).await
    }

    /// The same with so much time from one request to the next.
    async fn run_at<F>(&mut self, pace: Duration, operation: &str, count: usize, call: F) -> Result<()>
    where
        F: Fn(usize) -> Call + Send + Sync + 'static,
    {
        let before = sample_all(&self.groups);
        let load = Load { count, pace, call };
        let outcome = load.run(&mut self.connections, &self.tasks).await?;
        let cpu = cpu_each(&self.groups, &before, &sample_all(&self.groups), count);
        if outcome.latencies.is_empty() && count > 0 {
            bail!("every {operation} failed: {}", outcome.first_error.unwrap_or_default());
        }
        self.done.push(Figures::of(operation.to_owned(), outcome, cpu));
        Ok(())
    }

    async fn fan_out(&mut self, server: &Server, fan: Fan) -> Result<()> {
        let version = self.namespace.version(&mut server.connect().await?, "configmaps").await?;
        let path = self.namespace.path("configmaps");
        let watches = fan_out::open(server, &path, &version, fan.watchers, fan.over).await?;
        self.follow(fan, watches).await
    }

    /// Writes what watches that are open follow.
    pub(super) async fn follow(&mut self, fan: Fan, watches: Vec<Lines>) -> Result<()> {
        let path = self.namespace.path("configmaps");
        let before = sample_all(&self.groups);
        let deliveries = fan.watchers * fan.writes;
        let operation = fan.operation.clone();
        let outcome = fan_out::run(fan, watches, &path, &mut self.connections, &self.tasks).await?;
        let cpu = cpu_each(&self.groups, &before, &sample_all(&self.groups), deliveries);
        self.done.push(Figures { bytes_each: None, ..Figures::of(operation, outcome, cpu) });
        Ok(())
    }

    /// Adds the figures of what went on meanwhile, whose CPU time is not known.
    pub(super) fn meanwhile(&mut self, operation: &str, outcome: Outcome) {
        self.done.push(Figures::of(operation.to_owned(), outcome, Vec::new()));
    }
}

impl Figures {
    fn of(operation: String, outcome: Outcome, cpu: Vec<Cpu>) -> Figures {
        let Outcome { latencies, errors, first_error, bytes, wall } = outcome;
        Figures {
            operation,
            errors,
            first_error,
            per_second: rate(latencies.len(), wall),
            bytes_each: Some(bytes as f64 / latencies.len().max(1) as f64),
            latency: Latency::of(latencies),
            cpu,
        }
    }
}

impl Report for ApiReport {
    fn text(&self) -> String {
        let names = self.operations.first().map(|first| &first.cpu[..]).unwrap_or_default();
        let fixed =
            ["operation", "count", "errors", "per second", "p50 ms", "p99 ms", "max ms"].map(str::to_owned);
        let cpus = names.iter().map(|cpu| format!("{} CPU µs each", cpu.name));
        let mut table = Table::new(fixed.into_iter().chain(cpus));
        for row in &self.operations {
            let fixed = [
                row.operation.clone(),
                row.latency.count.to_string(),
                row.errors.to_string(),
                figure(row.per_second),
                figure(row.latency.p50_ms),
                figure(row.latency.p99_ms),
                figure(row.latency.max_ms),
            ];
            table.row(fixed.into_iter().chain(row.cpu.iter().map(|cpu| figure(cpu.micros_each))));
        }
        let mut text = format!(
            "ConfigMaps of {PAYLOAD} bytes, {} connections; watches: {} at once, counted by delivery\n\n{}",
            self.connections,
            self.watchers,
            table.render()
        );
        text.push_str(&aims::text(&self.compared));
        text.push_str(&self.audit_text());
        text.push_str(&memory_text(&self.memory));
        let names: Vec<String> = self.memory.iter().map(|memory| memory.name.clone()).collect();
        text.push_str(&memory::text(&names, &self.held));
        text.push_str(&errors_text(&self.operations));
        text
    }
}

impl ApiReport {
    fn audit_text(&self) -> String {
        match self.audited {
            Some(0) => "\nThe server's audit log recorded none of these requests.\n".to_owned(),
            Some(count) => {
                format!("\nThe server's audit log recorded {count} of these requests at level Metadata.\n")
            }
            None => "\nThe server does not say whether it keeps an audit log.\n".to_owned(),
        }
    }
}

/// The table of memory; nothing when no process was named.
pub(super) fn memory_text(memory: &[Memory]) -> String {
    if memory.is_empty() {
        return "\nName the server's processes with --pid NAME=PID to see their CPU time and memory.\n"
            .into();
    }
    let mut table = Table::new(["process", "count", "RSS MiB before", "RSS MiB after"]);
    for one in memory {
        let (before, after) = (mebibytes(one.rss_before), mebibytes(one.rss_after));
        table.row([one.name.clone(), one.processes.to_string(), before, after]);
    }
    format!("\n{}", table.render())
}

/// One line for each operation that saw an error.
pub(super) fn errors_text(operations: &[Figures]) -> String {
    let errors = operations.iter().filter_map(|row| Some((row, row.first_error.as_ref()?)));
    errors
        .map(|(row, error)| format!("\n{}: {} failed, first: {error}\n", row.operation, row.errors))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_have_a_column_for_each_process() {
        let cpu = |name: &str, micros_each| Cpu { name: name.into(), micros_each };
        let report = ApiReport {
            connections: 50,
            objects: 10,
            watchers: 2,
            operations: vec![Figures {
                operation: "create".into(),
                errors: 1,
                first_error: Some("409".into()),
                per_second: 1234.0,
                latency: Latency { count: 9, p50_ms: 1.5, p90_ms: 2.0, p99_ms: 25.0, max_ms: 30.0 },
                bytes_each: None,
                cpu: vec![cpu("apiserver", 250.0), cpu("etcd", 80.5)],
            }],
            compared: Vec::new(),
            held: Vec::new(),
            audited: Some(9),
            memory: vec![Memory {
                name: "etcd".into(),
                processes: 1,
                rss_before: 1 << 20,
                rss_after: 2 << 20,
            }],
        };
        let text = report.text();
        let row = text.lines().find(|line| line.starts_with("create ")).expect("a row");
        let cells: Vec<&str> = row.split_whitespace().collect();
        assert_eq!(cells, ["create", "9", "1", "1234", "1.50", "25.0", "30.0", "250", "80.5"]);
        assert!(text.contains("apiserver CPU µs each  etcd CPU µs each"), "{text}");
        assert!(text.contains("create: 1 failed, first: 409"), "{text}");
        assert!(text.contains("recorded 9 of these requests"), "{text}");
        let json = serde_json::to_value(&report).expect("JSON");
        assert_eq!(json["operations"][0]["p99Ms"], 25.0);
        assert_eq!(json["operations"][0]["cpu"][1]["microsEach"], 80.5);
        assert_eq!(json["memory"][0]["rssAfter"], 2 << 20);
    }
}
