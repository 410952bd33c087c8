//! The client's side of an HTTP upgrade.

use crate::protocol::{Protocol, Transport};
use crate::upgrade::STREAM_PROTOCOL;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use corten_rt::{Tasks, random};
use http::header::{CONNECTION, HOST, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL};
use http::header::{HeaderValue, SEC_WEBSOCKET_VERSION, UPGRADE};
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// The longest text of a refusal that is kept.
const MAX_REFUSAL: usize = 16 * 1024;
/// How long connecting and the upgrade may take together.
const DIAL_TIMEOUT: Duration = Duration::from_secs(30);

/// Why an upgrade was not had.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// The URL is none that can be dialed.
    #[error("{0:?} is no plain http URL with a host and a port")]
    Url(String),
    /// No connection.
    #[error("connect to {address}: {error}")]
    Connect {
        /// Host and port.
        address: String,
        /// Why.
        error: std::io::Error,
    },
    /// HTTP failed.
    #[error("upgrade the connection: {0}")]
    Http(#[from] hyper::Error),
    /// The server answered otherwise.
    #[error("the server refused the upgrade with status {status}: {message}")]
    Refused {
        /// The response's status.
        status: StatusCode,
        /// The response's text.
        message: String,
    },
    /// The server agreed to something that was not offered.
    #[error("the server agreed to {0:?}, which was not asked for")]
    Mismatch(String),
    /// The server did not answer in time.
    #[error("no answer within 30 s")]
    TimedOut,
}

/// An upgraded connection.
pub type Connected = TokioIo<Upgraded>;

/// Connects to `url` (plain `http`, as CRI's Exec, Attach and PortForward return it) and upgrades to `protocol`.
///
/// # Errors
/// See [`DialError`].
pub async fn dial(url: &str, protocol: Protocol, tasks: &Tasks) -> Result<Connected, DialError> {
    let bad = || DialError::Url(url.to_owned());
    let uri: Uri = url.parse().map_err(|_| bad())?;
    if uri.scheme_str() != Some("http") {
        return Err(bad());
    }
    let host = uri.host().ok_or_else(bad)?.trim_matches(['[', ']']);
    let address = (host, uri.port_u16().unwrap_or(80));
    let dialing = async {
        let io = TcpStream::connect(address)
            .await
            .map_err(|error| DialError::Connect { address: format!("{}:{}", address.0, address.1), error })?;
        let _ = io.set_nodelay(true);
        upgrade(io, &uri, HeaderMap::new(), protocol, tasks).await
    };
    corten_rt::timeout(DIAL_TIMEOUT, dialing).await.ok_or(DialError::TimedOut)?
}

/// Upgrades a connection (plain or TLS) to `protocol`, with a request for `uri` that carries `headers` besides
/// those of the upgrade.
///
/// # Errors
/// See [`DialError`].
pub async fn upgrade<T>(
    io: T,
    uri: &Uri,
    headers: HeaderMap,
    protocol: Protocol,
    tasks: &Tasks,
) -> Result<Connected, DialError>
where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let key = STANDARD.encode(random::bytes16());
    let request = request(uri, headers, protocol, &key)?;
    match exchange(io, request, tasks).await? {
        Exchange::Upgraded(response, io) => check(&response, protocol, &key).map(|()| io),
        Exchange::Answered(response) => Err(DialError::Refused {
            status: response.status(),
            message: String::from_utf8_lossy(response.body()).trim().to_owned(),
        }),
    }
}

/// What became of a request for an upgrade.
#[derive(Debug)]
pub enum Exchange {
    /// The 101 response, and the connection to speak on.
    Upgraded(Response<()>, Connected),
    /// Any other response, with (the beginning of) its text.
    Answered(Response<Bytes>),
}

/// Sends a request for an upgrade as it is and returns the answer as it is: for a proxy, which gives the answer
/// to its own client and then joins the two connections with [`crate::copy_both`]. The request needs its `Host`
/// header and a path for its URI.
///
/// # Errors
/// [`DialError::Http`].
pub async fn exchange<T>(io: T, request: Request<()>, tasks: &Tasks) -> Result<Exchange, DialError>
where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(io)).await?;
    tasks.spawn_until_stopped("upgrading connection", async move {
        if let Err(e) = connection.with_upgrades().await {
            tracing::debug!(error = %e, "connection to be upgraded ended");
        }
    });
    let response = sender.send_request(request.map(|()| Empty::<Bytes>::new())).await?;
    let (parts, body) = response.into_parts();
    if parts.status != StatusCode::SWITCHING_PROTOCOLS {
        let text =
            Limited::new(body, MAX_REFUSAL).collect().await.map_or(Bytes::new(), |body| body.to_bytes());
        return Ok(Exchange::Answered(Response::from_parts(parts, text)));
    }
    let mut response = Response::from_parts(parts, ());
    let upgraded = hyper::upgrade::on(&mut response).await?;
    Ok(Exchange::Upgraded(response, TokioIo::new(upgraded)))
}

fn request(uri: &Uri, headers: HeaderMap, protocol: Protocol, key: &str) -> Result<Request<()>, DialError> {
    let bad = |_| DialError::Url(uri.to_string());
    let mut request = Request::new(());
    let target = uri.path_and_query().map_or("/", |target| target.as_str());
    *request.uri_mut() = target.parse().map_err(|_| DialError::Url(uri.to_string()))?;
    *request.headers_mut() = headers;
    let headers = request.headers_mut();
    let host = uri.authority().map_or("localhost", |authority| authority.as_str());
    headers.insert(HOST, HeaderValue::from_str(host).map_err(bad)?);
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    if protocol.transport == Transport::Spdy {
        headers.insert(UPGRADE, HeaderValue::from_static("SPDY/3.1"));
        headers.insert(STREAM_PROTOCOL, HeaderValue::from_static(protocol.name));
        *request.method_mut() = Method::POST;
        return Ok(request);
    }
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    headers.insert(SEC_WEBSOCKET_KEY, HeaderValue::from_str(key).map_err(bad)?);
    if !protocol.name.is_empty() {
        headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(protocol.name));
    }
    Ok(request)
}

fn check(response: &Response<()>, protocol: Protocol, key: &str) -> Result<(), DialError> {
    let header =
        |name| response.headers().get(name).and_then(|v: &HeaderValue| v.to_str().ok()).unwrap_or("");
    let (agreed, sound) = match protocol.transport {
        Transport::Spdy => (header(STREAM_PROTOCOL), true),
        _ => {
            let sound = header(SEC_WEBSOCKET_ACCEPT) == derive_accept_key(key.as_bytes());
            (header(SEC_WEBSOCKET_PROTOCOL), sound)
        }
    };
    // A server that names none speaks what was asked for, or it would have refused.
    if sound && (agreed.is_empty() || agreed == protocol.name) {
        Ok(())
    } else {
        Err(DialError::Mismatch(agreed.to_owned()))
    }
}
