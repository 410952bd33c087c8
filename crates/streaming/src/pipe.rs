//! Bounded byte pipes: the one shape that every stream of this crate has, whichever protocol carries it.
//!
//! Dropping the writer is the half-close: the reader sees the end after the bytes already written. Dropping
//! the reader makes writes fail.

use bytes::Bytes;
use std::any::Any;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::mpsc;
use tokio_util::sync::PollSender;

/// Chunks that wait in a pipe before its writer has to.
pub(crate) const DEPTH: usize = 8;

/// The longest chunk; longer writes are cut.
pub const MAX_CHUNK: usize = 32 * 1024;

/// The reading end was dropped, or the connection beneath it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the other end of the stream is gone")]
pub struct Gone;

/// A pipe that holds at most 256 KiB.
pub fn pipe() -> (PipeWriter, PipeReader) {
    let (sender, receiver) = mpsc::channel(DEPTH);
    (PipeWriter::new(sender), PipeReader::new(receiver))
}

/// The reading end of a pipe, by chunks or as [`AsyncRead`].
#[derive(Debug)]
pub struct PipeReader {
    chunks: mpsc::Receiver<Bytes>,
    rest: Bytes,
}

impl PipeReader {
    pub(crate) fn new(chunks: mpsc::Receiver<Bytes>) -> Self {
        PipeReader { chunks, rest: Bytes::new() }
    }

    /// The next chunk; `None` at the end.
    pub async fn next(&mut self) -> Option<Bytes> {
        if !self.rest.is_empty() {
            return Some(std::mem::take(&mut self.rest));
        }
        self.chunks.recv().await
    }

    /// Everything up to the end, of which only the first `limit` bytes are kept.
    pub async fn read_all(&mut self, limit: usize) -> Vec<u8> {
        let mut out = Vec::new();
        while let Some(chunk) = self.next().await {
            let room = limit.saturating_sub(out.len()).min(chunk.len());
            out.extend_from_slice(&chunk[..room]);
        }
        out
    }

    pub(crate) fn into_chunks(self) -> mpsc::Receiver<Bytes> {
        self.chunks
    }
}

impl AsyncRead for PipeReader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.rest.is_empty() {
            match ready!(self.chunks.poll_recv(cx)) {
                Some(chunk) => self.rest = chunk,
                None => return Poll::Ready(Ok(())),
            }
        }
        let count = self.rest.len().min(buf.remaining());
        buf.put_slice(&self.rest.split_to(count));
        Poll::Ready(Ok(()))
    }
}

/// The writing end of a pipe, by chunks or as [`AsyncWrite`].
pub struct PipeWriter {
    chunks: PollSender<Bytes>,
    /// Dropped after `chunks`: what must live as long as this writer does.
    _keep: Option<Box<dyn Any + Send + Sync>>,
}

impl std::fmt::Debug for PipeWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PipeWriter").field("closed", &self.chunks.is_closed()).finish()
    }
}

impl PipeWriter {
    pub(crate) fn new(chunks: mpsc::Sender<Bytes>) -> Self {
        PipeWriter { chunks: PollSender::new(chunks), _keep: None }
    }

    /// This writer, keeping `keep` alive until it is dropped.
    pub(crate) fn keeping(mut self, keep: impl Any + Send + Sync) -> Self {
        self._keep = Some(Box::new(keep));
        self
    }

    /// Sends `bytes` (an empty chunk too, which some protocols show); waits while the pipe is full.
    ///
    /// # Errors
    /// [`Gone`] when nobody reads any more.
    pub async fn send(&mut self, mut bytes: Bytes) -> Result<(), Gone> {
        loop {
            let chunk = bytes.split_to(bytes.len().min(MAX_CHUNK));
            std::future::poll_fn(|cx| self.chunks.poll_reserve(cx)).await.map_err(|_| Gone)?;
            self.chunks.send_item(chunk).map_err(|_| Gone)?;
            if bytes.is_empty() {
                return Ok(());
            }
        }
    }

    /// Waits until nobody reads any more.
    pub async fn closed(&self) {
        if let Some(chunks) = self.chunks.get_ref() {
            chunks.closed().await;
        }
    }
}

fn broken(_: impl std::error::Error) -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, Gone)
}

impl AsyncWrite for PipeWriter {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        ready!(self.chunks.poll_reserve(cx)).map_err(broken)?;
        let count = buf.len().min(MAX_CHUNK);
        self.chunks.send_item(Bytes::copy_from_slice(&buf[..count])).map_err(broken)?;
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// The half-close, as dropping is.
    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.chunks.close();
        Poll::Ready(Ok(()))
    }
}

/// Copies until the end of `from` or until `to` has no reader.
pub(crate) async fn pump(mut from: PipeReader, mut to: PipeWriter) {
    while let Some(chunk) = from.next().await {
        if to.send(chunk).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn half_close_comes_after_the_bytes() {
        let (mut writer, mut reader) = pipe();
        writer.write_all(b"ab").await.expect("room");
        writer.send(Bytes::from_static(b"cd")).await.expect("room");
        writer.shutdown().await.expect("close");
        let mut text = String::new();
        reader.read_to_string(&mut text).await.expect("read");
        assert_eq!(text, "abcd");
        assert_eq!(writer.send(Bytes::from_static(b"e")).await, Err(Gone));
    }

    #[tokio::test]
    async fn a_full_pipe_waits_and_a_gone_reader_fails() {
        let (mut writer, reader) = pipe();
        for _ in 0..DEPTH {
            writer.send(Bytes::from_static(b"x")).await.expect("room");
        }
        assert!(futures::poll!(Box::pin(writer.send(Bytes::new()))).is_pending());
        drop(reader);
        assert_eq!(writer.send(Bytes::new()).await, Err(Gone));
        assert_eq!(writer.write(b"x").await.expect_err("no reader").kind(), io::ErrorKind::BrokenPipe);
        writer.closed().await;
    }

    #[tokio::test]
    async fn long_writes_are_cut() {
        let (mut writer, mut reader) = pipe();
        writer.send(Bytes::from(vec![7; MAX_CHUNK + 1])).await.expect("room");
        drop(writer);
        assert_eq!(reader.next().await.expect("first").len(), MAX_CHUNK);
        assert_eq!(reader.next().await.expect("second").len(), 1);
        assert_eq!(reader.next().await, None);
    }
}
