//! One worker per pod: made when a pod is bound to this node, gone when the pod is.

use crate::Shared;
use crate::pod::worker::Worker;
use corten_api::core::v1::Pod;
use corten_client::Change;
use corten_rt::Tasks;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::Notify;

/// The workers by pod UID. Cheap to clone.
#[derive(Clone)]
pub struct Workers {
    shared: Arc<Shared>,
    tasks: Tasks,
    wakes: Arc<Mutex<HashMap<String, Arc<Notify>>>>,
}

impl Workers {
    /// None yet; they run as tasks of `tasks`.
    pub fn new(shared: Arc<Shared>, tasks: Tasks) -> Self {
        Workers { shared, tasks, wakes: Arc::default() }
    }

    /// Follows the node's pods.
    pub fn follow(&self) {
        let workers = self.clone();
        self.shared.pods.on_change(move |change: &Change<Pod>| {
            for pod in change.old.iter().filter(|_| change.new.is_none()).chain(&change.new) {
                workers.wake_for(pod, change.new.is_some());
            }
        });
    }

    fn wake_for(&self, pod: &Arc<Pod>, exists: bool) {
        let uid = pod.metadata.uid.clone();
        let mut wakes = self.wakes.lock();
        if let Some(wake) = wakes.get(&uid) {
            wake.notify_one();
            return;
        }
        if !exists {
            return;
        }
        let wake = Arc::new(Notify::new());
        wakes.insert(uid.clone(), wake.clone());
        let worker = Worker::new(self.shared.clone(), pod.clone(), wake, self.tasks.clone());
        let all = self.wakes.clone();
        self.tasks.spawn_until_stopped("pod worker", async move {
            worker.run().await;
            all.lock().remove(&uid);
        });
    }

    /// Wakes the worker of this pod, if there is one.
    pub fn wake(&self, uid: &str) {
        if let Some(wake) = self.wakes.lock().get(uid) {
            wake.notify_one();
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
