//! The containerd of a node: started by us in our own data directory, watched over, and started again when
//! it ends. Containers go on running without it, and without us.

use anyhow::{Context, Result, bail};
use corten_node_api::cri::{ImageSpec, ImageStatusRequest};
use corten_node_api::{CriClient, CriConfig};
use corten_rt::{Backoff, Stop, Tasks};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::{Child, Command};

/// A running containerd, or the socket of one that somebody else runs.
#[derive(Clone)]
pub struct Containerd {
    socket: PathBuf,
    client: CriClient,
}

/// Where everything of it is, below the node's data directory.
#[derive(Clone, Debug)]
pub struct Layout {
    pub root: PathBuf,
}

impl Layout {
    /// Below `data_dir`.
    pub fn new(data_dir: &Path) -> Self {
        Layout { root: data_dir.join("containerd") }
    }

    /// The directory of CNI plugins, and the socket by which they reach us.
    pub fn plugins(&self) -> PathBuf {
        self.root.join("cni/bin")
    }

    fn cni_config(&self) -> PathBuf {
        self.root.join("cni/conf")
    }

    /// Where it serves CRI and its own API.
    pub fn socket(&self) -> PathBuf {
        self.root.join("containerd.sock")
    }

    /// The process id of the containerd that we started.
    pub fn pid_file(&self) -> PathBuf {
        self.root.join("containerd.pid")
    }

    /// Where a registry's mirrors are configured, in containerd's own `hosts.toml` form.
    pub fn registries(&self) -> PathBuf {
        self.root.join("registries")
    }

    fn config(&self) -> String {
        let path = |p: PathBuf| serde_json::Value::from(p.to_string_lossy().into_owned()).to_string();
        let (root, state) = (path(self.root.join("root")), path(self.root.join("state")));
        let (socket, bin, conf) = (path(self.socket()), path(self.plugins()), path(self.cni_config()));
        let (registries, opt, pause) =
            (path(self.registries()), path(self.root.join("opt")), crate::images::PAUSE);
        format!(
            r#"version = 2
root = {root}
state = {state}
disabled_plugins = ["io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs", "io.containerd.tracing.processor.v1.otlp", "io.containerd.internal.v1.tracing"]
[grpc]
address = {socket}
[plugins."io.containerd.internal.v1.opt"]
path = {opt}
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{pause}"
restrict_oom_score_adj = true
stream_server_address = "127.0.0.1"
stream_server_port = "0"
netns_mounts_under_state_dir = true
disable_tcp_service = true
[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "overlayfs"
default_runtime_name = "runc"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
SystemdCgroup = false
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = {bin}
conf_dir = {conf}
[plugins."io.containerd.grpc.v1.cri".registry]
config_path = {registries}
"#
        )
    }
}

impl Containerd {
    /// Uses a runtime that runs already.
    pub fn external(endpoint: &str) -> Result<Self> {
        let client = CriClient::new(&CriConfig::new(endpoint)).context("the runtime's endpoint")?;
        let socket = PathBuf::from(endpoint.trim_start_matches("unix://"));
        Ok(Containerd { socket, client })
    }

    /// Starts a containerd of our own, or finds the one that an earlier process of ours left running, and
    /// keeps it running.
    pub async fn start(layout: &Layout, tasks: &Tasks) -> Result<Self> {
        std::fs::create_dir_all(&layout.root)?;
        std::fs::create_dir_all(layout.registries())?;
        corten_kubelet::cni::install(&layout.plugins(), &layout.cni_config())
            .context("install the network plugins")?;
        let config = layout.root.join("config.toml");
        std::fs::write(&config, layout.config()).with_context(|| format!("write {}", config.display()))?;
        let endpoint = format!("unix://{}", layout.socket().display());
        let started =
            Containerd { socket: layout.socket(), client: CriClient::new(&CriConfig::new(endpoint))? };
        let child = if started.answers().await { None } else { Some(spawn(layout)?) };
        started.wait().await?;
        let (watched, layout, stop) = (started.clone(), layout.clone(), tasks.stop().clone());
        tasks.spawn("containerd", async move { watched.watch(layout, child, stop).await });
        Ok(started)
    }

    /// The CRI client.
    pub fn client(&self) -> CriClient {
        self.client.clone()
    }

    async fn answers(&self) -> bool {
        if !self.socket.exists() {
            return false;
        }
        let status = corten_node_api::cri::StatusRequest { verbose: false };
        matches!(
            corten_rt::timeout(Duration::from_millis(500), self.client.status(status)).await,
            Some(Ok(_))
        )
    }

    async fn wait(&self) -> Result<()> {
        for _ in 0..1500 {
            if self.answers().await {
                return Ok(());
            }
            corten_rt::sleep(Duration::from_millis(10)).await;
        }
        bail!("containerd did not answer on {} within 15 s; its log is beside it", self.socket.display())
    }

    /// Starts containerd again whenever it ends, until we are to stop. Then it is left running, so that
    /// containers stay under its care; `corten reset` ends it.
    async fn watch(self, layout: Layout, mut child: Option<Child>, stop: Stop) {
        let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(10));
        loop {
            let ended = async {
                match &mut child {
                    Some(child) => drop(child.wait().await),
                    None => self.until_silent().await,
                }
            };
            if stop.run(ended).await.is_none() {
                return;
            }
            tracing::warn!("containerd ended, starting it again");
            if stop.run(corten_rt::sleep(backoff.step())).await.is_none() {
                return;
            }
            match spawn(&layout) {
                Ok(started) => child = Some(started),
                Err(error) => tracing::error!(%error, "containerd could not be started"),
            }
        }
    }

    /// Of a containerd that an earlier process started only its silence can be noticed.
    async fn until_silent(&self) {
        loop {
            corten_rt::sleep(Duration::from_secs(5)).await;
            if !self.answers().await {
                return;
            }
        }
    }

    /// Whether the runtime has an image of this name.
    pub async fn has_image(&self, name: &str) -> Result<bool> {
        let image = ImageSpec { image: name.into(), ..ImageSpec::default() };
        let reply =
            self.client.image_status(ImageStatusRequest { image: Some(image), verbose: false }).await?;
        Ok(reply.image.is_some())
    }

    /// Imports an OCI or Docker archive.
    pub async fn import(&self, file: &Path) -> Result<()> {
        let output = Command::new("ctr")
            .args([
                "--address",
                &self.socket.to_string_lossy(),
                "-n",
                "k8s.io",
                "images",
                "import",
                "--all-platforms",
            ])
            .arg(file)
            .output()
            .await
            .context("run ctr, which comes with containerd")?;
        if !output.status.success() {
            bail!("import {}: {}", file.display(), String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(())
    }
}

fn spawn(layout: &Layout) -> Result<Child> {
    let log = std::fs::File::options().create(true).append(true).open(layout.root.join("containerd.log"))?;
    let child = Command::new("containerd")
        .arg("--config")
        .arg(layout.root.join("config.toml"))
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        // In a group of its own: what the terminal sends us is not meant for it.
        .process_group(0)
        .kill_on_drop(false)
        .spawn()
        .context("start containerd: apt-get install containerd runc")?;
    if let Some(pid) = child.id() {
        std::fs::write(layout.pid_file(), pid.to_string())?;
    }
    Ok(child)
}
