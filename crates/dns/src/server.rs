//! The sockets: requests in, answers out.

use crate::answer::{Answer, answer, authority};
use crate::config::Config;
use crate::forward::Forwarder;
use crate::message::{Request, Transport, read, reply, write};
use crate::zone::Zone;
use corten_api::core::v1::Service;
use corten_api::discovery::v1::EndpointSlice;
use corten_client::Informers;
use corten_rt::{Tasks, timeout};
use hickory_proto::op::{Message, Query, ResponseCode};
use hickory_proto::rr::Name;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many questions may be with other resolvers at once.
const WAITING: usize = 500;
/// How many TCP connections there may be at once.
const CONNECTIONS: usize = 100;
/// How long a TCP connection may be silent.
const SILENCE: Duration = Duration::from_secs(10);
/// How many names may lead to one another (an external name to another, and so on).
const STEPS: usize = 8;

/// Why the server could not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot listen for DNS at {address}: {source} (is another DNS server running there?)")]
    Listen { address: SocketAddr, source: std::io::Error },
    #[error("{0:?} is no domain name: set the cluster's domain to one such as cluster.local")]
    Domain(String),
}

/// Starts the server as tasks of `tasks`; gives the addresses it listens at.
pub async fn serve(config: Config, informers: &Informers, tasks: &Tasks) -> Result<Vec<SocketAddr>, Error> {
    let mut origin = Name::from_ascii(&config.domain).map_err(|_| Error::Domain(config.domain.clone()))?;
    origin.set_fqdn(true);
    let zone = Zone::new(
        origin.to_lowercase(),
        config.address,
        informers.of::<Service>(),
        informers.of::<EndpointSlice>(),
    );
    let server = Arc::new(Server {
        zone,
        forwarder: Forwarder::new(config.upstreams),
        waiting: Arc::new(Semaphore::new(WAITING)),
        connections: Arc::new(Semaphore::new(CONNECTIONS)),
    });
    let mut listening = Vec::new();
    for address in config.listen {
        let failed = |source| Error::Listen { address, source };
        let udp = UdpSocket::bind(address).await.map_err(failed)?;
        // With port 0 both get the port that UDP got.
        let local = udp.local_addr().map_err(failed)?;
        let tcp = TcpListener::bind(local).await.map_err(failed)?;
        tasks.spawn_until_stopped("dns by UDP", server.clone().serve_udp(Arc::new(udp), tasks.clone()));
        tasks.spawn_until_stopped("dns by TCP", server.clone().serve_tcp(tcp, tasks.clone()));
        listening.push(local);
    }
    Ok(listening)
}

struct Server {
    zone: Zone,
    forwarder: Forwarder,
    waiting: Arc<Semaphore>,
    connections: Arc<Semaphore>,
}

/// A reply, or one that lacks what `query` is to give.
enum Reply {
    Done(Message),
    Ask { reply: Message, query: Query },
}

impl Server {
    /// The cluster's names are answered at once; questions to others wait in tasks of their own.
    async fn serve_udp(self: Arc<Self>, socket: Arc<UdpSocket>, tasks: Tasks) {
        let mut buffer = vec![0; usize::from(u16::MAX)];
        loop {
            let (length, from) = match socket.recv_from(&mut buffer).await {
                Ok(received) => received,
                Err(error) => {
                    // An unreachable client of before is reported here, too: go on.
                    tracing::debug!(%error, "receiving failed");
                    corten_rt::sleep(Duration::from_millis(10)).await;
                    continue;
                }
            };
            let request = match read(&buffer[..length]) {
                Ok(request) => request,
                Err(refusal) => {
                    if let Some(bytes) = refusal.and_then(|r| r.to_vec().ok()) {
                        send(&socket, &bytes, from).await;
                    }
                    continue;
                }
            };
            match self.first(&request) {
                Reply::Done(reply) => {
                    if let Some(bytes) = write(reply, &request.message, Transport::Udp) {
                        send(&socket, &bytes, from).await;
                    }
                }
                Reply::Ask { reply, query } => {
                    let Ok(permit) = self.waiting.clone().try_acquire_owned() else { continue };
                    let (server, socket) = (self.clone(), socket.clone());
                    tasks.spawn_until_stopped("dns question", async move {
                        let _permit: OwnedSemaphorePermit = permit;
                        let reply = server.rest(reply, query, &request).await;
                        if let Some(bytes) = write(reply, &request.message, Transport::Udp) {
                            send(&socket, &bytes, from).await;
                        }
                    });
                }
            }
        }
    }

    async fn serve_tcp(self: Arc<Self>, listener: TcpListener, tasks: Tasks) {
        loop {
            let Ok(permit) = self.connections.clone().acquire_owned().await else { return };
            match listener.accept().await {
                Ok((stream, _)) => {
                    let server = self.clone();
                    tasks.spawn_until_stopped("dns connection", async move {
                        let _permit = permit;
                        if let Err(error) = server.converse(stream).await {
                            tracing::debug!(%error, "a DNS connection failed");
                        }
                    });
                }
                Err(error) => {
                    tracing::debug!(%error, "accepting failed");
                    corten_rt::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    /// Answers one request after another until the client is silent or leaves.
    async fn converse(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let mut packet = Vec::new();
        loop {
            let received = timeout(SILENCE, async {
                let length = stream.read_u16().await?;
                packet.resize(usize::from(length), 0);
                stream.read_exact(&mut packet).await
            });
            match received.await {
                Some(Err(e)) if e.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(()),
                Some(received) => received?,
                None => return Ok(()),
            };
            let Some(bytes) = self.answer_by_tcp(&packet).await else { return Ok(()) };
            let length = u16::try_from(bytes.len()).map_err(std::io::Error::other)?;
            let whole = [&length.to_be_bytes(), &bytes[..]].concat();
            match timeout(SILENCE, stream.write_all(&whole)).await {
                Some(written) => written?,
                None => return Ok(()),
            }
        }
    }

    async fn answer_by_tcp(&self, packet: &[u8]) -> Option<Vec<u8>> {
        let request = match read(packet) {
            Ok(request) => request,
            Err(refusal) => return refusal?.to_vec().ok(),
        };
        let reply = match self.first(&request) {
            Reply::Done(reply) => reply,
            Reply::Ask { reply, query } => self.rest(reply, query, &request).await,
        };
        write(reply, &request.message, Transport::Tcp)
    }

    /// What the zone says.
    fn first(&self, request: &Request) -> Reply {
        let mut message = reply(&request.message, ResponseCode::NoError);
        let mut query = request.query.clone();
        for _ in 0..STEPS {
            let answer = answer(&query, &self.zone);
            if answer != Answer::NotOurs && !self.zone.is_synced() {
                return Reply::Done(reply(&request.message, ResponseCode::ServFail));
            }
            message.metadata.authoritative |= answer != Answer::NotOurs;
            match answer {
                Answer::NotOurs => return Reply::Ask { reply: message, query },
                Answer::NoName => {
                    message.metadata.response_code = ResponseCode::NXDomain;
                    message.authorities.push(authority(&self.zone));
                    return Reply::Done(message);
                }
                Answer::Records { mut answers, additionals, follow } => {
                    if answers.is_empty() {
                        message.authorities.push(authority(&self.zone));
                    }
                    // Clients mostly take the first: let each have its turn.
                    let first = corten_rt::random::below(answers.len());
                    answers.rotate_left(first);
                    message.answers.extend(answers);
                    message.additionals.extend(additionals);
                    let Some(name) = follow else { return Reply::Done(message) };
                    query.set_name(name);
                }
            }
        }
        Reply::Done(reply(&request.message, ResponseCode::ServFail))
    }

    /// What others say, after what the zone said.
    async fn rest(&self, mut reply: Message, query: Query, request: &Request) -> Message {
        let dnssec = request.message.edns.as_ref().is_some_and(|e| e.flags().dnssec_ok);
        match self.forwarder.ask(&query, dnssec).await {
            Some(answer) => {
                reply.metadata.response_code = answer.metadata.response_code;
                reply.answers.extend(answer.answers);
                reply.authorities.extend(answer.authorities);
                reply.additionals.extend(answer.additionals);
            }
            None => reply.metadata.response_code = ResponseCode::ServFail,
        }
        reply
    }
}

async fn send(socket: &UdpSocket, bytes: &[u8], to: SocketAddr) {
    if let Err(error) = socket.send_to(bytes, to).await {
        tracing::debug!(%to, %error, "an answer was not sent");
    }
}

#[cfg(test)]
#[path = "server_tests.rs"]
mod tests;
