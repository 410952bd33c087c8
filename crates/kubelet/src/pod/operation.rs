//! Carries out the actions that bring a pod up, in their order, beside the worker's loop.

use super::collect::Leftover;
use super::container::{Setting, container_config, write_hosts};
use super::dns::dns;
use super::ephemeral;
use super::hooks;
use super::image;
use super::names::{CONTAINER_NAME, POD_UID};
use super::observed::{self, Sandbox, Seen};
use super::plan::Action;
use super::resize::{self, Change};
use super::resources::{of_new, pod_cgroup, pod_limits};
use super::sandbox::sandbox_config;
use super::status::container_reference;
use super::user_namespaces;
use super::worker::Outcome;
use crate::Shared;
use corten_api::core::v1::{Container, HostIP, Pod, PodIP, VolumeMount};
use corten_api::node::v1::RuntimeClass;
use corten_node_api::cri::{
    ContainerConfig, ContainerFilter, ContainerState, ContainerStateValue, CreateContainerRequest,
    ListContainersRequest, NamespaceMode, RemoveContainerRequest, RemovePodSandboxRequest,
    RunPodSandboxRequest, StartContainerRequest, StopPodSandboxRequest, UserNamespace,
};
use corten_sys::cgroups::Limits;
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedSender;

/// What an operation tells its worker. The channel is as long as the operation has actions.
#[derive(Debug)]
pub enum Told {
    Mounted(BTreeMap<String, PathBuf>),
    /// A container (or the whole pod, when the name is empty) could not be started.
    PutOff {
        name: String,
        reason: &'static str,
        message: String,
        first: Duration,
    },
    /// A sandbox was started.
    Sandbox(Sandbox),
    /// A container was started; how it is, if the runtime said so.
    Started {
        name: String,
        seen: Option<Box<Seen>>,
    },
    /// A container was stopped; how it is, if the runtime said so.
    Killed {
        id: String,
        seen: Option<Box<Seen>>,
    },
    /// Containers were given other resources, or not all of them.
    Resized {
        changes: Vec<Change>,
        outcome: Result<(), String>,
    },
    /// Something changed in the runtime.
    Changed,
    /// A status was written, or not.
    Written(Outcome),
    /// The operation has ended.
    Done,
}

/// One operation on one pod.
pub struct Operation {
    pub shared: Arc<Shared>,
    pub pod: Arc<Pod>,
    pub volumes: BTreeMap<String, PathBuf>,
    /// The RuntimeClass's handler, once it is known.
    pub handler: Option<String>,
    /// The waits of containers that crashed, by name.
    pub waits: HashMap<String, Duration>,
    /// The addresses of the sandbox in use.
    pub ips: Vec<String>,
    pub tell: UnboundedSender<Told>,
}

/// Upstream's first wait after a failed pull, and after other failures.
const PULL_WAIT: Duration = Duration::from_secs(10);
const OTHER_WAIT: Duration = Duration::from_secs(1);

/// Under this name, which no container can have, is kept how long leftovers stay that could not be removed.
pub const COLLECT: &str = "/collect";

impl Operation {
    /// Runs `actions`; the first failure of the sandbox or volumes ends it, that of a container does not.
    pub async fn run(mut self, actions: Vec<Action>) {
        for action in actions {
            let outcome = match &action {
                Action::Mount => self.mount().await,
                Action::StartSandbox { attempt } => self.start_sandbox(*attempt).await,
                Action::StopSandbox { id } => self.stop_sandbox(id).await,
                Action::Remove { id } => self.remove(id).await,
                Action::Collect { containers, sandboxes } => {
                    // Nobody waits for it, and it is tried again.
                    if let Err(message) = self.collect(containers, sandboxes).await {
                        self.put_off(COLLECT, "FailedRemove", message, OTHER_WAIT);
                    }
                    let _ = self.tell.send(Told::Changed);
                    Ok(())
                }
                Action::StartContainer { name, sandbox, attempt } => {
                    self.learn_addresses();
                    self.start_container(name, sandbox, *attempt).await;
                    Ok(())
                }
                Action::Resize { sandbox, changes } => {
                    let outcome = Box::pin(resize::resize(&self.shared, &self.pod, sandbox, changes)).await;
                    let _ = self.tell.send(Told::Resized { changes: changes.clone(), outcome });
                    Ok(())
                }
                Action::Kill { .. } | Action::Replace { .. } | Action::Finish => Ok(()),
            };
            if matches!(action, Action::StopSandbox { .. } | Action::Remove { .. }) || outcome.is_err() {
                let _ = self.tell.send(Told::Changed);
            }
            if let Err((reason, message)) = outcome {
                self.put_off("", reason, message, OTHER_WAIT);
                break;
            }
        }
        let _ = self.tell.send(Told::Done);
    }

    fn put_off(&self, name: &str, reason: &'static str, message: String, first: Duration) {
        let _ = self.tell.send(Told::PutOff { name: name.into(), reason, message, first });
    }

    async fn mount(&self) -> Result<(), (&'static str, String)> {
        match self.shared.volumes.mount(&self.pod).await {
            Ok(volumes) => {
                let _ = self.tell.send(Told::Mounted(volumes));
                Ok(())
            }
            Err(e) => {
                self.shared.events.warning(&*self.pod, e.reason(), e.to_string());
                Err((e.reason(), e.to_string()))
            }
        }
    }

    async fn start_sandbox(&self, attempt: u32) -> Result<(), (&'static str, String)> {
        let shared = &self.shared;
        let refused = |message: String| {
            let message = format!("Failed to create pod sandbox: {message}");
            shared.events.warning(&*self.pod, "FailedCreatePodSandBox", message.clone());
            ("FailedCreatePodSandBox", message)
        };
        let handler = self.handler().await.map_err(refused)?;
        let users = self.users(&handler).await.map_err(refused)?;
        let root = &shared.cgroup_root;
        let config = sandbox_config(&self.pod, attempt, &shared.resolver, &shared.places, root, &users)
            .map_err(refused)?;
        for (reason, message) in dns(&self.pod, &shared.resolver).warnings {
            shared.events.warning(&*self.pod, reason, message);
        }
        let cgroup = pod_cgroup(root, &self.pod);
        let pids = Some(shared.settings.pod_pids).filter(|most| *most > 0);
        let limits = Limits { pids, ..of_new(&pod_limits(&self.pod)) };
        let made = shared.cgroups.create(&cgroup).and_then(|()| shared.cgroups.set(&cgroup, &limits));
        if let Err(e) = made {
            let message = format!("unable to ensure pod container exists: {e}");
            shared.events.warning(&*self.pod, "FailedCreatePodContainer", message.clone());
            return Err(("FailedCreatePodContainer", message));
        }
        if let Err(e) = std::fs::create_dir_all(&config.log_directory) {
            return Err(refused(format!("make the log directory {}: {e}", config.log_directory)));
        }
        let request = RunPodSandboxRequest { config: Some(config), runtime_handler: handler };
        let reply = shared.cri.run_pod_sandbox(request).await.map_err(|e| refused(e.to_string()))?;
        let id = reply.pod_sandbox_id;
        let ips = match self.pod.spec.host_network {
            true => Vec::new(),
            false => observed::addresses(&shared.cri, &id)
                .await
                .map_err(|e| ("FailedCreatePodSandBox", format!("the sandbox's addresses: {e}")))?,
        };
        let shown = if self.pod.spec.host_network { vec![shared.host_ip.clone()] } else { ips.clone() };
        write_hosts(shared, &self.pod, &shown)
            .map_err(|e| refused(format!("write the pod's /etc/hosts: {e}")))?;
        let _ = self.tell.send(Told::Sandbox(Sandbox { id, attempt, ready: true, ips }));
        Ok(())
    }

    /// The runtime's handler for the pod's RuntimeClass; empty for the default one.
    async fn handler(&self) -> Result<String, String> {
        let class = self.pod.spec.runtime_class_name.as_deref().unwrap_or_default();
        match &self.handler {
            _ if class.is_empty() => Ok(String::new()),
            Some(handler) => Ok(handler.clone()),
            None => match Box::pin(self.shared.client.all::<RuntimeClass>().get(class)).await {
                Ok(found) => Ok(found.handler.clone()),
                Err(e) => Err(format!("failed to get sandbox runtime: {e}")),
            },
        }
    }

    /// Whose users the pod's are.
    async fn users(&self, handler: &str) -> Result<UserNamespace, String> {
        if self.pod.spec.host_users != Some(false) {
            return Ok(user_namespaces::of_host());
        }
        let features = self.shared.features.get(&self.shared.cri).await.map_err(|e| e.to_string())?;
        if !features.user_namespaces(handler) {
            return Err(match handler {
                "" => "can't set `spec.hostUsers: false`, runtime does not support user namespaces".into(),
                name => format!(
                    "can't set `spec.hostUsers: false`, RuntimeClass handler \"{name}\" does not support user namespaces"
                ),
            });
        }
        self.shared.user_namespaces.of(&self.shared.places.pods(), &self.pod.metadata.uid)
    }

    /// What a container's configuration needs to know of its pod.
    async fn setting(&self, c: &Container) -> Result<Setting, (&'static str, String)> {
        let wrong = |message| ("CreateContainerConfigError", message);
        let handler = self.handler().await.map_err(wrong)?;
        let users = self.users(&handler).await.map_err(wrong)?;
        let asks = |m: &VolumeMount| m.recursive_read_only.as_deref().is_some_and(|mode| mode != "Disabled");
        let recursive_read_only = match c.volume_mounts.iter().any(asks) {
            true => {
                let features = self.shared.features.get(&self.shared.cri).await;
                features.map_err(|e| wrong(e.to_string()))?.recursive_read_only(&handler)
            }
            false => false,
        };
        let mut images = BTreeMap::new();
        for m in &c.volume_mounts {
            let mut sources = self.pod.spec.volumes.iter().filter(|v| v.name == m.name);
            if let Some(source) = sources.find_map(|v| v.volume_source.image.as_deref()) {
                let about = container_reference(&self.pod, &c.name);
                let image = Box::pin(image::ensure(
                    &self.shared,
                    &self.pod,
                    &source.reference,
                    &source.pull_policy,
                    about,
                ));
                images.insert(m.name.clone(), image.await.map_err(|e| (e.reason, e.message))?);
            }
        }
        let crash_wait = self.waits.get(&c.name).copied();
        Ok(Setting { volumes: self.volumes.clone(), images, users, crash_wait, recursive_read_only })
    }

    /// Puts the addresses into the pod's status where the API does not have them yet: the environment and the
    /// hooks of its first containers ask for them.
    fn learn_addresses(&mut self) {
        if !self.pod.status.pod_ip.is_empty() {
            return;
        }
        let host = self.shared.host_ip.clone();
        let ips = if self.pod.spec.host_network { vec![host.clone()] } else { self.ips.clone() };
        let status = &mut Arc::make_mut(&mut self.pod).status;
        status.pod_ip = ips.first().cloned().unwrap_or_default();
        status.pod_ips = ips.into_iter().map(|ip| PodIP { ip }).collect();
        status.host_ips = vec![HostIP { ip: host.clone() }];
        status.host_ip = host;
    }

    async fn stop_sandbox(&self, id: &str) -> Result<(), (&'static str, String)> {
        let request = StopPodSandboxRequest { pod_sandbox_id: id.to_string() };
        self.shared
            .cri
            .stop_pod_sandbox(request)
            .await
            .map(|_| ())
            .map_err(|e| ("FailedKillPod", e.to_string()))
    }

    async fn remove(&self, id: &str) -> Result<(), (&'static str, String)> {
        let request = RemoveContainerRequest { container_id: id.to_string() };
        self.shared
            .cri
            .remove_container(request)
            .await
            .map(|_| ())
            .map_err(|e| ("FailedRemove", e.to_string()))
    }

    /// Removes what is no longer needed of a pod that lives on, as far as that goes.
    async fn collect(&self, containers: &[Leftover], sandboxes: &[String]) -> Result<(), String> {
        let mut outcome = Ok(());
        let logs = self.shared.places.pod_logs(&self.pod);
        for c in containers {
            match self.remove(&c.id).await {
                Ok(()) => crate::logs::remove(&logs.join(&c.log)),
                Err((_, why)) => outcome = Err(why),
            }
        }
        for id in sandboxes {
            let request = RemovePodSandboxRequest { pod_sandbox_id: id.clone() };
            let removed = match self.stop_sandbox(id).await {
                Ok(()) => self.shared.cri.remove_pod_sandbox(request).await.map_err(|e| e.to_string()),
                Err((_, why)) => Err(why),
            };
            if let Err(why) = removed {
                outcome = Err(why);
            }
        }
        outcome
    }

    /// The id of the running container of this name.
    async fn running(&self, name: &str) -> Result<String, String> {
        let label_selector = HashMap::from([
            (POD_UID.to_string(), self.pod.metadata.uid.clone()),
            (CONTAINER_NAME.to_string(), name.to_string()),
        ]);
        let state = Some(ContainerStateValue { state: ContainerState::ContainerRunning as i32 });
        let filter = Some(ContainerFilter { label_selector, state, ..ContainerFilter::default() });
        let listed = self.shared.cri.list_containers(ListContainersRequest { filter }).await;
        let found = listed.map_err(|e| e.to_string())?.containers.into_iter().next();
        found.map(|c| c.id).ok_or_else(|| format!("unable to find target container {name}"))
    }

    async fn start_container(&self, name: &str, sandbox: &str, attempt: u32) {
        let Some(c) = ephemeral::find(&self.pod, name) else { return };
        match self.try_start(&c, sandbox, attempt).await {
            Ok(id) => {
                let seen = observed::container(&self.shared.cri, &id, sandbox).await.ok().flatten();
                let _ = self.tell.send(Told::Started { name: name.to_string(), seen: seen.map(Box::new) });
            }
            Err((reason, message, first)) => {
                let _ = self.tell.send(Told::Changed);
                self.put_off(name, reason, message, first);
            }
        }
    }

    async fn try_start(
        &self,
        c: &Container,
        sandbox: &str,
        attempt: u32,
    ) -> Result<String, (&'static str, String, Duration)> {
        let shared = &self.shared;
        let about = container_reference(&self.pod, &c.name);
        let image = image::ensure(shared, &self.pod, &c.image, &c.image_pull_policy, about.clone());
        let image = Box::pin(image).await.map_err(|e| (e.reason, e.message, PULL_WAIT))?;
        let failed = |reason: &'static str| {
            let about = about.clone();
            move |message: String| {
                shared.events.note(about, "Warning", "Failed", format!("Error: {message}"));
                (reason, message, OTHER_WAIT)
            }
        };
        let setting = self.setting(c).await.map_err(|(reason, message)| match reason {
            "CreateContainerConfigError" => failed(reason)(message),
            of_image => (of_image, message, PULL_WAIT),
        })?;
        let mut config = container_config(shared, &self.pod, c, attempt, &image, &setting)
            .await
            .map_err(failed("CreateContainerConfigError"))?;
        if let Some(target) = ephemeral::target(&self.pod, &c.name) {
            let id = self.running(target).await.map_err(failed("CreateContainerConfigError"))?;
            see_processes_of(&mut config, id);
        }
        let root = &shared.cgroup_root;
        let sandbox_config =
            sandbox_config(&self.pod, 0, &shared.resolver, &shared.places, root, &setting.users)
                .map_err(failed("CreateContainerConfigError"))?;
        let request = CreateContainerRequest {
            pod_sandbox_id: sandbox.to_string(),
            config: Some(config),
            sandbox_config: Some(sandbox_config),
        };
        let created = shared
            .cri
            .create_container(request)
            .await
            .map_err(|e| failed("CreateContainerError")(e.to_string()))?;
        let id = created.container_id;
        shared.events.note(about.clone(), "Normal", "Created", "Container created".into());
        let request = StartContainerRequest { container_id: id.clone() };
        shared.cri.start_container(request).await.map_err(|e| failed("RunContainerError")(e.to_string()))?;
        shared.meters.count("kubelet_started_containers_total", &[]);
        shared.events.note(about.clone(), "Normal", "Started", "Container started".into());
        if let Some(hook) = c.lifecycle.as_deref().and_then(|l| l.post_start.as_deref())
            && let Err(why) = hooks::run(shared, &self.pod, c, &id, hook).await
        {
            shared.events.note(
                about,
                "Warning",
                "FailedPostStartHook",
                format!("PostStartHook failed: {why}"),
            );
            let grace = self.pod.spec.termination_grace_period_seconds.unwrap_or(30);
            kill(
                shared,
                &self.pod,
                &id,
                &c.name,
                "FailedPostStartHook",
                Duration::from_secs(grace.max(0) as u64),
            )
            .await;
        }
        Ok(id)
    }
}

fn see_processes_of(config: &mut ContainerConfig, id: String) {
    let security = config.linux.as_mut().and_then(|l| l.security_context.as_mut());
    if let Some(options) = security.and_then(|s| s.namespace_options.as_mut()) {
        options.pid = NamespaceMode::Target as i32;
        options.target_id = id;
    }
}

/// Stops a container: its hook first, within the same grace, then the signal, then force.
pub async fn kill(shared: &Shared, pod: &Pod, id: &str, name: &str, why: &str, grace: Duration) {
    let about = container_reference(pod, name);
    let message = if why.is_empty() { format!("Stopping container {name}") } else { why.to_string() };
    shared.events.note(about.clone(), "Normal", "Killing", message);
    let container = pod.spec.containers.iter().chain(&pod.spec.init_containers).find(|c| c.name == name);
    let started = corten_rt::Instant::now();
    if let Some(c) = container
        && let Some(hook) = c.lifecycle.as_deref().and_then(|l| l.pre_stop.as_deref())
        && !grace.is_zero()
    {
        let outcome = corten_rt::timeout(grace, hooks::run(shared, pod, c, id, hook)).await;
        if let Some(Err(why)) = outcome {
            shared.events.note(about, "Warning", "FailedPreStopHook", format!("PreStopHook failed: {why}"));
        }
    }
    // However long the hook took, the process has two seconds to end by itself, unless it has none at all.
    let left = grace.saturating_sub(started.elapsed());
    let left = if grace.is_zero() { left } else { left.max(Duration::from_secs(2)) };
    let request = corten_node_api::cri::StopContainerRequest {
        container_id: id.to_string(),
        timeout: left.as_secs_f64().ceil() as i64,
    };
    if let Err(error) = shared.cri.stop_container(request).await
        && !error.is_not_found()
    {
        tracing::warn!(container = name, pod = pod.metadata.name, %error, "a container could not be stopped");
    }
}
