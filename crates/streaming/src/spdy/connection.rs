//! A connection: opens streams, accepts the peer's, and ends in good order.

use super::SpdyError;
use super::frame::ResetReason;
use super::headers::{Deflater, Headers};
use super::reader::Reader;
use super::writer::{Command, Writer};
use crate::LINGER;
use crate::pipe::{DEPTH, PipeReader, PipeWriter, pipe};
use bytes::Bytes;
use corten_rt::{Stop, Tasks};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, BufReader};
use tokio::sync::{mpsc, oneshot};

/// How long an opened stream may wait for the peer's answer, as upstream.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// Streams a connection may have; more are refused.
pub(super) const MAX_STREAMS: usize = 1000;
const QUEUE: usize = 32;

/// Which end of the connection this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Asked for the upgrade; its streams have odd numbers.
    Client,
    /// Granted it; its streams have even numbers.
    Server,
}

/// What reader and writer share about one stream.
#[derive(Debug, Default)]
pub(super) struct Entry {
    /// Where the peer's bytes go; `None` once it said that no more come.
    pub(super) incoming: Option<mpsc::Sender<Bytes>>,
    /// Whoever waits for the peer's answer to our opening.
    pub(super) opened: Option<oneshot::Sender<Result<u32, SpdyError>>>,
    /// Whether we told the peer that no more bytes come.
    pub(super) finished: bool,
}

/// The streams that are not finished in both directions.
pub(super) type Streams = Arc<Mutex<HashMap<u32, Entry>>>;

/// One end of a connection. Clones share it; when the last is dropped, what the streams' writers have queued is
/// still sent, then the connection closes.
#[derive(Clone, Debug)]
pub struct Connection {
    commands: mpsc::Sender<Command>,
    ended: Stop,
}

/// The streams that the peer opens.
#[derive(Debug)]
pub struct Incoming(pub(super) mpsc::Receiver<NewStream>);

impl Incoming {
    /// The next stream; `None` when the connection ended.
    pub async fn next(&mut self) -> Option<NewStream> {
        self.0.recv().await
    }
}

/// A stream of which both ends exist.
#[derive(Debug)]
pub struct Stream {
    /// Its number.
    pub id: u32,
    /// The headers it was opened with.
    pub headers: Headers,
    /// What the peer sends.
    pub reader: PipeReader,
    /// What we send.
    pub writer: PipeWriter,
}

/// A stream that the peer opened and that waits for our answer.
#[derive(Debug)]
pub struct NewStream {
    /// Its number.
    pub id: u32,
    /// The headers it was opened with.
    pub headers: Headers,
    pub(super) reader: PipeReader,
}

impl Connection {
    /// Starts speaking SPDY on `io`, in a task of `tasks`.
    ///
    /// # Errors
    /// [`SpdyError::Compression`] when zlib cannot be set up.
    pub fn start<T>(io: T, role: Role, tasks: &Tasks) -> Result<(Connection, Incoming), SpdyError>
    where
        T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let streams = Streams::default();
        let (commands, command_queue) = mpsc::channel(QUEUE);
        let (answers, answer_queue) = mpsc::channel(QUEUE);
        let (accepted, incoming) = mpsc::channel(QUEUE);
        let (reading, writing) = tokio::io::split(io);
        let writer =
            Writer::new(writing, role, Deflater::new()?, streams.clone(), command_queue, answer_queue);
        let reader = Reader::new(BufReader::new(reading), role, streams.clone(), accepted, answers);
        let ended = Stop::new();
        let connection = Connection { commands, ended: ended.clone() };
        tasks.spawn_until_stopped("spdy connection", async move {
            // However this ends, also by being dropped, those who wait learn of it.
            let _guard = EndGuard { ended, streams };
            let reading = reader.run();
            tokio::pin!(reading);
            let outcome = tokio::select! {
                result = &mut reading => result,
                result = writer.run() => match result {
                    // Closing with bytes unread would destroy what the peer has not read yet.
                    Ok(()) => corten_rt::timeout(LINGER, reading).await.unwrap_or(Ok(())),
                    Err(e) => Err(e),
                },
            };
            if let Err(e) = outcome {
                tracing::debug!(error = %e, "SPDY connection ended");
            }
        });
        Ok((connection, Incoming(incoming)))
    }

    /// Opens a stream and waits until the peer accepted it.
    ///
    /// # Errors
    /// [`SpdyError::Refused`], [`SpdyError::Unanswered`] after 30 s, or [`SpdyError::Closed`].
    pub async fn open(&self, headers: Headers) -> Result<Stream, SpdyError> {
        let (opened, answer) = oneshot::channel();
        let (to_reader, reader) = mpsc::channel(DEPTH);
        let (writer, from_writer) = pipe();
        let command = Command::Open {
            headers: headers.clone(),
            incoming: to_reader,
            outgoing: from_writer.into_chunks(),
            opened,
        };
        self.commands.send(command).await.map_err(|_| SpdyError::Closed)?;
        let answer = corten_rt::timeout(ANSWER_TIMEOUT, answer).await.ok_or(SpdyError::Unanswered)?;
        let id = answer.map_err(|_| SpdyError::Closed)??;
        Ok(Stream { id, headers, reader: PipeReader::new(reader), writer })
    }

    /// Accepts a stream that the peer opened. Its writer keeps this connection open as long as it lives.
    ///
    /// # Errors
    /// [`SpdyError::Closed`].
    pub async fn accept(&self, stream: NewStream) -> Result<Stream, SpdyError> {
        let (writer, from_writer) = pipe();
        let command = Command::Accept { id: stream.id, outgoing: from_writer.into_chunks() };
        self.commands.send(command).await.map_err(|_| SpdyError::Closed)?;
        let writer = writer.keeping(self.clone());
        Ok(Stream { id: stream.id, headers: stream.headers, reader: stream.reader, writer })
    }

    /// Refuses a stream that the peer opened.
    pub async fn refuse(&self, stream: NewStream) {
        let _ =
            self.commands.send(Command::Reset { id: stream.id, reason: ResetReason::REFUSED_STREAM }).await;
    }

    /// Given when the connection has ended, from either side.
    pub fn ended(&self) -> &Stop {
        &self.ended
    }
}

struct EndGuard {
    ended: Stop,
    streams: Streams,
}

impl Drop for EndGuard {
    fn drop(&mut self) {
        self.streams.lock().clear();
        self.ended.stop();
    }
}
