//! The called end of port-forward, over each of its protocols.

use super::Forwarded;
use crate::channels::{self, Channels};
use crate::fan_in::FanIn;
use crate::pipe::pipe;
use crate::protocol::{Protocol, Transport};
use crate::spdy::{Connection, Incoming, NewStream, Role, SpdyError, Stream};
use crate::websocket::{self, Tunnel};
use bytes::Bytes;
use corten_rt::{Instant, Stop, Tasks};
use std::collections::HashMap;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;

/// How long one stream of a pair waits for the other, as upstream.
const PAIR_TIMEOUT: Duration = Duration::from_secs(30);

/// The connections that a client asks for.
#[derive(Debug)]
pub struct Server {
    forwarded: mpsc::Receiver<Forwarded>,
    ended: Stop,
}

impl Server {
    /// The next connection; `None` when the client is gone.
    pub async fn next(&mut self) -> Option<Forwarded> {
        self.forwarded.recv().await
    }

    /// Given when the connection to the client has ended.
    pub fn ended(&self) -> &Stop {
        &self.ended
    }
}

/// Speaks `protocol` (as [`crate::upgrade::accept_port_forward`] agreed it) on the upgraded connection, in tasks
/// of `tasks`. `ports` are those in the request's query, which only the protocol of channels needs.
///
/// # Errors
/// [`SpdyError::Compression`] when zlib cannot be set up.
pub async fn serve<T>(io: T, protocol: Protocol, ports: &[u16], tasks: &Tasks) -> Result<Server, SpdyError>
where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    match protocol.transport {
        Transport::Spdy => over_spdy(io, tasks),
        Transport::TunneledSpdy => over_spdy(Tunnel::new(websocket::server(io).await), tasks),
        Transport::WebSocket => Ok(over_channels(io, protocol, ports, tasks).await),
    }
}

/// Two channels for each port: data, then error. The first message on each is the port, little endian.
async fn over_channels<T>(io: T, protocol: Protocol, ports: &[u16], tasks: &Tasks) -> Server
where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (sender, forwarded) = mpsc::channel(ports.len().max(1));
    let (mut inbound, mut outbound) = (Vec::new(), FanIn::default());
    // Channel numbers are bytes of which the last is taken, or single characters from `0` on.
    let most = if protocol.base64 { 39 } else { 127 };
    for (index, &port) in ports.iter().take(most).enumerate() {
        let (to_reader, reader) = pipe();
        let (mut writer, from_writer) = pipe();
        let (mut error, from_error) = pipe();
        for channel in [&mut writer, &mut error] {
            let _ = channel.send(Bytes::copy_from_slice(&port.to_le_bytes())).await;
        }
        inbound.extend([Some(to_reader), None]);
        outbound.add(2 * index as u32, from_writer.into_chunks());
        outbound.add(2 * index as u32 + 1, from_error.into_chunks());
        let _ = sender.try_send(Forwarded { port, reader, writer, error });
    }
    let channels = Channels { protocol, inbound, outbound, announce_end: false, open: None };
    let ended = channels::start(websocket::server(io).await, channels, tasks);
    Server { forwarded, ended }
}

fn over_spdy<T>(io: T, tasks: &Tasks) -> Result<Server, SpdyError>
where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (connection, incoming) = Connection::start(io, Role::Server, tasks)?;
    let (sender, forwarded) = mpsc::channel(1);
    let ended = connection.ended().clone();
    tasks.spawn_until_stopped("port-forward streams", pair(connection, incoming, sender));
    Ok(Server { forwarded, ended })
}

/// A stream that waits for the other of its pair.
struct Half {
    stream: Stream,
    is_error: bool,
    deadline: Instant,
}

/// Pairs the data and error streams of each request until the client or the receiver is gone.
async fn pair(connection: Connection, mut incoming: Incoming, sender: mpsc::Sender<Forwarded>) {
    let mut halves: HashMap<String, Half> = HashMap::new();
    loop {
        let first = halves.values().map(|half| half.deadline).min();
        let stream = tokio::select! {
            stream = incoming.next() => stream,
            () = expiry(first) => {
                expire(&mut halves).await;
                continue;
            }
            () = sender.closed() => return,
        };
        let Some(stream) = stream else { return };
        let Some(asked) = Asked::read(&stream) else {
            connection.refuse(stream).await;
            continue;
        };
        let Ok(stream) = connection.accept(stream).await else { return };
        let Some(other) = halves.remove(&asked.request) else {
            let deadline = Instant::now() + PAIR_TIMEOUT;
            halves.insert(asked.request, Half { stream, is_error: asked.is_error, deadline });
            continue;
        };
        if other.is_error == asked.is_error {
            report(
                other,
                &format!("error processing stream for request {}: stream already assigned", asked.request),
            )
            .await;
            continue;
        }
        let (data, error) = if asked.is_error { (other.stream, stream) } else { (stream, other.stream) };
        let forwarded =
            Forwarded { port: asked.port, reader: data.reader, writer: data.writer, error: error.writer };
        if sender.send(forwarded).await.is_err() {
            return;
        }
    }
}

async fn expiry(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => corten_rt::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

async fn expire(halves: &mut HashMap<String, Half>) {
    let now = Instant::now();
    let late: Vec<String> =
        halves.iter().filter(|(_, half)| half.deadline <= now).map(|(request, _)| request.clone()).collect();
    for request in late {
        if let Some(half) = halves.remove(&request) {
            report(half, &format!("(request={request}) timed out waiting for streams")).await;
        }
    }
}

async fn report(mut half: Half, message: &str) {
    if half.is_error {
        let _ = half.stream.writer.send(Bytes::copy_from_slice(message.as_bytes())).await;
    }
}

/// What a stream's headers say.
struct Asked {
    port: u16,
    is_error: bool,
    request: String,
}

impl Asked {
    fn read(stream: &NewStream) -> Option<Asked> {
        let port: u16 = stream.headers.get("port")?.parse().ok().filter(|port| *port > 0)?;
        let is_error = match stream.headers.get("streamtype")? {
            "error" => true,
            "data" => false,
            _ => return None,
        };
        let request = match stream.headers.get("requestid") {
            Some(request) if !request.is_empty() => request.to_owned(),
            // Clients that name no request open the data stream right after the error stream.
            _ if is_error => stream.id.to_string(),
            _ => stream.id.saturating_sub(2).to_string(),
        };
        Some(Asked { port, is_error, request })
    }
}
