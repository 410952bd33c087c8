//! One worker per pod: made when a pod is bound to this node, gone when the pod is.

use crate::Shared;
use crate::pod::names::{CONFIG_MIRROR, is_mirror};
use crate::pod::worker::Worker;
use corten_api::core::v1::Pod;
use corten_client::Change;
use corten_node_api::cri::ContainerEventResponse;
use corten_rt::Tasks;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::Notify;

/// Events of one pod that wait to be heard; beyond these the runtime is asked instead.
const MOST_EVENTS: usize = 64;

/// What wakes a pod's worker, and why.
#[derive(Debug)]
pub struct Wake {
    notify: Notify,
    /// The runtime is to be asked: what is known of the pod may be old.
    unseen: AtomicBool,
    events: Mutex<Vec<ContainerEventResponse>>,
}

impl Wake {
    /// For a worker that has not asked the runtime yet, unless the pod is `known` to have nothing there.
    pub fn new(known: bool) -> Self {
        Wake { notify: Notify::new(), unseen: AtomicBool::new(!known), events: Mutex::default() }
    }

    /// The pod or its probes changed.
    pub fn wake(&self) {
        self.notify.notify_one();
    }

    /// Something of the pod changed in the runtime.
    pub fn ask(&self) {
        self.unseen.store(true, Ordering::Release);
        self.notify.notify_one();
    }

    /// The runtime told what changed.
    pub fn tell(&self, event: ContainerEventResponse) {
        let mut events = self.events.lock();
        if events.len() < MOST_EVENTS {
            events.push(event);
        } else {
            self.unseen.store(true, Ordering::Release);
        }
        self.notify.notify_one();
    }

    /// Waits until woken.
    pub async fn woken(&self) {
        self.notify.notified().await;
    }

    /// What the runtime has told since the last call.
    pub fn heard(&self) -> Vec<ContainerEventResponse> {
        std::mem::take(&mut self.events.lock())
    }

    /// Whether the runtime is to be asked; says so once.
    pub fn must_ask(&self) -> bool {
        self.unseen.swap(false, Ordering::AcqRel)
    }
}

/// The workers by pod UID. Cheap to clone.
#[derive(Clone)]
pub struct Workers {
    shared: Arc<Shared>,
    tasks: Tasks,
    wakes: Arc<Mutex<HashMap<String, Arc<Wake>>>>,
    /// What an earlier process left has been looked through: a pod that comes now has nothing in the runtime.
    settled: Arc<AtomicBool>,
}

impl Workers {
    /// None yet; they run as tasks of `tasks`.
    pub fn new(shared: Arc<Shared>, tasks: Tasks) -> Self {
        Workers { shared, tasks, wakes: Arc::default(), settled: Arc::default() }
    }

    /// Follows the node's pods.
    pub fn follow(&self) {
        let workers = self.clone();
        self.shared.pods.on_change(move |change: &Change<Pod>| {
            for pod in change.old.iter().filter(|_| change.new.is_none()).chain(&change.new) {
                if is_mirror(pod) {
                    // What it shows has a worker of its own.
                    let shown = pod.metadata.annotations.get(CONFIG_MIRROR);
                    shown.iter().for_each(|uid| workers.wake(uid));
                    workers.shared.static_pods.look();
                    continue;
                }
                workers.wake_for(pod, change.new.is_some());
            }
        });
    }

    /// Wakes the worker of this pod, or starts one if the pod `exists`.
    pub fn wake_for(&self, pod: &Arc<Pod>, exists: bool) {
        let uid = pod.metadata.uid.clone();
        let mut wakes = self.wakes.lock();
        if let Some(wake) = wakes.get(&uid) {
            wake.wake();
            return;
        }
        if !exists {
            return;
        }
        let known = self.settled.load(Ordering::Acquire) && pod.status.start_time.is_none();
        let wake = Arc::new(Wake::new(known));
        wakes.insert(uid.clone(), wake.clone());
        let worker = Worker::new(self.shared.clone(), pod.clone(), wake, self.tasks.clone());
        let all = self.wakes.clone();
        self.tasks.spawn_until_stopped("pod worker", async move {
            worker.run().await;
            all.lock().remove(&uid);
        });
    }

    /// The pods that were here before this process have their workers.
    pub fn settle(&self) {
        self.settled.store(true, Ordering::Release);
    }

    /// Wakes the worker of this pod, if there is one.
    pub fn wake(&self, uid: &str) {
        if let Some(wake) = self.wakes.lock().get(uid) {
            wake.wake();
        }
    }

    /// Has the worker of this pod ask the runtime, if there is one.
    pub fn ask(&self, uid: &str) {
        if let Some(wake) = self.wakes.lock().get(uid) {
            wake.ask();
        }
    }

    /// Hands the runtime's event to the worker of this pod, if there is one.
    pub fn tell(&self, uid: &str, event: ContainerEventResponse) {
        if let Some(wake) = self.wakes.lock().get(uid) {
            wake.tell(event);
        }
    }

    /// Whether there is no pod.
    pub fn is_empty(&self) -> bool {
        self.wakes.lock().is_empty()
    }

    /// The UIDs of the pods that have a worker.
    pub fn uids(&self) -> Vec<String> {
        self.wakes.lock().keys().cloned().collect()
    }
}
