//! Each sandbox is watched through its supervisor's own words, and through the end of its connection.

use crate::record::{self, OUTCOME};
use crate::runtime::Runtime;
use crate::supervisor::Subscription;
use crate::table::{Container, Sandbox};
use corten_node_api::cri::ContainerEventType;
use corten_pod::protocol::{self, EXIT_FILE, Exit};
use corten_pod::wire::Wire;
use std::path::Path;
use std::sync::Arc;

impl Runtime {
    /// Listens to a sandbox's supervisor until it ends.
    pub(crate) fn watch(&self, sandbox: Arc<Sandbox>, subscription: Subscription) {
        let runtime = self.clone();
        self.tasks.spawn_until_stopped("sandbox", async move {
            loop {
                match subscription.next().await {
                    Ok(state) => runtime.hear(&state),
                    Err(error) => {
                        tracing::debug!(%error, sandbox = sandbox.id, "the supervisor ended");
                        break;
                    }
                }
            }
            runtime.bereave(&sandbox).await;
        });
    }

    /// Takes a container's state from its supervisor.
    pub(crate) fn hear(&self, news: &protocol::State) {
        let Ok(container) = self.table.container(&news.container) else { return };
        if container.advance(|state| state.launched(&news.launched)) {
            self.tell(ContainerEventType::ContainerStartedEvent, &container.sandbox, &container.id);
        }
        let Some(exit) = &news.exit else { return };
        if container.advance(|state| state.exited(exit)) {
            self.tell(ContainerEventType::ContainerStoppedEvent, &container.sandbox, &container.id);
            self.sweep(&container);
        }
    }

    /// Kills what a container left in namespaces that others share. Where it had its own, the kernel did.
    fn sweep(&self, container: &Arc<Container>) {
        if container.record.lock().own_pids {
            return;
        }
        let (cgroups, group) = (self.cgroups.clone(), container.cgroup());
        self.tasks.spawn("sweep", async move {
            let swept = tokio::task::spawn_blocking(move || cgroups.kill(&group));
            if let Ok(Err(error)) = swept.await {
                tracing::warn!(%error, "processes of a container that ended could not be killed");
            }
        });
    }

    /// A sandbox's supervisor is gone: its containers are killed where they still run, and its own group goes.
    /// What cannot be removed is tried again until it can.
    pub(crate) async fn bereave(&self, sandbox: &Arc<Sandbox>) {
        let supervisor = sandbox.supervisor.lock().take();
        // Who stops the sandbox holds the gate.
        let unexpected = sandbox.gate.try_lock().is_ok();
        if unexpected {
            tracing::warn!(sandbox = sandbox.id, "a pod's supervisor died; its containers are killed");
        }
        if let Some(supervisor) = supervisor {
            supervisor.reap().await;
        }
        let mut backoff = corten_rt::Backoff::new(
            std::time::Duration::from_millis(100),
            std::time::Duration::from_secs(30),
        );
        loop {
            let (runtime, lost) = (self.clone(), sandbox.clone());
            match crate::runtime::blocking(move || runtime.bury(&lost)).await {
                Ok(()) => break,
                Err(error) => {
                    tracing::warn!(%error, sandbox = sandbox.id, "a dead pod could not be cleaned up; trying again");
                    corten_rt::sleep(backoff.step()).await;
                }
            }
        }
        sandbox.alive.send_replace(false);
        self.tell(ContainerEventType::ContainerStoppedEvent, sandbox, &sandbox.id);
    }

    /// Ends what is left of a sandbox without supervisor, and records how its containers ended.
    pub(crate) fn bury(&self, sandbox: &Arc<Sandbox>) -> Result<(), tonic::Status> {
        let failed = |e: corten_sys::Error| tonic::Status::internal(e.to_string());
        for container in self.table.containers_of(&sandbox.id) {
            if container.state.borrow().is_running() {
                match read_exit(&container.dir) {
                    Some(exit) => container.advance(|state| state.exited(&exit)),
                    None => {
                        self.cgroups.remove(&container.cgroup()).map_err(failed)?;
                        let now = self.now();
                        container.advance(|state| state.lost(now))
                    }
                };
                save_outcome(&container);
                self.tell(ContainerEventType::ContainerStoppedEvent, sandbox, &container.id);
            }
        }
        let group = sandbox.record.lock().cgroup.clone();
        if group.is_empty() { Ok(()) } else { self.cgroups.remove(&group).map_err(failed) }
    }
}

/// How the supervisor recorded a container's end.
pub(crate) fn read_exit(dir: &Path) -> Option<Exit> {
    Exit::from_bytes(&std::fs::read(dir.join(EXIT_FILE)).ok()?).ok()
}

/// Writes down what became of a container. A full disk must not keep it from ending.
pub(crate) fn save_outcome(container: &Container) {
    let outcome = container.state.borrow().outcome.clone();
    if let Err(error) = record::write(&container.dir.join(OUTCOME), &outcome) {
        tracing::warn!(%error, container = container.id, "what became of a container could not be recorded");
    }
}
