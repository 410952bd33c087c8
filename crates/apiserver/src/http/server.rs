//! Connections: TLS, HTTP/1.1 and HTTP/2, limits, and an end that waits for requests to finish.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use corten_auth::authenticate::Peer;
use corten_rt::{Stop, Tasks};
use corten_semantics::identity;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;

use super::{Api, Metrics, chain};
use crate::flow;
use crate::registry::RequestContext;

/// What a client may ask of the server.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Open connections; further ones wait to be accepted.
    pub connections: usize,
    /// Bytes of a request's headers.
    pub header_bytes: usize,
    /// Bytes of a request's body.
    pub body_bytes: usize,
    /// How long a client may take for the handshake and for a request's headers, and how long its
    /// connection may lie idle.
    pub header_time: Duration,
    /// How long a request other than a watch or stream may take.
    pub request_time: Duration,
    /// Streams of one HTTP/2 connection.
    pub streams: u32,
    /// Requests that read, worked on at a time; watches and streams do not count.
    pub reads: usize,
    /// Requests that change something, worked on at a time.
    pub writes: usize,
    /// Whether a server that is about to end sends requests away, until those under way are answered.
    pub retry_after: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            connections: 10_000,
            header_bytes: 256 * 1024,
            body_bytes: 3 * 1024 * 1024,
            header_time: Duration::from_secs(60),
            request_time: Duration::from_secs(60),
            streams: 250,
            reads: 400,
            writes: 200,
            retry_after: false,
        }
    }
}

/// How often is looked whether requests under way are answered.
const DRAIN: Duration = Duration::from_millis(50);
/// Bytes that wait, encrypted, for a client that does not read.
const TLS_BUFFER: usize = 32 * 1024;
/// The same, not yet encrypted, for each stream of HTTP/2.
const STREAM_BUFFER: usize = 64 * 1024;

/// A server that runs in tasks of its own.
#[derive(Clone, Debug)]
pub struct Server {
    address: SocketAddr,
    leaving: Stop,
    refusing: Option<Arc<AtomicBool>>,
    metrics: Arc<Metrics>,
    tasks: Tasks,
}

impl Server {
    /// Serves `api` on `listener` until `api.tasks` are told to stop; then connections finish what they do.
    ///
    /// # Errors
    /// When the listener has no address.
    pub fn start(listener: TcpListener, tls: Arc<rustls::ServerConfig>, api: Arc<Api>) -> io::Result<Server> {
        let address = listener.local_addr()?;
        let (tasks, leaving) = (api.tasks.clone(), api.leaving.clone());
        let refusing = api.limits.retry_after.then(|| Arc::clone(&api.refusing));
        let metrics = Arc::clone(&api.metrics);
        let (user, agent) = (Arc::new(identity::api_server()), crate::AGENT.into());
        let ctx = RequestContext { user, agent, ..RequestContext::default() };
        let keeping = flow::keep(Arc::clone(&api.flow), Arc::clone(&api.registry), ctx);
        tasks.spawn_until_stopped("flow control", keeping);
        let accepting = accept(listener, TlsAcceptor::from(tls), api);
        tasks.spawn_until_stopped("http listener", accepting);
        Ok(Server { address, leaving, refusing, metrics, tasks })
    }

    /// Ends the server in upstream's order: it is no longer ready, but serves for `delay` on, so that load
    /// balancers notice; then, where that is asked for, it sends new requests away until those under way are
    /// answered; then it listens no more, watches and streams end, and requests under way have
    /// `grace` to be answered. Returns whether they all were. What they need (the registry's tasks, the
    /// store) has to outlast this.
    pub async fn end(&self, delay: Duration, grace: Duration) -> bool {
        self.leaving.stop();
        corten_rt::sleep(delay).await;
        if let Some(refusing) = &self.refusing {
            refusing.store(true, Ordering::Release);
            let idle = async {
                while !self.metrics.is_idle() {
                    corten_rt::sleep(DRAIN).await;
                }
            };
            corten_rt::timeout(grace, idle).await;
        }
        self.tasks.shutdown(grace).await
    }

    /// Where the server listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

async fn accept(listener: TcpListener, tls: TlsAcceptor, api: Arc<Api>) {
    let room = Arc::new(Semaphore::new(api.limits.connections));
    loop {
        let Ok(place) = Arc::clone(&room).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let serving = serve(stream, tls.clone(), Arc::clone(&api), place);
                api.tasks.spawn("http connection", serving);
            }
            Err(error) => {
                // Too many open files, mostly: wait until some are closed.
                tracing::warn!(%error, "a connection could not be accepted");
                corten_rt::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// Counts an open connection for as long as it is held.
struct Open(Arc<Api>, #[allow(dead_code)] OwnedSemaphorePermit);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.metrics.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn serve(stream: TcpStream, tls: TlsAcceptor, api: Arc<Api>, place: OwnedSemaphorePermit) {
    api.metrics.connections.fetch_add(1, Ordering::Relaxed);
    let _open = Open(Arc::clone(&api), place);
    let _ = stream.set_nodelay(true);
    let from = stream.peer_addr().ok().map(|address| address.ip());
    // What is used up soon is boxed, so that it holds nothing for as long as the connection lasts.
    let handshake = Box::pin(corten_rt::timeout(api.limits.header_time, tls.accept(stream)));
    let mut stream = match api.tasks.stop().run(handshake).await {
        Some(Some(Ok(stream))) => stream,
        Some(Some(Err(error))) => {
            api.metrics.handshake_errors.fetch_add(1, Ordering::Relaxed);
            tracing::debug!(%error, "TLS handshake failed");
            return;
        }
        _ => return,
    };
    stream.get_mut().1.set_buffer_limit(Some(TLS_BUFFER));
    let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
    let mut peer = api.certificates.peer(chain, api.clock.now());
    if let Some(proxy) = &api.authenticator.ways.load().front_proxy {
        peer = proxy.judge(chain, peer, api.clock.now());
    }
    let peer = Arc::new(peer);
    Box::pin(connection(stream, api, peer, from)).await;
}

/// Runs the streams of HTTP/2 connections in the server's tasks.
#[derive(Clone)]
struct InTasks(Tasks);

impl<F: Future<Output = ()> + Send + 'static> hyper::rt::Executor<F> for InTasks {
    fn execute(&self, stream: F) {
        self.0.spawn("http stream", stream);
    }
}

async fn connection(
    stream: tokio_rustls::server::TlsStream<TcpStream>,
    api: Arc<Api>,
    peer: Arc<Peer>,
    from: Option<IpAddr>,
) {
    let limits = api.limits;
    let (stop, tasks) = (api.tasks.stop().clone(), api.tasks.clone());
    let service = service_fn(move |request| {
        let (api, peer) = (Arc::clone(&api), Arc::clone(&peer));
        // A connection keeps the room of its largest request, so that is a box's.
        async move { Ok::<_, Infallible>(Box::pin(chain::serve(api, peer, from, request)).await) }
    });
    let mut builder = auto::Builder::new(InTasks(tasks));
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_time)
        .max_buf_size(limits.header_bytes.max(16 * 1024));
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams)
        .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX))
        .initial_stream_window_size(256 * 1024)
        .initial_connection_window_size(1024 * 1024)
        .keep_alive_interval(Some(Duration::from_secs(30)))
        .keep_alive_timeout(Duration::from_secs(30))
        .max_send_buf_size(STREAM_BUFFER);
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let outcome = tokio::select! {
        outcome = connection.as_mut() => outcome,
        () = stop.stopped() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = outcome {
        tracing::debug!(%error, "a connection ended early");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes that a future of this function takes.
    fn size<A, B, C, D, F>(_: impl Fn(A, B, C, D) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn what_waits_is_small() {
        let (serving, connected) = (size(serve), size(connection));
        assert!(serving < 4 * 1024 && connected < 6 * 1024, "{serving}, {connected}");
    }
}
