//! Sandboxes: made, stopped, removed.

use crate::network::{Attachment, namespace_of};
use crate::record::{self, RECORD, SandboxRecord};
use crate::runtime::{Runtime, blocking, internal};
use crate::spec::{SandboxInput, SandboxPlan, plan_sandbox};
use crate::supervisor::{Newborn, Supervisor};
use crate::table::{Sandbox, attachment, has_network, sandbox_name};
use corten_node_api::cri::{ContainerEventType, PodSandboxConfig, RunPodSandboxRequest};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tonic::Status;

/// The only runtime handler that there is, beside the nameless one.
pub const HANDLER: &str = "corten";
/// How long a supervisor gets to end its pod, before everything in the pod's groups is killed.
const SHUTDOWN: Duration = Duration::from_secs(10);
/// How long the kernel usually takes to end a namespace that nobody is in any more, and a little more.
const NAMESPACE_ENDS: Duration = Duration::from_millis(300);
/// Where a supervisor's last words go.
const LOG: &str = "supervisor.log";

impl Runtime {
    /// Makes a sandbox; its id.
    pub(crate) async fn run_sandbox(self, request: RunPodSandboxRequest) -> Result<String, Status> {
        let config = checked(request.config, &request.runtime_handler)?;
        let name = sandbox_name(&config.metadata.clone().unwrap_or_default());
        let id = crate::new_id();
        let reservation = self.table.reserve(name, &id)?;
        let record = SandboxRecord {
            id: id.clone(),
            config: Some(config),
            handler: request.runtime_handler,
            created_at: self.now(),
            ..SandboxRecord::default()
        };
        match self.found(record.clone()).await {
            Ok(sandbox) => {
                reservation.keep();
                self.tell(ContainerEventType::ContainerCreatedEvent, &sandbox, &id);
                self.tell(ContainerEventType::ContainerStartedEvent, &sandbox, &id);
                Ok(id)
            }
            Err(error) => {
                self.demolish(&record, true).await;
                Err(error)
            }
        }
    }

    /// Plans and makes everything of a sandbox. Starting the supervisor and making its control groups go on side
    /// by side.
    async fn found(&self, record: SandboxRecord) -> Result<Arc<Sandbox>, Status> {
        let id = record.id.clone();
        let dir = self.places.sandbox(&id);
        let config = record.config.clone().unwrap_or_default();
        let networked = has_network(Some(&config));
        let (planner, plan_dir, draft) = (self.clone(), dir.clone(), record);
        let (plan, mut record) = blocking(move || planner.prepare(draft, &plan_dir)).await?;

        let (cgroups, group, limits) = (self.cgroups.clone(), plan.cgroup.clone(), plan.limits.clone());
        let grouped = blocking(move || {
            let made = cgroups.create(&group).and_then(|()| cgroups.set(&group, &limits));
            made.map_err(|e| Status::internal(e.to_string()))
        });
        let (binary, log, sandbox_id) = (self.supervisor.clone(), dir.join(LOG), id.clone());
        let spawned = blocking(move || {
            let log = File::create(&log).map_err(internal(format!("make {}", log.display())))?;
            Newborn::spawn(&binary, &sandbox_id, log).map_err(|e| Status::internal(e.to_string()))
        });
        let (grouped, spawned) = tokio::join!(grouped, spawned);
        let newborn = spawned?;
        if let Err(error) = grouped {
            newborn.discard();
            return Err(error);
        }
        let founded = newborn.found(plan.sandbox).await;
        let (supervisor, ready) =
            founded.map_err(|e| Status::unknown(format!("failed to create sandbox {id}: {e}")))?;
        record.pid = ready.pid;
        let furnished = self.furnish(record, dir, networked, &supervisor).await;
        match furnished {
            Ok((sandbox, subscription)) => {
                *sandbox.supervisor.lock() = Some(supervisor.into());
                sandbox.alive.send_replace(true);
                self.table.add_sandbox(sandbox.clone());
                self.watch(sandbox.clone(), subscription);
                Ok(sandbox)
            }
            Err(error) => {
                let _ = supervisor.shutdown().await;
                supervisor.reap().await;
                Err(error)
            }
        }
    }

    /// Decides, and writes down what was decided.
    fn prepare(&self, mut record: SandboxRecord, dir: &Path) -> Result<(SandboxPlan, SandboxRecord), Status> {
        let config = record.config.clone().unwrap_or_default();
        let plan = plan_sandbox(&SandboxInput {
            id: &record.id,
            dir,
            config: &config,
            machine: &self.machine,
            files: &self.files,
        })?;
        record.cgroup = plan.cgroup.clone();
        let write = || -> std::io::Result<()> {
            record::make_private(&dir.join(record::CONTAINERS))?;
            record::write(&dir.join(RECORD), &record)?;
            plan.files.iter().try_for_each(|(file, text)| write_public(file, text))
        };
        write().map_err(internal(format!("write {}", dir.display())))?;
        if !config.log_directory.is_empty() {
            std::fs::create_dir_all(&config.log_directory)
                .map_err(internal(format!("make the log directory {}", config.log_directory)))?;
        }
        Ok((plan, record))
    }

    /// Gives a sandbox its network and listens to its supervisor; then it is complete.
    async fn furnish(
        &self,
        mut record: SandboxRecord,
        dir: PathBuf,
        networked: bool,
        supervisor: &Supervisor,
    ) -> Result<(Arc<Sandbox>, crate::supervisor::Subscription), Status> {
        let id = record.id.clone();
        let (network, attachment, sandbox_id) = (self.network.clone(), attachment(&record), id.clone());
        let wired = blocking(move || match networked {
            true => network.setup(&attachment).map_err(network_failed(&sandbox_id)),
            false => Ok(Vec::new()),
        });
        let (wired, subscribed) = tokio::join!(wired, supervisor.subscribe());
        let (_, subscription) = subscribed.map_err(|e| Status::unavailable(e.to_string()))?;
        record.addresses = wired?.iter().map(ToString::to_string).collect();
        record.pid_start = process_start(record.pid).unwrap_or_default();
        record.complete = true;
        let file = dir.join(RECORD);
        let record = blocking(move || {
            record::write(&file, &record).map_err(internal(format!("write {}", file.display())))?;
            Ok(record)
        });
        let record = record.await?;
        Ok((Arc::new(Sandbox::new(record, dir, None)), subscription))
    }

    /// Removes whatever there is of a sandbox that never came to be, or that nobody can describe. Its network
    /// goes too if it may be `wired`.
    pub(crate) async fn demolish(&self, record: &SandboxRecord, wired: bool) {
        let (runtime, record) = (self.clone(), record.clone());
        let dir = self.places.sandbox(&record.id);
        let done = blocking(move || {
            // The record on disk knows more, if there is one.
            let known: SandboxRecord = record::read(&dir.join(RECORD)).unwrap_or(record);
            if !known.cgroup.is_empty() {
                runtime.cgroups.remove(&known.cgroup).map_err(|e| Status::internal(e.to_string()))?;
            }
            if wired && has_network(known.config.as_ref()) {
                runtime.network.teardown(&attachment(&known)).map_err(network_failed(&known.id))?;
            }
            runtime.places.discard(&dir).map_err(internal(format!("remove {}", dir.display())))
        });
        match done.await {
            Ok(Some(trash)) => self.delete(trash),
            Ok(None) => {}
            // Its directory stays, so that the next start tries again.
            Err(error) => tracing::warn!(%error, "a sandbox that failed could not be cleaned up yet"),
        }
    }

    /// Stops a sandbox: its containers end, its network and its supervisor go. One that is gone is stopped.
    pub(crate) async fn stop_sandbox(self, id: String) -> Result<(), Status> {
        let Ok(sandbox) = self.table.sandbox(&id) else { return Ok(()) };
        let _gate = sandbox.gate.lock().await;
        self.stop_found(&sandbox).await
    }

    async fn stop_found(&self, sandbox: &Arc<Sandbox>) -> Result<(), Status> {
        if sandbox.record.lock().stopped && !*sandbox.alive.borrow() {
            return Ok(());
        }
        let (attachment, networked) = (sandbox.attachment(), sandbox.has_network());
        if networked && self.network.may_be_late(&attachment) {
            self.end(sandbox).await?;
            self.unwire_later(attachment);
        } else {
            let network = self.network.clone();
            let unwired = blocking(move || match networked {
                true => network.teardown(&attachment).map_err(network_failed(&attachment.sandbox)),
                false => Ok(()),
            });
            let (ended, unwired) = tokio::join!(self.end(sandbox), unwired);
            ended.and(unwired)?;
        }
        sandbox.record.lock().stopped = true;
        self.save_sandbox(sandbox).await
    }

    /// Takes a sandbox's interface away when its namespace has had the time to end, which usually leaves nothing
    /// to do but to give the address back. What fails is tried again; the next start does so too.
    fn unwire_later(&self, attachment: Attachment) {
        let network = self.network.clone();
        self.tasks.spawn_until_stopped("unwire", async move {
            let mut backoff = corten_rt::Backoff::new(NAMESPACE_ENDS, Duration::from_secs(30));
            loop {
                corten_rt::sleep(backoff.step()).await;
                let (network, attachment) = (network.clone(), attachment.clone());
                let sandbox = attachment.sandbox.clone();
                let undone = blocking(move || {
                    network.teardown(&attachment).map_err(network_failed(&attachment.sandbox))
                });
                match undone.await {
                    Ok(()) => return,
                    Err(error) => {
                        tracing::warn!(%error, sandbox, "a sandbox's network is not taken down yet; trying again");
                    }
                }
            }
        });
    }

    /// Ends a sandbox's supervisor and with it all containers; by force, if it takes long.
    async fn end(&self, sandbox: &Arc<Sandbox>) -> Result<(), Status> {
        let mut alive = sandbox.alive.subscribe();
        let supervisor = sandbox.supervisor.lock().clone();
        if let Some(supervisor) = supervisor
            && let Err(error) = supervisor.shutdown().await
        {
            tracing::debug!(%error, sandbox = sandbox.id, "the supervisor does not hear");
        }
        for by_force in [false, true] {
            if by_force {
                tracing::warn!(sandbox = sandbox.id, "the supervisor did not end in time, killing the pod");
                self.kill_groups(sandbox).await?;
            }
            if corten_rt::timeout(SHUTDOWN, alive.wait_for(|alive| !alive)).await.is_some() {
                return Ok(());
            }
        }
        Err(Status::deadline_exceeded(format!("processes of sandbox {} do not end", sandbox.id)))
    }

    /// Kills everything in a sandbox's control groups.
    async fn kill_groups(&self, sandbox: &Arc<Sandbox>) -> Result<(), Status> {
        let mut groups: Vec<String> =
            self.table.containers_of(&sandbox.id).iter().map(|c| c.cgroup()).collect();
        groups.push(sandbox.record.lock().cgroup.clone());
        let cgroups = self.cgroups.clone();
        blocking(move || {
            groups.iter().try_for_each(|g| cgroups.kill(g)).map_err(|e| Status::internal(e.to_string()))
        })
        .await
    }

    /// Removes a sandbox and its containers, stopping it before. One that is gone is removed.
    pub(crate) async fn remove_sandbox(self, id: String) -> Result<(), Status> {
        let Ok(sandbox) = self.table.sandbox(&id) else { return Ok(()) };
        let _gate = sandbox.gate.lock().await;
        if self.table.sandbox(&sandbox.id).is_err() {
            return Ok(());
        }
        self.stop_found(&sandbox).await?;
        for container in self.table.containers_of(&sandbox.id) {
            self.clone().remove_container(container.id.clone()).await?;
        }
        let (runtime, removed) = (self.clone(), sandbox.clone());
        let trash = blocking(move || {
            let group = removed.record.lock().cgroup.clone();
            runtime.cgroups.remove(&group).map_err(|e| Status::internal(e.to_string()))?;
            let dir = &removed.dir;
            runtime.places.discard(dir).map_err(internal(format!("remove {}", dir.display())))
        });
        let trash = trash.await?;
        self.table.drop_sandbox(&sandbox);
        self.tell(ContainerEventType::ContainerDeletedEvent, &sandbox, &sandbox.id);
        trash.into_iter().for_each(|dir| self.delete(dir));
        Ok(())
    }

    /// Writes a sandbox's record.
    pub(crate) async fn save_sandbox(&self, sandbox: &Arc<Sandbox>) -> Result<(), Status> {
        let sandbox = sandbox.clone();
        blocking(move || {
            let (file, record) = (sandbox.dir.join(RECORD), sandbox.record.lock().clone());
            record::write(&file, &record).map_err(internal(format!("write {}", file.display())))
        })
        .await
    }

    /// Deletes a directory that is out of sight already. What cannot be deleted is tried again at the next start.
    pub(crate) fn delete(&self, dir: PathBuf) {
        self.tasks.spawn("delete", async move {
            let deleted = tokio::task::spawn_blocking(move || {
                std::fs::remove_dir_all(&dir).map_err(|e| format!("{}: {e}", dir.display()))
            });
            if let Ok(Err(error)) = deleted.await {
                tracing::warn!(%error, "a directory could not be deleted yet");
            }
        });
    }
}

fn checked(config: Option<PodSandboxConfig>, handler: &str) -> Result<PodSandboxConfig, Status> {
    let config = config.ok_or_else(|| Status::invalid_argument("the sandbox has no configuration"))?;
    let metadata = config.metadata.as_ref();
    if metadata.is_none_or(|m| m.name.is_empty() || m.uid.is_empty()) {
        return Err(Status::invalid_argument("sandbox config must include metadata with name and uid"));
    }
    if !handler.is_empty() && handler != HANDLER {
        return Err(Status::invalid_argument(format!(
            "no runtime for {handler:?} is configured; this one is {HANDLER:?}"
        )));
    }
    Ok(config)
}

fn network_failed(sandbox: &str) -> impl FnOnce(String) -> Status + use<> {
    let sandbox = sandbox.to_owned();
    move |why| {
        Status::unknown(format!("failed to set up or remove the network of sandbox {sandbox:?}: {why}"))
    }
}

fn write_public(file: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
    let mut opened = File::options().create(true).truncate(true).write(true).mode(0o644).open(file)?;
    // Whatever the mask is: containers run as anyone.
    opened.set_permissions(std::fs::Permissions::from_mode(0o644))?;
    opened.write_all(text.as_bytes())
}

/// When a process started, in ticks since the machine did.
pub(crate) fn process_start(pid: i32) -> Option<u64> {
    let stat = std::fs::read_to_string(namespace_of(pid).parent()?.parent()?.join("stat")).ok()?;
    // The name may hold anything, but ends at the last parenthesis.
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_node_api::cri::PodSandboxMetadata;

    #[test]
    fn configurations_are_checked() {
        let named = |name: &str, uid: &str| {
            let metadata = PodSandboxMetadata { name: name.into(), uid: uid.into(), ..Default::default() };
            Some(PodSandboxConfig { metadata: Some(metadata), ..Default::default() })
        };
        for (config, handler, good) in [
            (None, "", false),
            (Some(PodSandboxConfig::default()), "", false),
            (named("", "u"), "", false),
            (named("n", ""), "", false),
            (named("n", "u"), "kata", false),
            (named("n", "u"), "", true),
            (named("n", "u"), HANDLER, true),
        ] {
            let code = checked(config, handler).map(drop).map_err(|e| e.code());
            assert_eq!(code.is_ok(), good, "{code:?}");
        }
    }

    #[test]
    fn a_process_is_known_by_its_start() {
        let own = std::process::id() as i32;
        assert_eq!(process_start(own), process_start(own));
        assert!(process_start(own).is_some_and(|start| start > 0));
        assert_eq!(process_start(0), None);
    }
}
