//! Connections: TLS, HTTP/1.1 and HTTP/2, limits, and an end that waits for requests to finish.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use corten_auth::authenticate::Peer;
use corten_rt::{Stop, Tasks, random};
use corten_semantics::identity;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;

use super::cork::Cork;
use super::timely::Sending;
use super::{Api, Entrance, Metrics, chain, http1};
use crate::audit::Audit;
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
    /// Whether requests have seats by priority (flow control), or only their number counts.
    pub fair: bool,
    /// How likely a request over HTTP/2 has its client connect anew, so that servers share the load; 0 to 0.02.
    pub goaway_chance: f64,
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
            fair: true,
            goaway_chance: 0.0,
        }
    }
}

/// How often is looked whether requests under way are answered.
const DRAIN: Duration = Duration::from_millis(50);
/// Bytes that wait, encrypted, for a client that does not read.
const TLS_BUFFER: usize = 32 * 1024;
/// The same, not yet encrypted, for each stream of HTTP/2.
const STREAM_BUFFER: usize = 64 * 1024;

/// In a box: futures that hand it on would have room for it several times.
type Tls = Box<tokio_rustls::server::TlsStream<TcpStream>>;

/// A server that runs in tasks of its own.
#[derive(Clone)]
pub struct Server {
    address: SocketAddr,
    leaving: Stop,
    refusing: Option<Arc<AtomicBool>>,
    metrics: Arc<Metrics>,
    entrance: Arc<Entrance>,
    audit: Option<Arc<Audit>>,
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
        let entrance = Arc::new(Entrance::new(tls, tasks.stop()));
        let audit = api.audit.clone();
        let accepting = accept(listener, Arc::clone(&entrance), api);
        tasks.spawn_until_stopped("http listener", accepting);
        Ok(Server { address, leaving, refusing, metrics, entrance, audit, tasks })
    }

    /// How connections come in.
    pub fn entrance(&self) -> &Arc<Entrance> {
        &self.entrance
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
        let answered = self.tasks.shutdown(grace).await;
        if let Some(audit) = &self.audit {
            audit.flush().await;
        }
        answered
    }

    /// Where the server listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

async fn accept(listener: TcpListener, entrance: Arc<Entrance>, api: Arc<Api>) {
    let room = Arc::new(Semaphore::new(api.limits.connections));
    loop {
        let Ok(place) = Arc::clone(&room).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let serving = serve(stream, Arc::clone(&entrance), Arc::clone(&api), place);
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

async fn serve(stream: TcpStream, entrance: Arc<Entrance>, api: Arc<Api>, place: OwnedSemaphorePermit) {
    let (tls, era) = entrance.enter();
    drop(entrance);
    let tls = TlsAcceptor::from(tls);
    api.metrics.connections.fetch_add(1, Ordering::Relaxed);
    let _open = Open(Arc::clone(&api), place);
    let _ = stream.set_nodelay(true);
    let from = stream.peer_addr().ok().map(|address| address.ip());
    // What is used up soon is boxed, so that it holds nothing for as long as the connection lasts.
    let Some(stream) = Box::pin(greet(stream, tls, &api)).await else { return };
    let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
    let mut peer = api.certificates.peer(chain, api.clock.now());
    if let Some(proxy) = &api.authenticator.ways.load().front_proxy {
        peer = proxy.judge(chain, peer, api.clock.now());
    }
    let peer = Arc::new(peer);
    match stream.get_ref().1.alpn_protocol() {
        Some(b"h2") => Box::pin(connection(stream, api, (peer, from), era)).await,
        _ => Box::pin(http1::serve(stream, api, (peer, from), era)).await,
    }
}

/// Does the handshake.
async fn greet(stream: TcpStream, tls: TlsAcceptor, api: &Api) -> Option<Tls> {
    let handshake = corten_rt::timeout(api.limits.header_time, tls.accept(stream));
    match api.tasks.stop().run(handshake).await?? {
        Ok(mut stream) => {
            stream.get_mut().1.set_buffer_limit(Some(TLS_BUFFER));
            Some(Box::new(stream))
        }
        Err(error) => {
            api.metrics.handshake_errors.fetch_add(1, Ordering::Relaxed);
            tracing::debug!(%error, "TLS handshake failed");
            None
        }
    }
}

/// Runs the streams of HTTP/2 connections in the server's tasks.
#[derive(Clone)]
struct InTasks(Tasks);

impl<F: Future<Output = ()> + Send + 'static> hyper::rt::Executor<F> for InTasks {
    fn execute(&self, stream: F) {
        self.0.spawn("http stream", async move {
            let mut stream = std::pin::pin!(stream);
            let mut sending = Sending::default();
            poll_fn(|context| sending.poll(context, |context| stream.as_mut().poll(context), || true)).await;
        });
    }
}

/// Serves the streams of an HTTP/2 connection.
async fn connection(stream: Tls, api: Arc<Api>, (peer, from): (Arc<Peer>, Option<IpAddr>), era: Stop) {
    let limits = api.limits;
    let tasks = api.tasks.clone();
    // Where chance ends connections, each has an end of its own.
    let own = (limits.goaway_chance > 0.0).then(|| era.child());
    let (era, chance) = (own.clone().unwrap_or(era), own);
    let service = service_fn(move |request| {
        if let Some(own) = chance.as_ref().filter(|_| random::unit() < limits.goaway_chance) {
            own.stop();
        }
        let (api, peer) = (Arc::clone(&api), Arc::clone(&peer));
        // A connection keeps the room of its largest request, so that is a box's.
        async move { Ok::<_, Infallible>(Box::pin(chain::serve(api, peer, from, request)).await) }
    });
    let cork = Cork::new(stream);
    let connection = http2::Builder::new(InTasks(tasks))
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams)
        .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX))
        .initial_stream_window_size(256 * 1024)
        .initial_connection_window_size(1024 * 1024)
        .keep_alive_interval(Some(Duration::from_secs(30)))
        .keep_alive_timeout(Duration::from_secs(30))
        .max_send_buf_size(STREAM_BUFFER)
        .serve_connection(TokioIo::new(cork.clone()), service);
    tokio::pin!(connection);
    let outcome = tokio::select! {
        outcome = InTurns { connection: connection.as_mut(), cork: &cork } => outcome,
        () = era.stopped() => {
            connection.as_mut().graceful_shutdown();
            InTurns { connection, cork: &cork }.await
        }
    };
    if let Err(error) = outcome {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// Drives a connection, and has what it says in a turn leave together.
struct InTurns<'a, C> {
    connection: Pin<&'a mut C>,
    cork: &'a Cork<Tls>,
}

impl<C: Future> Future for InTurns<'_, C> {
    type Output = C::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<C::Output> {
        let turn = self.connection.as_mut().poll(context);
        if turn.is_pending() {
            self.cork.end_turn(context);
        }
        turn
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
        let single = size(http1::serve::<Tls>);
        assert!(serving < 1024 && single < 2048 && connected < 6 * 1024, "{serving}, {single}, {connected}");
    }
}
