//! The verbs on objects.

mod options;

use std::sync::Arc;
use std::time::Duration;

use corten_api::{KindInfo, Object};
use corten_rt::{Clock, Tasks};
use corten_semantics::{ApiError, ApiResult};
use corten_store::Store;

use crate::cache::{Entry, Watch};
pub use options::*;

/// How a registry is set up.
#[derive(Clone, Debug)]
pub struct Config {
    pub clock: Clock,
    /// The range that Services get their cluster IPs from.
    pub service_cidr: String,
    /// The first and last port that Services of type NodePort may use.
    pub node_ports: (u16, u16),
    /// How long Events are kept.
    pub event_ttl: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            clock: Clock::system(),
            service_cidr: "10.96.0.0/16".into(),
            node_ports: (30000, 32767),
            event_ttl: Duration::from_secs(3600),
        }
    }
}

/// All objects, and what may be done to them. Authorization happens before.
pub struct Registry {}

fn later<T>() -> ApiResult<T> {
    Err(ApiError::unavailable("the registry is not ready"))
}

impl Registry {
    /// Loads the cache from the store and keeps it up to date by a task of `tasks`.
    pub async fn open(_store: Arc<dyn Store>, _config: Config, _tasks: &Tasks) -> ApiResult<Arc<Self>> {
        Ok(Arc::new(Registry {}))
    }

    /// Every kind that is served, in the order of discovery.
    pub fn kinds(&self) -> Vec<&'static KindInfo> {
        corten_api::builtin::KINDS.iter().copied().filter(|k| !k.plural.is_empty()).collect()
    }

    /// The kind served at `/apis/GROUP/VERSION/.../PLURAL` (an empty group for `/api`).
    pub fn kind(&self, group: &str, version: &str, plural: &str) -> Option<&'static KindInfo> {
        self.kinds().into_iter().find(|k| (k.group, k.version, k.plural) == (group, version, plural))
    }

    /// Reads one object, or its `scale`.
    pub async fn get(
        &self,
        _ctx: &RequestContext,
        _target: &Target,
        _o: &GetOptions,
    ) -> ApiResult<Arc<Entry>> {
        later()
    }

    /// Lists a collection.
    pub async fn list(&self, _ctx: &RequestContext, _target: &Target, _o: &ListOptions) -> ApiResult<List> {
        later()
    }

    /// Watches a collection, or one object when the target has a name.
    pub async fn watch(
        &self,
        _ctx: &RequestContext,
        _target: &Target,
        _o: &WatchOptions,
    ) -> ApiResult<Watch> {
        later()
    }

    /// Creates an object (the target's name is empty), or posts to a subresource of one: `binding`,
    /// `eviction`, `token`.
    pub async fn create(
        &self,
        _ctx: &RequestContext,
        _target: &Target,
        _object: Box<dyn Object>,
        _o: &WriteOptions,
    ) -> ApiResult<Reply> {
        later()
    }

    /// Replaces an object, its `status`, `scale` or other subresource.
    pub async fn update(
        &self,
        _ctx: &RequestContext,
        _target: &Target,
        _object: Box<dyn Object>,
        _o: &WriteOptions,
    ) -> ApiResult<Reply> {
        later()
    }

    /// Patches an object or a subresource; the patch is JSON (or YAML for apply).
    pub async fn patch(
        &self,
        _ctx: &RequestContext,
        _target: &Target,
        _patch: (PatchType, &[u8]),
        _o: &WriteOptions,
    ) -> ApiResult<Reply> {
        later()
    }

    /// Deletes an object, or asks it to end.
    pub async fn delete(
        &self,
        _ctx: &RequestContext,
        _target: &Target,
        _o: &DeleteOptions,
    ) -> ApiResult<Reply> {
        later()
    }

    /// Deletes what a list selects; answers with what was deleted.
    pub async fn delete_collection(
        &self,
        _ctx: &RequestContext,
        _target: &Target,
        _list: &ListOptions,
        _o: &DeleteOptions,
    ) -> ApiResult<List> {
        later()
    }
}
