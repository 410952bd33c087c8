//! The objects that a watch begins with, read from a snapshot step by step: a client may take its time.

use std::sync::Arc;

use corten_semantics::{ApiError, ApiResult};
use corten_store::Revision;

use super::lent::Lent;
use super::{Selection, WatchEvent};

/// Objects looked at in one step.
const STEP: usize = 64;

/// What is still to be told of a snapshot.
pub(super) struct Initial {
    lent: Arc<Lent>,
    /// The key to go on at.
    start: String,
    /// The revision of the bookmark behind the last object, if there is to be one.
    mark: Option<Revision>,
    ended: bool,
}

impl Initial {
    /// All of a snapshot, closed by a bookmark at `mark`.
    pub fn new(lent: Arc<Lent>, mark: Option<Revision>) -> Self {
        Initial { lent, start: String::new(), mark, ended: false }
    }

    /// Whether everything was told.
    pub fn is_ended(&self) -> bool {
        self.ended
    }

    /// The next additions, in the client's version; there may be none.
    pub async fn step(&mut self, selection: &Selection) -> ApiResult<Vec<WatchEvent>> {
        let taken_back =
            || ApiError::expired("too old resource version: the initial objects were read too slowly");
        let snapshot = self.lent.get().ok_or_else(taken_back)?;
        let entries = if selection.key().is_some() || selection.node().is_some() {
            self.ended = true;
            snapshot.selected(selection)
        } else {
            let some: Vec<_> = snapshot.range(&selection.prefix, &self.start).take(STEP).cloned().collect();
            self.ended = some.len() < STEP;
            if let Some(last) = some.last() {
                self.start = format!("{}\0", last.key());
            }
            some
        };
        drop(snapshot);
        let selected = selection.selected(entries).await?;
        let mut events: Vec<_> = selected.into_iter().map(WatchEvent::Added).collect();
        if self.ended {
            let bookmark = |revision| WatchEvent::Bookmark { revision, initial_end: true };
            events.extend(self.mark.map(bookmark));
        } else if events.is_empty() {
            tokio::task::yield_now().await;
        }
        Ok(events)
    }
}
