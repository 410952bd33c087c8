//! Many pipes read as one, in turn.

use bytes::Bytes;
use std::task::{Context, Poll};
use tokio::sync::mpsc;

/// The receiving ends of numbered pipes.
#[derive(Debug, Default)]
pub(crate) struct FanIn {
    pipes: Vec<(u32, mpsc::Receiver<Bytes>)>,
    turn: usize,
}

impl FanIn {
    /// Adds a pipe under `id`.
    pub(crate) fn add(&mut self, id: u32, pipe: mpsc::Receiver<Bytes>) {
        self.pipes.push((id, pipe));
    }

    /// Drops the pipe `id`, with what waits in it.
    pub(crate) fn remove(&mut self, id: u32) {
        self.pipes.retain(|(other, _)| *other != id);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.pipes.is_empty()
    }

    /// The next chunk and its pipe's number, or `None` for the end of that pipe (reported once). Pipes take
    /// turns. Pending when none has anything, also when there is none.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<(u32, Option<Bytes>)> {
        let count = self.pipes.len();
        for step in 0..count {
            let at = (self.turn + step) % count;
            let (id, pipe) = &mut self.pipes[at];
            if let Poll::Ready(chunk) = pipe.poll_recv(cx) {
                let id = *id;
                if chunk.is_none() {
                    self.pipes.remove(at);
                }
                self.turn = at + 1;
                return Poll::Ready((id, chunk));
            }
        }
        Poll::Pending
    }

    /// [`FanIn::poll_next`] as a future.
    pub(crate) async fn next(&mut self) -> (u32, Option<Bytes>) {
        std::future::poll_fn(|cx| self.poll_next(cx)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipe::pipe;

    #[tokio::test]
    async fn pipes_take_turns_and_end_once() {
        let (mut fan, mut writers) = (FanIn::default(), Vec::new());
        for id in [1, 2] {
            let (mut writer, reader) = pipe();
            writer.send(Bytes::from_static(b"a")).await.expect("room");
            writer.send(Bytes::from_static(b"b")).await.expect("room");
            fan.add(id, reader.into_chunks());
            writers.push(writer);
        }
        drop(writers);
        let mut seen = Vec::new();
        while !fan.is_empty() {
            let (id, chunk) = fan.next().await;
            seen.push((id, chunk.map_or(String::new(), |c| String::from_utf8_lossy(&c).into_owned())));
        }
        let seen: Vec<_> = seen.iter().map(|(id, text)| (*id, text.as_str())).collect();
        assert_eq!(seen, [(1, "a"), (2, "a"), (1, "b"), (2, "b"), (1, ""), (2, "")]);
    }
}
