//! A runtime of a test's own: its directory, its control groups, an image made of the machine's busybox.

use corten_node_api::CriClient;
use corten_node_api::cri::*;
use corten_rt::{Clock, Stop, Tasks};
use corten_runtime::images::{ImageService, Images, ImagesConfig};
use corten_runtime::network::NoNetwork;
use corten_runtime::{Runtime, RuntimeConfig, supervisor_binary};
use corten_sys::cgroups::{Cgroups, KernelCgroups};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// The image that tests run.
pub const IMAGE: &str = "corten.test/busybox:1";

static COUNT: AtomicU32 = AtomicU32::new(0);

/// A runtime and all it needs.
pub struct World {
    dir: tempfile::TempDir,
    pub cgroup: String,
    pub cri: CriClient,
    tasks: Tasks,
}

/// A world, or none where the machine lacks what it takes.
pub async fn world() -> Option<World> {
    if !corten_sys::is_root() || !Path::new("/bin/busybox").exists() {
        eprintln!("skipped: needs root and /bin/busybox (apt-get install busybox-static)");
        return None;
    }
    let dir = tempfile::tempdir().expect("directory");
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let cgroup = format!("/corten-test-runtime-{}-{number}", std::process::id());
    let (cri, tasks) = open(dir.path()).await;
    let world = World { dir, cgroup, cri, tasks };
    Some(world)
}

async fn open(dir: &Path) -> (CriClient, Tasks) {
    let tasks = Tasks::new(Stop::new());
    let images =
        Images::open(ImagesConfig { root: dir.join("images"), ..Default::default() }).expect("images");
    if images.resolve(IMAGE).is_none() {
        let archive = dir.join("busybox.tar");
        write_image(&archive);
        images.import(&archive).await.expect("imported");
    }
    let config = RuntimeConfig {
        root: dir.join("runtime"),
        supervisor: supervisor_binary::install(dir).expect("supervisor"),
        images: images.clone(),
        network: Arc::new(NoNetwork),
        cgroups: Arc::new(KernelCgroups::detect().expect("cgroups")),
        version: "test".into(),
    };
    let runtime = Runtime::open(config, &tasks).await.expect("open");
    let asked = runtime.clone();
    let service = ImageService::new(images, Arc::new(move || asked.layers_in_use()), Clock::system());
    (CriClient::local(Arc::new(runtime), Arc::new(service)), tasks)
}

impl World {
    /// Ends the runtime as an upgrade does, and starts another on what it left.
    pub async fn restart(&mut self) {
        assert!(self.tasks.shutdown(Duration::from_secs(10)).await, "everything ends in time");
        (self.cri, self.tasks) = open(self.dir.path()).await;
    }

    /// Ends the runtime; only what it started goes on.
    pub async fn stop(&self) {
        assert!(self.tasks.shutdown(Duration::from_secs(10)).await, "everything ends in time");
    }

    /// Starts another.
    pub async fn start(&mut self) {
        (self.cri, self.tasks) = open(self.dir.path()).await;
    }

    /// Where pods' directories are.
    pub fn pods(&self) -> PathBuf {
        self.dir.path().join("runtime/pods")
    }

    /// What a sandbox of this name is made by.
    pub fn pod(&self, name: &str) -> PodSandboxConfig {
        PodSandboxConfig {
            metadata: Some(PodSandboxMetadata {
                name: name.into(),
                uid: format!("uid-{name}"),
                namespace: "test".into(),
                attempt: 0,
            }),
            hostname: name.into(),
            log_directory: self.dir.path().join("logs").join(name).to_string_lossy().into_owned(),
            labels: [("app".to_owned(), name.to_owned())].into(),
            linux: Some(LinuxPodSandboxConfig {
                cgroup_parent: format!("{}/pod{name}", self.cgroup),
                security_context: Some(LinuxSandboxSecurityContext {
                    namespace_options: Some(NamespaceOption {
                        pid: NamespaceMode::Container as i32,
                        ..Default::default()
                    }),
                    ..Default::default()
                }),
                ..Default::default()
            }),
            ..Default::default()
        }
    }

    /// What a container is made by that runs a line of shell.
    pub fn shell(&self, name: &str, script: &str) -> ContainerConfig {
        ContainerConfig {
            metadata: Some(ContainerMetadata { name: name.into(), attempt: 0 }),
            image: Some(ImageSpec { image: IMAGE.into(), ..Default::default() }),
            command: ["/bin/sh", "-c", script].map(str::to_owned).to_vec(),
            log_path: format!("{name}.log"),
            linux: Some(LinuxContainerConfig {
                resources: Some(LinuxContainerResources {
                    memory_limit_in_bytes: 64 << 20,
                    ..Default::default()
                }),
                security_context: Some(LinuxContainerSecurityContext {
                    namespace_options: Some(NamespaceOption {
                        pid: NamespaceMode::Container as i32,
                        ..Default::default()
                    }),
                    ..Default::default()
                }),
            }),
            ..Default::default()
        }
    }

    /// Makes a sandbox.
    pub async fn run(&self, config: PodSandboxConfig) -> String {
        let request = RunPodSandboxRequest { config: Some(config), ..Default::default() };
        self.cri.run_pod_sandbox(request).await.expect("sandbox").pod_sandbox_id
    }

    /// Creates a container.
    pub async fn create(&self, sandbox: &str, config: ContainerConfig) -> String {
        let request = CreateContainerRequest {
            pod_sandbox_id: sandbox.into(),
            config: Some(config),
            sandbox_config: None,
        };
        self.cri.create_container(request).await.expect("created").container_id
    }

    /// Creates and starts a container.
    pub async fn launch(&self, sandbox: &str, config: ContainerConfig) -> String {
        let container_id = self.create(sandbox, config).await;
        let request = StartContainerRequest { container_id: container_id.clone() };
        self.cri.start_container(request).await.expect("started");
        container_id
    }

    /// A container's status.
    pub async fn status(&self, id: &str) -> ContainerStatus {
        let request = ContainerStatusRequest { container_id: id.into(), verbose: false };
        self.cri.container_status(request).await.expect("status").status.expect("a status")
    }

    /// A sandbox's status.
    pub async fn sandbox(&self, id: &str) -> PodSandboxStatus {
        let request = PodSandboxStatusRequest { pod_sandbox_id: id.into(), verbose: true };
        self.cri.pod_sandbox_status(request).await.expect("status").status.expect("a status")
    }

    /// A sandbox's supervisor.
    pub async fn supervisor(&self, id: &str) -> i32 {
        let request = PodSandboxStatusRequest { pod_sandbox_id: id.into(), verbose: true };
        let info = self.cri.pod_sandbox_status(request).await.expect("status").info;
        let info: serde_json::Value = serde_json::from_str(&info["info"]).expect("JSON");
        info["pid"].as_i64().expect("a pid") as i32
    }

    /// Waits until a container has ended.
    pub async fn ended(&self, id: &str) -> ContainerStatus {
        let waiting = async {
            loop {
                let status = self.status(id).await;
                if status.state == ContainerState::ContainerExited as i32 {
                    return status;
                }
                corten_rt::sleep(Duration::from_millis(10)).await;
            }
        };
        corten_rt::timeout(Duration::from_secs(20), waiting).await.expect("it ends")
    }

    /// Runs a command in a container: its exit code and output.
    pub async fn exec(&self, id: &str, script: &str) -> (i32, String) {
        let cmd = ["/bin/sh", "-c", script].map(str::to_owned).to_vec();
        let request = ExecSyncRequest { container_id: id.into(), cmd, timeout: 10 };
        let reply = self.cri.exec_sync(request).await.expect("exec");
        (reply.exit_code, String::from_utf8_lossy(&reply.stdout).trim().to_owned())
    }

    /// A container's log.
    pub fn log(&self, pod: &str, container: &str) -> String {
        let file = self.dir.path().join("logs").join(pod).join(format!("{container}.log"));
        std::fs::read_to_string(file).unwrap_or_default()
    }

    /// Stops and removes a sandbox.
    pub async fn remove(&self, id: &str) {
        let stop = StopPodSandboxRequest { pod_sandbox_id: id.into() };
        self.cri.stop_pod_sandbox(stop).await.expect("stopped");
        let remove = RemovePodSandboxRequest { pod_sandbox_id: id.into() };
        self.cri.remove_pod_sandbox(remove).await.expect("removed");
    }

    /// What is left of pods: directories, control groups, processes in them, and mounts.
    pub fn leftovers(&self) -> Vec<String> {
        let mut left: Vec<String> = std::fs::read_dir(self.pods())
            .into_iter()
            .flatten()
            .flatten()
            .map(|e| e.path().display().to_string())
            .collect();
        let cgroups = KernelCgroups::detect().expect("cgroups");
        for pod in cgroups.children(&self.cgroup).expect("children") {
            let path = format!("{}/{pod}", self.cgroup);
            let groups = cgroups.children(&path).expect("children");
            left.extend(groups.into_iter().map(|group| format!("cgroup {path}/{group}")));
        }
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").expect("mounts");
        let dir = self.dir.path().display().to_string();
        left.extend(mounts.lines().filter(|l| l.contains(&dir)).map(str::to_owned));
        left
    }
}

impl Drop for World {
    /// Whatever a failed test leaves.
    fn drop(&mut self) {
        if let Ok(cgroups) = KernelCgroups::detect() {
            let _ = corten_runtime::remove_pods(&self.dir.path().join("runtime"), &cgroups);
            let _ = cgroups.remove(&self.cgroup);
        }
    }
}

/// An archive as `docker save` writes it, of one layer.
fn write_image(target: &Path) {
    let layer = layer();
    let digest = |bytes: &[u8]| Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect::<String>();
    let config = serde_json::json!({
        "architecture": "amd64", "os": "linux",
        "config": {"Env": ["PATH=/bin", "FROM_IMAGE=yes"], "Cmd": ["/bin/sh"], "WorkingDir": "/"},
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{}", digest(&layer))]},
    })
    .to_string();
    let name = format!("{}.json", digest(config.as_bytes()));
    let manifest =
        serde_json::json!([{"Config": name, "RepoTags": [IMAGE], "Layers": ["layer.tar"]}]).to_string();
    let mut archive = tar::Builder::new(std::fs::File::create(target).expect("archive"));
    add(&mut archive, "layer.tar", &layer, 0o644);
    add(&mut archive, &name, config.as_bytes(), 0o644);
    add(&mut archive, "manifest.json", manifest.as_bytes(), 0o644);
    archive.finish().expect("finished");
}

fn layer() -> Vec<u8> {
    let mut layer = tar::Builder::new(Vec::new());
    for dir in ["bin", "etc", "tmp", "proc", "sys", "dev"] {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Directory);
        header.set_mode(0o755);
        header.set_size(0);
        layer.append_data(&mut header, dir, &[][..]).expect("directory");
    }
    add(&mut layer, "bin/busybox", &std::fs::read("/bin/busybox").expect("busybox"), 0o755);
    add(&mut layer, "etc/passwd", b"root:x:0:0:root:/root:/bin/sh\nann:x:1000:1000::/:/bin/sh\n", 0o644);
    add(&mut layer, "etc/group", b"root:x:0:\nann:x:1000:\n", 0o644);
    for applet in
        ["sh", "sleep", "cat", "echo", "true", "id", "ls", "hostname", "dd", "kill", "head", "tty", "stty"]
    {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        layer.append_link(&mut header, format!("bin/{applet}"), "busybox").expect("link");
    }
    layer.into_inner().expect("layer")
}

fn add<W: std::io::Write>(to: &mut tar::Builder<W>, name: &str, bytes: &[u8], mode: u32) {
    let mut header = tar::Header::new_gnu();
    header.set_mode(mode);
    header.set_size(bytes.len() as u64);
    to.append_data(&mut header, name, bytes).expect("appended");
}
