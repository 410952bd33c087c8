//! A server elsewhere, over HTTPS: calls as JSON, HTTP/2 where the server has it.

mod exchange;
mod kubeconfig;
mod watch;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use corten_rt::Tasks;
use corten_semantics::ApiResult;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};

use crate::transport::{Answer, Call, Target, Transport, WatchOptions, WatchStream};
use exchange::Exchange;

/// Why a server cannot be called at all.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// A file cannot be read.
    #[error("{path}: {source}", path = path.display())]
    File { path: PathBuf, source: io::Error },
    /// A kubeconfig does not say what it must.
    #[error("{path}: {what}", path = path.display())]
    Kubeconfig { path: PathBuf, what: String },
    /// The configuration is wrong.
    #[error("{0}")]
    Config(String),
}

/// A bearer token.
#[derive(Clone, Default)]
pub enum Token {
    #[default]
    None,
    Text(String),
    /// Read again now and then, since it is replaced before it ends.
    File(PathBuf),
}

/// Which server, whom to trust, who one is. PEM texts are empty where there are none.
#[derive(Clone, Default)]
pub struct HttpConfig {
    /// `https://HOST:PORT`.
    pub server: String,
    /// The name that the server's certificate must have; empty for the host.
    pub server_name: String,
    /// Whether any certificate of the server will do.
    pub insecure: bool,
    /// The authorities that may have signed the server's certificate.
    pub authority: Vec<u8>,
    /// The client's certificate, and its key.
    pub certificate: Vec<u8>,
    pub key: Vec<u8>,
    pub token: Token,
    /// How the client names itself; empty for `corten/VERSION`.
    pub user_agent: String,
}

/// How somebody proves who they are. PEM texts are empty where there are none.
#[derive(Clone, Default)]
pub struct Proof {
    pub certificate: Vec<u8>,
    pub key: Vec<u8>,
    pub token: Token,
    /// Sent along: a name and password, and as whom to act.
    pub headers: Vec<(String, String)>,
}

impl Proof {
    /// The users of a kubeconfig by their names, and the name of the current context's, empty if there is none.
    ///
    /// # Errors
    /// When a file cannot be read or is none.
    pub fn of_kubeconfig(path: &Path) -> Result<(Vec<(String, Proof)>, String), HttpError> {
        kubeconfig::users(path)
    }
}

impl HttpConfig {
    /// What the current context of a kubeconfig says.
    ///
    /// # Errors
    /// When a file cannot be read or does not say what it must.
    pub fn from_kubeconfig(path: &Path) -> Result<Self, HttpError> {
        kubeconfig::load(path)
    }

    /// The TLS that the configuration means, without a choice of HTTP's version.
    ///
    /// # Errors
    /// When a certificate or key is malformed.
    pub fn tls(&self) -> Result<ClientConfig, HttpError> {
        let wrong = |what: &str, e: &dyn std::fmt::Display| HttpError::Config(format!("{what}: {e}"));
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(&self.authority) {
            let certificate = certificate.map_err(|e| wrong("the certificate authority", &e))?;
            roots.add(certificate).map_err(|e| wrong("the certificate authority", &e))?;
        }
        if roots.is_empty() {
            return Err(HttpError::Config("no certificate authority is given to judge the server by".into()));
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|e| wrong("TLS", &e))?
            .with_root_certificates(roots);
        if self.certificate.is_empty() {
            return Ok(builder.with_no_client_auth());
        }
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&self.certificate).collect();
        let chain = chain.map_err(|e| wrong("the client certificate", &e))?;
        let key = PrivateKeyDer::from_pem_slice(&self.key).map_err(|e| wrong("the client key", &e))?;
        builder.with_client_auth_cert(chain, key).map_err(|e| wrong("the client certificate", &e))
    }

    fn name(&self) -> Result<Option<ServerName<'static>>, HttpError> {
        if self.server_name.is_empty() {
            return Ok(None);
        }
        let name = ServerName::try_from(self.server_name.clone());
        name.map(Some).map_err(|e| HttpError::Config(format!("the server's name: {e}")))
    }
}

/// Calls on a server over HTTPS. Connections are kept; cheap to share.
pub struct HttpTransport {
    exchange: Exchange,
    server: String,
}

impl HttpTransport {
    /// Calls as `config` says; connections live in `tasks`.
    ///
    /// # Errors
    /// When a certificate, key or address is malformed.
    pub fn new(config: &HttpConfig, tasks: &Tasks) -> Result<Self, HttpError> {
        Ok(HttpTransport { exchange: Exchange::new(config, tasks)?, server: config.server.clone() })
    }

    /// The server that is called, `https://HOST:PORT`.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// Calls as the current context of a kubeconfig says.
    ///
    /// # Errors
    /// When a file cannot be read or does not say what it must.
    pub fn from_kubeconfig(path: &Path, tasks: &Tasks) -> Result<Self, HttpError> {
        Self::new(&kubeconfig::load(path)?, tasks)
    }
}

/// How long a call may take; the server gives up before.
const CALL_TIME: Duration = Duration::from_secs(70);

#[async_trait]
impl Transport for HttpTransport {
    async fn call(&self, target: Target, call: Call) -> ApiResult<Answer> {
        let work = self.exchange.call(&target, call);
        corten_rt::timeout(CALL_TIME, work).await.unwrap_or_else(|| Err(exchange::timed_out()))
    }

    async fn watch(&self, target: Target, options: WatchOptions) -> ApiResult<WatchStream> {
        watch::open(&self.exchange, &target, &options).await
    }
}
