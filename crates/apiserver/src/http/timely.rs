//! Large answers are taken within the time of their request, as upstream has it, or broken off: a client that does not
//! read holds what waits for it no longer than that.
//!
//! What sends an answer asks for no more of it while the client does not read, so the answer itself would not notice.
//! Whoever drives the connection, or the stream of HTTP/2, does ([`Sending`]): an answer is made while it is polled,
//! and leaves its end in a cell of the thread.

use std::cell::Cell;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};

use corten_rt::{Instant, sleep_until};
use hyper::body::Body as _;

use super::response::{self, Response};

/// Answers up to this many bytes are no burden, wherever they wait.
const SMALL: u64 = 64 * 1024;

/// A large answer.
struct Made {
    end: Instant,
    body: Weak<()>,
}

thread_local! {
    /// The large answer that was made in this turn.
    static MADE: Cell<Option<Made>> = const { Cell::new(None) };
}

/// Has an answer broken off at `end` if it has not been sent by then.
pub fn until(end: Instant, answer: Response) -> Response {
    if answer.body().size_hint().exact().is_some_and(|bytes| bytes <= SMALL) {
        return answer;
    }
    let body = Arc::new(());
    MADE.set(Some(Made { end, body: Arc::downgrade(&body) }));
    response::guarded(answer, body)
}

/// Watches over the large answer that is being sent, if any.
#[derive(Default)]
pub struct Sending(Option<Timed>);

struct Timed {
    end: Pin<Box<dyn Future<Output = ()> + Send>>,
    /// Gone once nothing of the answer is left to be asked for.
    body: Weak<()>,
}

impl Sending {
    /// Polls `work`, which makes answers and sends them; nothing comes of it once an answer has not been sent by its
    /// end. `has_left` says whether all that was asked for has reached the client.
    pub fn poll<T>(
        &mut self,
        context: &mut Context<'_>,
        work: impl FnOnce(&mut Context<'_>) -> Poll<T>,
        has_left: impl FnOnce() -> bool,
    ) -> Poll<Option<T>> {
        MADE.set(None);
        if let Poll::Ready(done) = work(context) {
            return Poll::Ready(Some(done));
        }
        if let Some(Made { end, body }) = MADE.take() {
            self.0 = Some(Timed { end: Box::pin(sleep_until(end)), body });
        }
        let Some(timed) = &mut self.0 else { return Poll::Pending };
        if timed.body.strong_count() == 0 && has_left() {
            self.0 = None;
            return Poll::Pending;
        }
        timed.end.as_mut().poll(context).map(|()| {
            tracing::debug!("an answer was not taken in time");
            None
        })
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::time::Duration;

    use corten_rt::timeout;
    use http::StatusCode;

    use super::*;

    const TIME: Duration = Duration::from_secs(60);

    fn answer(bytes: usize) -> Response {
        until(Instant::now() + TIME, response::answer(StatusCode::OK, "", vec![b'x'; bytes]))
    }

    /// Makes an answer of so many bytes, and looks whether it is broken off; `taken` and `has_left` tell how far it came.
    async fn is_broken_off(bytes: usize, taken: bool, has_left: bool) -> bool {
        let (mut sending, mut made) = (Sending::default(), None);
        let work = poll_fn(|context| {
            let work = |_: &mut Context<'_>| {
                let answer = made.get_or_insert_with(|| Some(answer(bytes)));
                if taken {
                    *answer = None;
                }
                Poll::<()>::Pending
            };
            sending.poll(context, work, || has_left)
        });
        timeout(TIME * 2, work).await == Some(None)
    }

    #[tokio::test(start_paused = true)]
    async fn large_answers_have_an_end() {
        assert!(is_broken_off(100_000, false, true).await, "something is left to be asked for");
        assert!(is_broken_off(100_000, true, false).await, "something waits for the client");
        assert!(!is_broken_off(100_000, true, true).await, "it was sent");
        assert!(!is_broken_off(60_000, false, false).await, "it is small");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_done_in_time_is_done() {
        let mut sending = Sending::default();
        let mut large = None;
        let mut work = Box::pin(async {
            large = Some(answer(100_000));
            corten_rt::sleep(TIME / 2).await;
        });
        let done = poll_fn(|context| sending.poll(context, |context| work.as_mut().poll(context), || false));
        assert_eq!(done.await, Some(()));
        drop(work);
        assert!(large.is_some_and(|answer| answer.body().size_hint().exact() == Some(100_000)));
    }
}
