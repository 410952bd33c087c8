//! The control plane's certificates and keys, in files named as kubeadm names them.
//!
//! [`Pki::open`] makes at first start what is missing, and renews what has a third or less of its life left;
//! calling it again later and handing the result to [`crate::tls::ServerIdentity`] is rotation.

mod authority;
pub mod bundle;
mod files;
mod inspect;
mod subject;

pub(crate) use authority::LEAF_LIFE;
pub use authority::{Authority, Identity, Leaf, Purpose};
pub use inspect::Inspected;
pub(crate) use inspect::{alternative_names, common_name, organizations};

use crate::token::TokenSigner;
use corten_rt::Timestamp;
use corten_semantics::identity;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The user as which the API server calls kubelets.
pub const KUBELET_CLIENT: &str = "kube-apiserver-kubelet-client";

/// Why certificates cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// A file cannot be read or written.
    #[error("{path}: {source}", path = path.display())]
    File { path: PathBuf, source: std::io::Error },
    /// A file is there but is not what it should be.
    #[error("{path}: {what}; restore it from a backup or remove it to have a new one made", path = path.display())]
    Broken { path: PathBuf, what: String },
    /// A certificate is there without its key.
    #[error("{certificate} has lost its key {key}; restore the key, or remove both to have a new authority made, \
             which every node must then join again", certificate = certificate.display(), key = key.display())]
    KeyLost { certificate: PathBuf, key: PathBuf },
    /// Making or signing failed.
    #[error("making a certificate: {0}")]
    Making(#[from] rcgen::Error),
    /// The system's randomness failed.
    #[error("the system gives no random numbers")]
    Random,
    /// A certificate, key or request cannot be understood.
    #[error("{0}")]
    Malformed(String),
}

/// What the API server's certificate is good for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerNames {
    /// Host names beside the usual ones.
    pub hosts: Vec<String>,
    /// Addresses beside the loopback ones: the first of the service range, the node's own.
    pub addresses: Vec<IpAddr>,
}

/// Everything the control plane proves itself with.
pub struct Pki {
    dir: PathBuf,
    /// Signs everything below but the front proxy's.
    pub ca: Authority,
    /// Signs who may speak for others through an aggregated API.
    pub front_proxy_ca: Authority,
    /// The API server to its clients.
    pub server: Identity,
    /// The API server to kubelets.
    pub kubelet_client: Identity,
    /// The API server to aggregated APIs.
    pub front_proxy_client: Identity,
    /// Whoever started the cluster.
    pub admin: Identity,
    /// The controllers, when in a process of their own.
    pub controller_manager: Identity,
    /// The scheduler, when in a process of its own.
    pub scheduler: Identity,
    /// Signs service-account tokens.
    pub tokens: Arc<TokenSigner>,
}

impl Pki {
    /// Loads everything from `dir`, making and renewing what must be.
    ///
    /// # Errors
    /// When files cannot be read or written or are broken.
    pub fn open(dir: &Path, names: &ServerNames, now: Timestamp) -> Result<Pki, PkiError> {
        files::make_dir(dir)?;
        let ca = open_authority(dir, "ca", "kubernetes", now)?;
        let front_proxy_ca = open_authority(dir, "front-proxy-ca", "front-proxy-ca", now)?;
        let client = |file: &str, user: &str, group: &str| {
            open_identity(dir, file, &ca, &Leaf::client(user, group), now)
        };
        Ok(Pki {
            server: open_identity(dir, "apiserver", &ca, &server_leaf(names), now)?,
            kubelet_client: client("apiserver-kubelet-client", KUBELET_CLIENT, "")?,
            admin: client("admin", "kubernetes-admin", identity::MASTERS)?,
            controller_manager: client("controller-manager", identity::CONTROLLER_MANAGER, "")?,
            scheduler: client("scheduler", identity::SCHEDULER, "")?,
            front_proxy_client: open_identity(
                dir,
                "front-proxy-client",
                &front_proxy_ca,
                &Leaf::client("front-proxy-client", ""),
                now,
            )?,
            tokens: Arc::new(open_signer(dir)?),
            ca,
            front_proxy_ca,
            dir: dir.to_path_buf(),
        })
    }

    /// The client certificate of a node that shares this data directory; others ask by [`crate::csr`].
    ///
    /// # Errors
    /// When files cannot be read or written or are broken.
    pub fn node_client(&self, node: &str, now: Timestamp) -> Result<Identity, PkiError> {
        let leaf = Leaf::client(&identity::node_user(node), identity::NODES);
        open_identity(&self.dir, &format!("kubelet-client-{node}"), &self.ca, &leaf, now)
    }

    /// The certificate by which that node's kubelet serves.
    ///
    /// # Errors
    /// When files cannot be read or written or are broken.
    pub fn node_server(
        &self,
        node: &str,
        addresses: &[IpAddr],
        now: Timestamp,
    ) -> Result<Identity, PkiError> {
        let leaf = Leaf {
            common_name: identity::node_user(node),
            organization: identity::NODES.into(),
            hosts: vec![node.to_string()],
            addresses: addresses.to_vec(),
            purpose: Purpose::Server,
            ..Leaf::default()
        };
        open_identity(&self.dir, &format!("kubelet-{node}"), &self.ca, &leaf, now)
    }
}

fn server_leaf(names: &ServerNames) -> Leaf {
    let usual = [
        "localhost",
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local",
    ];
    let mut hosts: Vec<String> = usual.map(String::from).to_vec();
    let mut addresses = vec![IpAddr::from([127, 0, 0, 1]), IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1])];
    for host in &names.hosts {
        if !hosts.contains(host) {
            hosts.push(host.clone());
        }
    }
    for address in &names.addresses {
        if !addresses.contains(address) {
            addresses.push(*address);
        }
    }
    Leaf {
        common_name: "kube-apiserver".into(),
        hosts,
        addresses,
        purpose: Purpose::Server,
        ..Leaf::default()
    }
}

/// Loads an authority; a renewed one keeps its key, so that what it signed stays good.
fn open_authority(dir: &Path, file: &str, name: &str, now: Timestamp) -> Result<Authority, PkiError> {
    let (certificate, key) = (dir.join(format!("{file}.crt")), dir.join(format!("{file}.key")));
    let authority = match (files::read(&certificate)?, files::read(&key)?) {
        (Some(_), None) => return Err(PkiError::KeyLost { certificate, key }),
        (Some(pem), Some(key_pem)) => {
            let loaded = Authority::load(&pem, &key_pem).map_err(|e| files::broken(&certificate, e))?;
            if !loaded.is_worn(now) {
                return Ok(loaded);
            }
            tracing::info!(authority = file, "renewing the authority's certificate");
            loaded.renewed(name, now)?
        }
        (None, Some(key_pem)) => {
            Authority::from_key(&key_pem, name, now).map_err(|e| files::broken(&key, e))?
        }
        (None, None) => Authority::create(name, now)?,
    };
    files::write(&key, &authority.key_pem())?;
    files::write(&certificate, authority.pem())?;
    Ok(authority)
}

/// Loads a certificate and its key; makes a new one unless it is all that `leaf` wants.
fn open_identity(
    dir: &Path,
    file: &str,
    authority: &Authority,
    leaf: &Leaf,
    now: Timestamp,
) -> Result<Identity, PkiError> {
    let (certificate, key) = (dir.join(format!("{file}.crt")), dir.join(format!("{file}.key")));
    if let (Some(certificate), Some(key)) = (files::read(&certificate)?, files::read(&key)?) {
        let found = Identity { certificate, key };
        if authority.still_serves(&found, leaf, now) {
            return Ok(found);
        }
        tracing::info!(certificate = file, "renewing the certificate");
    }
    let made = authority.issue(leaf, now)?;
    files::write(&key, &made.key)?;
    files::write(&certificate, &made.certificate)?;
    Ok(made)
}

fn open_signer(dir: &Path) -> Result<TokenSigner, PkiError> {
    let (path, public) = (dir.join("sa.key"), dir.join("sa.pub"));
    let key = match files::read(&path)? {
        Some(pem) => rcgen::KeyPair::from_pem(&pem).map_err(|e| files::broken(&path, e))?,
        None => {
            let made = rcgen::KeyPair::generate()?;
            files::write(&path, &made.serialize_pem())?;
            made
        }
    };
    let signer = TokenSigner::new(crate::token::ISSUER, &key).map_err(|e| files::broken(&path, e))?;
    if files::read(&public)?.as_deref() != Some(key.public_key_pem().as_str()) {
        files::write(&public, &key.public_key_pem())?;
    }
    Ok(signer)
}

#[cfg(test)]
mod tests;
