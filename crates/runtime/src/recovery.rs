//! What is found at start: pods that run go on; those that died while nobody looked are cleaned up.

use crate::record::{self, CONTAINERS, ContainerRecord, OUTCOME, RECORD, SandboxRecord};
use crate::runtime::Runtime;
use crate::sandbox::process_start;
use crate::state::State;
use crate::supervisor::{Subscription, Supervisor};
use crate::table::{Container, Sandbox};
use crate::watch::save_outcome;
use corten_pod::protocol;
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
        let (network, live) = (self.network.clone(), self.networked());
        let kept = tokio::task::spawn_blocking(move || network.keep_only(&live)).await;
        if let Ok(Err(error)) = kept {
            tracing::warn!(error, "the network of dead pods could not be cleaned up");
        }
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
                self.bereave(&sandbox).await;
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
                self.discard_container(&dir);
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
        for container in directories(&dir.join(CONTAINERS)) {
            self.discard_container(&container);
        }
        self.demolish(&SandboxRecord { id: id.to_owned(), ..SandboxRecord::default() }).await;
    }
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
