//! The runtime itself: what all its operations share.

use crate::events::Events;
use crate::images::Images;
use crate::network::SandboxNetwork;
use crate::record::Places;
use crate::spec::{HostFiles, Machine, Refusal, seccomp};
use crate::stats::Samples;
use crate::streams::Streams;
use crate::table::Table;
use corten_rt::{Clock, Tasks};
use corten_sys::cgroups::Cgroups;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use tonic::Status;

/// What a runtime is made of.
pub struct RuntimeConfig {
    /// Where pods' directories are; made if it is missing. It belongs to one process.
    pub root: PathBuf,
    /// The supervisors' executable.
    pub supervisor: PathBuf,
    /// The node's images.
    pub images: Images,
    /// What gives sandboxes their interfaces.
    pub network: Arc<dyn SandboxNetwork>,
    /// The machine's control groups.
    pub cgroups: Arc<dyn Cgroups>,
    /// The version that clients are told.
    pub version: String,
}

/// The container runtime. Clones share everything.
#[derive(Clone)]
pub struct Runtime {
    pub(crate) shared: Arc<Shared>,
}

/// What clones share.
pub struct Shared {
    pub(crate) places: Places,
    pub(crate) supervisor: PathBuf,
    pub(crate) images: Images,
    pub(crate) network: Arc<dyn SandboxNetwork>,
    pub(crate) cgroups: Arc<dyn Cgroups>,
    pub(crate) version: String,
    pub(crate) machine: Machine,
    pub(crate) files: HostFiles,
    pub(crate) filters: seccomp::Filters,
    pub(crate) table: Table,
    pub(crate) events: Events,
    pub(crate) samples: Samples,
    pub(crate) streams: Streams,
    pub(crate) clock: Clock,
    pub(crate) tasks: Tasks,
}

impl std::ops::Deref for Runtime {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.shared
    }
}

/// Why a runtime does not come up.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A directory cannot be used.
    #[error("open the runtime's directory {}: {error}", dir.display())]
    Directory {
        /// Which.
        dir: PathBuf,
        /// The kernel's answer.
        error: std::io::Error,
    },
    /// The machine's facts cannot be found out.
    #[error("look at the machine: {0}")]
    Machine(#[from] Refusal),
    /// The streaming server has no port.
    #[error("listen for exec, attach and port-forward on 127.0.0.1: {0}")]
    Streams(std::io::Error),
}

impl Runtime {
    /// Opens the runtime: finds the pods that run, and cleans up after those that no longer do. Everything it
    /// starts ends with `tasks`, but pods.
    pub async fn open(config: RuntimeConfig, tasks: &Tasks) -> Result<Runtime, OpenError> {
        let places = Places::open(&config.root)
            .map_err(|error| OpenError::Directory { dir: config.root.clone(), error })?;
        let streams = Streams::listen().await.map_err(OpenError::Streams)?;
        let shared = Shared {
            places,
            supervisor: config.supervisor,
            images: config.images,
            network: config.network,
            cgroups: config.cgroups,
            version: config.version,
            machine: Machine::detect()?,
            files: HostFiles,
            filters: seccomp::Filters::default(),
            table: Table::default(),
            events: Events::default(),
            samples: Samples::default(),
            streams,
            clock: Clock::system(),
            tasks: tasks.clone(),
        };
        let runtime = Runtime { shared: Arc::new(shared) };
        runtime.recover().await;
        runtime.serve_streams();
        Ok(runtime)
    }

    /// The short names of the layers that containers stand on.
    pub fn layers_in_use(&self) -> BTreeSet<String> {
        self.table.containers().iter().flat_map(|c| c.record.lock().layers.clone()).collect()
    }

    /// Now, in nanoseconds since 1970.
    pub(crate) fn now(&self) -> i64 {
        i64::try_from(self.clock.now().as_nanosecond()).unwrap_or(i64::MAX)
    }

    /// Does work that changes pods, to its end even if nobody waits for it any more: a caller's patience must
    /// not leave half a pod behind.
    pub(crate) async fn to_the_end<T, F>(&self, name: &'static str, work: F) -> Result<T, Status>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Status>> + Send + 'static,
    {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        self.tasks.spawn(name, async move {
            let _ = sender.send(work.await);
        });
        receiver.await.unwrap_or_else(|_| Err(Status::internal(format!("{name} broke; see the log"))))
    }
}

/// How much of that is done at the same time: more threads would not make a burst of pods faster, but each
/// keeps memory of its own.
const AT_ONCE: usize = 8;
static ROOM: tokio::sync::Semaphore = tokio::sync::Semaphore::const_new(AT_ONCE);

/// Does what blocks for longer than moments.
pub(crate) async fn blocking<T, F>(work: F) -> Result<T, Status>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T, Status> + Send + 'static,
{
    let _room = ROOM.acquire().await;
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(Status::internal(format!("the work broke: {error}"))))
}

/// An error of the machine, in CRI's terms.
pub(crate) fn internal(what: impl std::fmt::Display) -> impl FnOnce(std::io::Error) -> Status {
    move |error| {
        let code = match error.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
                tonic::Code::ResourceExhausted
            }
            _ => tonic::Code::Internal,
        };
        Status::new(code, format!("{what}: {error}"))
    }
}

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Status {
        let message = refusal.to_string();
        match refusal {
            Refusal::InvalidArgument(_) => Status::invalid_argument(message),
            Refusal::NotFound(_) => Status::not_found(message),
            Refusal::FailedPrecondition(_) => Status::failed_precondition(message),
            Refusal::Internal(_) => Status::internal(message),
        }
    }
}
