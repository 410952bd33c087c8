//! The node's container runtime: the embedded one, a containerd that we start, or one that somebody else runs.

mod bridge;
pub mod containerd;
pub mod cri;
pub mod embedded;
pub mod images;

use crate::config::{KubeletFlags, RuntimeChoice};
use crate::images::ensure_pause;
use anyhow::{Context, Result};
use containerd::Containerd;
use corten_kubelet::{PullProgress, Pulled};
use corten_node_api::{CriClient, CriConfig};
use corten_rt::Tasks;
use corten_runtime::images::Images;
use corten_runtime::network::SandboxNetwork;
use embedded::Embedded;
use std::path::Path;
use std::sync::Arc;

/// A runtime that runs.
pub enum NodeRuntime {
    /// In this process.
    Embedded(Embedded),
    /// Started by us.
    Containerd(Containerd),
    /// Somebody else's.
    External(CriClient),
}

impl NodeRuntime {
    /// Starts the runtime that the flags choose; `network` is what the embedded one asks for interfaces.
    pub async fn start(
        data_dir: &Path,
        flags: &KubeletFlags,
        network: Arc<dyn SandboxNetwork>,
        tasks: &Tasks,
    ) -> Result<Self> {
        if let Some(endpoint) = &flags.runtime_endpoint {
            let client = CriClient::new(&CriConfig::new(endpoint)).context("the runtime's endpoint")?;
            return Ok(NodeRuntime::External(client));
        }
        match flags.runtime {
            RuntimeChoice::Embedded => {
                let layout = embedded::Layout::new(data_dir);
                Embedded::open(&layout, network, tasks).await.map(NodeRuntime::Embedded)
            }
            RuntimeChoice::Containerd => {
                let containerd = Containerd::start(&containerd::Layout::new(data_dir), tasks).await?;
                ensure_pause(&containerd, data_dir).await?;
                Ok(NodeRuntime::Containerd(containerd))
            }
        }
    }

    /// Who knows how far its pulls are: CRI does not tell, but a runtime in this process does.
    pub fn pull_progress(&self) -> Option<Arc<dyn PullProgress>> {
        match self {
            NodeRuntime::Embedded(embedded) => Some(Arc::new(Pulls(embedded.images().clone()))),
            NodeRuntime::Containerd(_) | NodeRuntime::External(_) => None,
        }
    }

    /// The CRI client.
    pub fn client(&self) -> CriClient {
        match self {
            NodeRuntime::Embedded(embedded) => embedded.client(),
            NodeRuntime::Containerd(containerd) => containerd.client(),
            NodeRuntime::External(client) => client.clone(),
        }
    }
}

/// The pulls of the embedded runtime.
struct Pulls(Images);

impl PullProgress for Pulls {
    fn progress(&self, image: &str) -> Option<Pulled> {
        self.0.progress(image).map(|p| Pulled { fetched: p.fetched, total: p.total })
    }
}
