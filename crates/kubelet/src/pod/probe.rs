//! Probes: one task per probe of a running container, which tells the worker what it finds.

use super::http;
use super::memory::{ProbeState, Restart};
use super::status::container_reference;
use crate::Shared;
use crate::workers::Wake;
use corten_api::core::v1::{Container, Pod, Probe};
use corten_node_api::cri::ExecSyncRequest;
use corten_rt::{Instant, Stop, Timestamp};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;

/// What the probes of a pod's containers have found, by container id; shared between the probes and the
/// worker.
#[derive(Clone)]
pub struct Findings {
    states: Arc<Mutex<HashMap<String, ProbeState>>>,
    woken: Arc<Wake>,
}

impl Findings {
    /// None yet; `woken` is told of each change.
    pub fn new(woken: Arc<Wake>) -> Self {
        Findings { states: Arc::default(), woken }
    }

    /// All findings.
    pub fn snapshot(&self) -> HashMap<String, ProbeState> {
        self.states.lock().clone()
    }

    /// Begins with what an earlier kubelet found of a container that runs on.
    pub fn begin(&self, id: &str, known: ProbeState) {
        self.states.lock().entry(id.to_string()).or_insert(known);
    }

    /// Forgets containers that are gone.
    pub fn keep(&self, ids: &[String]) {
        self.states.lock().retain(|id, _| ids.contains(id));
    }

    fn change(&self, id: &str, change: impl FnOnce(&mut ProbeState)) {
        let mut states = self.states.lock();
        let state = states.entry(id.to_string()).or_default();
        let before = state.clone();
        change(state);
        if *state != before {
            self.woken.wake();
        }
    }

    fn is_started(&self, id: &str) -> bool {
        self.states.lock().get(id).is_some_and(|s| s.started == Some(true))
    }
}

/// The three kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Startup,
    Readiness,
    Liveness,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Kind::Startup => "Startup",
            Kind::Readiness => "Readiness",
            Kind::Liveness => "Liveness",
        }
    }
}

/// Runs all probes of one container until it is dropped. `since` is when the container started, `pod`
/// has its addresses, and `deadly` ends the probes by which the container may be restarted.
pub async fn watch(
    shared: Arc<Shared>,
    pod: Arc<Pod>,
    c: Container,
    id: String,
    since: Timestamp,
    findings: Findings,
    deadly: Stop,
) {
    let one = |kind, probe: Option<&Probe>| {
        let deadly = (kind != Kind::Readiness).then(|| deadly.clone());
        let probe = probe.cloned();
        let (shared, pod, c, id, findings) =
            (shared.clone(), pod.clone(), c.clone(), id.clone(), findings.clone());
        async move {
            if let Some(probe) = probe {
                // Boxed: most containers have one probe of the three, and none needs the room of all.
                let prober = Prober { shared, pod, container: c, id, since, findings, kind, probe };
                let running = Box::pin(prober.run());
                match deadly {
                    Some(stop) => {
                        stop.run(running).await;
                    }
                    None => running.await,
                }
            }
        }
    };
    futures::join!(
        one(Kind::Startup, c.startup_probe.as_deref()),
        one(Kind::Readiness, c.readiness_probe.as_deref()),
        one(Kind::Liveness, c.liveness_probe.as_deref()),
    );
}

struct Prober {
    shared: Arc<Shared>,
    pod: Arc<Pod>,
    container: Container,
    id: String,
    since: Timestamp,
    findings: Findings,
    kind: Kind,
    probe: Probe,
}

impl Prober {
    async fn run(self) {
        let running = Duration::try_from(self.shared.clock.now().duration_since(self.since));
        let delay = Duration::from_secs(self.probe.initial_delay_seconds.max(0) as u64)
            .saturating_sub(running.unwrap_or_default());
        let started = Instant::now();
        let period = Duration::from_secs(self.probe.period_seconds.max(1) as u64);
        let (mut successes, mut failures) = (0, 0);
        if self.kind == Kind::Startup && self.findings.is_started(&self.id) {
            return;
        }
        loop {
            // The startup probe gates the others.
            let gated = self.kind != Kind::Startup
                && self.container.startup_probe.is_some()
                && !self.findings.is_started(&self.id);
            let early = started.elapsed() < delay;
            if gated {
                corten_rt::sleep(Duration::from_millis(200).min(period)).await;
                continue;
            }
            if early {
                corten_rt::sleep(delay.saturating_sub(started.elapsed())).await;
            }
            let asked = Instant::now();
            let found = self.ask().await;
            let result = if found.is_ok() { "successful" } else { "failed" };
            let (kind, took) = (self.kind.word(), asked.elapsed());
            self.shared.meters.probed(kind, result, &self.pod, &self.container.name, took);
            match found {
                Ok(()) => {
                    (successes, failures) = (successes + 1, 0);
                    if successes >= self.probe.success_threshold.max(1) && self.succeeded() {
                        return;
                    }
                }
                Err(why) => {
                    (successes, failures) = (0, failures + 1);
                    let message = format!("{} probe failed: {why}", self.kind.word());
                    let about = container_reference(&self.pod, &self.container.name);
                    self.shared.events.note(about, "Warning", "Unhealthy", message);
                    if failures >= self.probe.failure_threshold.max(1) && self.failed() {
                        return;
                    }
                }
            }
            corten_rt::sleep(period).await;
        }
    }

    /// Notes a success; tells whether the probe is done for good.
    fn succeeded(&self) -> bool {
        match self.kind {
            Kind::Startup => {
                self.findings.change(&self.id, |s| s.started = Some(true));
                true
            }
            Kind::Readiness => {
                self.findings.change(&self.id, |s| s.ready = Some(true));
                false
            }
            Kind::Liveness => false,
        }
    }

    /// Notes a failure; tells whether the probe is done for good.
    fn failed(&self) -> bool {
        if self.kind == Kind::Readiness {
            self.findings.change(&self.id, |s| s.ready = Some(false));
            return false;
        }
        let what = self.kind.word().to_lowercase();
        let message = format!("Container {} failed {what} probe, will be restarted", self.container.name);
        let grace = self.probe.termination_grace_period_seconds;
        self.findings.change(&self.id, |s| s.restart = Some(Restart { message, grace }));
        true
    }

    async fn ask(&self) -> Result<(), String> {
        let limit = Duration::from_secs(self.probe.timeout_seconds.max(1) as u64);
        let handler = &self.probe.probe_handler;
        if let Some(exec) = &handler.exec {
            return self.exec(exec.command.clone(), limit).await;
        }
        let asked = async {
            if let Some(action) = &handler.http_get {
                let pod = &self.pod;
                return match Box::pin(http::get(action, &self.container, pod, "kube-probe/1.35")).await? {
                    (200..=399, _) => Ok(()),
                    (code, _) => Err(format!("HTTP probe failed with statuscode: {code}")),
                };
            }
            if let Some(tcp) = &handler.tcp_socket {
                let pod = &self.pod;
                let host = if tcp.host.is_empty() { pod.status.pod_ip.clone() } else { tcp.host.clone() };
                let port = http::port_of(&tcp.port, &self.container)?;
                return TcpStream::connect((host.as_str(), port))
                    .await
                    .map(|_| ())
                    .map_err(|e| format!("dial tcp {host}:{port}: {}", http::plain(&e)));
            }
            if let Some(grpc) = &handler.grpc {
                let pod = &self.pod;
                let service = grpc.service.clone().unwrap_or_default();
                return Box::pin(crate::pod::grpc_health::check(&pod.status.pod_ip, grpc.port, &service))
                    .await;
            }
            Ok(())
        };
        corten_rt::timeout(limit, asked).await.unwrap_or_else(|| {
            Err("context deadline exceeded (Client.Timeout exceeded while awaiting headers)".into())
        })
    }

    async fn exec(&self, command: Vec<String>, limit: Duration) -> Result<(), String> {
        let request = ExecSyncRequest {
            container_id: self.id.clone(),
            cmd: command,
            timeout: limit.as_secs().max(1) as i64,
        };
        match Box::pin(self.shared.cri.exec_sync(request)).await {
            Ok(reply) if reply.exit_code == 0 => Ok(()),
            Ok(reply) => {
                let mut words = String::from_utf8_lossy(&reply.stdout).into_owned();
                words.push_str(&String::from_utf8_lossy(&reply.stderr));
                Err(words.chars().take(10 * 1024).collect())
            }
            Err(e) if e.is_deadline_exceeded() => {
                Err(format!("command timed out after {}s", limit.as_secs()))
            }
            Err(e) => Err(e.to_string()),
        }
    }
}
