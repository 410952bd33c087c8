//! A watch: a cursor over a resource's ring of events.

use std::sync::Arc;

use corten_semantics::ApiError;
use corten_store::Revision;
use futures::Stream;
use futures::stream::BoxStream;

use super::Entry;

/// What a watch reports. The entries, and so their bytes, are shared by all watchers.
#[derive(Clone, Debug)]
pub enum WatchEvent {
    Added(Arc<Entry>),
    Modified(Arc<Entry>),
    /// The object as it last was, with the revision of its deletion.
    Deleted(Arc<Entry>),
    /// Everything up to `revision` was reported; `initial_end` closes the initial events.
    Bookmark {
        revision: Revision,
        initial_end: bool,
    },
    /// The last event: why the watch cannot go on.
    Error(ApiError),
}

/// Events in order of revision; it ends at its time limit, when the server stops, or after one
/// [`WatchEvent::Error`].
pub struct Watch {
    events: BoxStream<'static, WatchEvent>,
}

impl Watch {
    /// The next event; `None` at the end.
    pub async fn next(&mut self) -> Option<WatchEvent> {
        futures::StreamExt::next(&mut self.events).await
    }
}

impl Stream for Watch {
    type Item = WatchEvent;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<WatchEvent>> {
        self.events.as_mut().poll_next(cx)
    }
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Watch")
    }
}
