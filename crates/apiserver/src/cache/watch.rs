//! A watch: a cursor over a resource's ring of changes. It holds no queue of its own; a watcher that falls
//! behind the ring is ended.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use corten_rt::{Instant, Stop, sleep_until};
use corten_semantics::{ApiError, ApiResult};
use corten_store::Revision;
use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt};
use tokio::sync::watch::Receiver;

use super::ring::Change;
use super::{Entry, Resource, Selection, WatchCache};

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
        self.events.next().await
    }

    /// A watch of these events.
    pub(crate) fn from_events(events: impl Stream<Item = WatchEvent> + Send + 'static) -> Self {
        Watch { events: Box::pin(events) }
    }

    /// The same watch with every event changed by `change`.
    pub(crate) fn with(self, change: impl FnMut(WatchEvent) -> WatchEvent + Send + 'static) -> Self {
        Watch { events: Box::pin(self.events.map(change)) }
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

/// Where a watch begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// With the present objects as additions, from a state not older than this (0: any).
    Present(Revision),
    /// The same with everything that is committed.
    Latest,
    /// With what changes from now on.
    Now,
    /// With the changes after this revision.
    After(Revision),
}

/// What to watch.
pub(crate) struct WatchPlan {
    pub selection: Selection,
    pub start: Start,
    /// Close the initial additions with a bookmark.
    pub mark_initial_end: bool,
    pub bookmarks: bool,
    /// Whether many may watch so, and changes may reach them together, a little later.
    pub paced: bool,
    /// When the watch ends by itself.
    pub timeout: Duration,
}

/// How often an idle watch hears where it stands.
const BOOKMARK_EVERY: Duration = Duration::from_secs(60);
/// A last bookmark comes this long before the end.
const BEFORE_END: Duration = Duration::from_secs(2);
/// Changes looked at in one go.
const BATCH: usize = 256;

struct Cursor {
    cache: Arc<WatchCache>,
    resource: Arc<Resource>,
    selection: Selection,
    /// The number of the next change to look at.
    next: u64,
    /// Changes up to this revision are not reported, even if they come: they lie before the start.
    after: Revision,
    grown: Receiver<u64>,
    ready: VecDeque<WatchEvent>,
    bookmarks: bool,
    bookmark_at: Instant,
    ends_at: Instant,
    stop: Stop,
    ended: bool,
}

impl WatchCache {
    /// Opens a watch. What is wrong with its start comes as its first event, as upstream has it.
    pub async fn watch(self: &Arc<Self>, resource: &Arc<Resource>, plan: WatchPlan) -> ApiResult<Watch> {
        if self.stop.is_stopped() {
            return Err(ApiError::unavailable("the server is shutting down"));
        }
        match plan.start {
            Start::Latest => drop(self.wait_until_fresh().await?),
            Start::Present(revision) => self.wait_for(revision).await?,
            Start::Now | Start::After(_) => {}
        }
        let grown = if plan.paced { resource.grown_lately() } else { resource.grown() };
        let mut ready = VecDeque::new();
        let (mut next, mut after, mut ended) = (0, 0, false);
        match plan.start {
            Start::After(revision) => {
                after = revision;
                match resource.changes_after(revision) {
                    Ok(number) => next = number,
                    Err(oldest) => {
                        ready.push_back(WatchEvent::Error(too_old(revision, oldest)));
                        ended = true;
                    }
                }
            }
            Start::Now => next = resource.snapshot_and_end().1,
            Start::Latest | Start::Present(_) => {
                let applied = self.revision();
                let (snapshot, end) = resource.snapshot_and_end();
                next = end;
                let present = snapshot.selected(&plan.selection);
                ready.extend(present.into_iter().map(WatchEvent::Added));
                if plan.mark_initial_end {
                    let revision = applied.max(snapshot.revision);
                    ready.push_back(WatchEvent::Bookmark { revision, initial_end: true });
                }
            }
        }
        let now = Instant::now();
        let cursor = Cursor {
            cache: self.clone(),
            resource: resource.clone(),
            selection: plan.selection,
            next,
            after,
            grown,
            ready,
            bookmarks: plan.bookmarks,
            bookmark_at: now + BOOKMARK_EVERY.min(plan.timeout.saturating_sub(BEFORE_END)),
            ends_at: now + plan.timeout,
            stop: self.stop.clone(),
            ended,
        };
        let events = stream::unfold(cursor, |mut c| async move { Some((c.event().await?, c)) });
        Ok(Watch { events: Box::pin(events.fuse()) })
    }
}

impl Cursor {
    async fn event(&mut self) -> Option<WatchEvent> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            if self.ended {
                return None;
            }
            // Read before the ring: the ring shows at least this.
            let applied = self.cache.revision();
            match self.resource.read(self.next, BATCH) {
                Err(oldest) => {
                    self.ended = true;
                    return Some(WatchEvent::Error(too_old(self.after, oldest)));
                }
                Ok(changes) if !changes.is_empty() => self.take(&changes),
                Ok(_) if self.resource.is_closed() => self.ended = true,
                Ok(_) => self.idle(applied).await,
            }
        }
    }

    fn take(&mut self, changes: &[Arc<Change>]) {
        self.next += changes.len() as u64;
        for change in changes.iter().filter(|c| c.revision > self.after) {
            self.ready.extend(event_for(change, &self.selection));
        }
        if let Some(last) = changes.last() {
            self.after = self.after.max(last.revision);
        }
    }

    /// Waits for changes, the next bookmark or the end. Everything up to `applied` has been looked at.
    async fn idle(&mut self, applied: Revision) {
        let wake = if self.bookmarks { self.bookmark_at.min(self.ends_at) } else { self.ends_at };
        tokio::select! {
            biased;
            () = self.stop.stopped() => self.ended = true,
            // The ring may have grown between looking and waiting: only what was not yet seen wakes.
            _ = self.grown.wait_for(|end| *end > self.next || self.resource.is_closed()) => {}
            () = sleep_until(wake) => {
                let now = Instant::now();
                self.ended = now >= self.ends_at;
                if self.bookmarks && now >= self.bookmark_at && !self.ended {
                    let revision = applied.max(self.after);
                    self.ready.push_back(WatchEvent::Bookmark { revision, initial_end: false });
                    self.bookmark_at = next_bookmark(now, self.ends_at);
                }
            }
        }
    }
}

/// Every minute, and once shortly before the end.
fn next_bookmark(now: Instant, ends_at: Instant) -> Instant {
    let last = ends_at - BEFORE_END;
    if now < last { (now + BOOKMARK_EVERY).min(last) } else { ends_at + BOOKMARK_EVERY }
}

/// What a change is to a watcher that sees only the selected objects.
fn event_for(change: &Change, selection: &Selection) -> Option<WatchEvent> {
    let current = change.current.as_ref().filter(|e| selection.matches(e));
    let had = change.previous.as_ref().is_some_and(|e| selection.matches(e));
    match (current, had) {
        (Some(entry), false) => Some(WatchEvent::Added(entry.clone())),
        (Some(entry), true) => Some(WatchEvent::Modified(entry.clone())),
        (None, true) => change.gone().map(WatchEvent::Deleted),
        (None, false) => None,
    }
}

/// 410: changes after `wanted` are no longer known.
fn too_old(wanted: Revision, oldest: Revision) -> ApiError {
    ApiError::expired(format!("too old resource version: {wanted} ({oldest})"))
}
