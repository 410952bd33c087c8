//! `corten token create`: a bootstrap token, and the hash of the authority that goes with it.

use crate::config::Token;
use anyhow::{Context, Result};
use aws_lc_rs::digest::{SHA256, digest};
use corten_auth::bootstrap_token;
use corten_client::Client;
use corten_client::http::HttpTransport;
use corten_rt::{Clock, Stop, Tasks};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::sync::Arc;
use std::time::Duration;

/// The hash by which a joining node knows the cluster's authority.
pub fn authority_hash(certificate: &[u8]) -> String {
    digest(&SHA256, certificate).as_ref().iter().map(|b| format!("{b:02x}")).collect()
}

/// Makes the token through the API, and prints the command that uses it.
pub async fn create(flags: Token) -> Result<()> {
    let kubeconfig = flags.at.data_dir.join("kubeconfig");
    let tasks = Tasks::new(Stop::new());
    let transport = HttpTransport::from_kubeconfig(&kubeconfig, &tasks)
        .with_context(|| format!("use {}: does a control plane run from here?", kubeconfig.display()))?;
    let transport = Arc::new(transport);
    let client = Client::new(transport.clone());
    let token =
        bootstrap_token::generate().map_err(|_| anyhow::anyhow!("the system gives no random numbers"))?;
    let until = Clock::system().now() + Duration::from_secs(u64::from(flags.hours) * 3600);
    let secret = bootstrap_token::secret(&token, Some(until)).context("make the token's secret")?;
    let namespace = secret.metadata.namespace.clone();
    client.namespaced(&namespace).create(secret).await.map_err(anyhow::Error::from)?;
    let pem = std::fs::read(flags.at.data_dir.join("pki/ca.crt")).context("read the authority")?;
    let hash = authority_hash(&CertificateDer::from_pem_slice(&pem).context("read the authority")?);
    println!("corten node --join {} --token {token}.{hash}", transport.server());
    tasks.shutdown(Duration::from_secs(1)).await;
    Ok(())
}
