//! What calls carry beside their object, and what they answer.

use std::sync::Arc;
use std::time::Duration;

use corten_admission::Notes;
use corten_api::KindInfo;
use corten_api::authentication::v1::UserInfo;
use corten_api::meta::v1::{Preconditions, Status};
use corten_rt::Instant;
use corten_store::Revision;

use crate::cache::Entry;

pub use corten_client::transport::{PatchType, Target};

/// Who calls. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct RequestContext {
    /// The caller, after impersonation.
    pub user: Arc<UserInfo>,
    /// What admission says beside yes and no.
    pub notes: Arc<Notes>,
    /// What the client calls itself: who owns the fields that a call without `fieldManager` writes.
    pub agent: Arc<str>,
    /// When the client will have its answer; webhooks are asked no longer.
    pub deadline: Option<Instant>,
}

/// What is done about unknown and duplicate fields of a body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FieldValidation {
    Ignore,
    /// They are dropped, with a warning each.
    #[default]
    Warn,
    Strict,
}

/// Options of create, update and patch.
#[derive(Clone, Debug, Default)]
pub struct WriteOptions {
    pub dry_run: bool,
    pub field_manager: String,
    /// For patches, whose result only the registry sees.
    pub field_validation: FieldValidation,
    /// Apply only: take over fields of other managers.
    pub force: bool,
}

/// Options of delete.
#[derive(Clone, Debug, Default)]
pub struct DeleteOptions {
    pub dry_run: bool,
    pub grace_period_seconds: Option<i64>,
    pub preconditions: Option<Preconditions>,
    /// `Background`, `Foreground` or `Orphan`.
    pub propagation_policy: Option<String>,
    /// The older way to say `Orphan` (true) or `Background` (false).
    pub orphan_dependents: Option<bool>,
}

/// Options of get: `resourceVersion`.
#[derive(Clone, Debug, Default)]
pub struct GetOptions {
    /// Empty for the most recent, `0` for any.
    pub resource_version: String,
}

/// Options of list and deletecollection.
#[derive(Clone, Debug, Default)]
pub struct ListOptions {
    pub label_selector: String,
    pub field_selector: String,
    /// 0 for no limit.
    pub limit: usize,
    pub continue_: String,
    /// Empty for the most recent, `0` for any.
    pub resource_version: String,
    /// Empty, `NotOlderThan` or `Exact`.
    pub resource_version_match: String,
}

/// Options of watch.
#[derive(Clone, Debug, Default)]
pub struct WatchOptions {
    pub label_selector: String,
    pub field_selector: String,
    /// Empty or `0` for the present objects as additions first; else events after this revision.
    pub resource_version: String,
    pub resource_version_match: String,
    pub send_initial_events: Option<bool>,
    pub allow_bookmarks: bool,
    /// Whether many may watch so, and changes may reach them together, a little later.
    pub paced: bool,
    /// When the watch ends by itself; `None` for the server's own choice.
    pub timeout: Option<Duration>,
}

/// What a call answers with.
#[derive(Clone, Debug)]
pub enum Body {
    Object(Arc<Entry>),
    Status(Box<Status>),
}

/// The answer to a call on one object.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The HTTP code: 200, 201 for what was created.
    pub code: u16,
    pub body: Body,
    /// For `Warning` headers.
    pub warnings: Vec<String>,
    /// The object is gone, though it may be the answer.
    pub deleted: bool,
}

impl Reply {
    /// 200 with an object.
    pub fn object(entry: Arc<Entry>) -> Self {
        Reply { code: 200, body: Body::Object(entry), warnings: Vec::new(), deleted: false }
    }

    /// 201 with an object.
    pub fn created(entry: Arc<Entry>) -> Self {
        Reply { code: 201, ..Reply::object(entry) }
    }
}

/// The answer to list and deletecollection.
#[derive(Clone, Debug)]
pub struct List {
    pub kind: &'static KindInfo,
    pub items: Vec<Arc<Entry>>,
    /// The snapshot's revision, the list's `resourceVersion`.
    pub revision: Revision,
    /// Where the next page starts; empty on the last.
    pub continue_: String,
    /// `remainingItemCount`.
    pub remaining: Option<i64>,
}
