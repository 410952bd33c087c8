//! What a check has at hand: the runtime, images, and pods that are removed after it.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use corten_node_api::cri::*;
use corten_rt::Instant;

use crate::probe::Probe;
use crate::registry::Registry;

/// The label of all that is ours.
pub const LABEL: &str = "cri-suite";
/// How long something may take that takes moments.
const PATIENCE: Duration = Duration::from_secs(20);

/// A runtime under test.
pub struct World {
    /// Its client.
    pub probe: Probe,
    /// Where images come from.
    pub registry: Registry,
    /// A directory of the machine for logs and mounts.
    pub dir: PathBuf,
    /// The cgroup below which pods' cgroups are.
    pub cgroup: String,
    /// Tells this run's pods from others'.
    pub run: String,
    next: AtomicUsize,
}

/// A sandbox that runs.
pub struct Pod<'w> {
    world: &'w World,
    /// Its id.
    pub id: String,
    /// What it was made from.
    pub config: PodSandboxConfig,
}

impl World {
    /// A world around a client.
    pub fn new(probe: Probe, registry: Registry, dir: PathBuf, cgroup: String) -> Self {
        let run = corten_rt::random::name_suffix(8);
        World { probe, registry, dir, cgroup, run, next: AtomicUsize::new(0) }
    }

    /// A number that no other call gets.
    pub fn number(&self) -> usize {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// An image by its short name, in the runtime's store.
    pub async fn image(&self, name: &str) -> Result<ImageSpec> {
        let image = ImageSpec { image: self.registry.image(name), ..ImageSpec::default() };
        let request = PullImageRequest { image: Some(image.clone()), ..PullImageRequest::default() };
        self.probe.pull_image(request).await.with_context(|| format!("pull {}", image.image))?;
        Ok(image)
    }

    /// A sandbox's usual configuration.
    pub fn sandbox(&self) -> PodSandboxConfig {
        let name = format!("pod-{}", self.number());
        let uid = format!("{}-{name}", self.run);
        let pod = NamespaceMode::Pod as i32;
        let options = NamespaceOption {
            network: pod,
            ipc: pod,
            pid: NamespaceMode::Container as i32,
            ..NamespaceOption::default()
        };
        PodSandboxConfig {
            metadata: Some(PodSandboxMetadata {
                name: name.clone(),
                uid: uid.clone(),
                namespace: "suite".to_owned(),
                attempt: 0,
            }),
            hostname: name.clone(),
            log_directory: self.dir.join("logs").join(&uid).to_string_lossy().into_owned(),
            labels: [(LABEL.to_owned(), self.run.clone())].into(),
            linux: Some(LinuxPodSandboxConfig {
                cgroup_parent: format!("{}/{uid}", self.cgroup),
                security_context: Some(LinuxSandboxSecurityContext {
                    namespace_options: Some(options),
                    ..LinuxSandboxSecurityContext::default()
                }),
                ..LinuxPodSandboxConfig::default()
            }),
            ..PodSandboxConfig::default()
        }
    }

    /// Runs a sandbox.
    pub async fn pod(&self) -> Result<Pod<'_>> {
        self.pod_with(|_| ()).await
    }

    /// Runs a sandbox whose configuration is changed first.
    pub async fn pod_with(&self, change: impl FnOnce(&mut PodSandboxConfig)) -> Result<Pod<'_>> {
        let mut config = self.sandbox();
        change(&mut config);
        std::fs::create_dir_all(&config.log_directory)?;
        let request =
            RunPodSandboxRequest { config: Some(config.clone()), ..RunPodSandboxRequest::default() };
        let id = self.probe.run_pod_sandbox(request).await.context("run a sandbox")?.pod_sandbox_id;
        Ok(Pod { world: self, id, config })
    }

    /// A container's state, with its verbose information.
    pub async fn status(&self, container: &str) -> Result<ContainerStatus> {
        let request = ContainerStatusRequest { container_id: container.to_owned(), verbose: true };
        self.probe.container_status(request).await?.status.context("a status without status")
    }

    /// Waits until a container has ended.
    pub async fn ended(&self, container: &str) -> Result<ContainerStatus> {
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            let status = self.status(container).await?;
            if status.state == ContainerState::ContainerExited as i32 {
                return Ok(status);
            }
            corten_rt::sleep(Duration::from_millis(20)).await;
        }
        bail!("the container did not end within {PATIENCE:?}")
    }

    /// Stops a container within `grace` seconds.
    pub async fn stop(&self, container: &str, grace: i64) -> Result<()> {
        let request = StopContainerRequest { container_id: container.to_owned(), timeout: grace };
        self.probe.stop_container(request).await?;
        Ok(())
    }

    /// What a shell prints in a container, both streams, and its exit code.
    pub async fn exec(&self, container: &str, script: &str) -> Result<(String, i32)> {
        let request = ExecSyncRequest {
            container_id: container.to_owned(),
            cmd: ["sh", "-c", script].map(str::to_owned).to_vec(),
            timeout: 10,
        };
        let reply = self.probe.exec_sync(request).await.with_context(|| format!("exec {script}"))?;
        let text = [reply.stdout, reply.stderr].concat();
        Ok((String::from_utf8_lossy(&text).trim_end().to_owned(), reply.exit_code))
    }

    /// Removes all sandboxes of this run.
    pub async fn clean(&self) -> Result<()> {
        let filter = PodSandboxFilter {
            label_selector: [(LABEL.to_owned(), self.run.clone())].into(),
            ..PodSandboxFilter::default()
        };
        let list =
            self.probe.client().list_pod_sandbox(ListPodSandboxRequest { filter: Some(filter) }).await?;
        for sandbox in list.items {
            let pod_sandbox_id = sandbox.id;
            let stop = StopPodSandboxRequest { pod_sandbox_id: pod_sandbox_id.clone() };
            self.probe.stop_pod_sandbox(stop).await.context("stop a sandbox")?;
            self.probe
                .remove_pod_sandbox(RemovePodSandboxRequest { pod_sandbox_id })
                .await
                .context("remove a sandbox")?;
        }
        Ok(())
    }
}

impl Pod<'_> {
    /// Creates a container of the plain image that sleeps, unless `change` says otherwise.
    pub async fn create(&self, change: impl FnOnce(&mut ContainerConfig)) -> Result<String> {
        let mut config = ContainerConfig {
            metadata: Some(ContainerMetadata { name: format!("c-{}", self.world.number()), attempt: 0 }),
            image: Some(self.world.image("plain").await?),
            linux: Some(LinuxContainerConfig {
                security_context: Some(LinuxContainerSecurityContext {
                    namespace_options: Some(NamespaceOption {
                        pid: NamespaceMode::Container as i32,
                        ..NamespaceOption::default()
                    }),
                    ..LinuxContainerSecurityContext::default()
                }),
                ..LinuxContainerConfig::default()
            }),
            ..ContainerConfig::default()
        };
        if let Some(metadata) = &config.metadata {
            config.log_path = format!("{}.log", metadata.name);
        }
        change(&mut config);
        let request = CreateContainerRequest {
            pod_sandbox_id: self.id.clone(),
            config: Some(config),
            sandbox_config: Some(self.config.clone()),
        };
        let reply = self.world.probe.create_container(request).await.context("create a container")?;
        Ok(reply.container_id)
    }

    /// Creates and starts a container.
    pub async fn start(&self, change: impl FnOnce(&mut ContainerConfig)) -> Result<String> {
        let id = self.create(change).await?;
        let request = StartContainerRequest { container_id: id.clone() };
        self.world.probe.start_container(request).await.context("start a container")?;
        Ok(id)
    }

    /// Runs a shell script as a container to its end: its status and log.
    pub async fn run(
        &self,
        script: &str,
        change: impl FnOnce(&mut ContainerConfig),
    ) -> Result<(ContainerStatus, String)> {
        let id = self
            .start(|config| {
                config.command = ["sh", "-c", script].map(str::to_owned).to_vec();
                change(config);
            })
            .await?;
        let status = self.world.ended(&id).await?;
        let log = text_of(Path::new(&status.log_path))?;
        Ok((status, log))
    }

    /// What a script prints, ended well.
    pub async fn output(&self, script: &str, change: impl FnOnce(&mut ContainerConfig)) -> Result<String> {
        let (status, log) = self.run(script, change).await?;
        if status.exit_code != 0 {
            bail!("{script}: exit code {}, {log:?}", status.exit_code);
        }
        Ok(log)
    }
}

/// The container's security context, made if it is not there.
pub fn security(config: &mut ContainerConfig) -> &mut LinuxContainerSecurityContext {
    linux(config).security_context.get_or_insert_default()
}

/// The container's limits, made if they are not there.
pub fn resources(config: &mut ContainerConfig) -> &mut LinuxContainerResources {
    linux(config).resources.get_or_insert_default()
}

fn linux(config: &mut ContainerConfig) -> &mut LinuxContainerConfig {
    config.linux.get_or_insert_default()
}

/// The text of a log in CRI's format, without its last newline.
pub fn text_of(log: &Path) -> Result<String> {
    let raw = std::fs::read_to_string(log).with_context(|| format!("read {}", log.display()))?;
    let mut text = String::new();
    // A line may come in parts, and the other stream's lines between them.
    let mut begun = std::collections::HashMap::<String, String>::new();
    for line in raw.lines() {
        let mut words = line.splitn(4, ' ');
        let (time, stream, tag) = (words.next(), words.next(), words.next());
        let known = matches!(stream, Some("stdout" | "stderr")) && matches!(tag, Some("F" | "P"));
        if !known || time.is_none_or(|t| !t.contains('T')) {
            bail!("no log line: {line:?}");
        }
        let part = begun.entry(stream.unwrap_or_default().to_owned()).or_default();
        part.push_str(words.next().unwrap_or_default());
        if tag == Some("F") {
            text.push_str(&std::mem::take(part));
            text.push('\n');
        }
    }
    begun.values().for_each(|part| text.push_str(part));
    Ok(text.trim_end_matches('\n').to_owned())
}

/// Fails with both values unless they are equal.
pub fn same<T: PartialEq + std::fmt::Debug>(what: &str, got: T, want: T) -> Result<()> {
    if got == want { Ok(()) } else { bail!("{what}: {got:?}, not {want:?}") }
}
