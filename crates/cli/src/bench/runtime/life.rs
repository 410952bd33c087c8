//! A pod's life through CRI: sandbox, container, an exec, stop, removal.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use corten_node_api::CriClient;
use corten_node_api::cri::{
    ContainerConfig, ContainerMetadata, CreateContainerRequest, ExecSyncRequest, ImageSpec,
    LinuxContainerConfig, LinuxPodSandboxConfig, ListPodSandboxRequest, PodSandboxConfig, PodSandboxFilter,
    PodSandboxMetadata, RemovePodSandboxRequest, RunPodSandboxRequest, StartContainerRequest,
    StopContainerRequest, StopPodSandboxRequest,
};
use corten_rt::{Instant, Tasks};
use parking_lot::Mutex;

/// By this label our pods are found again.
const LABEL: &str = "corten-bench";
/// Ends at once when it is told to.
const SCRIPT: &str = "trap 'exit 0' TERM; sleep 3600 & wait";
/// Seconds of grace; never reached by an obedient process.
const GRACE: i64 = 10;

/// The pods of one runtime.
pub struct Pods {
    client: CriClient,
    image: String,
    parent: String,
    run: String,
    next: AtomicUsize,
}

/// A pod that runs.
pub struct Pod {
    sandbox: String,
    container: String,
    logs: String,
}

/// How long one life's parts took.
pub struct Lifetime {
    sandbox: Duration,
    container: Duration,
    exec: Duration,
    stop: Duration,
    remove: Duration,
}

/// The same of many.
#[derive(Default)]
pub struct Lifetimes {
    pub sandbox: Vec<Duration>,
    pub container: Vec<Duration>,
    pub pod: Vec<Duration>,
    pub exec: Vec<Duration>,
    pub stop: Vec<Duration>,
    pub remove: Vec<Duration>,
    pub end: Vec<Duration>,
}

impl Lifetimes {
    /// Adds one life.
    pub fn add(&mut self, one: &Lifetime) {
        self.sandbox.push(one.sandbox);
        self.container.push(one.container);
        self.pod.push(one.sandbox + one.container);
        self.exec.push(one.exec);
        self.stop.push(one.stop);
        self.remove.push(one.remove);
        self.end.push(one.stop + one.remove);
    }
}

/// Pods that were started together.
pub struct Started {
    pub pods: Vec<Pod>,
    pub wall: Duration,
}

impl Pods {
    /// Pods of `image` in cgroups below `parent`.
    pub fn new(client: CriClient, image: &str, parent: &str) -> Result<Self> {
        Ok(Pods {
            client,
            image: image.to_owned(),
            parent: parent.to_owned(),
            run: corten_rt::random::name_suffix(8),
            next: AtomicUsize::new(0),
        })
    }

    /// One whole life.
    pub async fn live(&self) -> Result<Lifetime> {
        let (pod, sandbox, container) = self.start().await?;
        let began = Instant::now();
        let cmd = vec!["/bin/true".to_owned()];
        let request = ExecSyncRequest { container_id: pod.container.clone(), cmd, timeout: 10 };
        let reply = self.client.exec_sync(request).await.context("exec")?;
        if reply.exit_code != 0 {
            bail!("exec of /bin/true ended with {}", reply.exit_code);
        }
        let exec = began.elapsed();
        let (stop, remove) = self.end(&pod).await?;
        Ok(Lifetime { sandbox, container, exec, stop, remove })
    }

    async fn start(&self) -> Result<(Pod, Duration, Duration)> {
        let config = self.config();
        let logs = config.log_directory.clone();
        let began = Instant::now();
        let request =
            RunPodSandboxRequest { config: Some(config.clone()), ..RunPodSandboxRequest::default() };
        let sandbox = self.client.run_pod_sandbox(request).await.context("run a sandbox")?.pod_sandbox_id;
        let made = began.elapsed();
        let request = CreateContainerRequest {
            pod_sandbox_id: sandbox.clone(),
            config: Some(self.container()),
            sandbox_config: Some(config),
        };
        let container =
            self.client.create_container(request).await.context("create a container")?.container_id;
        let request = StartContainerRequest { container_id: container.clone() };
        self.client.start_container(request).await.context("start a container")?;
        Ok((Pod { sandbox, container, logs }, made, began.elapsed() - made))
    }

    async fn end(&self, pod: &Pod) -> Result<(Duration, Duration)> {
        let began = Instant::now();
        let request = StopContainerRequest { container_id: pod.container.clone(), timeout: GRACE };
        self.client.stop_container(request).await.context("stop a container")?;
        let stopped = began.elapsed();
        self.remove(pod.sandbox.clone()).await?;
        let ended = began.elapsed();
        // The logs are the client's to remove.
        let _ = std::fs::remove_dir_all(&pod.logs);
        Ok((stopped, ended - stopped))
    }

    async fn remove(&self, id: String) -> Result<()> {
        let request = StopPodSandboxRequest { pod_sandbox_id: id.clone() };
        self.client.stop_pod_sandbox(request).await.context("stop a sandbox")?;
        let request = RemovePodSandboxRequest { pod_sandbox_id: id };
        self.client.remove_pod_sandbox(request).await.context("remove a sandbox")?;
        Ok(())
    }

    /// Starts `count` pods, `parallel` at a time.
    pub async fn start_many(
        self: Arc<Self>,
        count: usize,
        parallel: usize,
        tasks: &Tasks,
    ) -> Result<Started> {
        let began = Instant::now();
        let left = Arc::new(AtomicUsize::new(count));
        let pods = Arc::new(Mutex::new(Vec::with_capacity(count)));
        let (own, all) = (self, pods.clone());
        in_parallel(parallel, tasks, move || {
            let (own, all, left) = (own.clone(), all.clone(), left.clone());
            async move {
                while take_one(&left) {
                    let (pod, ..) = own.start().await?;
                    all.lock().push(pod);
                }
                Ok(())
            }
        })
        .await?;
        let wall = began.elapsed();
        let pods = std::mem::take(&mut *pods.lock());
        Ok(Started { pods, wall })
    }

    /// Ends pods, `parallel` at a time.
    pub async fn end_many(self: Arc<Self>, pods: Vec<Pod>, parallel: usize, tasks: &Tasks) -> Result<()> {
        let left = Arc::new(Mutex::new(pods));
        in_parallel(parallel, tasks, move || {
            let (own, left) = (self.clone(), left.clone());
            async move {
                loop {
                    let next = left.lock().pop();
                    let Some(pod) = next else { return Ok(()) };
                    own.end(&pod).await?;
                }
            }
        })
        .await
    }

    /// Removes what a broken run left; what cannot be removed is told.
    pub async fn clean(&self) {
        let labels = [(LABEL.to_owned(), self.run.clone())].into();
        let filter = PodSandboxFilter { label_selector: labels, ..PodSandboxFilter::default() };
        let Ok(found) = self.client.list_pod_sandbox(ListPodSandboxRequest { filter: Some(filter) }).await
        else {
            return;
        };
        for sandbox in found.items {
            if let Err(error) = self.remove(sandbox.id.clone()).await {
                tracing::warn!(sandbox = sandbox.id, "left behind: {error:#}");
            }
        }
    }

    fn config(&self) -> PodSandboxConfig {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let uid = format!("{}-{number}", self.run);
        PodSandboxConfig {
            metadata: Some(PodSandboxMetadata {
                name: format!("bench-{number}"),
                namespace: "bench".to_owned(),
                attempt: 0,
                uid: uid.clone(),
            }),
            hostname: format!("bench-{number}"),
            log_directory: std::env::temp_dir()
                .join(format!("corten-bench-{uid}"))
                .to_string_lossy()
                .into_owned(),
            labels: [(LABEL.to_owned(), self.run.clone())].into(),
            linux: Some(LinuxPodSandboxConfig {
                cgroup_parent: format!("{}/{uid}", self.parent),
                ..LinuxPodSandboxConfig::default()
            }),
            ..PodSandboxConfig::default()
        }
    }

    fn container(&self) -> ContainerConfig {
        ContainerConfig {
            metadata: Some(ContainerMetadata { name: "main".to_owned(), attempt: 0 }),
            image: Some(ImageSpec { image: self.image.clone(), ..ImageSpec::default() }),
            command: ["/bin/sh", "-c", SCRIPT].map(str::to_owned).to_vec(),
            log_path: "main.log".to_owned(),
            linux: Some(LinuxContainerConfig::default()),
            ..ContainerConfig::default()
        }
    }
}

/// Takes one of what is left.
fn take_one(left: &AtomicUsize) -> bool {
    left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1)).is_ok()
}

/// Runs `workers` futures at a time and waits for all; the first error is the answer.
async fn in_parallel<F>(workers: usize, tasks: &Tasks, work: impl Fn() -> F) -> Result<()>
where
    F: Future<Output = Result<()>> + Send + 'static,
{
    let (ended, mut results) = tokio::sync::mpsc::channel(workers);
    for _ in 0..workers {
        let (worker, ended) = (work(), ended.clone());
        tasks.spawn("bench worker", async move {
            let _ = ended.send(worker.await).await;
        });
    }
    drop(ended);
    let mut outcome = Ok(());
    while let Some(result) = results.recv().await {
        outcome = outcome.and(result);
    }
    outcome
}
