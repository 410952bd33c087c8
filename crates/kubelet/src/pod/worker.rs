//! The task that owns one pod.

use super::memory::Memory;
use super::observed::{Observed, observe};
use super::operation::{Operation, Told, kill};
use super::plan::{Action, plan, restarts};
use super::probe::{self, Findings};
use super::resources::pod_cgroup;
use super::status::{self, Surroundings};
use super::{admission, ephemeral};
use crate::Shared;
use corten_api::core::v1::{Container, Node, Pod, PodStatus};
use corten_api::meta::v1::Preconditions;
use corten_client::{DeleteOptions, Key};
use corten_node_api::cri::{RemovePodSandboxRequest, StopPodSandboxRequest};
use corten_rt::{Instant, Stop, Tasks, Timestamp};
use corten_semantics::pod::{is_sidecar, is_terminal, is_terminating};
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, mpsc};

/// How long to wait before trying again when the runtime or the API did not answer.
const TROUBLE: Duration = Duration::from_secs(1);

/// One pod's worker.
pub struct Worker {
    shared: Arc<Shared>,
    tasks: Tasks,
    /// The pod as last seen; it stays when the API has forgotten it.
    pod: Arc<Pod>,
    wake: Arc<Notify>,
    memory: Memory,
    observed: Observed,
    findings: Findings,
    probes: HashMap<String, Stop>,
    volumes: BTreeMap<String, PathBuf>,
    tell: mpsc::UnboundedSender<Told>,
    told: mpsc::UnboundedReceiver<Told>,
    /// It was decided whether the node takes the pod.
    admitted: bool,
    /// The operation under way, to be stopped if the pod is to go.
    operation: Option<Stop>,
    /// What the pod held has been given back.
    finished: bool,
    /// The API no longer has the pod: there is nobody to tell.
    forgotten: bool,
    refreshed: Instant,
    /// What volumes show of the pod itself has changed.
    stale: bool,
    written: Option<PodStatus>,
}

/// Whether the worker goes on.
#[derive(PartialEq)]
enum Next {
    Wait(Option<Duration>),
    Over,
}

impl Worker {
    /// A worker for `pod`, woken through `wake`.
    pub fn new(shared: Arc<Shared>, pod: Arc<Pod>, wake: Arc<Notify>, tasks: Tasks) -> Self {
        let (tell, told) = mpsc::unbounded_channel();
        let started = pod.status.start_time.map_or_else(|| shared.clock.now(), |t| t.0);
        let findings = Findings::new(wake.clone());
        Worker {
            memory: Memory::new(started),
            observed: Observed::default(),
            probes: HashMap::new(),
            volumes: BTreeMap::new(),
            // One with a start time was taken by an earlier kubelet.
            admitted: pod.status.start_time.is_some(),
            operation: None,
            finished: false,
            forgotten: false,
            refreshed: Instant::now(),
            stale: false,
            written: None,
            shared,
            tasks,
            pod,
            wake,
            findings,
            tell,
            told,
        }
    }

    /// Works until the pod is gone.
    pub async fn run(mut self) {
        loop {
            match self.look().await {
                Next::Over => break,
                Next::Wait(again) => self.wait(again).await,
            }
        }
        self.probes.values().for_each(Stop::stop);
    }

    async fn wait(&mut self, again: Option<Duration>) {
        let timer = async {
            match again {
                Some(after) => corten_rt::sleep(after).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = self.wake.notified() => {}
            told = self.told.recv() => {
                if let Some(told) = told { self.hear(told); }
            }
            () = timer => {}
        }
        while let Ok(told) = self.told.try_recv() {
            self.hear(told);
        }
    }

    fn hear(&mut self, told: Told) {
        let now = self.shared.clock.now();
        match told {
            Told::Mounted(volumes) => {
                self.volumes = volumes;
                self.memory.mounted = true;
                self.refreshed = Instant::now();
            }
            Told::PutOff { name, reason, message, first } => {
                // The second failed pull in a row is a back-off.
                let again = self.memory.waiting.contains_key(&name);
                let (reason, message) = match reason {
                    "ErrImagePull" if again => {
                        let image = ephemeral::find(&self.pod, &name).map(|c| c.image).unwrap_or_default();
                        let about = status::container_reference(&self.pod, &name);
                        let told = format!("Back-off pulling image \"{image}\"");
                        self.shared.events.note(about, "Normal", "BackOff", told.clone());
                        ("ImagePullBackOff", format!("{told}: ErrImagePull: {message}"))
                    }
                    other => (other, message),
                };
                self.memory.put_off(&name, reason, message, first, now);
            }
            Told::Started { name } => {
                self.memory.waiting.remove(&name);
            }
            Told::Killed { id } => {
                self.memory.killing.remove(&id);
            }
            Told::Done => self.operation = None,
        }
    }

    fn container(&self, name: &str) -> Option<&Container> {
        self.pod.spec.containers.iter().chain(&self.pod.spec.init_containers).find(|c| c.name == name)
    }

    /// One look: see, tell, decide, act.
    async fn look(&mut self) -> Next {
        self.see_pod();
        match Box::pin(observe(&self.shared.cri, &self.pod.metadata.uid, &self.observed)).await {
            Ok(observed) => self.observed = observed,
            Err(error) => {
                tracing::debug!(pod = self.pod.metadata.name, %error, "the runtime did not answer");
                return Next::Wait(Some(TROUBLE));
            }
        }
        if !self.admitted && !self.admit().await {
            return Next::Wait(Some(TROUBLE));
        }
        let now = self.shared.clock.now();
        self.count_crashes();
        self.run_probes();
        self.memory.probes = self.findings.snapshot();
        let decided = plan(&self.pod, &self.observed, &self.memory, now);
        if let Some(failed) = decided.failed.filter(|_| self.memory.failed.is_none()) {
            self.shared.events.normal(&*self.pod, &failed.0, failed.1.clone());
            self.memory.failed = Some(failed);
        }
        if !Box::pin(self.write_status()).await {
            return Next::Wait(Some(TROUBLE));
        }
        self.act(decided.actions, decided.again).await
    }

    /// Takes the pod as the API has it. One that the API forgot is stopped without further ado.
    fn see_pod(&mut self) {
        let current = self.shared.pods.get(&Key::of(&*self.pod));
        match current.filter(|p| p.metadata.uid == self.pod.metadata.uid) {
            Some(pod) => self.take(pod),
            None => {
                self.forgotten = true;
                let pod = Arc::make_mut(&mut self.pod);
                pod.metadata.deletion_timestamp.get_or_insert_default();
                pod.metadata.deletion_grace_period_seconds = Some(0);
            }
        }
    }

    /// Decides whether the node takes the pod; false when that cannot be told yet.
    async fn admit(&mut self) -> bool {
        let shared = &self.shared;
        let node = match admission::asks_for_node(&self.pod) {
            true => match Box::pin(shared.client.all::<Node>().get(&shared.node_name)).await {
                Ok(node) => Some(node),
                Err(error) => {
                    tracing::debug!(%error, "the node's object could not be read");
                    return false;
                }
            },
            false => None,
        };
        let bound = shared.pods.list();
        let decided = admission::admit(&self.pod, &bound, &shared.allocatable, node.as_deref());
        if let Err(rejection) = decided
            && !is_terminating(&self.pod)
        {
            shared.events.warning(&*self.pod, &rejection.reason, rejection.message.clone());
            self.memory.rejected = true;
            self.memory.failed = Some((rejection.reason, rejection.message));
        }
        self.admitted = true;
        true
    }

    fn take(&mut self, pod: Arc<Pod>) {
        let (old, new) = (&self.pod.metadata, &pod.metadata);
        self.stale |= old.labels != new.labels || old.annotations != new.annotations;
        for c in pod.spec.containers.iter().chain(&pod.spec.init_containers) {
            // A container of another image owes nothing to the failures of the former.
            if self.container(&c.name).is_some_and(|before| before.image != c.image) {
                self.memory.forgive(&c.name);
            }
        }
        self.pod = pod;
    }

    async fn act(&mut self, actions: Vec<Action>, again: Option<Duration>) -> Next {
        let mut sequence = Vec::new();
        for action in actions {
            match action {
                Action::Replace { id, name, why, grace } => {
                    self.memory.replaced.insert(id.clone());
                    self.kill(id, name, why, grace);
                }
                Action::Kill { id, name, why, grace } => self.kill(id, name, why, grace),
                Action::Finish => return Box::pin(self.finish()).await,
                other => sequence.push(other),
            }
        }
        if is_terminating(&self.pod)
            && let Some(operation) = &self.operation
        {
            operation.stop();
        }
        let whole = self.memory.wait_for("", self.shared.clock.now());
        let again = match (again, whole) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        if sequence.is_empty() {
            self.refresh();
        } else if self.operation.is_none() && whole.is_none() {
            self.operate(sequence);
        }
        let refresh = self.shared.volumes.refresh_after(&self.pod).filter(|_| self.memory.mounted);
        Next::Wait(match (again, refresh) {
            (Some(a), Some(r)) => Some(a.min(r)),
            (a, r) => a.or(r),
        })
    }

    fn operate(&mut self, actions: Vec<Action>) {
        let stop = self.tasks.stop().child();
        self.operation = Some(stop.clone());
        let operation = Operation {
            shared: self.shared.clone(),
            pod: self.pod.clone(),
            volumes: self.volumes.clone(),
            tell: self.tell.clone(),
        };
        let tell = self.tell.clone();
        self.tasks.spawn("pod operation", async move {
            if stop.run(Box::pin(operation.run(actions))).await.is_none() {
                let _ = tell.send(Told::Done);
            }
        });
    }

    /// Brings ConfigMaps, Secrets and tokens up to date in a running pod.
    fn refresh(&mut self) {
        let due = self
            .shared
            .volumes
            .refresh_after(&self.pod)
            .is_some_and(|after| self.stale || self.refreshed.elapsed() >= after);
        if due && self.memory.mounted && self.operation.is_none() {
            self.refreshed = Instant::now();
            self.stale = false;
            self.operate(vec![Action::Mount]);
        }
    }

    fn kill(&mut self, id: String, name: String, why: String, grace: Duration) {
        self.memory.killing.insert(id.clone(), grace);
        if let Some(probes) = self.probes.remove(&id) {
            probes.stop();
        }
        let (shared, pod, tell) = (self.shared.clone(), self.pod.clone(), self.tell.clone());
        self.tasks.spawn_until_stopped("kill", async move {
            Box::pin(kill(&shared, &pod, &id, &name, &why, grace)).await;
            let _ = tell.send(Told::Killed { id });
        });
    }

    /// Everything has ended.
    async fn finish(&mut self) -> Next {
        if let Some(operation) = &self.operation {
            operation.stop();
            return Next::Wait(None);
        }
        if !self.finished {
            if let Err(error) = self.give_back().await {
                tracing::warn!(pod = self.pod.metadata.name, %error, "a pod's resources were not all given back");
                return Next::Wait(Some(TROUBLE));
            }
            self.finished = true;
        }
        if !is_terminating(&self.pod) {
            return Next::Wait(None);
        }
        match self.forget().await {
            Ok(()) => Next::Over,
            Err(error) => {
                tracing::debug!(pod = self.pod.metadata.name, %error, "a pod was not removed yet");
                Next::Wait(Some(TROUBLE))
            }
        }
    }

    async fn give_back(&self) -> Result<(), String> {
        for s in &self.observed.sandboxes {
            let request = StopPodSandboxRequest { pod_sandbox_id: s.id.clone() };
            self.shared.cri.stop_pod_sandbox(request).await.map_err(|e| e.to_string())?;
        }
        self.shared.volumes.unmount(&self.pod.metadata.uid).await.map_err(|e| e.to_string())?;
        let (cgroups, group) = (self.shared.cgroups.clone(), pod_cgroup(&self.shared.cgroup_root, &self.pod));
        let removed = tokio::task::spawn_blocking(move || cgroups.remove(&group)).await;
        removed.map_err(|e| e.to_string())?.map_err(|e| e.to_string())
    }

    /// Removes what is left of the pod here, and then from the API.
    async fn forget(&self) -> Result<(), String> {
        for s in &self.observed.sandboxes {
            let request = RemovePodSandboxRequest { pod_sandbox_id: s.id.clone() };
            self.shared.cri.remove_pod_sandbox(request).await.map_err(|e| e.to_string())?;
        }
        for directory in
            [self.shared.places.pod_logs(&self.pod), self.shared.places.pod(&self.pod.metadata.uid)]
        {
            match std::fs::remove_dir_all(&directory) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                    return Err(format!("{}: {e}", directory.display()));
                }
                _ => {}
            }
        }
        let options = DeleteOptions {
            grace_period_seconds: Some(0),
            preconditions: Some(Preconditions {
                uid: Some(self.pod.metadata.uid.clone()),
                ..Preconditions::default()
            }),
            ..DeleteOptions::default()
        };
        match self.shared.client.beside(&*self.pod).delete(&self.pod.metadata.name, options).await {
            Err(e) if !e.is_not_found() && !e.is_conflict() => Err(e.to_string()),
            _ => Ok(()),
        }
    }

    fn count_crashes(&mut self) {
        if is_terminating(&self.pod) {
            return;
        }
        let containers = self.pod.spec.containers.iter().chain(&self.pod.spec.init_containers);
        for c in containers {
            let Some(seen) = self.observed.latest(&c.name) else { continue };
            let (Some(code), Some(finished)) = (seen.exit_code(), seen.finished()) else { continue };
            let init = self.pod.spec.init_containers.iter().any(|i| i.name == c.name) && !is_sidecar(c);
            let replaced = self.memory.replaced.contains(&seen.id);
            if restarts(&self.pod, c, code) && !(init && code == 0) && !replaced {
                let started = match &seen.state {
                    super::observed::SeenState::Exited { started, .. } => *started,
                    _ => None,
                };
                let before = self.memory.crashes.get(&c.name).map(|k| k.counted);
                self.memory.count_crash(&c.name, started, finished);
                let wait = self.memory.crash_wait(&c.name, finished, self.shared.clock.now());
                if before != Some(finished) && wait.is_some() {
                    let about = status::container_reference(&self.pod, &c.name);
                    let m = &self.pod.metadata;
                    let message = format!(
                        "Back-off restarting failed container {} in pod {}_{}({})",
                        c.name, m.name, m.namespace, m.uid
                    );
                    self.shared.events.note(about, "Warning", "BackOff", message);
                }
            }
        }
    }

    /// Every running container has its probes, and no other.
    fn run_probes(&mut self) {
        let running: Vec<(String, String, Timestamp)> = self
            .observed
            .running()
            .filter_map(|s| Some((s.id.clone(), s.name.clone(), s.since()?)))
            .collect();
        let ids: Vec<String> = running.iter().map(|r| r.0.clone()).collect();
        self.probes.retain(|id, stop| {
            let keep = ids.contains(id);
            if !keep {
                stop.stop();
            }
            keep
        });
        self.findings.keep(&ids);
        if is_terminating(&self.pod) || is_terminal(&self.pod) {
            return;
        }
        for (id, name, since) in running {
            let Some(c) = self.container(&name).cloned() else { continue };
            let any = c.startup_probe.is_some() || c.readiness_probe.is_some() || c.liveness_probe.is_some();
            if !any || self.probes.contains_key(&id) || self.memory.killing.contains_key(&id) {
                continue;
            }
            self.findings.begin(&id, status::known_probes(&self.pod, &id));
            let stop = self.tasks.stop().child();
            self.probes.insert(id.clone(), stop.clone());
            let watching =
                probe::watch(self.shared.clone(), self.pod.clone(), c, id, since, self.findings.clone());
            self.tasks.spawn("probes", async move {
                stop.run(watching).await;
            });
        }
    }

    /// Writes the status if it differs; false when that failed and is to be tried again.
    async fn write_status(&mut self) -> bool {
        if self.forgotten {
            return true;
        }
        let around = Surroundings {
            host_ip: self.shared.host_ip.clone(),
            runtime: self.shared.runtime.clone(),
            last_words: self.last_words(),
        };
        let api = self.shared.client.beside(&*self.pod);
        let mut base = self.pod.clone();
        for _ in 0..5 {
            let wanted =
                status::status(&base, &self.observed, &self.memory, &around, self.shared.clock.now());
            if wanted == base.status || self.written.as_ref() == Some(&wanted) {
                return true;
            }
            let mut changed = (*base).clone();
            changed.status = wanted.clone();
            match api.update_status(changed).await {
                Ok(_) => {
                    self.written = Some(wanted);
                    return true;
                }
                Err(e) if e.is_not_found() => return true,
                Err(e) if e.is_conflict() => match api.get(&self.pod.metadata.name).await {
                    Ok(fresh) if fresh.metadata.uid == self.pod.metadata.uid => base = fresh,
                    Ok(_) => return true,
                    Err(e) => return e.is_not_found(),
                },
                Err(error) => {
                    tracing::debug!(pod = self.pod.metadata.name, %error, "a status was not written");
                    return false;
                }
            }
        }
        false
    }

    /// What ended containers left as their termination messages.
    fn last_words(&self) -> HashMap<String, String> {
        let ended = self.observed.containers.iter().filter(|c| c.exit_code().is_some());
        ended
            .filter_map(|seen| {
                let (file, logs) = status::last_words_of(seen)?;
                let log = self
                    .shared
                    .places
                    .pod_logs(&self.pod)
                    .join(super::names::Places::container_log(&seen.name, seen.attempt));
                let words = read_end(file.as_ref(), 4096).filter(|w| !w.is_empty());
                // An ended pod's files are gone; the status still has what they said.
                let words =
                    words.or_else(|| status::known_words(&self.pod, &seen.id).filter(|w| !w.is_empty()));
                let words = words.or_else(|| logs.then(|| crate::logs::last_lines(&log, 80, 2048)));
                Some((seen.id.clone(), words?))
            })
            .collect()
    }
}

fn read_end(file: &std::path::Path, most: usize) -> Option<String> {
    let bytes = std::fs::read(file).ok()?;
    Some(String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(most)..]).into_owned())
}
