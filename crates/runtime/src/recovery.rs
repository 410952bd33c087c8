//! What is found at start: pods that run go on; those that died while nobody looked are cleaned up.

use crate::record::{self, CONTAINERS, ContainerRecord, OUTCOME, RECORD, SandboxRecord};
use crate::runtime::Runtime;
use crate::sandbox::process_start;
use crate::state::State;
use crate::supervisor::{Subscription, Supervisor};
use crate::table::{Container, Sandbox};
use crate::watch::save_outcome;
use corten_pod::protocol;
use corten_sys::cgroups::Cgroups;
use futures::future::join_all;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How long a supervisor may take to answer; one that does not is killed.
const PATIENCE: Duration = Duration::from_secs(5);

impl Runtime {
    /// Finds all pods.
    pub(crate) async fn recover(&self) {
        for dir in directories(&self.places.trash()) {
            self.delete(dir);
        }
        let found = directories(&self.places.pods());
        join_all(found.into_iter().map(|dir| self.recover_sandbox(dir))).await;
        let runtime = self.clone();
        let restored = tokio::task::spawn_blocking(move || runtime.recover_network()).await;
        if let Ok(Err(error)) = restored {
            tracing::warn!(error, "the pods' network could not be put in order");
        }
    }

    /// Cleans up after dead pods, and puts the living ones' rules back.
    fn recover_network(&self) -> Result<(), String> {
        self.network.keep_only(&self.networked())?;
        for sandbox in self.table.sandboxes().iter().filter(|s| s.ready().is_some() && s.has_network()) {
            let addresses =
                sandbox.record.lock().addresses.iter().filter_map(|a| a.parse().ok()).collect::<Vec<_>>();
            self.network.restore(&sandbox.attachment(), &addresses)?;
        }
        Ok(())
    }

    /// The sandboxes that have, or may have, a network.
    fn networked(&self) -> std::collections::BTreeSet<String> {
        let sandboxes = self.table.sandboxes();
        sandboxes.iter().filter(|s| !s.record.lock().stopped).map(|s| s.id.clone()).collect()
    }

    async fn recover_sandbox(&self, dir: PathBuf) {
        let id = dir.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let record = record::read::<SandboxRecord>(&dir.join(RECORD)).ok();
        let Some(record) = record.filter(|r| r.complete && r.id == id) else {
            tracing::info!(sandbox = id, "a sandbox that never was complete is removed");
            self.forsake(&id, &dir).await;
            return;
        };
        let reached = if record.stopped { None } else { reach(&dir, &id).await };
        let (supervisor, states, subscription) = match reached {
            Some((supervisor, states, subscription)) => {
                (Some(Arc::new(supervisor)), states, Some(subscription))
            }
            None => (None, Vec::new(), None),
        };
        let lost = supervisor.is_none() && !record.stopped;
        let sandbox = Arc::new(Sandbox::new(record, dir, supervisor));
        self.table.add_sandbox(sandbox.clone());
        for dir in directories(&sandbox.dir.join(CONTAINERS)) {
            self.recover_container(&sandbox, dir);
        }
        states.iter().for_each(|state| self.hear(state));
        match subscription {
            Some(subscription) => {
                self.settle(&sandbox, &states);
                self.watch(sandbox, subscription);
            }
            None if lost => {
                tracing::warn!(sandbox = sandbox.id, "a pod died while nobody looked");
                let record = sandbox.record.lock().clone();
                kill_supervisor(&record);
                sandbox.alive.send_replace(true);
                // Beside: what cannot be removed yet must not keep the others from their runtime.
                let runtime = self.clone();
                self.tasks
                    .spawn_until_stopped("dead sandbox", async move { runtime.bereave(&sandbox).await });
            }
            None => {}
        }
    }

    fn recover_container(&self, sandbox: &Arc<Sandbox>, dir: PathBuf) {
        let name = dir.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        match record::read::<ContainerRecord>(&dir.join(RECORD)) {
            Ok(record) if record.id == name => {
                let outcome = record::read(&dir.join(OUTCOME)).unwrap_or_default();
                let mut state = State { outcome, ..State::default() };
                if let Some(exit) = crate::watch::read_exit(&dir) {
                    state.exited(&exit);
                }
                self.table.add_container(Arc::new(Container::new(record, dir, sandbox.clone(), state)));
            }
            _ => {
                tracing::info!(container = name, "a container that never was complete is removed");
                let group = sandbox.record.lock().cgroup.clone();
                self.discard_container(&dir, &group);
            }
        }
    }

    /// A container that was started, but that its living supervisor does not know, has no process: it ended and
    /// was forgotten while it was being removed.
    fn settle(&self, sandbox: &Sandbox, states: &[protocol::State]) {
        for container in self.table.containers_of(&sandbox.id) {
            let known = states.iter().any(|s| s.container == container.id);
            let now = self.now();
            if !known && container.advance(|state| state.lost(now)) {
                save_outcome(&container);
            }
        }
    }

    /// Removes a sandbox of which there is no good record, with its containers.
    async fn forsake(&self, id: &str, dir: &Path) {
        if let Some((supervisor, ..)) = reach(dir, id).await {
            let _ = supervisor.shutdown().await;
        }
        let containers = directories(&dir.join(CONTAINERS));
        let known = record::read::<SandboxRecord>(&dir.join(RECORD)).ok().map(|r| r.cgroup);
        let cgroup = known.filter(|g| !g.is_empty()).or_else(|| group_beside(&containers, id));
        let record = SandboxRecord {
            id: id.to_owned(),
            cgroup: cgroup.unwrap_or_default(),
            ..SandboxRecord::default()
        };
        for container in containers {
            self.discard_container(&container, &record.cgroup);
        }
        // At a start the network may not be open yet; it is told later which sandboxes are left.
        self.demolish(&record, false).await;
    }
}

/// The group of a sandbox whose record cannot be read, by the record of any of its containers.
fn group_beside(containers: &[PathBuf], sandbox: &str) -> Option<String> {
    let record = |dir: &PathBuf| record::read::<ContainerRecord>(&dir.join(RECORD)).ok();
    let groups = containers.iter().filter_map(record).map(|r| r.cgroup);
    groups.filter_map(|g| g.rsplit_once('/').map(|(parent, _)| format!("{parent}/{sandbox}"))).next()
}

/// The supervisor in a directory, if it is the right one and answers.
async fn reach(dir: &Path, id: &str) -> Option<(Supervisor, Vec<protocol::State>, Subscription)> {
    let supervisor = Supervisor::at(dir).ok()?;
    let asking = async {
        let hello = supervisor.hello().await?;
        let subscribed = supervisor.subscribe().await?;
        Ok::<_, crate::supervisor::Error>((hello, subscribed))
    };
    let answer = corten_rt::timeout(PATIENCE, asking).await?;
    match answer {
        Ok((hello, (states, subscription))) if hello.sandbox == id => {
            Some((supervisor, states, subscription))
        }
        Ok(_) => None,
        Err(error) => {
            tracing::debug!(%error, sandbox = id, "no supervisor answers");
            None
        }
    }
}

/// Kills a supervisor that does not answer, if its process still is the one on record.
fn kill_supervisor(record: &SandboxRecord) {
    if record.pid > 0 && process_start(record.pid) == Some(record.pid_start) {
        let _ = kill(Pid::from_raw(record.pid), Signal::SIGKILL);
    }
}

fn directories(dir: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(dir).map(|entries| entries.flatten().map(|e| e.path()).collect()).unwrap_or_default()
}

/// Ends all pods below a runtime's directory, of which no process is left, and removes their control groups:
/// for `corten reset`. Directories and networks stay for the caller to remove.
pub fn remove_pods(root: &Path, cgroups: &dyn Cgroups) -> corten_sys::Result<()> {
    for dir in directories(&root.join("pods")) {
        let Ok(record) = record::read::<SandboxRecord>(&dir.join(RECORD)) else { continue };
        kill_supervisor(&record);
        for container in directories(&dir.join(CONTAINERS)) {
            if let Ok(record) = record::read::<ContainerRecord>(&container.join(RECORD)) {
                cgroups.remove(&record.cgroup)?;
            }
        }
        if !record.cgroup.is_empty() {
            cgroups.remove(&record.cgroup)?;
        }
    }
    Ok(())
}
