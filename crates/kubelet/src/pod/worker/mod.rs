//! The task that owns one pod.

mod act;
mod finish;
mod preempt;
mod report;
mod resources;
mod watch;

pub use self::report::Outcome;
use self::report::Reporter;
use super::allocation::Resize;
use super::collect::collect;
use super::memory::Memory;
use super::observed::{self, Observed, observe};
use super::operation::{COLLECT, Operation, Told, kill};
use super::plan::{Action, Plan, plan, restarts};
use super::probe::{self, Findings};
use super::resources::pod_cgroup;
use super::status::{self, Surroundings};
use super::{admission, ephemeral, names};
use crate::Shared;
use crate::eviction::is_critical;
use crate::workers::Wake;
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
use tokio::sync::mpsc;

/// How long to wait before trying again when the runtime or the API did not answer.
const TROUBLE: Duration = Duration::from_secs(1);

/// One pod's worker.
pub struct Worker {
    shared: Arc<Shared>,
    tasks: Tasks,
    /// The pod as last seen; it stays when the API has forgotten it.
    pod: Arc<Pod>,
    wake: Arc<Wake>,
    memory: Memory,
    observed: Observed,
    findings: Findings,
    probes: HashMap<String, Probes>,
    volumes: BTreeMap<String, PathBuf>,
    tell: mpsc::UnboundedSender<Told>,
    told: mpsc::UnboundedReceiver<Told>,
    /// It was decided whether the node takes the pod.
    admitted: bool,
    /// The operation under way, to be stopped if the pod is to go.
    operation: Option<Stop>,
    /// What the pod held has been given back.
    finished: bool,
    /// Why that did not succeed the last time.
    trouble: Option<String>,
    /// The API no longer has the pod: there is nobody to tell.
    forgotten: bool,
    refreshed: Instant,
    /// What volumes show of the pod itself has changed.
    stale: bool,
    reporter: Reporter,
    /// What ended containers left as their last words, by id.
    words: HashMap<String, String>,
    /// Since when operations follow one another.
    busy: Option<Instant>,
}

/// The probes of a running container.
struct Probes {
    all: Stop,
    /// Those by which it may be restarted.
    deadly: Stop,
}

/// Whether the worker goes on.
#[derive(PartialEq)]
enum Next {
    Wait(Option<Duration>),
    Over,
}

impl Worker {
    /// A worker for `pod`, woken through `wake`.
    pub fn new(shared: Arc<Shared>, pod: Arc<Pod>, wake: Arc<Wake>, tasks: Tasks) -> Self {
        let (tell, told) = mpsc::unbounded_channel();
        let started = pod.status.start_time.map_or_else(|| shared.clock.now(), |t| t.0);
        let findings = Findings::new(wake.clone());
        Worker {
            memory: Memory { resize: Resize::known(&pod), ..Memory::new(started) },
            observed: Observed::default(),
            probes: HashMap::new(),
            volumes: BTreeMap::new(),
            // One with a start time was taken by an earlier kubelet.
            admitted: pod.status.start_time.is_some(),
            operation: None,
            finished: false,
            trouble: None,
            forgotten: false,
            refreshed: Instant::now(),
            stale: false,
            reporter: Reporter::default(),
            words: HashMap::new(),
            busy: None,
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
            // Boxed: a look needs much more room than the wait between two.
            match Box::pin(self.look()).await {
                Next::Over => break,
                Next::Wait(again) => self.wait(again).await,
            }
        }
        self.probes.values().for_each(|probes| probes.all.stop());
    }

    async fn wait(&mut self, again: Option<Duration>) {
        let timer = async {
            match again {
                Some(after) => corten_rt::sleep(after).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = self.wake.woken() => {}
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
            Told::Sandbox(sandbox) => self.observed.take_sandbox(sandbox),
            Told::Started { name, seen } => {
                self.memory.waiting.remove(&name);
                self.take_seen(seen);
            }
            Told::Killed { id, seen } => {
                self.memory.killing.remove(&id);
                self.take_seen(seen);
            }
            Told::Changed => self.wake.ask(),
            Told::Resized { changes, outcome } => self.resized(changes, outcome),
            Told::Written(outcome) => self.reported(outcome),
            Told::Done => self.operation = None,
        }
    }

    fn take_seen(&mut self, seen: Option<Box<observed::Seen>>) {
        match seen {
            Some(seen) => self.observed.take_container(*seen),
            None => self.wake.ask(),
        }
    }

    fn container(&self, name: &str) -> Option<&Container> {
        self.pod.spec.containers.iter().chain(&self.pod.spec.init_containers).find(|c| c.name == name)
    }

    /// One look: see, decide, tell, act.
    async fn look(&mut self) -> Next {
        self.see_pod();
        self.hear_order();
        if self.shared.volumes.take_changed(&self.pod.metadata.uid) {
            // What a volume shows has changed, or what it waited for has come.
            self.stale = true;
            self.memory.waiting.remove("");
        }
        if !self.see_runtime().await {
            return Next::Wait(Some(TROUBLE));
        }
        if !self.admitted && !self.admit().await {
            return Next::Wait(Some(TROUBLE));
        }
        let retry = self.allocate();
        let now = self.shared.clock.now();
        self.count_crashes();
        self.run_probes();
        self.memory.probes = self.findings.snapshot();
        let mut decided = plan(&self.pod, &self.observed, &self.memory, now);
        self.plan_resize(&mut decided);
        let more = self.plan_collection(&mut decided, now);
        decided.again = [decided.again, retry, more].into_iter().flatten().min();
        if let Some(failed) = decided.failed.filter(|_| self.memory.failed.is_none()) {
            self.shared.events.normal(&*self.pod, &failed.0, failed.1.clone());
            self.memory.failed = Some(failed);
        }
        let told = self.report(&decided.actions, now);
        match (self.act(decided.actions, decided.again).await, told) {
            (Next::Wait(again), Some(after)) => Next::Wait(Some(again.map_or(after, |a| a.min(after)))),
            (next, _) => next,
        }
    }

    /// Takes an order to end the pod, unless it ends already.
    fn hear_order(&mut self) {
        let Some(order) = self.shared.orders.take(&self.pod.metadata.uid) else { return };
        if self.memory.failed.is_none() && !is_terminal(&self.pod) {
            self.memory.failed = Some((order.reason.clone(), order.message.clone()));
            self.memory.order = Some(order);
        }
    }

    /// Takes what the runtime told, and asks it if that is not enough; false if it did not answer.
    async fn see_runtime(&mut self) -> bool {
        for event in self.wake.heard() {
            if !self.observed.hear(event) {
                self.wake.ask();
            }
        }
        if !self.wake.must_ask() {
            return true;
        }
        match Box::pin(observe(&self.shared.cri, &self.pod.metadata.uid, &self.observed)).await {
            Ok(observed) => self.observed = observed,
            Err(error) => {
                tracing::debug!(pod = self.pod.metadata.name, %error, "the runtime did not answer");
                self.wake.ask();
                return false;
            }
        }
        true
    }

    /// Takes the pod as the API has it. One that the API forgot is stopped without further ado.
    fn see_pod(&mut self) {
        if names::is_static(&self.pod) {
            return self.see_definition();
        }
        let current = self.shared.pods.get(&Key::of(&*self.pod));
        match current.filter(|p| p.metadata.uid == self.pod.metadata.uid) {
            // The answer to a write may be newer than what the informer has.
            Some(pod) if version(&pod) < version(&self.pod) => {}
            Some(pod) => self.take(pod),
            None => {
                self.forgotten = true;
                let pod = Arc::make_mut(&mut self.pod);
                pod.metadata.deletion_timestamp.get_or_insert_default();
                pod.metadata.deletion_grace_period_seconds = Some(0);
            }
        }
    }

    /// Takes a static pod as its file has it. One whose file is gone has the time of its own to end.
    fn see_definition(&mut self) {
        match self.shared.static_pods.get(&self.pod.metadata.uid) {
            // The file came back; its pod starts anew when this one has ended.
            Some(_) if is_terminating(&self.pod) => {}
            Some(pod) => {
                let status = std::mem::take(&mut Arc::make_mut(&mut self.pod).status);
                let mut pod = (*pod).clone();
                pod.status = status;
                self.take(Arc::new(pod));
            }
            None => {
                self.forgotten = true;
                let pod = Arc::make_mut(&mut self.pod);
                let grace = pod.spec.termination_grace_period_seconds.unwrap_or(30);
                pod.metadata.deletion_timestamp.get_or_insert_default();
                pod.metadata.deletion_grace_period_seconds.get_or_insert(grace);
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
        let mut machine = admission::Machine::find();
        if admission::Machine::asks_for_runtime(&self.pod) {
            let Ok(features) = shared.features.get(&shared.cri).await else { return false };
            machine.groups_policy = features.supplemental_groups_policy;
        }
        let bound = shared.bound();
        let decided = Box::pin(crate::gate::admit(shared, &self.pod))
            .await
            .and_then(|()| admission::able(&self.pod, &machine));
        let (pod, has, node) = (&self.pod, &shared.allocatable, node.as_deref());
        let decided = match decided {
            Ok(()) if is_critical(pod) => match admission::admit_critical(pod, &bound, has, node) {
                Ok(lacks) if lacks.is_empty() => Ok(()),
                Ok(lacks) => Box::pin(self.make_room(&bound, &lacks)).await,
                Err(rejection) => Err(rejection),
            },
            Ok(()) => admission::admit(pod, &bound, has, node),
            Err(rejection) => Err(rejection),
        };
        let shared = &self.shared;
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
}

/// How new an object is.
fn version(pod: &Pod) -> u64 {
    pod.metadata.resource_version.parse().unwrap_or(0)
}
