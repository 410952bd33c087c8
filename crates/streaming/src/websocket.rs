//! WebSocket connections: limits, the one-way writer of logs and watches, and the tunnel that carries SPDY.

use crate::LINGER;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use corten_rt::{Stop, Tasks};
use futures::stream::SplitSink;
use futures::{SinkExt, Stream, StreamExt};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};

/// The longest message accepted, as upstream's servers.
const MAX_MESSAGE: usize = 32 << 20;

/// The server's end of a WebSocket on an upgraded connection.
pub async fn server<T: AsyncRead + AsyncWrite + Unpin>(io: T) -> WebSocketStream<T> {
    WebSocketStream::from_raw_socket(io, Role::Server, Some(limits())).await
}

/// The client's end of a WebSocket on an upgraded connection.
pub async fn client<T: AsyncRead + AsyncWrite + Unpin>(io: T) -> WebSocketStream<T> {
    WebSocketStream::from_raw_socket(io, Role::Client, Some(limits())).await
}

/// Small buffers, since there may be thousands of idle connections.
fn limits() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(8 * 1024)
        .write_buffer_size(8 * 1024)
        .max_message_size(Some(MAX_MESSAGE))
        .max_frame_size(Some(MAX_MESSAGE))
}

/// How a one-way stream puts bytes into messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// Binary messages.
    Binary,
    /// Text messages; the bytes must be UTF-8 (watches in JSON).
    Text,
    /// Text messages with the bytes in base64.
    Base64,
}

/// Gives the signal when nobody reads any more, be it that the whole process stops.
struct StopOnDrop(Stop);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// A WebSocket that is written to and whose client only reads: logs and watches.
#[derive(Debug)]
pub struct WebSocketWriter<T> {
    sink: SplitSink<WebSocketStream<T>, Message>,
    framing: Framing,
    gone: Stop,
}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> WebSocketWriter<T> {
    /// A writer on an upgraded connection. A task of `tasks` reads what the client sends (pings, the close).
    pub async fn start(io: T, framing: Framing, tasks: &Tasks) -> Self {
        let (sink, mut source) = server(io).await.split();
        let gone = Stop::new();
        let guard = StopOnDrop(gone.clone());
        tasks.spawn_until_stopped("websocket reader", async move {
            let _guard = guard;
            while source.next().await.is_some_and(|message| message.is_ok()) {}
        });
        WebSocketWriter { sink, framing, gone }
    }

    /// Sends one message.
    ///
    /// # Errors
    /// The connection is broken, or text was asked for and `bytes` are not UTF-8.
    pub async fn send(&mut self, bytes: Bytes) -> io::Result<()> {
        let message = match self.framing {
            Framing::Binary => Message::Binary(bytes),
            Framing::Base64 => Message::text(STANDARD.encode(&bytes)),
            Framing::Text => Message::Text(
                bytes.try_into().map_err(|e| io::Error::new(io::ErrorKind::InvalidData, format!("{e}")))?,
            ),
        };
        self.sink.send(message).await.map_err(broken)
    }

    /// Given when the client closed the connection or it broke.
    pub fn gone(&self) -> &Stop {
        &self.gone
    }

    /// Says goodbye and waits a moment for the client to do so.
    pub async fn close(mut self) {
        let _ = self.sink.close().await;
        corten_rt::timeout(LINGER, self.gone.stopped()).await;
    }
}

pub(crate) fn broken(error: Error) -> io::Error {
    match error {
        Error::Io(e) => e,
        other => io::Error::new(io::ErrorKind::BrokenPipe, other),
    }
}

/// A WebSocket as a plain byte stream: each write one binary message. It carries SPDY for port-forward.
#[derive(Debug)]
pub struct Tunnel<T> {
    socket: WebSocketStream<T>,
    rest: Bytes,
}

impl<T> Tunnel<T> {
    /// A tunnel through `socket`.
    pub fn new(socket: WebSocketStream<T>) -> Self {
        Tunnel { socket, rest: Bytes::new() }
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncRead for Tunnel<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.rest.is_empty() {
            match ready!(Pin::new(&mut self.socket).poll_next(cx)) {
                Some(Ok(Message::Binary(bytes))) => self.rest = bytes,
                Some(Ok(Message::Close(_))) | None => return Poll::Ready(Ok(())),
                Some(Ok(Message::Text(_))) => {
                    let message = "a text message in a tunnel of binary messages";
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, message)));
                }
                Some(Ok(_)) => {}
                Some(Err(e)) => return Poll::Ready(Err(broken(e))),
            }
        }
        let count = self.rest.len().min(buf.remaining());
        buf.put_slice(&self.rest.split_to(count));
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Tunnel<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        use futures::Sink;
        ready!(Pin::new(&mut self.socket).poll_ready(cx)).map_err(broken)?;
        let message = Message::Binary(Bytes::copy_from_slice(buf));
        Pin::new(&mut self.socket).start_send(message).map_err(broken)?;
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket.poll_flush_unpin(cx).map_err(broken)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket.poll_close_unpin(cx).map_err(broken)
    }
}
