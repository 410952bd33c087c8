//! Pods that the node defines itself, in files below the data directory: they run without an API server. Each
//! is shown to the API by a mirror, which says how the pod is and cannot change it.

mod file;
mod mirror;

use crate::Shared;
use crate::pod::names::{CONFIG_MIRROR, is_mirror};
use crate::workers::Workers;
use corten_api::core::v1::Pod;
use corten_client::Key;
use corten_rt::Timestamp;
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// How often the files are looked at; a look costs microseconds.
const LOOK: Duration = Duration::from_secs(1);
/// How often the mirrors are looked at though nothing has changed.
const MIRROR: u32 = 20;

/// Where static pods are defined, and what their definitions leave out.
#[derive(Clone, Debug)]
pub struct StaticPodConfig {
    /// The directory of the definitions, YAML or JSON.
    pub dir: PathBuf,
    /// Fills in what a definition leaves out, as the API server does.
    pub default: fn(&mut Pod),
}

/// The static pods of this node.
#[derive(Debug, Default)]
pub struct StaticPods {
    pods: Mutex<BTreeMap<String, Arc<Pod>>>,
    changed: Notify,
}

impl StaticPods {
    /// The pod of this UID, while its definition is there.
    pub fn get(&self, uid: &str) -> Option<Arc<Pod>> {
        self.pods.lock().get(uid).cloned()
    }

    /// The pod of this name.
    pub fn named(&self, namespace: &str, name: &str) -> Option<Arc<Pod>> {
        let pods = self.pods.lock();
        pods.values().find(|p| p.metadata.namespace == namespace && p.metadata.name == name).cloned()
    }

    /// All of them.
    pub fn list(&self) -> Vec<Arc<Pod>> {
        self.pods.lock().values().cloned().collect()
    }

    /// A mirror changed in the API.
    pub fn look(&self) {
        self.changed.notify_one();
    }
}

/// Reads the definitions for the first time: before what an earlier process left is cleaned up.
pub fn begin(shared: &Shared, config: &StaticPodConfig) {
    if let Err(error) = std::fs::create_dir_all(&config.dir) {
        tracing::warn!(dir = %config.dir.display(), %error, "static pods cannot be defined");
    }
    let found = file::read(&config.dir, &shared.node_name, config.default, shared.clock.now());
    *shared.static_pods.pods.lock() = found;
}

/// Runs the pods that are defined, and keeps their mirrors, until dropped.
pub async fn run(shared: Arc<Shared>, workers: Workers, config: StaticPodConfig) {
    // Which pod of a name was started last: another of that name waits for its end.
    let mut started: HashMap<Key, String> = HashMap::new();
    let mut stamp = file::stamp(&config.dir);
    let mut rounds = 0;
    loop {
        start_all(&shared, &workers, &mut started);
        if rounds == 0 {
            // Without an API server, pods run all the same.
            rounds = match mirror::keep(&shared).await {
                Ok(()) => MIRROR,
                Err(error) => {
                    tracing::debug!(%error, "the mirrors of static pods are not as they should be");
                    1
                }
            };
        }
        tokio::select! {
            () = corten_rt::sleep(LOOK) => rounds -= 1,
            () = shared.static_pods.changed.notified() => rounds = 0,
        }
        let now = file::stamp(&config.dir);
        if now != stamp {
            stamp = now;
            rounds = 0;
            take(&shared, &workers, &config);
        }
    }
}

/// Takes up the definitions as they are now.
fn take(shared: &Shared, workers: &Workers, config: &StaticPodConfig) {
    let found = file::read(&config.dir, &shared.node_name, config.default, shared.clock.now());
    let gone: Vec<Arc<Pod>> = {
        let mut pods = shared.static_pods.pods.lock();
        let gone = pods.values().filter(|p| !found.contains_key(&p.metadata.uid)).cloned().collect();
        let before = std::mem::replace(&mut *pods, found);
        // One whose definition stayed keeps the time of its first sight.
        for (uid, pod) in before.into_iter().filter(|(uid, _)| pods.contains_key(uid)).collect::<Vec<_>>() {
            pods.insert(uid, pod);
        }
        gone
    };
    gone.iter().for_each(|pod| workers.wake_for(pod, false));
}

/// Starts the pods that have no worker yet, and no namesake that still has to end.
fn start_all(shared: &Shared, workers: &Workers, started: &mut HashMap<Key, String>) {
    let working = workers.uids();
    for pod in shared.static_pods.list() {
        let (key, uid) = (Key::of(&*pod), &pod.metadata.uid);
        let waits = started.get(&key).is_some_and(|last| last != uid && working.contains(last));
        if working.contains(uid) || waits {
            continue;
        }
        started.insert(key, uid.clone());
        workers.wake_for(&pod, true);
    }
}

/// The pods that run on this node: static ones themselves, not their mirrors.
pub fn with_static(shared: &Shared) -> Vec<Arc<Pod>> {
    let of_api = shared.pods.list().into_iter().filter(|p| !is_mirror(p));
    of_api.chain(shared.static_pods.list()).collect()
}

/// The node's pods with what the API knows of them, and the UIDs under which they run: mirrors have others.
pub fn as_they_run(shared: &Shared) -> Vec<Arc<Pod>> {
    shared.pods.list().into_iter().map(under_own_uid).collect()
}

fn under_own_uid(mut pod: Arc<Pod>) -> Arc<Pod> {
    if let Some(uid) = pod.metadata.annotations.get(CONFIG_MIRROR).cloned() {
        Arc::make_mut(&mut pod).metadata.uid = uid;
    }
    pod
}

/// When a definition was first seen, as upstream notes it.
fn seen(now: Timestamp) -> String {
    now.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mirror_is_measured_under_the_uid_that_runs() {
        let mut pod = Pod::default();
        pod.metadata.uid = "of-the-api".into();
        assert_eq!(under_own_uid(Arc::new(pod.clone())).metadata.uid, "of-the-api");
        pod.metadata.annotations.insert(CONFIG_MIRROR.into(), "own".into());
        assert_eq!(under_own_uid(Arc::new(pod)).metadata.uid, "own");
    }
}
