//! What the streams of an HTTP/2 connection send in one turn leaves together. The protocol's machinery writes and
//! flushes each frame by itself: with two hundred watches on a connection that would be as many TLS records and
//! system calls for a single change. Here frames are collected until the connection has nothing more to say, and
//! the others in line have had their say too.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes that are collected before they are sent in any case.
const FULL: usize = 64 * 1024;
/// How often the others in line are let go first, while that brings more to send.
const TURNS: u8 = 4;

/// A connection whose writes wait for [`Cork::end_turn`]; all clones are of the same one.
pub struct Cork<S>(Arc<Mutex<Corked<S>>>);

struct Corked<S> {
    stream: S,
    /// What waits, and how much of it has left already.
    waiting: Vec<u8>,
    sent: usize,
    /// How much there was when the others in line were let go first, and how often that was.
    seen: usize,
    turns: u8,
    /// How much waited when all of it left last.
    last: usize,
    /// Whether a write is to be tried again.
    refused: bool,
    broken: Option<io::ErrorKind>,
}

impl<S> Clone for Cork<S> {
    fn clone(&self) -> Self {
        Cork(Arc::clone(&self.0))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Cork<S> {
    pub fn new(stream: S) -> Self {
        Cork(Arc::new(Mutex::new(Corked {
            stream,
            waiting: Vec::new(),
            sent: 0,
            seen: 0,
            turns: 0,
            last: 0,
            refused: false,
            broken: None,
        })))
    }

    /// Called whenever what drives the connection has done what it could: sends what waits, or has itself called
    /// again once others had their turn.
    pub fn end_turn(&self, context: &mut Context<'_>) {
        let mut corked = self.0.lock();
        if corked.waiting.is_empty() {
            return;
        }
        let grown = corked.waiting.len() > corked.seen;
        if grown && corked.turns < TURNS && corked.sent == 0 {
            (corked.seen, corked.turns) = (corked.waiting.len(), corked.turns + 1);
            context.waker().wake_by_ref();
            return;
        }
        match corked.drain(context) {
            Poll::Pending => {}
            Poll::Ready(Ok(())) => {
                if std::mem::take(&mut corked.refused) {
                    context.waker().wake_by_ref();
                }
            }
            Poll::Ready(Err(error)) => {
                corked.broken = Some(error.kind());
                context.waker().wake_by_ref();
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> Corked<S> {
    /// Hands all that waits to the connection, which sends what it can.
    fn drain(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.sent < self.waiting.len() {
            let rest = &self.waiting[self.sent..];
            match ready!(Pin::new(&mut self.stream).poll_write(context, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                sent => self.sent += sent,
            }
        }
        if !self.waiting.is_empty() {
            self.last = self.waiting.len();
            // An idle connection holds nothing.
            self.waiting = Vec::new();
        }
        (self.sent, self.seen, self.turns) = (0, 0, 0);
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn write(&mut self, context: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        if let Some(kind) = self.broken {
            return Poll::Ready(Err(kind.into()));
        }
        if self.waiting.len() >= FULL {
            let drained = self.drain(context);
            if drained.is_pending() && self.waiting.len() >= FULL {
                self.refused = true;
                return Poll::Pending;
            }
            if let Poll::Ready(Err(error)) = drained {
                return Poll::Ready(Err(error));
            }
        }
        let size = slices.iter().map(|slice| slice.len()).sum();
        if self.waiting.capacity() == 0 {
            self.waiting.reserve_exact(self.last.clamp(size, FULL.max(size)));
        }
        slices.iter().for_each(|slice| self.waiting.extend_from_slice(slice));
        Poll::Ready(Ok(size))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Cork<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut corked = self.0.lock();
        match corked.broken {
            Some(kind) => Poll::Ready(Err(kind.into())),
            None => Pin::new(&mut corked.stream).poll_read(context, into),
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Cork<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.0.lock().write(context, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.0.lock().write(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Nothing leaves before the end of the turn.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.0.lock().broken.map_or(Ok(()), |kind| Err(kind.into())))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut corked = self.0.lock();
        ready!(corked.drain(context))?;
        Pin::new(&mut corked.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use futures::task::noop_waker;

    use super::*;

    /// Notes each write; takes no more than it has room for.
    #[derive(Default)]
    struct Socket {
        writes: Vec<usize>,
        room: usize,
    }

    impl AsyncRead for Socket {
        fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }
    }

    impl AsyncWrite for Socket {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            let taken = bytes.len().min(self.room);
            if taken == 0 {
                return Poll::Pending;
            }
            self.room -= taken;
            self.writes.push(taken);
            Poll::Ready(Ok(taken))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    fn corked(room: usize) -> (Cork<Socket>, Cork<Socket>) {
        let cork = Cork::new(Socket { room, ..Socket::default() });
        (cork.clone(), cork)
    }

    fn write(io: &mut Cork<Socket>, waker: &Waker, size: usize) -> bool {
        let context = &mut Context::from_waker(waker);
        let written = Pin::new(&mut *io).poll_write(context, &vec![7; size]);
        assert!(matches!(Pin::new(io).poll_flush(context), Poll::Ready(Ok(()))));
        written.is_ready()
    }

    #[test]
    fn what_is_said_in_a_turn_leaves_together() {
        let waker = noop_waker();
        let (mut io, cork) = corked(usize::MAX);
        let end = || cork.end_turn(&mut Context::from_waker(&waker));
        let written = || cork.0.lock().stream.writes.clone();
        end();
        (0..3).for_each(|_| assert!(write(&mut io, &waker, 100)));
        end();
        assert_eq!(written(), [0; 0], "others are let go first");
        assert!(write(&mut io, &waker, 50));
        end();
        end();
        assert_eq!(written(), [350]);
        assert_eq!(cork.0.lock().waiting.capacity(), 0, "an idle connection holds nothing");
        for _ in 0..=TURNS {
            assert!(write(&mut io, &waker, 10));
            end();
        }
        assert_eq!(written(), [350, 50], "who goes on and on does not hold the others up");
        assert!(write(&mut io, &waker, 5));
        assert!(Pin::new(&mut io).poll_shutdown(&mut Context::from_waker(&waker)).is_ready());
        assert_eq!(written(), [350, 50, 5]);
    }

    #[test]
    fn who_does_not_read_is_not_written_to() {
        let waker = noop_waker();
        let (mut io, cork) = corked(FULL / 2);
        let size = FULL / 4;
        let taken = (0..100).take_while(|_| write(&mut io, &waker, size)).count();
        assert_eq!(taken, 4);
        assert!(cork.0.lock().refused, "it will be tried again");
        cork.end_turn(&mut Context::from_waker(&waker));
        assert!(!write(&mut io, &waker, size));
        cork.0.lock().stream.room = usize::MAX;
        cork.end_turn(&mut Context::from_waker(&waker));
        assert!(cork.0.lock().waiting.is_empty() && !cork.0.lock().refused);
        assert!(write(&mut io, &waker, size));
    }
}
