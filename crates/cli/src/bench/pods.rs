//! `corten bench pods`: how long a pod takes from its creation to Running and Ready, and to its end.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use hyper::Method;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::{mpsc, watch};

use corten_rt::{Instant, Tasks, sleep, timeout};

use super::api::{Figures, errors_text, memory_text};
use super::http::{Call, Connection, Lines, Server};
use super::namespace::Namespace;
use super::processes::{Memory, memory, sample_all};
use super::stats::{Latency, rate};
use super::table::{Table, figure};
use super::{Report, TargetArgs, cpu_each};

/// How long the namespace's ServiceAccount may take to appear.
const ACCOUNT_TIMEOUT: Duration = Duration::from_secs(10);

/// `corten bench pods`.
#[derive(Args, Clone, Debug)]
pub struct PodsArgs {
    #[command(flatten)]
    target: TargetArgs,
    /// The image of the pods; present on the node, lest its download be measured.
    #[arg(long, default_value = "corten.local/demo:1")]
    image: String,
    /// Pods for each number of --parallel.
    #[arg(long, default_value_t = 50)]
    pub(super) count: usize,
    /// How many pods are on their way at the same time; a run for each number.
    #[arg(long, value_delimiter = ',', default_value = "1,4")]
    pub(super) parallel: Vec<usize>,
    /// Seconds that a pod is given to end by itself.
    #[arg(long, default_value_t = 1)]
    grace: u64,
    /// Seconds after which a pod that is not Ready, or not gone, counts as failed.
    #[arg(long, default_value_t = 60)]
    timeout: u64,
}

#[derive(Debug, Serialize)]
struct PodsReport {
    image: String,
    phases: Vec<Figures>,
    memory: Vec<Memory>,
}

/// Runs pods in a namespace of their own, and prints their figures.
pub async fn run(args: PodsArgs) -> Result<()> {
    super::at_least_one(args.count, "--count")?;
    super::at_least_one(args.parallel.iter().copied().min().unwrap_or(0), "--parallel")?;
    let report = super::in_namespace(&args.target, async |server, namespace, tasks| {
        measure(&args, server, namespace, tasks).await
    });
    args.target.processes.print(&report.await?)
}

async fn measure(args: &PodsArgs, server: Server, namespace: Namespace, tasks: Tasks) -> Result<PodsReport> {
    let groups = args.target.processes.groups();
    let memory_before = sample_all(&groups);
    let mut connection = server.connect().await?;
    wait_for_account(&mut connection, &namespace).await;
    let version = namespace.version(&mut connection, "pods").await?;
    let path = format!("{}?watch=1&resourceVersion={version}&timeoutSeconds=3600", namespace.path("pods"));
    let lines = server.connect().await?.watch(path).await?;
    let board = Arc::new(Board::default());
    let follower = board.clone();
    tasks.spawn_until_stopped("pod watch", async move { follower.follow(lines).await });

    let mut phases = Vec::new();
    for &parallel in &args.parallel {
        let crew =
            Crew { args: Arc::new(args.clone()), server: &server, namespace: &namespace, tasks: &tasks };
        for doing in [Doing::Start, Doing::End] {
            let before = sample_all(&groups);
            let (times, wall) = crew.run(&board, parallel, doing).await?;
            if times.errors == args.count {
                bail!("every pod failed, first: {}", times.first_error.unwrap_or_default());
            }
            let cpu = cpu_each(&groups, &before, &sample_all(&groups), args.count);
            phases.extend(
                times
                    .figures(parallel, doing, wall)
                    .into_iter()
                    .map(|figures| Figures { cpu: cpu.clone(), ..figures }),
            );
        }
    }
    let memory = memory(&groups, &memory_before, &sample_all(&groups));
    Ok(PodsReport { image: args.image.clone(), phases, memory })
}

/// Pods are refused before their namespace has its ServiceAccount. A server without that controller may
/// take them all the same, so its absence is no error here.
pub(super) async fn wait_for_account(connection: &mut Connection, namespace: &Namespace) {
    let path = namespace.path("serviceaccounts/default");
    let waiting = async {
        while connection.call(Call::new(Method::GET, path.clone())).await.is_err() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    if timeout(ACCOUNT_TIMEOUT, waiting).await.is_none() {
        tracing::warn!("the namespace has no ServiceAccount yet; trying nevertheless");
    }
}

/// What is being measured of a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doing {
    Start,
    End,
}

/// When a pod was first seen in a state.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    running: Option<Instant>,
    ready: Option<Instant>,
    gone: Option<Instant>,
    failed: bool,
}

/// What the watch has shown of each pod so far.
#[derive(Default)]
struct Board(Mutex<HashMap<String, watch::Sender<Seen>>>);

impl Board {
    async fn follow(&self, mut lines: Lines) {
        loop {
            match lines.next().await {
                Ok(Some(line)) => self.note(&line, Instant::now()),
                Ok(None) => return tracing::warn!("the server ended the watch on pods"),
                Err(error) => return tracing::warn!("the watch on pods broke: {error:#}"),
            }
        }
    }

    fn note(&self, line: &[u8], now: Instant) {
        let Ok(event) = serde_json::from_slice::<PodEvent>(line) else { return };
        let pods = self.0.lock();
        if let Some(seen) = pods.get(&event.object.metadata.name) {
            seen.send_modify(|seen| event.mark(seen, now));
        }
    }

    /// Follows a pod from now on.
    fn expect(&self, name: &str) -> watch::Receiver<Seen> {
        self.0.lock().entry(name.to_owned()).or_insert_with(|| watch::channel(Seen::default()).0).subscribe()
    }
}

#[derive(Deserialize)]
struct PodEvent {
    #[serde(rename = "type")]
    event: String,
    object: Pod,
}

#[derive(Deserialize)]
struct Pod {
    metadata: Metadata,
    #[serde(default)]
    status: PodStatus,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Metadata {
    name: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct PodStatus {
    phase: String,
    conditions: Vec<Condition>,
}

#[derive(Deserialize)]
struct Condition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
}

impl PodEvent {
    /// Notes the states that this event shows for the first time.
    fn mark(&self, seen: &mut Seen, now: Instant) {
        let status = &self.object.status;
        if self.event == "DELETED" {
            seen.gone.get_or_insert(now);
            return;
        }
        seen.failed |= status.phase == "Failed";
        if status.phase == "Running" {
            seen.running.get_or_insert(now);
        }
        if status.conditions.iter().any(|one| one.kind == "Ready" && one.status == "True") {
            seen.ready.get_or_insert(now);
        }
    }
}

/// What many pods took.
#[derive(Debug, Default)]
struct Times {
    running: Vec<Duration>,
    ready: Vec<Duration>,
    gone: Vec<Duration>,
    errors: usize,
    first_error: Option<String>,
}

impl Times {
    fn add(&mut self, begun: Instant, outcome: Result<Seen>) {
        match outcome {
            Ok(seen) => {
                let took = |at: Option<Instant>| at.map(|at| at.saturating_duration_since(begun));
                self.running.extend(took(seen.running));
                self.ready.extend(took(seen.ready));
                self.gone.extend(took(seen.gone));
            }
            Err(error) => {
                self.errors += 1;
                self.first_error.get_or_insert_with(|| format!("{error:#}"));
            }
        }
    }

    fn merge(&mut self, other: Times) {
        self.running.extend(other.running);
        self.ready.extend(other.ready);
        self.gone.extend(other.gone);
        self.errors += other.errors;
        self.first_error = self.first_error.take().or(other.first_error);
    }

    /// The rows of a phase, still without CPU time.
    fn figures(self, parallel: usize, doing: Doing, wall: Duration) -> Vec<Figures> {
        let rows = match doing {
            Doing::Start => vec![("create to Running", self.running), ("create to Ready", self.ready)],
            Doing::End => vec![("delete to gone", self.gone)],
        };
        let row = |(what, times): (&str, Vec<Duration>)| Figures {
            operation: format!("{what}, {parallel} at once"),
            errors: self.errors,
            // A pod that failed did so once, though the phase has two rows.
            first_error: self.first_error.clone().filter(|_| !what.ends_with("Running")),
            per_second: rate(times.len(), wall),
            latency: Latency::of(times),
            bytes_each: None,
            cpu: Vec::new(),
        };
        rows.into_iter().map(row).collect()
    }
}

/// Sends several workers through the pods of a run.
struct Crew<'a> {
    args: Arc<PodsArgs>,
    server: &'a Server,
    namespace: &'a Namespace,
    tasks: &'a Tasks,
}

impl Crew<'_> {
    async fn run(&self, board: &Arc<Board>, parallel: usize, doing: Doing) -> Result<(Times, Duration)> {
        let connections = self.server.connect_many(parallel).await?;
        let (start, next) = (Instant::now(), Arc::new(AtomicUsize::new(0)));
        let (results, mut finished) = mpsc::channel(parallel);
        for connection in connections {
            let mut worker = Worker {
                connection,
                board: board.clone(),
                args: self.args.clone(),
                path: self.namespace.path("pods"),
                prefix: format!("pod-{parallel}"),
            };
            let (next, results) = (next.clone(), results.clone());
            self.tasks.spawn_until_stopped("pods", async move {
                let times = worker.work(&next, doing).await;
                if results.send(times).await.is_err() {
                    tracing::debug!("nobody waits for this worker");
                }
            });
        }
        drop(results);
        let mut total = Times::default();
        for _ in 0..parallel {
            total.merge(finished.recv().await.ok_or_else(|| anyhow!("the run was stopped"))?);
        }
        Ok((total, start.elapsed()))
    }
}

/// Takes pods one after the other, and waits for each.
struct Worker {
    connection: Connection,
    board: Arc<Board>,
    args: Arc<PodsArgs>,
    path: String,
    prefix: String,
}

impl Worker {
    async fn work(&mut self, next: &AtomicUsize, doing: Doing) -> Times {
        let mut times = Times::default();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= self.args.count {
                return times;
            }
            let name = format!("{}-{number}", self.prefix);
            let begun = Instant::now();
            let outcome = match doing {
                Doing::Start => self.start(&name).await,
                Doing::End => self.end(&name).await,
            };
            times.add(begun, outcome.with_context(|| format!("pod {name}")));
        }
    }

    async fn start(&mut self, name: &str) -> Result<Seen> {
        let seen = self.board.expect(name);
        let pod = pod(name, &self.args);
        self.connection.call(Call::with(Method::POST, self.path.clone(), pod)).await?;
        self.wait(seen, "the pod is not Ready", |seen| seen.ready.is_some() || seen.failed).await
    }

    async fn end(&mut self, name: &str) -> Result<Seen> {
        let seen = self.board.expect(name);
        self.connection.call(Call::new(Method::DELETE, format!("{}/{name}", self.path))).await?;
        let seen = self.wait(seen, "the pod is not gone", |seen| seen.gone.is_some()).await?;
        Ok(Seen { running: None, ready: None, ..seen })
    }

    async fn wait(
        &self,
        mut seen: watch::Receiver<Seen>,
        what: &str,
        reached: impl FnMut(&Seen) -> bool,
    ) -> Result<Seen> {
        let limit = Duration::from_secs(self.args.timeout);
        let waited = timeout(limit, seen.wait_for(reached)).await.map(|seen| seen.map(|seen| *seen));
        let seen = super::late(waited, what)??;
        if seen.failed && seen.gone.is_none() {
            return Err(anyhow!("its phase is Failed"));
        }
        Ok(seen)
    }
}

/// A pod that runs until it is told to end, as JSON.
fn pod(name: &str, args: &PodsArgs) -> String {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {
            "terminationGracePeriodSeconds": args.grace,
            "automountServiceAccountToken": false,
            "containers": [{"name": "main", "image": args.image, "imagePullPolicy": "IfNotPresent"}],
        },
    })
    .to_string()
}

impl Report for PodsReport {
    fn text(&self) -> String {
        let fixed = ["phase", "count", "failed", "pods/s", "p50 ms", "p90 ms", "p99 ms"].map(str::to_owned);
        let names = self.phases.first().map(|first| &first.cpu[..]).unwrap_or_default();
        let cpus = names.iter().map(|cpu| format!("{} CPU ms each", cpu.name));
        let mut table = Table::new(fixed.into_iter().chain(cpus));
        for row in &self.phases {
            let latency = &row.latency;
            let fixed = [
                row.operation.clone(),
                latency.count.to_string(),
                row.errors.to_string(),
                figure(row.per_second),
                figure(latency.p50_ms),
                figure(latency.p90_ms),
                figure(latency.p99_ms),
            ];
            table.row(fixed.into_iter().chain(row.cpu.iter().map(|cpu| figure(cpu.micros_each / 1e3))));
        }
        let head = format!("pods of {}\n\n{}", self.image, table.render());
        head + &memory_text(&self.memory) + &errors_text(&self.phases)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: &str, phase: &str, ready: &str) -> Vec<u8> {
        json!({"type": kind, "object": {
            "metadata": {"name": "a"},
            "status": {"phase": phase, "conditions": [{"type": "Ready", "status": ready}]},
        }})
        .to_string()
        .into_bytes()
    }

    #[tokio::test(start_paused = true)]
    async fn states_are_noted_when_first_seen() {
        let board = Board::default();
        let seen = board.expect("a");
        let begun = Instant::now();
        for (after, event) in [
            (1, event("ADDED", "Pending", "False")),
            (10, event("MODIFIED", "Running", "False")),
            (20, event("MODIFIED", "Running", "True")),
            (30, event("MODIFIED", "Running", "True")),
            (40, event("DELETED", "Running", "False")),
            (50, b"not JSON".to_vec()),
        ] {
            board.note(&event, begun + Duration::from_millis(after));
        }
        let mut times = Times::default();
        times.add(begun, Ok(*seen.borrow()));
        times.add(begun, Err(anyhow!("refused")));
        let millis = Duration::from_millis;
        assert_eq!((&times.running, &times.ready), (&vec![millis(10)], &vec![millis(20)]));
        assert_eq!((&times.gone, times.errors), (&vec![millis(40)], 1));
        let rows = times.figures(4, Doing::Start, Duration::from_secs(2));
        assert_eq!(rows.len(), 2);
        assert_eq!(rows[1].operation, "create to Ready, 4 at once");
        assert_eq!((rows[1].per_second, rows[1].latency.p50_ms), (0.5, 20.0));
        assert_eq!([&rows[0], &rows[1]].map(|row| row.first_error.as_deref()), [None, Some("refused")]);
    }

    #[test]
    fn a_failed_pod_is_seen_as_such() {
        let board = Board::default();
        let seen = board.expect("a");
        board.note(&event("MODIFIED", "Failed", "False"), Instant::now());
        assert!(seen.borrow().failed && seen.borrow().ready.is_none());
        board.note(&event("MODIFIED", "Running", "True").repeat(2), Instant::now());
        assert!(seen.borrow().ready.is_none(), "two events on one line are not an event");
    }
}
