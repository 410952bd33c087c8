//! The loop around the decision: takes in what changed, decides for one pod after another, and has the
//! outcomes written, many at a time.

use crate::algorithm::{Algorithm, Help, NoFit};
use crate::cluster::{Cluster, NodeIndex};
use crate::config::Config;
use crate::framework::{ClusterEvent, ClusterEvents, Profile, Room};
use crate::inbox::{Inbox, Subject};
use crate::outcome::{Reason, condition_patch, note, preempted_patch};
use crate::pod_info::PodInfo;
use crate::queue::Queue;
use corten_api::Time;
use corten_api::core::v1::{Node, Pod};
use corten_api::meta::v1::Preconditions;
use corten_client::{Client, DeleteOptions, EventRecorder, Informer, Informers, Key, PatchType};
use corten_rt::{Clock, Instant, Tasks};
use corten_semantics::{ApiError, pod};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

/// How often pods that nothing helped are looked through.
const FLUSH_EVERY: Duration = Duration::from_secs(30);

/// Starts the scheduler as a task of `tasks`.
pub fn start(config: Config, client: Client, informers: Informers, clock: Clock, tasks: &Tasks) {
    let events = EventRecorder::start(client.clone(), &config.scheduler_name, "", clock, tasks);
    let profile = Profile::standard();
    let (bound, bindings) = mpsc::channel(config.parallel_writes.max(1));
    let scheduler = Scheduler {
        queue: Queue::new(config.clone(), profile.queue_sort.clone(), Instant::now()),
        cluster: Cluster::default(),
        algorithm: Algorithm::new(profile.clone()),
        nodes: informers.of::<Node>(),
        pods: informers.of::<Pod>(),
        inbox: Arc::default(),
        writer: Writer {
            client,
            events,
            clock,
            profile,
            permits: Arc::new(Semaphore::new(config.parallel_writes.max(1))),
            bound,
            tasks: tasks.clone(),
        },
        config,
    };
    tasks.spawn_until_stopped("scheduler", scheduler.run(bindings));
}

struct Scheduler {
    config: Config,
    cluster: Cluster,
    queue: Queue,
    algorithm: Algorithm,
    nodes: Informer<Node>,
    pods: Informer<Pod>,
    inbox: Arc<Inbox>,
    writer: Writer,
}

/// How a binding ended.
struct Bound {
    pod: Arc<PodInfo>,
    result: Result<(), ApiError>,
}

impl Scheduler {
    async fn run(mut self, mut bindings: mpsc::Receiver<Bound>) {
        self.listen();
        self.nodes.synced().await;
        self.pods.synced().await;
        let mut flushed = Instant::now();
        loop {
            while let Ok(bound) = bindings.try_recv() {
                self.finish(bound);
            }
            while let Some(subject) = self.inbox.take() {
                self.take_in(subject);
            }
            let now = Instant::now();
            self.queue.ripen(now);
            if now.saturating_duration_since(flushed) >= FLUSH_EVERY {
                self.queue.flush(now);
                flushed = now;
            }
            if self.try_one() {
                tokio::task::consume_budget().await;
                continue;
            }
            let wake_at = flushed + FLUSH_EVERY;
            let wake_at = self.queue.next_deadline().map_or(wake_at, |at| at.min(wake_at));
            let full = self.writer.permits.available_permits() == 0;
            let bound = tokio::select! {
                () = self.inbox.filled() => None,
                bound = bindings.recv() => bound,
                () = corten_rt::sleep_until(wake_at) => None,
                _ = self.writer.permits.acquire(), if full => None,
            };
            if let Some(bound) = bound {
                self.finish(bound);
            }
        }
    }

    fn listen(&self) {
        let inbox = self.inbox.clone();
        self.nodes.on_change(move |change| {
            change.object().into_iter().for_each(|node| inbox.put(Subject::Node(Key::of(&**node))));
        });
        let inbox = self.inbox.clone();
        self.pods.on_change(move |change| {
            change.object().into_iter().for_each(|pod| inbox.put(Subject::Pod(Key::of(&**pod))));
        });
    }

    fn take_in(&mut self, subject: Subject) {
        let events = match &subject {
            Subject::Node(key) => match self.nodes.get(key) {
                Some(node) => {
                    let old = self.cluster.set_node(node.clone());
                    node_events(old.as_deref(), &node)
                }
                None => {
                    self.cluster.remove_node(&key.name);
                    ClusterEvents::default()
                }
            },
            Subject::Pod(key) => match self.pods.get(key).filter(|p| !pod::is_terminal(p)) {
                Some(pod) if pod.spec.node_name.is_empty() => self.take_in_waiting(key, pod),
                Some(pod) => self.take_in_assigned(key, pod),
                None => {
                    self.queue.remove(key);
                    self.cluster.clear_nomination(key);
                    self.remove_assigned(key)
                }
            },
        };
        self.queue.wake(events, Instant::now());
    }

    fn take_in_waiting(&mut self, key: &Key, pod: Arc<Pod>) -> ClusterEvents {
        let assumed = self.cluster.is_assumed(key, &pod.metadata.uid);
        let events = if assumed { ClusterEvents::default() } else { self.remove_assigned(key) };
        if pod.spec.scheduler_name == self.config.scheduler_name {
            let info = Arc::new(PodInfo::new(pod));
            let nominated = &info.pod.status.nominated_node_name;
            if let Some(node) = self.cluster.index_of(nominated).filter(|_| !assumed) {
                self.cluster.nominate(info.clone(), node);
            }
            let gated = self.algorithm.profile().may_enqueue(&info).is_err();
            self.queue.set(info, gated, Instant::now());
        } else {
            self.queue.remove(key);
        }
        events
    }

    fn take_in_assigned(&mut self, key: &Key, pod: Arc<Pod>) -> ClusterEvents {
        self.queue.remove(key);
        let info = Arc::new(PodInfo::new(pod));
        match self.cluster.set_pod(info.clone()) {
            Some(old) if old.uid() != info.uid() => ClusterEvents::of(&[ClusterEvent::AssignedPodGone]),
            Some(old) if old.requests != info.requests => {
                ClusterEvents::of(&[ClusterEvent::AssignedPodShrunk])
            }
            _ => ClusterEvents::default(),
        }
    }

    fn remove_assigned(&mut self, key: &Key) -> ClusterEvents {
        match self.cluster.remove_pod(key) {
            Some(_) => ClusterEvents::of(&[ClusterEvent::AssignedPodGone]),
            None => ClusterEvents::default(),
        }
    }

    /// Decides for the next pod. False when there is none, or no more may be written now.
    fn try_one(&mut self) -> bool {
        let Some(permit) = self.writer.permit() else { return false };
        let Some(pod) = self.queue.pop() else { return false };
        if pod.pod.metadata.deletion_timestamp.is_some() {
            let text = format!("skip schedule deleting pod: {}", pod.key);
            self.writer.events.warning(&*pod.pod, "FailedScheduling", text);
            self.queue.remove(&pod.key);
            return true;
        }
        match self.algorithm.schedule(&pod, &self.cluster) {
            Ok(placement) => self.place(pod, placement.node, permit),
            Err(no_fit) => self.turn_down(pod, &no_fit, permit),
        }
        true
    }

    fn place(&mut self, pod: Arc<PodInfo>, node: NodeIndex, permit: OwnedSemaphorePermit) {
        self.cluster.assume(pod.clone(), node);
        self.writer.bind(pod, self.cluster.node(node).name.clone(), permit);
    }

    fn turn_down(&mut self, pod: Arc<PodInfo>, no_fit: &NoFit, permit: OwnedSemaphorePermit) {
        self.queue.unschedulable(&pod.key, no_fit.events, Instant::now());
        let nominated = match &no_fit.help {
            Help::Wait => None,
            Help::None => {
                self.cluster.clear_nomination(&pod.key);
                Some("".into())
            }
            Help::MakeRoom(room) => {
                let node = self.cluster.node(room.node).name.clone();
                self.cluster.nominate(pod.clone(), room.node);
                self.writer.make_room(pod.clone(), room.clone(), node.clone());
                Some(node)
            }
        };
        let message = no_fit.unfit.to_string();
        self.writer.explain(pod, Reason::Unschedulable, &message, nominated, Some(permit));
    }

    /// A binding that failed gives its place back; the pod is tried again later.
    fn finish(&mut self, bound: Bound) {
        let Err(error) = bound.result else { return };
        let pod = bound.pod;
        if !self.cluster.forget(&pod) {
            return;
        }
        tracing::debug!(pod = %pod.key, %error, "binding failed");
        let now = Instant::now();
        self.queue.wake(ClusterEvents::of(&[ClusterEvent::AssignedPodGone]), now);
        let still_waits = |p: &Arc<Pod>| p.metadata.uid == pod.uid() && p.spec.node_name.is_empty();
        if self.pods.get(&pod.key).as_ref().is_some_and(still_waits) {
            self.queue.failed(&pod.key, now);
            let message = format!("running Bind plugin \"DefaultBinder\": {error}");
            self.writer.explain(pod, Reason::SchedulerError, &message, Some("".into()), None);
        } else {
            self.queue.remove(&pod.key);
        }
    }
}

/// What a node's change could help with.
fn node_events(old: Option<&Node>, new: &Node) -> ClusterEvents {
    let Some(old) = old else { return ClusterEvents::of(&[ClusterEvent::NodeAdded]) };
    let changes = [
        (old.status.allocatable != new.status.allocatable, ClusterEvent::NodeAllocatable),
        (old.metadata.labels != new.metadata.labels, ClusterEvent::NodeLabels),
        (old.spec.taints != new.spec.taints, ClusterEvent::NodeTaints),
        (old.spec.unschedulable != new.spec.unschedulable, ClusterEvent::NodeUnschedulable),
    ];
    let happened: Vec<ClusterEvent> = changes.iter().filter(|(did, _)| *did).map(|(_, e)| *e).collect();
    ClusterEvents::of(&happened)
}

/// Writes outcomes beside the loop, a bounded number at once.
struct Writer {
    client: Client,
    events: EventRecorder,
    clock: Clock,
    profile: Profile,
    permits: Arc<Semaphore>,
    bound: mpsc::Sender<Bound>,
    tasks: Tasks,
}

impl Writer {
    fn permit(&self) -> Option<OwnedSemaphorePermit> {
        self.permits.clone().try_acquire_owned().ok()
    }

    fn bind(&self, pod: Arc<PodInfo>, node: Arc<str>, permit: OwnedSemaphorePermit) {
        let (client, events, bound) = (self.client.clone(), self.events.clone(), self.bound.clone());
        let profile = self.profile.clone();
        self.tasks.spawn_until_stopped("bind", async move {
            let result = match profile.binder() {
                Some(binder) => binder.bind(&client, &pod, &node).await,
                None => Err(ApiError::internal("no plugin binds pods")),
            };
            if result.is_ok() {
                let text = format!("Successfully assigned {} to {node}", pod.key);
                events.normal(&*pod.pod, "Scheduled", text);
            }
            // The loop outlives its writers, except when everything stops.
            let _ = bound.send(Bound { pod, result }).await;
            drop(permit);
        });
    }

    /// Removes pods so that another one has room.
    fn make_room(&self, pod: Arc<PodInfo>, room: Room, node: Arc<str>) {
        let (client, events, permits) = (self.client.clone(), self.events.clone(), self.permits.clone());
        let clock = self.clock;
        self.tasks.spawn_until_stopped("preemption", async move {
            let Ok(_permit) = permits.acquire_owned().await else { return };
            for victim in &room.victims {
                let patch = preempted_patch(victim, &pod, Time::new(clock.now()));
                match remove(&client, victim, patch).await {
                    Ok(()) => {
                        let text = format!("Preempted by pod {} on node {node}", pod.uid());
                        events.normal(&*victim.pod, "Preempted", text);
                    }
                    Err(error) if error.is_not_found() => {}
                    Err(error) => tracing::debug!(pod = %victim.key, %error, "not preempted"),
                }
            }
        });
    }

    /// An event and the pod's condition. Without a permit the condition waits its turn.
    fn explain(
        &self,
        pod: Arc<PodInfo>,
        reason: Reason,
        message: &str,
        nominated: Option<Arc<str>>,
        permit: Option<OwnedSemaphorePermit>,
    ) {
        self.events.warning(&*pod.pod, "FailedScheduling", note(message));
        let now = Time::new(self.clock.now());
        let Some(patch) = condition_patch(&pod, reason, message, nominated.as_deref(), now) else { return };
        let (client, permits) = (self.client.clone(), self.permits.clone());
        self.tasks.spawn_until_stopped("pod condition", async move {
            let permit = match permit {
                Some(permit) => Some(permit),
                None => permits.acquire_owned().await.ok(),
            };
            let pods = client.namespaced::<Pod>(&pod.key.namespace);
            if let Err(error) = pods.patch_sub(&pod.key.name, "status", PatchType::Strategic, patch).await {
                tracing::debug!(pod = %pod.key, %error, "the pod's condition was not written");
            }
            drop(permit);
        });
    }
}

/// Deletes a pod after saying why in its status.
async fn remove(client: &Client, victim: &PodInfo, why: Vec<u8>) -> Result<(), ApiError> {
    let (pods, name) = (client.namespaced::<Pod>(&victim.key.namespace), &victim.key.name);
    pods.patch_sub(name, "status", PatchType::Strategic, why).await?;
    let this_one = Preconditions { uid: Some(victim.uid().into()), ..Preconditions::default() };
    pods.delete(name, DeleteOptions { preconditions: Some(this_one), ..DeleteOptions::default() }).await
}

#[cfg(test)]
#[path = "run_tests.rs"]
mod tests;
