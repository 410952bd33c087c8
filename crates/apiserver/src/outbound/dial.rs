//! Connections: TCP, then TLS.

use std::sync::Arc;
use std::time::Duration;

use corten_rt::Clock;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::{TcpStream, lookup_host};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::failure::Failure;
use super::resolve::joined;

/// A connection to a peer.
pub type Stream = TlsStream<TcpStream>;

/// How long connecting, and the handshake, may take each, as Go's transport allows.
const CONNECT_TIME: Duration = Duration::from_secs(30);
const HANDSHAKE_TIME: Duration = Duration::from_secs(10);

/// Connects to `host:port`, whose certificate must be for `name`.
pub async fn dial(
    (host, port): (String, u16),
    name: &str,
    config: Arc<ClientConfig>,
    clock: Clock,
) -> Result<Stream, Failure> {
    let server = ServerName::try_from(name.to_string())
        .map_err(|_| Failure(format!("tls: {name:?} is no name that a certificate can have")))?;
    let tcp = plain((host, port)).await?;
    corten_rt::timeout(HANDSHAKE_TIME, TlsConnector::from(config).connect(server, tcp))
        .await
        .ok_or_else(|| Failure("net/http: TLS handshake timeout".into()))?
        .map_err(|e| Failure::handshake(&e, name, clock.now()))
}

/// Connects to `host:port` without encryption.
pub async fn plain((host, port): (String, u16)) -> Result<TcpStream, Failure> {
    let tcp = corten_rt::timeout(CONNECT_TIME, connect(&host, port)).await;
    let late = || Failure(format!("dial tcp {}: i/o timeout", joined(&host, port)));
    let tcp = tcp.unwrap_or_else(|| Err(late()))?;
    let _ = tcp.set_nodelay(true);
    Ok(tcp)
}

async fn connect(host: &str, port: u16) -> Result<TcpStream, Failure> {
    let addresses = lookup_host((host, port)).await;
    let unknown = || Failure(format!("dial tcp: lookup {host}: no such host"));
    let addresses: Vec<_> = addresses.map_err(|_| unknown())?.collect();
    let mut failed = None;
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(tcp) => return Ok(tcp),
            Err(e) => {
                failed.get_or_insert_with(|| Failure::dial(&address.to_string(), &e));
            }
        }
    }
    Err(failed.unwrap_or_else(unknown))
}
