//! The node's HTTPS API, through which the API server reaches a node's pods: logs, exec, attach, port-forward,
//! and what is running. Paths and parameters are those of upstream's kubelet.
//!
//! Clients show a certificate of the cluster's authority or a token; the API server's own and administrators'
//! are let in, others if the API server says that they may. What the server tells of pods it learns through [`PodDirectory`].

mod access;
mod health;
mod listener;
mod logs;
mod machine_logs;
mod metrics;
mod pods;
mod query;
mod response;
mod reviews;
mod route;
mod streams;
mod summary;
#[cfg(test)]
mod tests;

use crate::meters::Meters;
use crate::stats::{Disks, Usage};
use async_trait::async_trait;
use corten_api::authentication::v1::UserInfo;
use corten_api::core::v1::Pod;
use corten_auth::authenticate::ClientCertificates;
use corten_auth::pki::{Identity, PkiError};
use corten_auth::tls::{self, ServerIdentity};
use corten_node_api::CriClient;
use corten_rt::{Clock, Tasks};
pub(crate) use reviews::Reviews;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;

/// Where the server listens and how it proves itself.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// The address and port; port 0 for any.
    pub address: SocketAddr,
    /// The certificate to serve with, and its key.
    pub identity: Identity,
    /// The certificate (PEM) of the authority that signs clients' certificates.
    pub authority: String,
    /// The node's name.
    pub node_name: String,
}

/// Why the server does not run.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The address cannot be had.
    #[error("listen on {address} for the node's API: {source}; is another kubelet running?")]
    Listen {
        /// What was asked for.
        address: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// A certificate or key is no good.
    #[error("the certificates of the node's API: {0}")]
    Certificates(#[from] PkiError),
}

/// One container, as the server needs to know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerRef {
    /// Its ID in the runtime.
    pub id: String,
    /// How often the container was started before.
    pub attempt: u32,
    /// Whether it may still write.
    pub running: bool,
    /// The file that its log is in.
    pub log_path: PathBuf,
}

/// What the server asks the kubelet.
#[async_trait]
pub trait PodDirectory: Send + Sync {
    /// The pods of this node, with their statuses.
    fn pods(&self) -> Vec<Arc<Pod>>;

    /// The newest container of that name, or the one before it; `None` when there is none (yet).
    async fn container(
        &self,
        namespace: &str,
        pod: &str,
        container: &str,
        previous: bool,
    ) -> Option<ContainerRef>;

    /// The ID of the pod's sandbox, when one is ready.
    async fn sandbox(&self, namespace: &str, pod: &str) -> Option<String>;

    /// What node, pods and containers use now.
    async fn usage(&self) -> Arc<Usage> {
        Arc::default()
    }

    /// What is on disk, measured no longer ago than `fresh`.
    async fn disks(&self, _fresh: Duration) -> Arc<Disks> {
        Arc::default()
    }

    /// What the kubelet counts of its own work.
    fn meters(&self) -> Option<&Meters> {
        None
    }

    /// How the kubelet is set up, as `/configz` tells it.
    fn configuration(&self) -> serde_json::Value {
        serde_json::json!({})
    }

    /// The kubelet's version.
    fn version(&self) -> String {
        String::new()
    }

    /// Whose token this is; `None` for nobody's. The error tells why that is not known.
    async fn who(&self, _token: &str) -> Result<Option<UserInfo>, String> {
        Ok(None)
    }

    /// Whether the user may do that with this part of the node. The error tells why that is not known.
    async fn may(&self, _user: &UserInfo, _verb: &str, _subresource: &str) -> Result<bool, String> {
        Ok(false)
    }
}

/// What every request is answered from.
struct Node {
    name: String,
    version: String,
    directory: Arc<dyn PodDirectory>,
    cri: CriClient,
    clock: Clock,
    tasks: Tasks,
    certificates: ClientCertificates,
}

/// The server, which runs in tasks.
#[derive(Debug)]
pub struct NodeServer {
    address: SocketAddr,
    identity: Arc<ServerIdentity>,
}

impl NodeServer {
    /// Serves until `tasks` are told to stop.
    ///
    /// # Errors
    /// The address is taken, or the certificates are malformed.
    pub async fn start(
        config: ServerConfig,
        directory: Arc<dyn PodDirectory>,
        cri: CriClient,
        clock: Clock,
        tasks: &Tasks,
    ) -> Result<NodeServer, ServerError> {
        let authority = CertificateDer::from_pem_slice(config.authority.as_bytes())
            .map_err(|e| PkiError::Malformed(e.to_string()))?;
        let identity = Arc::new(ServerIdentity::new(&config.identity)?);
        let mut tls = tls::server_config(identity.clone(), std::slice::from_ref(&authority))?;
        // Upgrades are a thing of HTTP/1.
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        let node = Arc::new(Node {
            name: config.node_name,
            version: directory.version(),
            directory,
            cri,
            clock,
            tasks: tasks.clone(),
            certificates: ClientCertificates::new(&authority)?,
        });
        let refused = |source| ServerError::Listen { address: config.address, source };
        let listener = TcpListener::bind(config.address).await.map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        tasks.spawn_until_stopped("node API", listener::accept(listener, Arc::new(tls), node));
        Ok(NodeServer { address, identity })
    }

    /// Where the server listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves with another certificate from the next connection on.
    ///
    /// # Errors
    /// When the texts are no certificate and its key; the old one then stays.
    pub fn replace(&self, identity: &Identity) -> Result<(), PkiError> {
        self.identity.replace(identity)
    }
}
