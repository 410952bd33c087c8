//! Numbered channels over one WebSocket: the first byte of a message is its channel.

use crate::LINGER;
use crate::fan_in::FanIn;
use crate::pipe::PipeWriter;
use crate::protocol::Protocol;
use crate::websocket::broken;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{BufMut, Bytes, BytesMut};
use corten_rt::{Stop, Tasks};
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt, StreamExt};
use std::io;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::oneshot;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

/// In place of a channel's number: the byte after it names a channel that ends.
const CLOSE: u8 = 255;

/// What one end of the connection does.
pub(crate) struct Channels {
    pub(crate) protocol: Protocol,
    /// Where the bytes of each channel go; what comes on the others is dropped.
    pub(crate) inbound: Vec<Option<PipeWriter>>,
    /// What is sent, by channel.
    pub(crate) outbound: FanIn,
    /// Whether to tell the peer of an outbound channel's end, where the protocol can.
    pub(crate) announce_end: bool,
    /// The connection closes when the other half of this is dropped; without it, once all outbound channels
    /// have ended.
    pub(crate) open: Option<oneshot::Receiver<()>>,
}

/// Gives the signal when dropped.
pub(crate) struct EndGuard(pub(crate) Stop);

impl Drop for EndGuard {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// Runs the channels in a task of `tasks`. The signal is given when the connection has ended.
pub(crate) fn start<T>(socket: WebSocketStream<T>, channels: Channels, tasks: &Tasks) -> Stop
where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let ended = Stop::new();
    let guard = EndGuard(ended.clone());
    let Channels { protocol, inbound, outbound, announce_end, open } = channels;
    let (sink, source) = socket.split();
    tasks.spawn_until_stopped("websocket channels", async move {
        let _guard = guard;
        let reading = read(source, protocol, inbound);
        tokio::pin!(reading);
        tokio::select! {
            () = &mut reading => {}
            result = write(sink, protocol, outbound, announce_end, open) => match result {
                Ok(()) => { corten_rt::timeout(LINGER, reading).await; }
                Err(e) => tracing::debug!(error = %e, "WebSocket cannot be written to"),
            },
        }
    });
    ended
}

async fn read<T>(
    mut source: SplitStream<WebSocketStream<T>>,
    protocol: Protocol,
    mut inbound: Vec<Option<PipeWriter>>,
) where
    T: AsyncRead + AsyncWrite + Unpin,
{
    while let Some(message) = source.next().await {
        let message = match message {
            Ok(Message::Binary(bytes)) => bytes,
            Ok(Message::Text(text)) => text.into(),
            Ok(_) => continue,
            Err(e) => return tracing::debug!(error = %e, "WebSocket ended"),
        };
        match Incoming::decode(&message, protocol) {
            Incoming::Data(channel, bytes) => {
                let Some(slot) = inbound.get_mut(usize::from(channel)) else { continue };
                let Some(pipe) = slot.as_mut().filter(|_| !bytes.is_empty()) else { continue };
                if pipe.send(bytes).await.is_err() {
                    *slot = None;
                }
            }
            Incoming::End(channel) => {
                if let Some(slot) = inbound.get_mut(usize::from(channel)) {
                    *slot = None;
                }
            }
            Incoming::Nothing => {}
            Incoming::Broken => return tracing::debug!("malformed message in a WebSocket of channels"),
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Incoming {
    Data(u8, Bytes),
    End(u8),
    Nothing,
    Broken,
}

impl Incoming {
    fn decode(message: &Bytes, protocol: Protocol) -> Incoming {
        let Some(&first) = message.first() else { return Incoming::Nothing };
        if protocol.half_close && first == CLOSE {
            return if message.len() == 2 { Incoming::End(message[1]) } else { Incoming::Broken };
        }
        if !protocol.base64 {
            return Incoming::Data(first, message.slice(1..));
        }
        match STANDARD.decode(&message[1..]) {
            Ok(bytes) => Incoming::Data(first.wrapping_sub(b'0'), bytes.into()),
            Err(_) => Incoming::Nothing,
        }
    }
}

fn encode(channel: u8, bytes: &[u8], protocol: Protocol) -> Message {
    if protocol.base64 {
        let mut text = String::with_capacity(1 + bytes.len() / 3 * 4 + 4);
        text.push(char::from(b'0'.wrapping_add(channel)));
        STANDARD.encode_string(bytes, &mut text);
        return Message::text(text);
    }
    let mut out = BytesMut::with_capacity(1 + bytes.len());
    out.put_u8(channel);
    out.put_slice(bytes);
    Message::Binary(out.freeze())
}

async fn write<T>(
    mut sink: SplitSink<WebSocketStream<T>, Message>,
    protocol: Protocol,
    mut outbound: FanIn,
    announce_end: bool,
    open: Option<oneshot::Receiver<()>>,
) -> io::Result<()>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let until_all_ended = open.is_none();
    let dropped = async {
        match open {
            Some(open) => drop(open.await),
            None => std::future::pending().await,
        }
    };
    tokio::pin!(dropped);
    while !(until_all_ended && outbound.is_empty()) {
        let (channel, chunk) = tokio::select! {
            biased;
            next = outbound.next() => next,
            () = &mut dropped => break,
        };
        let channel = channel as u8;
        match chunk {
            Some(bytes) => sink.send(encode(channel, &bytes, protocol)).await.map_err(broken)?,
            None if announce_end && protocol.half_close => {
                sink.send(Message::Binary(Bytes::copy_from_slice(&[CLOSE, channel])))
                    .await
                    .map_err(broken)?;
            }
            None => {}
        }
    }
    let normal = CloseFrame { code: CloseCode::Normal, reason: "".into() };
    sink.send(Message::Close(Some(normal))).await.map_err(broken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{EXEC_WEBSOCKET_V4, EXEC_WEBSOCKET_V5};
    use proptest::prelude::*;

    const BASE64: Protocol = Protocol { base64: true, ..EXEC_WEBSOCKET_V4 };

    #[test]
    fn messages_by_protocol() {
        let data = |channel, bytes: &'static [u8]| Incoming::Data(channel, Bytes::from_static(bytes));
        for (message, protocol, expected) in [
            (&b"\x00ab"[..], EXEC_WEBSOCKET_V5, data(0, b"ab")),
            (b"\xff\x00", EXEC_WEBSOCKET_V5, Incoming::End(0)),
            (b"\xff", EXEC_WEBSOCKET_V5, Incoming::Broken),
            (b"\xff\x00", EXEC_WEBSOCKET_V4, data(255, b"\x00")),
            (b"", EXEC_WEBSOCKET_V4, Incoming::Nothing),
            (b"0Zm9vCgo=", BASE64, data(0, b"foo\n\n")),
            (b"0!", BASE64, Incoming::Nothing),
        ] {
            assert_eq!(Incoming::decode(&Bytes::from_static(message), protocol), expected, "{message:?}");
        }
    }

    proptest! {
        #[test]
        fn messages_round_trip(channel in 0u8..80, bytes in prop::collection::vec(any::<u8>(), 0..99), base64: bool) {
            let protocol = if base64 { BASE64 } else { EXEC_WEBSOCKET_V5 };
            let message = encode(channel, &bytes, protocol).into_data();
            prop_assert_eq!(Incoming::decode(&message, protocol), Incoming::Data(channel, bytes.into()));
        }

        #[test]
        fn noise_never_panics(message in prop::collection::vec(any::<u8>(), 0..40), base64: bool) {
            let protocol = if base64 { BASE64 } else { EXEC_WEBSOCKET_V5 };
            let _ = Incoming::decode(&message.into(), protocol);
        }
    }
}
