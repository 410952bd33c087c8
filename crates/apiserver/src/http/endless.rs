//! Answers that last, over HTTP/1.1, sent by the connection itself. What serves requests keeps room to read and to
//! write them in, 16 KiB a connection; a watch needs none of it for the hours that it may last. So that is let go of
//! once the watch has begun, and its answer is written here: the head, and a chunk for each piece.

use std::fmt::Write as _;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use corten_rt::Timestamp;
use http::StatusCode;
use http::header::CONNECTION;
use http::response::Parts;
use hyper::body::Body as _;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};

use super::response::{Body, Response};

/// How long a client may read nothing of what is there for it.
const PATIENCE: Duration = Duration::from_secs(120);

/// Marks an answer that may be sent so, among its extensions.
#[derive(Clone, Copy, Debug)]
pub struct Endless;

/// Where the service leaves an answer for the connection to send; whoever drives the connection looks here.
#[derive(Clone)]
pub struct Handed {
    answer: Arc<Mutex<Option<Response>>>,
    settled: Settled,
}

impl Handed {
    /// Takes an answer over that is marked, unless what was answered before has not left yet; gives it back if so.
    pub fn take_over(&self, mut answer: Response) -> Option<Response> {
        if answer.extensions_mut().remove::<Endless>().is_none() || !self.is_settled() {
            return Some(answer);
        }
        *self.answer.lock() = Some(answer);
        None
    }

    /// Whether everything that was written has left.
    pub fn is_settled(&self) -> bool {
        self.settled.0.load(Ordering::Relaxed)
    }

    /// The answer that was left.
    pub fn take(&self) -> Option<Response> {
        self.answer.lock().take()
    }
}

/// Whether everything that was written has left.
#[derive(Clone)]
struct Settled(Arc<AtomicBool>);

/// A connection whose answers may be taken over from what serves requests on it.
pub struct Line<S> {
    stream: S,
    settled: Settled,
}

impl<S> Line<S> {
    /// The connection, and where an answer is left that is to be sent over it.
    pub fn new(stream: S) -> (Self, Handed) {
        let settled = Settled(Arc::new(AtomicBool::new(true)));
        (Line { stream, settled: settled.clone() }, Handed { answer: Arc::default(), settled })
    }

    pub fn into_inner(self) -> S {
        self.stream
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Line<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Line<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.settled.0.store(false, Ordering::Relaxed);
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.settled.0.store(false, Ordering::Relaxed);
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        self.settled.0.store(matches!(flushed, Poll::Ready(Ok(()))), Ordering::Relaxed);
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// Writes an answer as its pieces come, and says whether requests may follow.
///
/// # Errors
/// When the client goes, reads nothing for long, or a piece cannot be made. The connection is of no use then.
pub async fn send<S>(line: &mut S, answer: Response, now: Timestamp) -> io::Result<bool>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (parts, mut body) = answer.into_parts();
    let mut lasts = !parts.headers.contains_key(CONNECTION);
    let head = Bytes::from(head(&parts, now));
    drop(parts);
    write(line, head).await?;
    while let Some(piece) = next(line, &mut body, &mut lasts).await? {
        // An empty chunk would be the last.
        if !piece.is_empty() {
            let size = Bytes::from(format!("{:x}\r\n", piece.len()));
            write(line, size.chain(piece).chain(&b"\r\n"[..])).await?;
        }
    }
    write(line, &b"0\r\n\r\n"[..]).await?;
    Ok(lasts)
}

/// Closes a connection in order.
///
/// # Errors
/// When the client is gone, or takes too long.
pub async fn close<S: AsyncWrite + Unpin>(line: &mut S) -> io::Result<()> {
    in_time(line.shutdown()).await
}

/// The next piece; meanwhile it is seen whether the client is still there. What it says is not listened to, so
/// that it cannot be served any more afterwards.
async fn next<S>(line: &mut S, body: &mut Body, lasts: &mut bool) -> io::Result<Option<Bytes>>
where
    S: AsyncRead + Unpin,
{
    poll_fn(|context| {
        while let Poll::Ready(frame) = Pin::new(&mut *body).poll_frame(context) {
            match frame.transpose().map_err(io::Error::other)?.map(|frame| frame.into_data()) {
                Some(Ok(data)) => return Poll::Ready(Ok(Some(data))),
                Some(Err(_)) => {}
                None => return Poll::Ready(Ok(None)),
            }
        }
        let mut heard = [0; 256];
        loop {
            let mut heard = ReadBuf::new(&mut heard);
            ready!(Pin::new(&mut *line).poll_read(context, &mut heard))?;
            if heard.filled().is_empty() {
                return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
            }
            *lasts = false;
        }
    })
    .await
}

async fn write<S: AsyncWrite + Unpin>(line: &mut S, mut bytes: impl Buf) -> io::Result<()> {
    while bytes.has_remaining() {
        if in_time(line.write_buf(&mut bytes)).await? == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
    }
    in_time(line.flush()).await
}

async fn in_time<T>(step: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    corten_rt::timeout(PATIENCE, step).await.unwrap_or_else(|| Err(io::ErrorKind::TimedOut.into()))
}

/// An answer's head, with what the protocol wants of an answer whose end is not known.
fn head(parts: &Parts, now: Timestamp) -> Vec<u8> {
    let mut head = Vec::with_capacity(512);
    head.extend_from_slice(b"HTTP/1.1 ");
    head.extend_from_slice(parts.status.as_str().as_bytes());
    head.push(b' ');
    head.extend_from_slice(reason(parts.status).as_bytes());
    for (name, value) in &parts.headers {
        head.extend_from_slice(b"\r\n");
        head.extend_from_slice(name.as_str().as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value.as_bytes());
    }
    let mut rest = String::from("\r\ntransfer-encoding: chunked\r\ndate: ");
    let _ = write!(rest, "{}\r\n\r\n", now.strftime("%a, %d %b %Y %H:%M:%S GMT"));
    head.extend_from_slice(rest.as_bytes());
    head
}

fn reason(status: StatusCode) -> &'static str {
    status.canonical_reason().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use futures::StreamExt;
    use http::HeaderValue;
    use tokio::io::{AsyncReadExt, duplex};

    use super::super::response::{self, BodyError};
    use super::*;

    type Pieces = Vec<Result<Bytes, BodyError>>;

    fn answer(pieces: Pieces, lasts: bool) -> Response {
        let pieces = futures::stream::iter(pieces);
        let body = match lasts {
            true => response::streamed(pieces.chain(futures::stream::pending())),
            false => response::streamed(pieces),
        };
        let mut answer = response::with_body(StatusCode::OK, "application/json", body);
        answer.extensions_mut().insert(Endless);
        answer
    }

    fn now() -> Timestamp {
        "2026-11-21T22:00:00Z".parse().expect("a time")
    }

    async fn sent(answer: Response) -> (Result<bool, String>, String) {
        let (mut ours, mut theirs) = duplex(1 << 16);
        let outcome = send(&mut ours, answer, now()).await;
        drop(ours);
        let mut all = String::new();
        theirs.read_to_string(&mut all).await.expect("an end");
        (outcome.map_err(|error| error.to_string()), all)
    }

    const TYPE: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
    const REST: &str = "transfer-encoding: chunked\r\ndate: Sat, 21 Nov 2026 22:00:00 GMT\r\n\r\n";

    #[tokio::test]
    async fn pieces_are_chunks() {
        let texts = ["{}\n", "", "a piece of 20 bytes\n"];
        let pieces = || texts.map(|text| Ok(Bytes::from_static(text.as_bytes()))).into();
        let chunks = "3\r\n{}\n\r\n14\r\na piece of 20 bytes\n\r\n0\r\n\r\n";
        assert_eq!(sent(answer(pieces(), false)).await, (Ok(true), format!("{TYPE}{REST}{chunks}")));
        let mut last = answer(pieces(), false);
        last.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        let expected = format!("{TYPE}connection: close\r\n{REST}{chunks}");
        assert_eq!(sent(last).await, (Ok(false), expected));
    }

    #[tokio::test]
    async fn what_breaks_off_has_no_end() {
        let pieces: Pieces = vec![Ok(Bytes::from_static(b"x")), Err("broken".into())];
        let expected = format!("{TYPE}{REST}1\r\nx\r\n");
        assert_eq!(sent(answer(pieces, false)).await, (Err("broken".into()), expected));
    }

    #[tokio::test]
    async fn a_client_that_goes_ends_it_and_one_that_talks_does_not() {
        let (mut ours, mut theirs) = duplex(1 << 16);
        theirs.write_all(&[b'x'; 2000]).await.expect("room");
        let mut sending = Box::pin(send(&mut ours, answer(Vec::new(), true), now()));
        assert!(futures::poll!(sending.as_mut()).is_pending());
        drop(theirs);
        assert_eq!(sending.await.map_err(|error| error.kind()), Err(io::ErrorKind::ConnectionAborted));
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_does_not_read_is_let_go() {
        let (mut ours, _theirs) = duplex(1 << 10);
        let long = answer(vec![Ok(Bytes::from(vec![b'x'; 4096]))], true);
        let outcome = send(&mut ours, long, now()).await;
        assert_eq!(outcome.map_err(|error| error.kind()), Err(io::ErrorKind::TimedOut));
    }

    #[tokio::test]
    async fn an_answer_is_taken_over_once_earlier_ones_have_left() {
        let (ours, mut theirs) = duplex(8);
        let (mut line, handed) = Line::new(ours);
        assert!(handed.take_over(response::text(StatusCode::OK, "")).is_some(), "it is not marked");
        line.write_all(b"12345678").await.expect("room");
        assert!(handed.take_over(answer(Vec::new(), true)).is_some(), "something may be on its way");
        theirs.read_exact(&mut [0; 8]).await.expect("what was written");
        line.flush().await.expect("room");
        assert!(handed.take_over(answer(Vec::new(), true)).is_none());
        assert!(handed.take().is_some() && handed.take().is_none());
    }
}
