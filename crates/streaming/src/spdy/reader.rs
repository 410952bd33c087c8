//! The reading half of a connection: frames from the peer, to the streams they belong to.

use super::SpdyError;
use super::connection::{Entry, MAX_STREAMS, NewStream, Role, Streams};
use super::frame::{Control, HEAD, Head, ResetReason};
use super::headers::{Headers, Inflater};
use super::writer::Answer;
use crate::pipe::{DEPTH, MAX_CHUNK, PipeReader};
use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::mpsc;

pub(super) struct Reader<R> {
    io: R,
    role: Role,
    inflater: Inflater,
    streams: Streams,
    accepted: mpsc::Sender<NewStream>,
    answers: mpsc::Sender<Answer>,
    /// The highest number of a stream that the peer opened.
    last: u32,
}

impl<R: AsyncRead + Unpin> Reader<R> {
    pub(super) fn new(
        io: R,
        role: Role,
        streams: Streams,
        accepted: mpsc::Sender<NewStream>,
        answers: mpsc::Sender<Answer>,
    ) -> Self {
        Reader { io, role, inflater: Inflater::new(), streams, accepted, answers, last: 0 }
    }

    /// Reads until the peer is done (end of the connection or GOAWAY) or breaks the protocol.
    pub(super) async fn run(mut self) -> Result<(), SpdyError> {
        loop {
            let mut head = [0; HEAD];
            match self.io.read_exact(&mut head).await {
                Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(()),
                other => other?,
            };
            match Head::decode(head)? {
                Head::Data { id, fin, length } => self.data(id, fin, length).await?,
                Head::Control { kind, flags, length } => {
                    let mut payload = vec![0; length];
                    self.io.read_exact(&mut payload).await?;
                    match Control::decode(kind, flags, &payload, &mut self.inflater)? {
                        Control::GoAway { .. } => return Ok(()),
                        frame => self.control(frame).await?,
                    }
                }
            }
        }
    }

    /// Hands on a data frame piece by piece, waiting for the stream's reader; what nobody reads is dropped.
    async fn data(&mut self, id: u32, fin: bool, mut length: usize) -> Result<(), SpdyError> {
        let pipe = self.streams.lock().get(&id).and_then(|entry| entry.incoming.clone());
        while length > 0 {
            let mut chunk = BytesMut::zeroed(length.min(MAX_CHUNK));
            self.io.read_exact(&mut chunk).await?;
            length -= chunk.len();
            if let Some(pipe) = &pipe {
                let _ = pipe.send(chunk.freeze()).await;
            }
        }
        if fin {
            self.peer_finished(id);
        }
        Ok(())
    }

    async fn control(&mut self, frame: Control) -> Result<(), SpdyError> {
        match frame {
            Control::SynStream { id, fin, headers } => return self.opened_by_peer(id, fin, headers).await,
            Control::SynReply { id, fin, .. } => {
                let waiting = self.streams.lock().get_mut(&id).and_then(|entry| entry.opened.take());
                if let Some(waiting) = waiting {
                    let _ = waiting.send(Ok(id));
                }
                if fin {
                    self.peer_finished(id);
                }
            }
            Control::Reset { id, .. } => {
                let entry = self.streams.lock().remove(&id);
                if let Some(waiting) = entry.and_then(|entry| entry.opened) {
                    let _ = waiting.send(Err(SpdyError::Refused));
                }
                return self.answer(Answer::Forget { id }).await;
            }
            // A ping of ours has our numbers; we send none.
            Control::Ping { id } if self.is_peers(id) => return self.answer(Answer::Pong { id }).await,
            Control::Headers { id, fin: true } => self.peer_finished(id),
            _ => {}
        }
        Ok(())
    }

    async fn opened_by_peer(&mut self, id: u32, fin: bool, headers: Headers) -> Result<(), SpdyError> {
        if !self.is_peers(id) || id <= self.last {
            return self.answer(Answer::Reset { id, reason: ResetReason::PROTOCOL_ERROR }).await;
        }
        self.last = id;
        let (incoming, pipe) = mpsc::channel(DEPTH);
        let stream = NewStream { id, headers, reader: PipeReader::new(pipe) };
        let full = {
            let mut streams = self.streams.lock();
            let full = streams.len() >= MAX_STREAMS;
            if !full {
                let incoming = (!fin).then_some(incoming);
                streams.insert(id, Entry { incoming, ..Entry::default() });
            }
            full
        };
        if full || self.accepted.send(stream).await.is_err() {
            self.streams.lock().remove(&id);
            return self.answer(Answer::Reset { id, reason: ResetReason::REFUSED_STREAM }).await;
        }
        Ok(())
    }

    fn is_peers(&self, id: u32) -> bool {
        (id % 2 == 1) == (self.role == Role::Server)
    }

    fn peer_finished(&self, id: u32) {
        let mut streams = self.streams.lock();
        if let Some(entry) = streams.get_mut(&id) {
            entry.incoming = None;
            if entry.finished {
                streams.remove(&id);
            }
        }
    }

    /// Nobody takes answers once the writer said goodbye; the peer's last bytes are read all the same.
    async fn answer(&mut self, answer: Answer) -> Result<(), SpdyError> {
        let _ = self.answers.send(answer).await;
        Ok(())
    }
}
