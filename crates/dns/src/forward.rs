//! Names that are not the cluster's: asked of the machine's resolvers, in order, by UDP and, where the
//! answer does not fit, by TCP.

use crate::cache::Cache;
use crate::message::UDP_SIZE;
use corten_rt::{Instant, timeout};
use hickory_proto::op::{Edns, Message, MessageType, Query};
use parking_lot::Mutex;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

/// How long one resolver may take for one try.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often the list of resolvers is gone through.
const ROUNDS: usize = 2;

/// Asks others.
pub struct Forwarder {
    upstreams: Vec<SocketAddr>,
    cache: Mutex<Cache>,
}

impl Forwarder {
    /// Asks these resolvers.
    pub fn new(upstreams: Vec<SocketAddr>) -> Self {
        Forwarder { upstreams, cache: Mutex::default() }
    }

    /// The answer of the first resolver that gives one; `None` when none does.
    pub async fn ask(&self, query: &Query, dnssec: bool) -> Option<Message> {
        let question = (query.name().to_lowercase(), query.query_type(), dnssec);
        let kept = self.cache.lock().get(&question, Instant::now());
        if kept.is_some() {
            return kept;
        }
        for upstream in std::iter::repeat_n(&self.upstreams, ROUNDS).flatten() {
            match timeout(PATIENCE, ask_one(*upstream, query, dnssec)).await {
                Some(Ok(answer)) => {
                    self.cache.lock().put(question, &answer, Instant::now());
                    return Some(answer);
                }
                Some(Err(error)) => tracing::debug!(%upstream, %error, "a resolver failed"),
                None => tracing::debug!(%upstream, "a resolver did not answer in time"),
            }
        }
        None
    }
}

async fn ask_one(upstream: SocketAddr, query: &Query, dnssec: bool) -> io::Result<Message> {
    let mut request = Message::query();
    request.metadata.recursion_desired = true;
    request.queries.push(query.clone());
    let mut edns = Edns::new();
    edns.set_max_payload(UDP_SIZE).set_dnssec_ok(dnssec);
    request.edns = Some(edns);
    let bytes = request.to_vec().map_err(io::Error::other)?;
    let answer = by_udp(upstream, &bytes, &request).await?;
    if answer.metadata.truncation { by_tcp(upstream, &bytes, &request).await } else { Ok(answer) }
}

/// A socket of its own per question: its port is as hard to guess as the question's number.
async fn by_udp(upstream: SocketAddr, bytes: &[u8], request: &Message) -> io::Result<Message> {
    let any = match upstream {
        SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(upstream).await?;
    socket.send(bytes).await?;
    let mut buffer = vec![0; usize::from(UDP_SIZE)];
    loop {
        let length = socket.recv(&mut buffer).await?;
        // What does not answer this very question is somebody's guess: wait on.
        if let Some(answer) = matching(&buffer[..length], request) {
            return Ok(answer);
        }
    }
}

async fn by_tcp(upstream: SocketAddr, bytes: &[u8], request: &Message) -> io::Result<Message> {
    let mut stream = TcpStream::connect(upstream).await?;
    let length = u16::try_from(bytes.len()).map_err(io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes(), bytes].concat()).await?;
    let length = stream.read_u16().await?;
    let mut buffer = vec![0; usize::from(length)];
    stream.read_exact(&mut buffer).await?;
    matching(&buffer, request).ok_or_else(|| io::Error::other("the answer is to another question"))
}

fn matching(bytes: &[u8], request: &Message) -> Option<Message> {
    let answer = Message::from_vec(bytes).ok()?;
    let ours = answer.metadata.id == request.metadata.id
        && answer.metadata.message_type == MessageType::Response
        && answer.queries == request.queries;
    ours.then_some(answer)
}
