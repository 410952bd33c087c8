//! The writing half of a connection: commands, answers and the streams' bytes, in turn, to the peer.

use super::SpdyError;
use super::connection::{Entry, Role, Streams};
use super::frame::{Control, ResetReason, data_head};
use super::headers::{Deflater, Headers};
use crate::fan_in::FanIn;
use bytes::Bytes;
use futures::FutureExt;
use std::task::{Context, Poll};
use tokio::io::{AsyncWrite, AsyncWriteExt, BufWriter};
use tokio::sync::{mpsc, oneshot};

/// What the owners of a connection ask for.
#[derive(Debug)]
pub(super) enum Command {
    Open {
        headers: Headers,
        incoming: mpsc::Sender<Bytes>,
        outgoing: mpsc::Receiver<Bytes>,
        opened: oneshot::Sender<Result<u32, SpdyError>>,
    },
    Accept {
        id: u32,
        outgoing: mpsc::Receiver<Bytes>,
    },
    Reset {
        id: u32,
        reason: ResetReason,
    },
}

/// What the reader asks for.
#[derive(Debug)]
pub(super) enum Answer {
    Pong { id: u32 },
    Reset { id: u32, reason: ResetReason },
    Forget { id: u32 },
}

enum Event {
    Command(Command),
    Answer(Answer),
    Chunk(u32, Option<Bytes>),
    /// All handles of the connection are gone and all that was queued is sent.
    Done,
}

pub(super) struct Writer<W: AsyncWrite> {
    io: BufWriter<W>,
    deflater: Deflater,
    streams: Streams,
    commands: mpsc::Receiver<Command>,
    answers: mpsc::Receiver<Answer>,
    outgoing: FanIn,
    next_id: u32,
}

impl<W: AsyncWrite + Unpin> Writer<W> {
    pub(super) fn new(
        io: W,
        role: Role,
        deflater: Deflater,
        streams: Streams,
        commands: mpsc::Receiver<Command>,
        answers: mpsc::Receiver<Answer>,
    ) -> Self {
        let next_id = if role == Role::Client { 1 } else { 2 };
        let io = BufWriter::new(io);
        Writer { io, deflater, streams, commands, answers, outgoing: FanIn::default(), next_id }
    }

    /// Writes until the connection's handles are gone; then says goodbye.
    pub(super) async fn run(mut self) -> Result<(), SpdyError> {
        loop {
            let event = match self.next().now_or_never() {
                Some(event) => event,
                None => {
                    self.io.flush().await?;
                    self.next().await
                }
            };
            match event {
                Event::Command(command) => self.command(command).await?,
                Event::Answer(Answer::Pong { id }) => self.control(&Control::Ping { id }).await?,
                Event::Answer(Answer::Reset { id, reason }) => {
                    self.control(&Control::Reset { id, reason }).await?;
                }
                Event::Answer(Answer::Forget { id }) => self.outgoing.remove(id),
                Event::Chunk(id, chunk) => self.chunk(id, chunk).await?,
                Event::Done => break,
            }
        }
        self.control(&Control::GoAway { last: 0, status: 0 }).await?;
        self.io.shutdown().await?;
        Ok(())
    }

    async fn next(&mut self) -> Event {
        std::future::poll_fn(|cx| self.poll_event(cx)).await
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        if let Poll::Ready(Some(answer)) = self.answers.poll_recv(cx) {
            return Poll::Ready(Event::Answer(answer));
        }
        let commands = self.commands.poll_recv(cx);
        if let Poll::Ready(Some(command)) = commands {
            return Poll::Ready(Event::Command(command));
        }
        if let Poll::Ready((id, chunk)) = self.outgoing.poll_next(cx) {
            return Poll::Ready(Event::Chunk(id, chunk));
        }
        if commands.is_ready() { Poll::Ready(Event::Done) } else { Poll::Pending }
    }

    async fn command(&mut self, command: Command) -> Result<(), SpdyError> {
        match command {
            Command::Open { headers, incoming, outgoing, opened } => {
                let id = self.next_id;
                self.next_id = id.checked_add(2).filter(|id| *id < 1 << 31).ok_or(SpdyError::Closed)?;
                let entry = Entry { incoming: Some(incoming), opened: Some(opened), finished: false };
                self.streams.lock().insert(id, entry);
                self.outgoing.add(id, outgoing);
                self.control(&Control::SynStream { id, fin: false, headers }).await
            }
            Command::Accept { id, outgoing } => {
                if self.streams.lock().contains_key(&id) {
                    self.outgoing.add(id, outgoing);
                }
                self.control(&Control::SynReply { id, fin: false, headers: Headers::default() }).await
            }
            Command::Reset { id, reason } => {
                self.streams.lock().remove(&id);
                self.control(&Control::Reset { id, reason }).await
            }
        }
    }

    async fn chunk(&mut self, id: u32, chunk: Option<Bytes>) -> Result<(), SpdyError> {
        let Some(chunk) = chunk else {
            self.finish(id);
            return Ok(self.io.write_all(&data_head(id, true, 0)).await?);
        };
        if !chunk.is_empty() {
            self.io.write_all(&data_head(id, false, chunk.len())).await?;
            self.io.write_all(&chunk).await?;
        }
        Ok(())
    }

    fn finish(&self, id: u32) {
        let mut streams = self.streams.lock();
        if let Some(entry) = streams.get_mut(&id) {
            entry.finished = true;
            if entry.incoming.is_none() {
                streams.remove(&id);
            }
        }
    }

    async fn control(&mut self, frame: &Control) -> Result<(), SpdyError> {
        let bytes = frame.encode(&mut self.deflater)?;
        Ok(self.io.write_all(&bytes).await?)
    }
}
