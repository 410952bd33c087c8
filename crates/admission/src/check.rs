//! What a check is, and what it is told.

use crate::notes::Notes;
use crate::policy::Checks;
use crate::reinvocation::Reinvocation;
use crate::resource_quota::Limited;
use crate::server::{Options, Server};
use crate::webhook::Calls;
use async_trait::async_trait;
use corten_api::authentication::v1::UserInfo;
use corten_api::{Kind, KindInfo, Object};
use corten_metrics::Text;
use corten_rt::Instant;
use corten_semantics::{ApiError, ApiResult, Lookup};
use serde_json::Value;
use std::fmt;

/// What is about to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    Create,
    Update,
    Delete,
    Connect,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Operation::Create => "CREATE",
            Operation::Update => "UPDATE",
            Operation::Delete => "DELETE",
            Operation::Connect => "CONNECT",
        })
    }
}

/// A write on its way through admission.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The resource written to; for a subresource, that of the whole object.
    pub kind: &'static KindInfo,
    /// The same in the version that the client speaks; `kind` is in the one that is stored.
    pub requested: &'static KindInfo,
    /// Empty for the object itself.
    pub subresource: &'a str,
    /// What is about to happen.
    pub operation: Operation,
    /// Empty for cluster-scoped resources.
    pub namespace: &'a str,
    /// The object's name; empty while it has none.
    pub name: &'a str,
    /// Who does it.
    pub user: &'a UserInfo,
    /// Whether nothing will be written in the end.
    pub dry_run: bool,
    /// The object as it is, when there is one.
    pub old: Option<&'a dyn Object>,
    /// The cluster's objects.
    pub objects: &'a dyn Lookup,
    /// Takes warnings for the client, and annotations for the audit log.
    pub notes: &'a Notes,
    /// What was asked beside the object.
    pub options: &'a dyn Options,
    /// The server around the checks.
    pub server: &'a dyn Server,
    /// Which round of mutation this is; the chain's business.
    pub rounds: Option<&'a Reinvocation>,
    /// When the client will have its answer, at the latest.
    pub deadline: Option<Instant>,
}

impl Context<'_> {
    /// Whether this resource or a subresource of it is written.
    pub fn is_for<K: Kind>(&self) -> bool {
        self.kind == K::INFO
    }

    /// Whether this resource itself is written.
    pub fn is_whole<K: Kind>(&self) -> bool {
        self.is_for::<K>() && self.subresource.is_empty()
    }

    /// The object as it is, as a `K`.
    pub fn old<K: Kind>(&self) -> Option<&K> {
        self.old.and_then(|old| old.downcast_ref())
    }

    /// The 403 of a check. `why` follows upstream's prefix.
    pub fn forbidden(&self, object: Option<&dyn Object>, why: &str) -> ApiError {
        let meta = object.map(Object::meta);
        let name = [Some(self.name), meta.map(|m| m.name.as_str()), meta.map(|m| m.generate_name.as_str())];
        let name = name.into_iter().flatten().find(|n| !n.is_empty()).unwrap_or("Unknown");
        ApiError::forbidden(self.kind, name, why)
    }
}

/// One check. A refusal is the error that the client gets.
#[async_trait]
pub trait Check: Send + Sync {
    /// Upstream's name of the check.
    fn name(&self) -> &'static str;

    /// The calls that the check has made to others.
    fn calls(&self) -> Option<&Calls> {
        None
    }

    /// Writes what the check alone counts.
    fn write_metrics(&self, _: &mut Text) {}

    /// What has come of the check's policies.
    fn checks(&self) -> Option<&Checks> {
        None
    }

    /// What needs a quota to cover it, where the check is the quotas'.
    fn limited(&self) -> Option<&Limited> {
        None
    }

    /// Whether the check has anything to do with the write; asked before all else.
    fn handles(&self, context: &Context<'_>) -> bool;

    /// May change a new or changed object, and judges it where that need not wait for the other checks.
    async fn admit(&self, _context: &Context<'_>, _object: &mut dyn Object) -> ApiResult<()> {
        Ok(())
    }

    /// Whether the check may make another object of the one given, by [`Check::replace`] instead of
    /// [`Check::admit`].
    fn replaces(&self) -> bool {
        false
    }

    /// As [`Check::admit`], for a check that [`Check::replaces`].
    async fn replace(&self, _context: &Context<'_>, _object: &mut Box<dyn Object>) -> ApiResult<()> {
        Ok(())
    }

    /// Judges a new or changed object, when no check changes it any more.
    async fn validate(&self, _context: &Context<'_>, _object: &dyn Object) -> ApiResult<()> {
        Ok(())
    }

    /// Judges a deletion; the object is the context's old one.
    async fn delete(&self, _context: &Context<'_>) -> ApiResult<()> {
        Ok(())
    }

    /// Judges a connection to a pod, service or node, and may change it; `options` is its `PodExecOptions` and
    /// the like.
    async fn connect(&self, _context: &Context<'_>, _options: &mut Value) -> ApiResult<()> {
        Ok(())
    }
}
