//! Containers: created, started, stopped, removed.

use crate::images::Image;
use crate::record::{self, ContainerRecord, LAUNCH, RECORD};
use crate::runtime::{Runtime, blocking, internal};
use crate::spec::{ContainerInput, ContainerPlan, plan_container};
use crate::supervisor::Error;
use crate::table::{Container, Sandbox, container_name};
use crate::watch::save_outcome;
use corten_node_api::cri::{ContainerConfig, ContainerEventType, CreateContainerRequest, ImageSpec};
use corten_pod::protocol::{Cause, Launch, PidNamespace};
use corten_pod::wire::Wire;
use nix::libc::SIGKILL;
use rustix::mount::{OpenTreeFlags, open_tree};
use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tonic::Status;

/// How long a killed process may take to end: it may have to wait for a disk.
const LAST_BREATH: Duration = Duration::from_secs(60);

impl Runtime {
    /// Creates a container; its id.
    pub(crate) async fn create_container(self, request: CreateContainerRequest) -> Result<String, Status> {
        let sandbox = self.table.sandbox(&request.pod_sandbox_id)?;
        if sandbox.ready().is_none() {
            return Err(Status::failed_precondition(format!("sandbox {} is not running", sandbox.id)));
        }
        let config = checked(request.config)?;
        let image = self.image(config.image.as_ref())?;
        let id = crate::new_id();
        let name = container_name(&config.metadata.clone().unwrap_or_default(), &sandbox.metadata());
        let reservation = self.table.reserve(name, &id)?;
        let (runtime, source) = (self.clone(), image.clone());
        let created = blocking(move || {
            let dir = sandbox.dir.join(record::CONTAINERS).join(&id);
            runtime.prepare_container(&sandbox, &id, &dir, config, &source).inspect_err(|_| {
                let group = sandbox.record.lock().cgroup.clone();
                runtime.discard_container(&dir, &group);
            })
        });
        let container = created.await?;
        reservation.keep();
        self.table.add_container(container.clone());
        // Until here its layers were kept by this.
        drop(image);
        self.tell(ContainerEventType::ContainerCreatedEvent, &container.sandbox, &container.id);
        Ok(container.id.clone())
    }

    fn image(&self, spec: Option<&ImageSpec>) -> Result<Arc<Image>, Status> {
        let name = spec.map(|s| s.image.as_str()).unwrap_or_default();
        if name.is_empty() {
            return Err(Status::invalid_argument("container config must include an image"));
        }
        self.images
            .resolve(name)
            .ok_or_else(|| Status::not_found(format!("failed to resolve image {name:?}: not found")))
    }

    /// Plans a container and makes what it needs: directory, record, control group.
    fn prepare_container(
        &self,
        sandbox: &Arc<Sandbox>,
        id: &str,
        dir: &Path,
        config: ContainerConfig,
        image: &Image,
    ) -> Result<Arc<Container>, Status> {
        let (mut layers, image_mounts) = self.image_mounts(&config)?;
        layers.extend(image.layers.iter().map(|l| l.id.clone()));
        let paths: Vec<PathBuf> = image.layers.iter().map(|l| l.path.clone()).collect();
        let sandbox_config = sandbox.config();
        let plan = plan_container(&ContainerInput {
            id,
            dir,
            config: &config,
            sandbox: &sandbox_config,
            sandbox_dir: &sandbox.dir,
            image: &image.config,
            layers: &paths,
            image_mounts: &image_mounts,
            machine: &self.machine,
            files: &self.files,
            filters: &self.filters,
        })?;
        let record = ContainerRecord {
            id: id.to_owned(),
            created_at: self.now(),
            image_ref: image.digests.first().unwrap_or(&image.id).clone(),
            image_id: image.id.clone(),
            layers,
            cgroup: plan.cgroup.clone(),
            stop_signal: plan.stop_signal,
            log_path: plan.launch.log.clone().unwrap_or_default(),
            own_pids: plan.launch.pid_namespace == PidNamespace::Own,
            handles: plan.handles.iter().map(|p| p.to_string_lossy().into_owned()).collect(),
            resources: config.linux.as_ref().and_then(|l| l.resources.clone()),
            config: Some(config),
        };
        write_down(dir, &plan, &record).map_err(internal(format!("make {}", dir.display())))?;
        self.group(&plan)?;
        Ok(Arc::new(Container::new(record, dir.to_owned(), sandbox.clone(), Default::default())))
    }

    /// The layers of images that are mounted: their short names, and their paths by the image's name.
    #[expect(clippy::type_complexity, reason = "names and paths, used once")]
    fn image_mounts(
        &self,
        config: &ContainerConfig,
    ) -> Result<(Vec<String>, BTreeMap<String, Vec<PathBuf>>), Status> {
        let (mut names, mut paths) = (Vec::new(), BTreeMap::new());
        for spec in config.mounts.iter().filter_map(|m| m.image.as_ref()).filter(|i| !i.image.is_empty()) {
            let image = self.image(Some(spec))?;
            names.extend(image.layers.iter().map(|l| l.id.clone()));
            paths.insert(spec.image.clone(), image.layers.iter().map(|l| l.path.clone()).collect());
        }
        Ok((names, paths))
    }

    fn group(&self, plan: &ContainerPlan) -> Result<(), Status> {
        let make = || {
            self.cgroups.create(&plan.cgroup)?;
            self.cgroups.set(&plan.cgroup, &plan.limits)?;
            self.cgroups.allow_devices(&plan.cgroup, &plan.devices)
        };
        make().map_err(|e| Status::unknown(format!("failed to create the container's cgroup: {e}")))
    }

    /// Removes what there is of a container that did not come to be. `sandbox_group` is its supervisor's group,
    /// beside which its own is.
    pub(crate) fn discard_container(&self, dir: &Path, sandbox_group: &str) {
        let known = record::read::<ContainerRecord>(&dir.join(RECORD)).ok().map(|r| r.cgroup);
        let beside = || {
            let (parent, _) = sandbox_group.rsplit_once('/')?;
            Some(format!("{parent}/{}", dir.file_name()?.to_str()?))
        };
        if let Some(group) = known.filter(|g| !g.is_empty()).or_else(beside)
            && let Err(error) = self.cgroups.remove(&group)
        {
            // Its directory stays, so that the next start tries again.
            return tracing::warn!(%error, "a container that failed could not be cleaned up yet");
        }
        match self.places.discard(dir) {
            Ok(trash) => trash.into_iter().for_each(|dir| self.delete(dir)),
            Err(error) => tracing::warn!(%error, "a container that failed could not be cleaned up yet"),
        }
    }

    /// Starts a container that was created.
    pub(crate) async fn start_container(self, id: String) -> Result<(), Status> {
        let container = self.table.container(&id)?;
        let claimed = container.advance(|state| {
            let free = state.is_created() && !state.starting && !state.removing;
            state.starting |= free;
            free
        });
        if !claimed {
            let state = container.state.borrow().cri().as_str_name();
            return Err(Status::failed_precondition(format!(
                "container {} is in {state} state, or being started or removed: it cannot be started",
                container.id
            )));
        }
        let outcome = self.launch(&container).await;
        let (runtime, saved) = (self.clone(), container.clone());
        let result = blocking(move || {
            let news = saved.advance(|state| match &outcome {
                Ok(launched) => state.launched(launched),
                Err(error) => state.failed(error.message().to_owned(), runtime.now()),
            });
            save_outcome(&saved);
            outcome.map(|_| news)
        });
        match result.await {
            Ok(true) => {
                self.tell(ContainerEventType::ContainerStartedEvent, &container.sandbox, &container.id)
            }
            Ok(false) => {}
            Err(error) => {
                self.tell(ContainerEventType::ContainerStoppedEvent, &container.sandbox, &container.id);
                return Err(error);
            }
        }
        Ok(())
    }

    async fn launch(&self, container: &Arc<Container>) -> Result<corten_pod::protocol::Launched, Status> {
        let supervisor = container.sandbox.ready().ok_or_else(|| {
            Status::failed_precondition(format!("sandbox {} is not running", container.sandbox.id))
        })?;
        let starting = container.clone();
        let (launch, handles) = blocking(move || open_launch(&starting)).await?;
        let handles: Vec<_> = handles.iter().map(AsFd::as_fd).collect();
        supervisor.launch(launch, &handles).await.map_err(|error| {
            let message = format!("failed to start container {}: {error}", container.id);
            match error {
                Error::Gone(_) => Status::unavailable(message),
                _ => Status::unknown(message),
            }
        })
    }

    /// Stops a container: asks it to end, and makes it when `timeout` seconds have passed. One that does not run,
    /// or that is gone, is stopped.
    pub(crate) async fn stop_container(self, id: String, timeout: i64) -> Result<(), Status> {
        let Ok(container) = self.table.container(&id) else { return Ok(()) };
        if !container.state.borrow().is_running() {
            return Ok(());
        }
        let mut state = container.state.subscribe();
        if timeout > 0 {
            let number = container.record.lock().stop_signal;
            self.signal(&container, number).await?;
            let grace = Duration::from_secs(u64::try_from(timeout).unwrap_or_default());
            if corten_rt::timeout(grace, state.wait_for(|s| s.has_ended())).await.is_some() {
                return Ok(());
            }
        }
        self.signal(&container, SIGKILL).await?;
        if corten_rt::timeout(LAST_BREATH, state.wait_for(|s| s.has_ended())).await.is_none() {
            return Err(Status::deadline_exceeded(format!(
                "container {} did not end within {LAST_BREATH:?} of being killed",
                container.id
            )));
        }
        Ok(())
    }

    /// Sends a signal. That the container, or its supervisor, has ended meanwhile is seen by who waits for it.
    async fn signal(&self, container: &Container, number: i32) -> Result<(), Status> {
        let Some(supervisor) = container.sandbox.supervisor.lock().clone() else { return Ok(()) };
        let all = number == SIGKILL && !container.record.lock().own_pids;
        match supervisor.signal(&container.id, number, all).await {
            Ok(()) | Err(Error::Gone(_)) => Ok(()),
            Err(error) if error.cause() == Some(&Cause::NoContainer) => Ok(()),
            Err(error) => Err(Status::internal(format!("signal container {}: {error}", container.id))),
        }
    }

    /// Removes a container, by force if it runs. One that is gone is removed.
    pub(crate) async fn remove_container(self, id: String) -> Result<(), Status> {
        let Ok(container) = self.table.container(&id) else { return Ok(()) };
        let claimed = container.advance(|state| {
            let free = !state.removing && !state.starting;
            state.removing |= free;
            free
        });
        if !claimed {
            return Err(Status::failed_precondition(format!(
                "container {} is being started or removed",
                container.id
            )));
        }
        let removed = self.remove_claimed(&container).await;
        if removed.is_err() {
            container.advance(|state| {
                state.removing = false;
                false
            });
        }
        removed
    }

    async fn remove_claimed(&self, container: &Arc<Container>) -> Result<(), Status> {
        self.clone().stop_container(container.id.clone(), 0).await?;
        let started = container.state.borrow().outcome.started_at != 0;
        let supervisor = container.sandbox.supervisor.lock().clone();
        if let Some(supervisor) = supervisor.filter(|_| started)
            && let Err(error) = supervisor.forget(&container.id).await
        {
            tracing::debug!(%error, container = container.id, "the supervisor does not forget");
        }
        let (runtime, removed) = (self.clone(), container.clone());
        let trash = blocking(move || {
            let group = removed.cgroup();
            runtime.cgroups.remove(&group).map_err(|e| Status::internal(e.to_string()))?;
            let dir = &removed.dir;
            runtime.places.discard(dir).map_err(internal(format!("remove {}", dir.display())))
        });
        let trash = trash.await?;
        self.table.drop_container(container);
        self.samples.forget(&container.id);
        self.tell(ContainerEventType::ContainerDeletedEvent, &container.sandbox, &container.id);
        trash.into_iter().for_each(|dir| self.delete(dir));
        Ok(())
    }

    /// Writes a container's record.
    pub(crate) async fn save_container(&self, container: &Arc<Container>) -> Result<(), Status> {
        let container = container.clone();
        blocking(move || {
            let (file, record) = (container.dir.join(RECORD), container.record.lock().clone());
            record::write(&file, &record).map_err(internal(format!("write {}", file.display())))
        })
        .await
    }
}

fn checked(config: Option<ContainerConfig>) -> Result<ContainerConfig, Status> {
    let config = config.ok_or_else(|| Status::invalid_argument("the container has no configuration"))?;
    if config.metadata.as_ref().is_none_or(|m| m.name.is_empty()) {
        return Err(Status::invalid_argument("container config must include metadata with a name"));
    }
    Ok(config)
}

/// Makes a container's directories and files. The record comes first: it names what else there will be.
fn write_down(dir: &Path, plan: &ContainerPlan, record: &ContainerRecord) -> std::io::Result<()> {
    record::make_private(dir)?;
    record::write(&dir.join(RECORD), record)?;
    let mut launch = Vec::new();
    plan.launch.put(&mut launch);
    record::write_bytes(&dir.join(LAUNCH), &launch)?;
    for made in [&plan.launch.root.upper, &plan.launch.root.work] {
        std::fs::create_dir_all(made)?;
    }
    plan.make_directories()
}

/// The launch that was decided when the container was created.
pub(crate) fn read_launch(container: &Container) -> Result<Launch, Status> {
    let file = container.dir.join(LAUNCH);
    let bytes = std::fs::read(&file).map_err(internal(format!("read {}", file.display())))?;
    Launch::from_bytes(&bytes).map_err(|e| Status::internal(format!("read {}: {e}", file.display())))
}

/// The launch, with its detached mounts and a place for its log.
fn open_launch(container: &Container) -> Result<(Launch, Vec<OwnedFd>), Status> {
    let launch = read_launch(container)?;
    if let Some(parent) = launch.log.as_ref().and_then(|log| Path::new(log).parent()) {
        std::fs::create_dir_all(parent)
            .map_err(internal(format!("make the log directory {}", parent.display())))?;
    }
    let paths = container.record.lock().handles.clone();
    let flags =
        OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_RECURSIVE;
    let open = |path: &String| {
        open_tree(rustix::fs::CWD, path.as_str(), flags)
            .map_err(|e| Status::unknown(format!("clone the mount {path}: {}", std::io::Error::from(e))))
    };
    let handles: Result<Vec<_>, _> = paths.iter().map(open).collect();
    Ok((launch, handles?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_node_api::cri::ContainerMetadata;

    #[test]
    fn a_container_needs_a_name() {
        assert!(checked(None).is_err());
        assert!(checked(Some(ContainerConfig::default())).is_err());
        let metadata = Some(ContainerMetadata { name: "c".into(), attempt: 0 });
        assert!(checked(Some(ContainerConfig { metadata, ..Default::default() })).is_ok());
    }
}
