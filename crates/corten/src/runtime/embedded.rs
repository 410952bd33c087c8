//! The embedded runtime, opened in its place below a data directory and served on sockets there.

use super::images;
use anyhow::{Context, Result};
use corten_node_api::CriClient;
use corten_node_api::cri::image_service_server::ImageServiceServer;
use corten_node_api::cri::runtime_service_server::RuntimeServiceServer;
use corten_rt::{Clock, Tasks};
use corten_runtime::images::{ImageService, Images, ImagesConfig, Registries};
use corten_runtime::network::SandboxNetwork;
use corten_runtime::{Runtime, RuntimeConfig, supervisor_binary};
use corten_sys::cgroups::KernelCgroups;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::net::UnixListener;

/// Where everything of it is.
#[derive(Clone, Debug)]
pub struct Layout {
    data_dir: PathBuf,
}

impl Layout {
    /// Below `data_dir`.
    pub fn new(data_dir: &Path) -> Self {
        Layout { data_dir: data_dir.to_owned() }
    }

    /// Pods and their supervisors' executable.
    pub fn runtime(&self) -> PathBuf {
        self.data_dir.join("runtime")
    }

    /// Images.
    pub fn images(&self) -> PathBuf {
        self.data_dir.join("images")
    }

    /// What a user says about registries.
    pub fn registries(&self) -> PathBuf {
        self.data_dir.join("registries.yaml")
    }

    /// Where CRI is served.
    pub fn socket(&self) -> PathBuf {
        self.runtime().join("cri.sock")
    }

    /// Where `corten image` finds the process.
    pub fn image_socket(&self) -> PathBuf {
        self.runtime().join("images.sock")
    }
}

/// A runtime in this process.
#[derive(Clone)]
pub struct Embedded {
    runtime: Runtime,
    service: Arc<ImageService>,
    images: Images,
}

impl Embedded {
    /// Opens the runtime; finds its pods. It is served on its own socket too, for tools.
    pub async fn open(layout: &Layout, network: Arc<dyn SandboxNetwork>, tasks: &Tasks) -> Result<Self> {
        let (dir, at) = (layout.runtime(), layout.clone());
        let opened = tokio::task::spawn_blocking(move || {
            make_private(&dir)?;
            let supervisor = supervisor_binary::install(&dir).context("unpack the pods' supervisor")?;
            anyhow::Ok((supervisor, open_images(&at)?))
        });
        let (supervisor, images) = opened.await??;
        let config = RuntimeConfig {
            root: layout.runtime(),
            supervisor,
            images: images.clone(),
            network,
            cgroups: Arc::new(KernelCgroups::detect().context("find the cgroup hierarchies")?),
            version: corten_apiserver::http::git_version().trim_start_matches('v').to_owned(),
        };
        let runtime = Runtime::open(config, tasks).await?;
        let asked = runtime.clone();
        let in_use = Arc::new(move || asked.layers_in_use());
        let service = Arc::new(ImageService::new(images.clone(), in_use, Clock::system()));
        let embedded = Embedded { runtime, service, images: images.clone() };
        embedded.serve(&layout.socket(), tasks)?;
        images::serve(&layout.image_socket(), images, tasks)?;
        Ok(embedded)
    }

    /// Its images.
    pub fn images(&self) -> &Images {
        &self.images
    }

    /// A client that calls it directly.
    pub fn client(&self) -> CriClient {
        CriClient::local(Arc::new(self.runtime.clone()), self.service.clone())
    }

    /// Serves CRI on a socket until `tasks` stop.
    pub fn serve(&self, socket: &Path, tasks: &Tasks) -> Result<()> {
        /// As large as the kubelet's: a node's full list of containers.
        const MAX_MESSAGE: usize = 16 << 20;
        let listener = listen(socket)?;
        let connections = futures::stream::unfold(listener, |listener| async move {
            let accepted = listener.accept().await.map(|(stream, _)| stream);
            Some((accepted, listener))
        });
        let router = tonic::transport::Server::builder()
            .add_service(
                RuntimeServiceServer::new(self.runtime.clone()).max_decoding_message_size(MAX_MESSAGE),
            )
            .add_service(
                ImageServiceServer::from_arc(self.service.clone()).max_decoding_message_size(MAX_MESSAGE),
            );
        let stop = tasks.stop().clone();
        tasks.spawn("CRI", async move {
            let served =
                router.serve_with_incoming_shutdown(connections, async move { stop.stopped().await });
            if let Err(error) = served.await {
                tracing::error!(%error, "CRI is no longer served");
            }
        });
        Ok(())
    }
}

/// The images of a data directory, for one process at a time.
pub fn open_images(layout: &Layout) -> Result<Images> {
    let root = layout.images();
    make_private(&root)?;
    let registries = Registries { file: Some(layout.registries()), ..Registries::default() };
    Ok(Images::open(ImagesConfig { root, registries, ..ImagesConfig::default() })?)
}

/// A listener on a socket that only we may use. One that an earlier process left is replaced.
pub fn listen(socket: &Path) -> Result<UnixListener> {
    use std::os::unix::fs::PermissionsExt;
    if let Some(parent) = socket.parent() {
        std::fs::create_dir_all(parent).with_context(|| format!("make {}", parent.display()))?;
    }
    match std::fs::remove_file(socket) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            return Err(e).with_context(|| format!("replace {}", socket.display()));
        }
        _ => {}
    }
    let listener = UnixListener::bind(socket).with_context(|| format!("listen on {}", socket.display()))?;
    std::fs::set_permissions(socket, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

fn make_private(dir: &Path) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
    made.with_context(|| format!("make {}", dir.display()))
}
