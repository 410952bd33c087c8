//! WebSockets to the API server.

use crate::Cluster;
use anyhow::{Context, Result};
use corten_streaming::{Connected, Protocol, dial_over};
use http::{HeaderMap, Uri};
use rustls::pki_types::ServerName;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

impl Cluster {
    /// Opens a WebSocket at a path of the API, under the spec's identity.
    pub async fn socket(&self, path: &str, protocol: Protocol) -> Result<Connected> {
        let uri: Uri = format!("{}{path}", self.config.server.trim_end_matches('/')).parse()?;
        let host = uri.host().context("the server's host")?.trim_matches(['[', ']']).to_string();
        let tcp = TcpStream::connect((host.as_str(), uri.port_u16().unwrap_or(443))).await?;
        let name = match self.config.server_name.as_str() {
            "" => host,
            name => name.to_string(),
        };
        let connector = TlsConnector::from(Arc::new(self.config.tls()?));
        let tls = connector.connect(ServerName::try_from(name)?, tcp).await?;
        Ok(dial_over(tls, &uri, HeaderMap::new(), protocol, &self.tasks).await?)
    }
}
