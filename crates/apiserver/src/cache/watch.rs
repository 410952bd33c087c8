//! A watch: a cursor over a resource's ring of changes. It holds no queue of its own; a watcher that falls
//! behind the ring is ended.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use corten_rt::{Instant, Stop, sleep_until};
use corten_semantics::{ApiError, ApiResult};
use corten_store::Revision;
use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt};

use super::bell::Ear;
use super::initial::Initial;
use super::ring::Change;
use super::{Entry, Resource, Selection, Shared, WatchCache};

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

impl WatchEvent {
    /// The entry that the event is about.
    fn entry(&self) -> Option<&Arc<Entry>> {
        match self {
            WatchEvent::Added(e) | WatchEvent::Modified(e) | WatchEvent::Deleted(e) => Some(e),
            WatchEvent::Bookmark { .. } | WatchEvent::Error(_) => None,
        }
    }

    /// Whether both report the same of the same entry; bookmarks and errors are of one watch alone.
    pub(super) fn is_same(&self, other: &WatchEvent) -> bool {
        use WatchEvent::{Added, Deleted, Modified};
        match (self, other) {
            (Added(one), Added(other))
            | (Modified(one), Modified(other))
            | (Deleted(one), Deleted(other)) => Arc::ptr_eq(one, other),
            _ => false,
        }
    }
}

/// Events in order of revision; it ends at its time limit, when the server stops, or after one
/// [`WatchEvent::Error`].
pub struct Watch {
    events: BoxStream<'static, WatchEvent>,
    shared: Arc<Shared>,
}

impl Watch {
    /// The next event; `None` at the end.
    pub async fn next(&mut self) -> Option<WatchEvent> {
        self.events.next().await
    }

    /// What the watches of the same selection have in common.
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// The same watch with every event changed by `change`.
    pub(crate) fn with(self, change: impl FnMut(WatchEvent) -> WatchEvent + Send + 'static) -> Self {
        Watch { events: Box::pin(self.events.map(change)), shared: self.shared }
    }
}

impl Stream for Watch {
    type Item = WatchEvent;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<WatchEvent>> {
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
    /// The objects that come before all changes, until they were told.
    initial: Option<Initial>,
    /// The number of the next change to look at, and where to stop.
    next: u64,
    end: u64,
    /// Changes up to this revision are not reported, even if they come: they lie before the start.
    after: Revision,
    /// Whether there may be changes from there on.
    behind: bool,
    ear: Ear,
    alarm: Option<Alarm>,
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
        let ear = resource.listen(&plan.selection, plan.paced);
        let shared = Arc::clone(ear.shared());
        let mut ready = VecDeque::new();
        let (mut next, mut after, mut ended) = (0, 0, false);
        let mut initial = None;
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
                let (lent, revision, end) = resource.lend();
                next = end;
                let mark = plan.mark_initial_end.then_some(applied.max(revision));
                initial = Some(Initial::new(lent, mark));
            }
        }
        let now = Instant::now();
        let cursor = Cursor {
            cache: self.clone(),
            resource: resource.clone(),
            selection: plan.selection,
            initial,
            next,
            end: u64::MAX,
            after,
            behind: true,
            ear,
            alarm: None,
            ready,
            bookmarks: plan.bookmarks,
            bookmark_at: now + BOOKMARK_EVERY.min(plan.timeout.saturating_sub(BEFORE_END)),
            ends_at: now + plan.timeout,
            stop: self.stop.clone(),
            ended,
        };
        let events = stream::unfold(cursor, |mut c| async move { Some((c.event().await?, c)) });
        Ok(Watch { events: Box::pin(events.fuse()), shared })
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
            if self.initial.is_some() {
                self.begin().await;
                continue;
            }
            if !self.behind {
                self.idle().await;
                continue;
            }
            let most = self.end.saturating_sub(self.next).min(BATCH as u64);
            if most == 0 {
                self.behind = false;
                continue;
            }
            match self.resource.read(self.next, most as usize) {
                Err(oldest) => {
                    self.ended = true;
                    return Some(WatchEvent::Error(too_old(self.after, oldest)));
                }
                Ok(changes) if !changes.is_empty() => self.take(&changes).await,
                Ok(_) => self.behind = false,
            }
        }
    }

    /// Goes on with the objects that the watch begins with.
    async fn begin(&mut self) {
        let Some(mut initial) = self.initial.take() else { return };
        match initial.step(&self.selection).await {
            Ok(events) => {
                self.ready.extend(events);
                self.initial = Some(initial).filter(|initial| !initial.is_ended());
            }
            Err(error) => {
                self.ready.push_back(WatchEvent::Error(error));
                self.ended = true;
            }
        }
    }

    async fn take(&mut self, changes: &[Arc<Change>]) {
        let after = self.after;
        match events_for(changes.iter().filter(|c| c.revision > after), &self.selection).await {
            Ok(events) => self.ready.extend(events),
            Err(error) => {
                self.ready.push_back(WatchEvent::Error(error));
                self.ended = true;
            }
        }
        self.next += changes.len() as u64;
        if let Some(last) = changes.last() {
            self.after = self.after.max(last.revision);
        }
    }

    /// Waits for changes, the next bookmark or the end.
    async fn idle(&mut self) {
        let wake = if self.bookmarks { self.bookmark_at.min(self.ends_at) } else { self.ends_at };
        let alarm = match self.alarm.take().filter(|alarm| alarm.at == wake) {
            Some(alarm) => self.alarm.insert(alarm),
            None => self.alarm.insert(Alarm { at: wake, rings: Box::pin(sleep_until(wake)) }),
        };
        let (ear, stop, resource) = (&self.ear, &self.stop, &self.resource);
        let woken = poll_fn(|context| {
            if let Poll::Ready(first) = ear.poll_heard(context) {
                return Poll::Ready(Woken::Changes(first));
            }
            if stop.is_stopped() || resource.is_closed() {
                return Poll::Ready(Woken::End);
            }
            alarm.rings.as_mut().poll(context).map(|()| Woken::Alarm)
        });
        match woken.await {
            Woken::Changes(first) => self.hear(first),
            Woken::End => self.ended = true,
            Woken::Alarm => self.ring(),
        }
    }

    /// What lies before the first change that may matter does not.
    fn hear(&mut self, first: u64) {
        self.next = self.next.max(first);
        self.end = self.ear.end();
        self.behind = true;
    }

    /// It is time for a bookmark, or for the end.
    fn ring(&mut self) {
        self.alarm = None;
        // Read before it is asked what there is to hear: that covers at least this.
        let applied = self.cache.revision();
        if let Some(first) = self.ear.heard_or_known() {
            self.hear(first);
            self.end = u64::MAX;
            return;
        }
        let now = Instant::now();
        self.ended = now >= self.ends_at;
        if self.bookmarks && now >= self.bookmark_at && !self.ended {
            let revision = applied.max(self.after);
            self.ready.push_back(WatchEvent::Bookmark { revision, initial_end: false });
            self.bookmark_at = next_bookmark(now, self.ends_at);
        }
    }
}

/// Why a watch goes on.
enum Woken {
    /// There are changes that may matter, from this one on.
    Changes(u64),
    Alarm,
    /// The server stops, or another cache has taken over.
    End,
}

/// When a watch goes on by itself.
struct Alarm {
    at: Instant,
    rings: Pin<Box<dyn Future<Output = ()> + Send>>,
}

/// Every minute, and once shortly before the end.
fn next_bookmark(now: Instant, ends_at: Instant) -> Instant {
    let last = ends_at - BEFORE_END;
    if now < last { (now + BOOKMARK_EVERY).min(last) } else { ends_at + BOOKMARK_EVERY }
}

/// What changes are to a watcher that sees only the selected objects, in its version.
async fn events_for(
    changes: impl Iterator<Item = &Arc<Change>> + Send,
    selection: &Selection,
) -> ApiResult<Vec<WatchEvent>> {
    if !selection.is_of_translations() {
        let events = changes.filter_map(|change| event_for(change, selection)).collect();
        return in_version(events, selection).await;
    }
    let covered: Vec<&Arc<Change>> =
        changes.filter(|c| c.states().any(|entry| selection.covers(entry.key()))).collect();
    let states = covered.iter().flat_map(|change| change.states()).cloned().collect();
    let mut states = selection.translated(states).await?.into_iter();
    let mut of = |state: &Option<Arc<Entry>>| state.as_ref().and_then(|_| states.next());
    let events = covered.into_iter().filter_map(|change| {
        let (current, previous) = (of(&change.current), of(&change.previous));
        event_for(&Change::new(change.revision, current, previous), selection)
    });
    Ok(events.collect())
}

/// The events with every object in the client's version.
async fn in_version(events: Vec<WatchEvent>, selection: &Selection) -> ApiResult<Vec<WatchEvent>> {
    if !selection.translates() {
        return Ok(events);
    }
    let entries = events.iter().filter_map(|event| event.entry().cloned()).collect();
    let mut entries = selection.translated(entries).await?.into_iter();
    let with = |event| match event {
        WatchEvent::Added(e) => WatchEvent::Added(entries.next().unwrap_or(e)),
        WatchEvent::Modified(e) => WatchEvent::Modified(entries.next().unwrap_or(e)),
        WatchEvent::Deleted(e) => WatchEvent::Deleted(entries.next().unwrap_or(e)),
        other => other,
    };
    Ok(events.into_iter().map(with).collect())
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
