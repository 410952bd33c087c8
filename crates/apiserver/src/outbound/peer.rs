//! One peer and the connections to it that are kept.

use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use corten_auth::pki::Identity;
use corten_rt::{Clock, Instant, Tasks};
use corten_semantics::Lookup;
use http::{Request, Response};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use rustls::ClientConfig;

use super::dial::{self, Stream};
use super::failure::Failure;
use super::{Destination, Outbound, Trust, trust};

/// The body of a request: made here, or passed on.
pub type Body = Either<Full<Bytes>, Incoming>;

/// How many idle connections to one peer are kept, and for how long.
const IDLE: usize = 16;
const IDLE_TIME: Duration = Duration::from_secs(90);

/// A peer. Connections that have answered are used again.
pub struct Peer {
    destination: Destination,
    is_plain: bool,
    config: Arc<ClientConfig>,
    lookup: Arc<dyn Lookup>,
    clock: Clock,
    tasks: Tasks,
    idle: Mutex<Vec<(Instant, Sender)>>,
}

/// The sending end of a connection.
enum Sender {
    One(http1::SendRequest<Body>),
    Two(http2::SendRequest<Body>),
}

impl Sender {
    fn is_ready(&self) -> bool {
        match self {
            Sender::One(sender) => sender.is_ready(),
            Sender::Two(sender) => sender.is_ready(),
        }
    }

    fn is_closed(&self) -> bool {
        match self {
            Sender::One(sender) => sender.is_closed(),
            Sender::Two(sender) => sender.is_closed(),
        }
    }

    /// The answer's head; the request comes back when nothing of it was sent.
    async fn send(&mut self, request: Request<Body>) -> Result<Response<Incoming>, Unsent> {
        let sent = match self {
            Sender::One(sender) => sender.try_send_request(request).await,
            Sender::Two(sender) => sender.try_send_request(request).await,
        };
        sent.map_err(|mut e| Unsent { request: e.take_message(), failure: Failure::http(e.error()) })
    }
}

struct Unsent {
    request: Option<Request<Body>>,
    failure: Failure,
}

/// Runs what HTTP/2 needs beside its connection.
#[derive(Clone)]
struct Runner(Tasks);

impl<F> hyper::rt::Executor<F> for Runner
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    fn execute(&self, future: F) {
        self.0.spawn_until_stopped("outbound stream", async move {
            future.await;
        });
    }
}

impl Peer {
    pub(super) fn new(
        destination: Destination,
        trust: &Trust,
        identity: Option<&Identity>,
        outbound: &Outbound,
    ) -> Result<Arc<Self>, String> {
        // As upstream: one connection of HTTP/2 would send all calls to the same endpoint of a Service.
        let protocols: &[&[u8]] = if destination.is_local() { &[b"h2", b"http/1.1"] } else { &[b"http/1.1"] };
        let config = trust::client(trust, identity, protocols, outbound.clock)?;
        Ok(Arc::new(Peer {
            destination,
            is_plain: *trust == Trust::Plain,
            config: Arc::new(config),
            lookup: Arc::clone(&outbound.lookup),
            clock: outbound.clock,
            tasks: outbound.tasks.clone(),
            idle: Mutex::default(),
        }))
    }

    /// Whom it is.
    pub fn destination(&self) -> &Destination {
        &self.destination
    }

    /// A connection of its own, as for an upgrade.
    ///
    /// # Errors
    /// When there is nobody, or not who should be.
    pub async fn dial(&self) -> Result<Stream, Failure> {
        let address = self.destination.resolve(&*self.lookup).map_err(Failure)?;
        let name = self.destination.server_name();
        // What a handshake needs is large, and needed seldom.
        Box::pin(dial::dial(address, &name, Arc::clone(&self.config), self.clock)).await
    }

    /// Sends a request over a connection that is idle, or a new one, and gives the answer's head.
    ///
    /// # Errors
    /// When there is nobody, or the connection breaks.
    pub async fn send(self: &Arc<Self>, mut request: Request<Body>) -> Result<Response<Incoming>, Failure> {
        while let Some(mut sender) = self.take() {
            match sender.send(request).await {
                Ok(response) => {
                    self.keep(sender);
                    return Ok(response);
                }
                // The peer had closed the connection meanwhile.
                Err(Unsent { request: Some(unsent), .. }) => request = unsent,
                Err(Unsent { failure, .. }) => return Err(failure),
            }
        }
        let mut sender = Box::pin(self.connect()).await?;
        let response = sender.send(request).await.map_err(|unsent| unsent.failure)?;
        self.keep(sender);
        Ok(response)
    }

    async fn connect(self: &Arc<Self>) -> Result<Sender, Failure> {
        let broken = |e: hyper::Error| Failure::http(&e);
        if self.is_plain {
            let address = self.destination.resolve(&*self.lookup).map_err(Failure)?;
            let io = TokioIo::new(dial::plain(address).await?);
            let (sender, connection) = http1::handshake(io).await.map_err(broken)?;
            self.tasks.spawn_until_stopped("outbound connection", drive(connection, Arc::downgrade(self)));
            return Ok(Sender::One(sender));
        }
        let stream = self.dial().await?;
        let is_second = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        let io = TokioIo::new(stream);
        let peer = Arc::downgrade(self);
        if is_second {
            let (sender, connection) =
                http2::handshake(Runner(self.tasks.clone()), io).await.map_err(broken)?;
            self.tasks.spawn_until_stopped("outbound connection", drive(connection, peer));
            return Ok(Sender::Two(sender));
        }
        let (sender, connection) = http1::handshake(io).await.map_err(broken)?;
        self.tasks.spawn_until_stopped("outbound connection", drive(connection, peer));
        Ok(Sender::One(sender))
    }

    /// A connection that can take a request now: those whose answer is still being read cannot.
    fn take(&self) -> Option<Sender> {
        let mut idle = self.idle.lock();
        idle.retain(|(since, sender)| !sender.is_closed() && since.elapsed() < IDLE_TIME);
        let at = idle.iter().rposition(|(_, sender)| sender.is_ready())?;
        Some(match &idle[at].1 {
            Sender::Two(sender) => Sender::Two(sender.clone()),
            Sender::One(_) => idle.swap_remove(at).1,
        })
    }

    fn keep(&self, sender: Sender) {
        let mut idle = self.idle.lock();
        let known = matches!(sender, Sender::Two(_)) && idle.iter().any(|(_, s)| matches!(s, Sender::Two(_)));
        if !known && idle.len() < IDLE {
            idle.push((Instant::now(), sender));
        }
    }

    fn expire(&self) {
        self.idle.lock().retain(|(since, sender)| !sender.is_closed() && since.elapsed() < IDLE_TIME);
    }
}

/// Keeps a connection going; wakes now and then to close those that nobody used.
async fn drive(connection: impl Future<Output = hyper::Result<()>>, peer: Weak<Peer>) {
    let mut connection = std::pin::pin!(connection);
    loop {
        match corten_rt::timeout(IDLE_TIME, connection.as_mut()).await {
            Some(ended) => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "an outbound connection ended early");
                }
                return;
            }
            None => {
                if let Some(peer) = peer.upgrade() {
                    peer.expire();
                }
            }
        }
    }
}
