//! What policies and bindings mean by their rules and selectors (upstream's `policy/matching`).

use crate::webhook::matching::{BodyKind, Invocation, Subject, namespace_matches, object_matches};
use crate::webhook::rules::{self, Requested};
use corten_api::Object;
use corten_api::admissionregistration::v1::{MatchResources, NamedRuleWithOperations};
use corten_api::selector::Selector;

/// Rules and selectors, selectors read.
pub(super) struct Matching {
    rules: Vec<NamedRuleWithOperations>,
    excluded: Vec<NamedRuleWithOperations>,
    /// Whether rules also mean other versions of what they name.
    equivalent: bool,
    namespaces: Result<Selector, String>,
    objects: Result<Selector, String>,
}

impl Matching {
    pub fn new(resources: Option<&MatchResources>) -> Self {
        let resources = resources.cloned().unwrap_or_default();
        let selector = |selector: Option<&corten_api::meta::v1::LabelSelector>| match selector {
            None => Ok(Selector::everything()),
            selector => Selector::from_label_selector(selector).map_err(|error| error.to_string()),
        };
        Matching {
            namespaces: selector(resources.namespace_selector.as_deref()),
            objects: selector(resources.object_selector.as_deref()),
            equivalent: resources.match_policy.as_deref() == Some("Equivalent"),
            rules: resources.resource_rules,
            excluded: resources.exclude_resource_rules,
        }
    }
}

/// Whether the request is meant, and as which resource.
///
/// # Errors
/// When it should be but cannot be known for sure.
pub(super) fn find(
    matching: &Matching,
    subject: &Subject<'_>,
    object: Option<&dyn Object>,
) -> Result<Option<Invocation>, String> {
    let why = |error: corten_semantics::ApiError| error.status().message.clone();
    let by_namespace = namespace_matches(&matching.namespaces, subject, object).map_err(why);
    let by_object = object_matches(&matching.objects, object, subject.context.old).map_err(why);
    if by_namespace == Ok(false) || by_object == Ok(false) {
        return Ok(None);
    }
    if by_rules(&matching.excluded, matching.equivalent, subject).is_some() {
        return Ok(None);
    }
    let found = match matching.rules.as_slice() {
        // Without rules everything is meant.
        [] => Some(as_requested(subject)),
        rules => by_rules(rules, matching.equivalent, subject),
    };
    let Some(found) = found else { return Ok(None) };
    by_namespace?;
    by_object?;
    Ok(Some(found))
}

fn as_requested(subject: &Subject<'_>) -> Invocation {
    let requested = subject.context.requested;
    Invocation {
        resource: requested,
        body: subject.body.clone(),
        version: subject.is_whole.then_some(requested),
    }
}

fn names(rule: &NamedRuleWithOperations, subject: &Subject<'_>) -> bool {
    rule.resource_names.is_empty() || rule.resource_names.contains(&subject.name)
}

fn by_rules(list: &[NamedRuleWithOperations], equivalent: bool, subject: &Subject<'_>) -> Option<Invocation> {
    let context = subject.context;
    let requested = Requested::of(context, &subject.name);
    let fits = |rule: &&NamedRuleWithOperations, requested: &Requested<'_>| {
        rules::matches(&rule.rule_with_operations, requested) && names(rule, subject)
    };
    if list.iter().any(|rule| fits(&rule, &requested)) {
        return Some(as_requested(subject));
    }
    if !equivalent || list.is_empty() {
        return None;
    }
    let others = context.server.equivalents(context.requested);
    let through = list
        .iter()
        .find_map(|rule| others.iter().copied().find(|kind| fits(&rule, &requested.through(kind))))?;
    let body = if subject.is_whole { BodyKind::of(through) } else { subject.body.clone() };
    Some(Invocation { resource: through, body, version: subject.is_whole.then_some(through) })
}
