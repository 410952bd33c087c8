//! Lists: one snapshot, over as many pages as the client wants.

use std::sync::Arc;

use corten_semantics::{ApiError, ApiResult};
use corten_store::{Error, ListOptions as StoreList, Record, Revision};

use super::freshness::store_failed;
use super::resource::Snapshot;
use super::token::Token;
use super::{Entry, Resource, Selection, WatchCache};

/// Which state a list may show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Match {
    /// Everything that is committed.
    Latest,
    /// Whatever is at hand.
    Any,
    NotOlderThan(Revision),
    Exact(Revision),
}

/// What to list.
pub(crate) struct ListPlan {
    pub selection: Selection,
    pub at: Match,
    /// 0 for no limit.
    pub limit: usize,
    pub continue_: String,
}

/// One page.
pub(crate) struct Listed {
    pub items: Vec<Arc<Entry>>,
    pub revision: Revision,
    pub continue_: String,
    pub remaining: Option<i64>,
}

/// A page's items, and the key after them when there are more.
struct Cut {
    items: Vec<Arc<Entry>>,
    next: Option<String>,
    remaining: Option<i64>,
}

impl WatchCache {
    /// Lists from the cache, or from the store's history when the state asked for has left the cache.
    pub async fn list(&self, resource: &Resource, plan: &ListPlan) -> ApiResult<Listed> {
        let prefix = plan.selection.prefix.as_str();
        if plan.continue_.is_empty() {
            return self.page(resource, plan, plan.at, prefix).await;
        }
        let token = Token::decode(&plan.continue_, prefix)?;
        let at = token.revision.map_or(Match::Latest, Match::Exact);
        let page = self.page(resource, plan, at, &token.start).await;
        page.map_err(|e| if e.is_expired() { expired(&token.start, prefix) } else { e })
    }

    async fn page(&self, resource: &Resource, plan: &ListPlan, at: Match, start: &str) -> ApiResult<Listed> {
        let (revision, snapshot) = match at {
            Match::Exact(revision) => {
                self.wait_for(revision).await?;
                // What history has forgotten is gone, though a snapshot of it may be at hand.
                if revision < self.store.oldest_revision().await.map_err(store_failed)? {
                    return Err(ApiError::expired(COMPACTED));
                }
                (revision, resource.snapshot_at(revision))
            }
            _ => {
                match at {
                    Match::Latest => drop(self.wait_until_fresh().await?),
                    Match::NotOlderThan(revision) => self.wait_for(revision).await?,
                    Match::Any | Match::Exact(_) => {}
                }
                // Read before the snapshot, so that the snapshot shows at least this.
                let applied = self.revision();
                let snapshot = resource.snapshot();
                (applied.max(snapshot.revision), Some(snapshot))
            }
        };
        let cut = match &snapshot {
            Some(snapshot) if plan.selection.is_of_translations() => {
                cut_of_translations(snapshot, &plan.selection, start, plan.limit).await?
            }
            Some(snapshot) => cut(snapshot, &plan.selection, start, plan.limit),
            None => self.cut_of_history(resource, plan, start, revision).await?,
        };
        let continue_ = match cut.next {
            Some(start) => {
                if let Some(snapshot) = snapshot {
                    resource.hold(revision, snapshot);
                }
                Token { revision: Some(revision), start }.encode(&plan.selection.prefix)
            }
            None => String::new(),
        };
        Ok(Listed { items: cut.items, revision, continue_, remaining: cut.remaining })
    }

    /// A page of the store's state at `revision`.
    async fn cut_of_history(
        &self,
        resource: &Resource,
        plan: &ListPlan,
        start: &str,
        revision: Revision,
    ) -> ApiResult<Cut> {
        let limit = if plan.limit == 0 { 0 } else { plan.limit.max(100) + 1 };
        let mut options = StoreList { start: start.into(), limit, at: Some(revision) };
        let mut items: Vec<Arc<Entry>> = Vec::new();
        loop {
            let page = self.store.list(&plan.selection.prefix, options.clone()).await;
            let page = page.map_err(|e| match e {
                Error::Compacted { .. } => ApiError::expired(COMPACTED),
                other => store_failed(other),
            })?;
            let last = page.records.last().map(|r| format!("{}\0", r.key));
            let stored = |r: Record| Entry::stored(resource.kind, r.key, r.mod_revision, &r.value, None);
            let read = page.records.into_iter().map(stored).map(|entry| resource.read_now(entry));
            for entry in plan.selection.selected(read.collect()).await? {
                if plan.limit > 0 && items.len() == plan.limit {
                    return Ok(Cut { next: after(&items), items, remaining: None });
                }
                items.push(entry);
            }
            match last {
                Some(last) if page.more => options.start = last,
                _ => return Ok(Cut { items, next: None, remaining: None }),
            }
        }
    }
}

/// The key after the last item.
fn after(items: &[Arc<Entry>]) -> Option<String> {
    items.last().map(|e| format!("{}\0", e.key()))
}

/// A page of a snapshot.
fn cut(snapshot: &Snapshot, selection: &Selection, start: &str, limit: usize) -> Cut {
    let most = if limit == 0 { usize::MAX } else { limit };
    if let Some(key) = selection.key() {
        let found = snapshot.get(key).filter(|e| selection.matches(e));
        return Cut { items: found.into_iter().cloned().collect(), next: None, remaining: None };
    }
    let on_node = selection.node().map(|node| snapshot.on_node(node));
    let mut selected: Box<dyn Iterator<Item = &Arc<Entry>>> = match on_node {
        Some(pods) => Box::new(pods.filter(|e| &**e.key() >= start && selection.matches(e))),
        None => Box::new(snapshot.range(&selection.prefix, start).filter(|e| selection.matches(e))),
    };
    let items: Vec<_> = selected.by_ref().take(most).cloned().collect();
    if items.len() < most || selected.next().is_none() {
        return Cut { items, next: None, remaining: None };
    }
    // As upstream, only a list of everything tells how much is left.
    let remaining =
        selection.is_everything().then(|| i64::try_from(selected.count() + 1).unwrap_or(i64::MAX));
    Cut { next: after(&items), items, remaining }
}

/// Entries that are translated together while a page is looked for.
const TOGETHER: usize = 500;

/// The same where only the translations show what is selected.
async fn cut_of_translations(
    snapshot: &Snapshot,
    selection: &Selection,
    start: &str,
    limit: usize,
) -> ApiResult<Cut> {
    let most = if limit == 0 { usize::MAX } else { limit };
    let all = snapshot.covered(selection, start);
    let mut items = Vec::new();
    for some in all.chunks(TOGETHER) {
        for entry in selection.selected(some.to_vec()).await? {
            if items.len() == most {
                return Ok(Cut { next: after(&items), items, remaining: None });
            }
            items.push(entry);
        }
    }
    Ok(Cut { items, next: None, remaining: None })
}

const COMPACTED: &str = "The resourceVersion for the provided list is too old.";

/// 410 with a token that goes on inconsistently.
fn expired(start: &str, prefix: &str) -> ApiError {
    let error = ApiError::expired(
        "The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.",
    );
    let mut status = error.status().clone();
    status.metadata.continue_ = Token { revision: None, start: start.into() }.encode(prefix);
    ApiError::from(status)
}
