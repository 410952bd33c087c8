//! Which webhooks are asked about a request, and about which version of its object (upstream's
//! `generic.Webhook.ShouldCallHook`).

use super::hook::Hook;
use super::rules::{self, Requested};
use crate::check::{Context, Operation};
use corten_api::core::v1::Namespace;
use corten_api::selector::Selector;
use corten_api::{Kind, KindInfo, Object};
use corten_semantics::{ApiError, ApiResult};
use serde_json::Value;
use std::collections::BTreeMap;

/// Group, version and kind of what stands in a request's body.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct BodyKind {
    pub group: String,
    pub version: String,
    pub kind: String,
}

impl BodyKind {
    pub fn of(info: &KindInfo) -> Self {
        BodyKind { group: info.group.into(), version: info.version.into(), kind: info.kind.into() }
    }
}

/// A request, as far as all webhooks see the same of it.
pub(crate) struct Subject<'a> {
    pub context: &'a Context<'a>,
    /// The object's name; that of a new one may stand in the object alone.
    pub name: String,
    /// What the client sent: for subresources it may be another kind than the resource's.
    pub body: BodyKind,
    /// Whether the body is the resource's own kind, and so exists in its other versions.
    pub is_whole: bool,
}

impl<'a> Subject<'a> {
    /// A write of `object`, or a deletion without.
    pub fn new(context: &'a Context<'a>, object: Option<&dyn Object>) -> Self {
        let info = object.map(Object::info).unwrap_or(context.kind);
        let is_whole = info == context.kind;
        let body = BodyKind::of(if is_whole { context.requested } else { info });
        let named = object.map_or("", |o| o.meta().name.as_str());
        let name = if context.name.is_empty() { named } else { context.name };
        Subject { context, name: name.to_string(), body, is_whole }
    }

    /// A connection with these options.
    pub fn connection(context: &'a Context<'a>, options: &Value) -> Self {
        let kind = options["kind"].as_str().unwrap_or_default();
        let body = BodyKind {
            group: context.requested.group.into(),
            version: context.requested.version.into(),
            kind: kind.into(),
        };
        Subject { context, name: context.name.to_string(), body, is_whole: false }
    }

    /// The namespace as webhooks are told it.
    pub fn namespace(&self) -> &str {
        Requested::of(self.context, &self.name).namespace
    }
}

/// That a webhook is to be asked, and in whose name.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Invocation {
    /// The kind through which the rules match.
    pub resource: &'static KindInfo,
    /// What stands in the body then.
    pub body: BodyKind,
    /// The version that objects are converted to; none for bodies that have no versions of ours.
    pub version: Option<&'static KindInfo>,
}

/// Whether and how the webhook is asked; match conditions are for the caller.
///
/// # Errors
/// When it should be asked but cannot be known for sure.
pub(super) fn invocation(
    hook: &Hook,
    subject: &Subject<'_>,
    object: Option<&dyn Object>,
) -> ApiResult<Option<Invocation>> {
    let by_namespace = namespace_matches(&hook.namespaces, subject, object);
    let by_object = object_matches(&hook.objects, object, subject.context.old);
    if by_namespace == Ok(false) || by_object == Ok(false) {
        return Ok(None);
    }
    let Some(found) = by_rules(hook, subject) else { return Ok(None) };
    by_namespace?;
    by_object?;
    Ok(Some(found))
}

fn by_rules(hook: &Hook, subject: &Subject<'_>) -> Option<Invocation> {
    let context = subject.context;
    let requested = Requested::of(context, &subject.name);
    if hook.rules.iter().any(|rule| rules::matches(rule, &requested)) {
        return Some(Invocation {
            resource: context.requested,
            body: subject.body.clone(),
            version: subject.is_whole.then_some(context.requested),
        });
    }
    if !hook.equivalent {
        return None;
    }
    let equivalents = context.server.equivalents(context.requested);
    let through = hook.rules.iter().find_map(|rule| {
        equivalents.iter().copied().find(|kind| rules::matches(rule, &requested.through(kind)))
    })?;
    let body = if subject.is_whole { BodyKind::of(through) } else { subject.body.clone() };
    Some(Invocation { resource: through, body, version: subject.is_whole.then_some(through) })
}

/// Whether the selector of namespaces selects the request's.
///
/// # Errors
/// When the namespace, or the selector, cannot be read.
pub(crate) fn namespace_matches(
    selector: &Result<Selector, String>,
    subject: &Subject<'_>,
    object: Option<&dyn Object>,
) -> ApiResult<bool> {
    let context = subject.context;
    let requested = Requested::of(context, &subject.name);
    if requested.namespace.is_empty() && !requested.is_of_namespaces() {
        return Ok(true);
    }
    let selector = selector.as_ref().map_err(ApiError::internal)?;
    if selector.is_everything() {
        return Ok(true);
    }
    let writes = matches!(context.operation, Operation::Create | Operation::Update);
    if requested.is_of_namespaces()
        && context.subresource.is_empty()
        && writes
        && let Some(namespace) = object
    {
        // A namespace on its way is not in the cache yet.
        return Ok(selector.matches(&namespace.meta().labels));
    }
    let name = requested.namespace;
    let missing = || ApiError::not_found(Namespace::INFO, name);
    let namespace = context.objects.get::<Namespace>("", name).ok_or_else(missing)?;
    Ok(selector.matches(&namespace.metadata.labels))
}

/// Whether the selector of objects selects the object, or what it was.
///
/// # Errors
/// When the selector cannot be read.
pub(crate) fn object_matches(
    selector: &Result<Selector, String>,
    object: Option<&dyn Object>,
    old: Option<&dyn Object>,
) -> ApiResult<bool> {
    let selector = selector.as_ref().map_err(ApiError::internal)?;
    let fits = |labels: &BTreeMap<String, String>| selector.matches(labels);
    Ok(selector.is_everything() || [object, old].into_iter().flatten().any(|o| fits(&o.meta().labels)))
}
