//! Connections to kubelets and pods, and passing requests on over them.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use corten_auth::any_server;
use corten_rt::Clock;
use corten_semantics::{ApiError, ApiResult};
use corten_streaming::{Exchange as Outcome, copy_both, exchange as send_upgrade};
use http::header::{
    AUTHORIZATION, CONNECTION, HOST, HeaderMap, HeaderName, HeaderValue, PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::{Request, Uri};
use http_body_util::{BodyExt, Either, Empty};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::kubelet::Address;
use crate::http::Api;
use crate::http::chain::Exchange;
use crate::http::response::{BodyError, Response, full};
use crate::outbound::Failure;

/// How long connecting may take.
const CONNECT_TIME: Duration = Duration::from_secs(10);

/// A connection, whatever carries it.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A connection to a backend, and the name by which it is called.
pub struct Backend {
    pub(super) io: Box<dyn Stream>,
    authority: String,
}

impl Backend {
    /// A connection to who is called `authority`.
    pub fn new(io: Box<dyn Stream>, authority: String) -> Self {
        Backend { io, authority }
    }

    /// `host:port`.
    pub fn authority(&self) -> &str {
        &self.authority
    }
}

/// How kubelets and pods are spoken to.
#[derive(Clone)]
pub struct KubeletTls {
    pub(super) kubelets: Arc<ClientConfig>,
    pods: Arc<ClientConfig>,
}

impl KubeletTls {
    /// With the server's own client certificate in `config`, whose roots judge the kubelets' certificates.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new(mut config: ClientConfig) -> Result<Self, rustls::Error> {
        // Upgrades are had over HTTP/1.1 alone.
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let pods = any_server::client_config(Arc::clone(config.crypto_provider()))?;
        Ok(KubeletTls { kubelets: Arc::new(config), pods: Arc::new(pods) })
    }
}

/// Connects to a kubelet.
pub async fn kubelet(api: &Api, address: Address) -> ApiResult<Backend> {
    encrypted(&address, Arc::clone(&api.kubelets.kubelets)).await
}

/// Connects to a pod, with TLS if asked for.
///
/// # Errors
/// In Go's words.
pub async fn pod(api: &Api, address: Address, tls: bool) -> Result<Backend, Failure> {
    if tls {
        return over_tls(&address, Arc::clone(&api.kubelets.pods)).await;
    }
    let io = dial(&address).await?;
    Ok(Backend { io: Box::new(io), authority: address.authority() })
}

pub(super) async fn encrypted(address: &Address, config: Arc<ClientConfig>) -> ApiResult<Backend> {
    over_tls(address, config).await.map_err(undialed)
}

/// 500: there is nobody to join the client with.
pub fn undialed(failure: Failure) -> ApiError {
    ApiError::internal(format!("error dialing backend: {failure}"))
}

/// 503: nobody takes the request.
pub fn unreached(failure: impl std::fmt::Display) -> ApiError {
    ApiError::unavailable(format!("error trying to reach service: {failure}"))
}

async fn over_tls(address: &Address, config: Arc<ClientConfig>) -> Result<Backend, Failure> {
    let name = ServerName::try_from(address.host.clone()).map_err(|e| Failure(e.to_string()))?;
    let tcp = dial(address).await?;
    let handshake = TlsConnector::from(config).connect(name, tcp);
    let io = corten_rt::timeout(CONNECT_TIME, handshake)
        .await
        .ok_or_else(|| Failure("net/http: TLS handshake timeout".into()))?
        .map_err(|e| Failure::handshake(&e, &address.host, Clock::system().now()))?;
    Ok(Backend { io: Box::new(io), authority: address.authority() })
}

async fn dial(address: &Address) -> Result<TcpStream, Failure> {
    let connecting = TcpStream::connect((address.host.as_str(), address.port));
    let io = corten_rt::timeout(CONNECT_TIME, connecting)
        .await
        .ok_or_else(|| Failure(format!("dial tcp {}: i/o timeout", address.authority())))?
        .map_err(|e| Failure::dial(&address.authority(), &e))?;
    let _ = io.set_nodelay(true);
    Ok(io)
}

/// Headers that go on to a backend: none that prove who the caller is or that concern this connection alone.
pub fn onward(headers: &HeaderMap, authority: &str, upgrade: bool) -> HeaderMap {
    let mut out = HeaderMap::new();
    for (name, value) in headers {
        let private = [AUTHORIZATION, PROXY_AUTHORIZATION, PROXY_AUTHENTICATE, HOST].contains(name)
            || name.as_str().starts_with("impersonate-");
        let hop = [CONNECTION, UPGRADE, TE, TRAILER, TRANSFER_ENCODING].contains(name)
            || name.as_str() == "keep-alive";
        if !private && (!hop || (upgrade && (name == CONNECTION || name == UPGRADE))) {
            out.append(name.clone(), value.clone());
        }
    }
    if let Ok(host) = HeaderValue::from_str(authority) {
        out.insert(HOST, host);
    }
    out
}

fn uri(path: &str) -> ApiResult<Uri> {
    path.parse().map_err(|e| ApiError::bad_request(format!("the path cannot be passed on: {e}")))
}

/// Passes an upgrade on and, once granted, copies bytes both ways until either side ends.
pub async fn upgrade(mut exchange: Exchange, backend: Backend, path: &str) -> ApiResult<Response> {
    let mut request = Request::new(());
    *request.method_mut() = exchange.request.method().clone();
    *request.uri_mut() = uri(path)?;
    *request.headers_mut() = onward(exchange.headers(), &backend.authority, true);
    let tasks = exchange.api.tasks.clone();
    let outcome = send_upgrade(backend.io, request, &tasks)
        .await
        .map_err(|e| ApiError::internal(format!("error dialing backend: {e}")))?;
    match outcome {
        Outcome::Answered(response) => {
            let (mut parts, body) = response.into_parts();
            remove_hops(&mut parts.headers);
            Ok(http::Response::from_parts(parts, full(body)))
        }
        Outcome::Upgraded(response, theirs) => {
            let ours = hyper::upgrade::on(&mut exchange.request);
            let stop = tasks.stop().clone();
            tasks.spawn("upgraded connection", async move {
                let Some(Ok(ours)) = stop.run(ours).await else { return };
                let (mut ours, mut theirs) = (TokioIo::new(ours), theirs);
                match stop.run(copy_both(&mut ours, &mut theirs)).await {
                    Some(Ok(_)) => {}
                    Some(Err(error)) => tracing::debug!(%error, "an upgraded connection ended early"),
                    // The server ends: both sides are told so, rather than cut off.
                    None => {
                        let told = futures::future::join(ours.shutdown(), theirs.shutdown());
                        corten_rt::timeout(FAREWELL, told).await;
                    }
                }
            });
            Ok(response.map(|()| full(Bytes::new())))
        }
    }
}

/// How long the two sides of an upgraded connection may take to be told that the server ends.
const FAREWELL: Duration = Duration::from_secs(1);

/// Passes a request on, body and all, and gives the backend's answer, its body still to come.
pub async fn forward(
    exchange: &mut Exchange,
    backend: Backend,
    path: &str,
) -> ApiResult<http::Response<Incoming>> {
    let mut request = Request::new(match exchange.body.take() {
        Some(body) => Either::Left(body),
        None => Either::Right(Empty::<Bytes>::new()),
    });
    *request.method_mut() = exchange.request.method().clone();
    *request.uri_mut() = uri(path)?;
    *request.headers_mut() = onward(exchange.headers(), &backend.authority, false);
    let failed = |e: hyper::Error| unreached(Failure::http(&e));
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(backend.io)).await.map_err(failed)?;
    exchange.api.tasks.spawn_until_stopped("proxied connection", async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a proxied connection ended early");
        }
    });
    let mut response = sender.send_request(request).await.map_err(failed)?;
    remove_hops(response.headers_mut());
    Ok(response)
}

/// An answer whose body is passed through.
pub fn through(response: http::Response<Incoming>) -> Response {
    response.map(|body| body.map_err(BodyError::from).boxed_unsync())
}

/// Takes away what concerns one connection alone.
pub fn remove_hops(headers: &mut HeaderMap) {
    for name in [CONNECTION, TE, TRAILER, TRANSFER_ENCODING, HeaderName::from_static("keep-alive")] {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_proves_the_caller_stays_here() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("authorization", "Bearer x"),
            ("impersonate-user", "a"),
            ("connection", "Upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-key", "k"),
            ("accept", "*/*"),
        ] {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        let names = |upgrade| {
            let mut names: Vec<String> =
                onward(&headers, "h:1", upgrade).keys().map(ToString::to_string).collect();
            names.sort();
            names
        };
        assert_eq!(names(true), ["accept", "connection", "host", "sec-websocket-key", "upgrade"]);
        assert_eq!(names(false), ["accept", "host", "sec-websocket-key"]);
    }
}
