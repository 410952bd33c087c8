//! What a client needs of a server: calls and watches of objects. The API server answers in process with
//! the very objects of its watch cache; over HTTP they are decoded.

use async_trait::async_trait;
use corten_api::meta::v1::Preconditions;
use corten_api::{KindInfo, Object};
use corten_semantics::{ApiError, ApiResult};
use futures::stream::BoxStream;
use std::sync::Arc;

/// Where a call goes.
#[derive(Clone, Debug)]
pub struct Target {
    pub kind: &'static KindInfo,
    /// `None` for cluster-scoped kinds, and for all namespaces in lists and watches.
    pub namespace: Option<String>,
    /// Empty in lists, watches, and creations (where the object names itself).
    pub name: String,
    /// `status`, `scale`, `binding`, ...; empty for the object itself.
    pub subresource: &'static str,
}

/// How a patch is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatchType {
    Json,
    Merge,
    Strategic,
    Apply,
}

impl PatchType {
    /// The media type of the patch.
    pub fn content_type(self) -> &'static str {
        match self {
            PatchType::Json => "application/json-patch+json",
            PatchType::Merge => "application/merge-patch+json",
            PatchType::Strategic => "application/strategic-merge-patch+json",
            PatchType::Apply => "application/apply-patch+yaml",
        }
    }
}

/// What writes share.
#[derive(Clone, Debug, Default)]
pub struct WriteOptions {
    pub dry_run: bool,
    pub field_manager: String,
    /// Apply only: take over fields of other managers.
    pub force: bool,
}

/// How to delete.
#[derive(Clone, Debug, Default)]
pub struct DeleteOptions {
    pub dry_run: bool,
    pub grace_period_seconds: Option<i64>,
    pub preconditions: Option<Preconditions>,
    /// `Background`, `Foreground` or `Orphan`.
    pub propagation_policy: Option<String>,
}

/// What to list or watch.
#[derive(Clone, Debug, Default)]
pub struct ListOptions {
    pub label_selector: String,
    pub field_selector: String,
    /// 0 for no limit.
    pub limit: usize,
    pub continue_: String,
    /// Empty for the most recent.
    pub resource_version: String,
}

/// One call.
#[derive(Clone, Debug)]
pub enum Call {
    Get,
    List(ListOptions),
    Create(Arc<dyn Object>, WriteOptions),
    Update(Arc<dyn Object>, WriteOptions),
    Patch(PatchType, Vec<u8>, WriteOptions),
    Delete(DeleteOptions),
    DeleteCollection(ListOptions, DeleteOptions),
}

/// What a call gives.
#[derive(Debug)]
pub enum Answer {
    /// Get, create, update, patch, and deletions that leave the object for now.
    Object(Arc<dyn Object>),
    List(ObjectList),
    /// A deletion that is done.
    Done,
}

/// A snapshot of a collection.
#[derive(Debug, Default)]
pub struct ObjectList<T: ?Sized = dyn Object> {
    pub items: Vec<Arc<T>>,
    /// The snapshot's revision, from which a watch goes on.
    pub resource_version: String,
    /// Where the next page starts; empty on the last.
    pub continue_: String,
}

/// One change that a watch reports.
#[derive(Debug)]
pub enum Event<T: ?Sized = dyn Object> {
    Added(Arc<T>),
    Modified(Arc<T>),
    /// The object as it last was.
    Deleted(Arc<T>),
    /// Everything up to this revision was reported. `initial_end` closes the initial objects.
    Bookmark {
        resource_version: String,
        initial_end: bool,
    },
}

impl<T: ?Sized> Clone for Event<T> {
    fn clone(&self) -> Self {
        match self {
            Event::Added(o) => Event::Added(o.clone()),
            Event::Modified(o) => Event::Modified(o.clone()),
            Event::Deleted(o) => Event::Deleted(o.clone()),
            Event::Bookmark { resource_version, initial_end } => {
                Event::Bookmark { resource_version: resource_version.clone(), initial_end: *initial_end }
            }
        }
    }
}

/// How a watch starts.
#[derive(Clone, Debug, Default)]
pub struct WatchOptions {
    pub label_selector: String,
    pub field_selector: String,
    /// Events after this revision. Empty with `initial_events` for a snapshot first.
    pub resource_version: String,
    /// Report all present objects first, then a bookmark with `initial_end`.
    pub initial_events: bool,
    /// Nothing but metadata (without managed fields) is looked at. A server in this process then makes no more.
    pub metadata_only: bool,
}

/// Events until the watch ends; an error ends it.
pub type WatchStream = BoxStream<'static, Result<Event, ApiError>>;

/// A server as its clients see it. Implementations carry the caller's identity.
#[async_trait]
pub trait Transport: Send + Sync + 'static {
    /// Makes one call.
    async fn call(&self, target: Target, call: Call) -> ApiResult<Answer>;

    /// Opens a watch of a collection.
    async fn watch(&self, target: Target, options: WatchOptions) -> ApiResult<WatchStream>;
}
