//! The reading end of a watch.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures::Stream;
use futures::stream::BoxStream;

use crate::hub::Subscription;
use crate::{Batch, Error, Result, Revision};

/// A stream of event batches. It ends with one error: [`Error::Lagged`] when the reader was too slow,
/// [`Error::Compacted`] when compaction overtook its reading of history, [`Error::Closed`] at the store's
/// end. After the first two, list again and watch from the list's revision.
pub struct Watch {
    past: Option<BoxStream<'static, Result<Batch>>>,
    live: Subscription,
    progress: Revision,
    end: Option<Error>,
    change: Option<Change>,
}

/// What is done to each batch before it is handed out.
type Change = Box<dyn FnMut(Batch) -> Result<Batch> + Send>;

impl Watch {
    /// History first, then what `live` brings.
    pub(crate) fn new(past: BoxStream<'static, Result<Batch>>, live: Subscription, after: Revision) -> Self {
        Watch { past: Some(past), live, progress: after, end: None, change: None }
    }

    /// The same watch with every batch changed by `change`; its error ends the watch.
    pub fn map(mut self, change: impl FnMut(Batch) -> Result<Batch> + Send + 'static) -> Self {
        self.change = Some(Box::new(change));
        self
    }

    /// The next batch, or why there is none. The same end is told again when asked again.
    pub async fn next(&mut self) -> Result<Batch> {
        if let Some(end) = &self.end {
            return Err(end.clone());
        }
        std::future::poll_fn(|cx| self.poll_batch(cx)).await
    }

    /// The revision up to which all events of this watch have been handed out, also when later revisions
    /// did not touch its prefix: what a bookmark may promise.
    pub fn progress(&mut self) -> Revision {
        if self.past.is_none() && self.end.is_none() {
            // Read before looking into the queue: all events up to it were queued before it was set.
            let published = self.live.published();
            if self.live.is_drained() {
                self.progress = self.progress.max(published);
            }
        }
        self.progress
    }

    fn poll_batch(&mut self, cx: &mut Context<'_>) -> Poll<Result<Batch>> {
        let mut next = None;
        if let Some(past) = &mut self.past {
            next = ready!(past.as_mut().poll_next(cx));
            if next.is_none() {
                self.past = None;
            }
        }
        let next = match next {
            Some(batch) => batch,
            None => ready!(self.live.poll_next(cx)),
        };
        let next = match &mut self.change {
            Some(change) => next.and_then(change),
            None => next,
        };
        match &next {
            Ok(batch) => self.progress = self.progress.max(batch.revision),
            Err(end) => self.end = Some(end.clone()),
        }
        Poll::Ready(next)
    }
}

impl Stream for Watch {
    type Item = Result<Batch>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.end.is_some() {
            return Poll::Ready(None);
        }
        self.poll_batch(cx).map(Some)
    }
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch").field("progress", &self.progress).field("end", &self.end).finish()
    }
}
