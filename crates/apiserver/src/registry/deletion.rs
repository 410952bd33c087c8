//! What a deletion makes of an object (upstream's `rest.BeforeDelete` and the store's finalizer handling).

use corten_api::core::v1::Namespace;
use corten_api::{Kind, KindInfo, Object, Time};
use corten_kinds::Strategy;
use corten_rt::Timestamp;
use corten_semantics::status::Resource;
use corten_semantics::{ApiError, ApiResult};

use super::DeleteOptions;

const ORPHAN: &str = "orphan";
const FOREGROUND: &str = "foregroundDeletion";

/// What happens to the object.
#[derive(Debug)]
pub(crate) enum Deletion {
    /// It goes now.
    Remove,
    /// It stays for a while, so marked.
    Mark(Box<dyn Object>),
    /// It is going already; nothing changes.
    Pending,
}

/// Refuses options that contradict each other (upstream's `ValidateDeleteOptions`).
pub(crate) fn check_options(o: &DeleteOptions) -> ApiResult<()> {
    use corten_semantics::field::FieldError;
    let mut errors = Vec::new();
    if o.propagation_policy.is_some() && o.orphan_dependents.is_some() {
        let shown = o.propagation_policy.clone().unwrap_or_default();
        let detail = "orphanDependents and deletionPropagation cannot be both set";
        errors.push(FieldError::invalid("propagationPolicy", shown, detail));
    }
    if let Some(policy) = o.propagation_policy.as_deref() {
        let known = ["Foreground", "Background", "Orphan"];
        if !known.contains(&policy) {
            let mut error = FieldError::not_supported("propagationPolicy", policy, &known);
            error.detail += ", \"nil\"";
            errors.push(error);
        }
    }
    if errors.is_empty() {
        Ok(())
    } else {
        Err(ApiError::invalid("meta.k8s.io", "DeleteOptions", "", &errors))
    }
}

/// Refuses when the object is not the one that the caller means.
pub(crate) fn check_preconditions(kind: &KindInfo, object: &dyn Object, o: &DeleteOptions) -> ApiResult<()> {
    let Some(wanted) = &o.preconditions else { return Ok(()) };
    let meta = object.meta();
    for (what, wanted, have, fate) in [
        ("UID", &wanted.uid, &meta.uid, "deleted and then recreated"),
        ("ResourceVersion", &wanted.resource_version, &meta.resource_version, "modified"),
    ] {
        let Some(wanted) = wanted.as_ref().filter(|w| *w != have) else { continue };
        if kind == Namespace::INFO {
            let why = format!(
                "Precondition failed: {what} in precondition: {wanted}, {what} in object meta: {have}"
            );
            return Err(ApiError::conflict(kind, &meta.name, &why));
        }
        let why = format!(
            "the {what} in the precondition ({wanted}) does not match the {what} in record ({have}). The object might have been {fate}"
        );
        // The kind stands where else the resource does, as upstream has it.
        let resource = Resource { group: kind.group, plural: kind.kind };
        return Err(ApiError::conflict(resource, &meta.name, &why));
    }
    Ok(())
}

/// Decides what the deletion does, now.
pub(crate) fn plan(
    strategy: &dyn Strategy,
    object: &dyn Object,
    o: &DeleteOptions,
    now: Timestamp,
) -> Deletion {
    let meta = object.meta();
    // Zero or absent grace means that only finalizers hold the object.
    let grace = strategy.grace_period(object, o.grace_period_seconds).map(|g| g.max(0));
    if let (Some(going), Some(left)) = (
        meta.deletion_timestamp,
        meta.deletion_grace_period_seconds.filter(|left| grace.is_some() && *left > 0),
    ) {
        return match o.grace_period_seconds.and(grace) {
            Some(shorter) if shorter < left => shortened(object, going, now, left, shorter),
            _ => Deletion::Pending,
        };
    }
    let finalizers = finalizers(object, o);
    if meta.deletion_timestamp.is_some() {
        return repeated(object, finalizers);
    }
    let grace = grace.unwrap_or(0);
    if grace == 0 && finalizers.is_empty() {
        return Deletion::Remove;
    }
    let mut marked = object.clone_object();
    let meta = marked.meta_mut();
    meta.finalizers = finalizers;
    meta.deletion_timestamp = Some(after(now, grace));
    meta.deletion_grace_period_seconds = Some(grace);
    if meta.generation > 0 {
        meta.generation += 1;
    }
    Deletion::Mark(marked)
}

fn after(now: Timestamp, seconds: i64) -> Time {
    let then = Timestamp::from_second(now.as_second().saturating_add(seconds));
    Time::new(then.unwrap_or(Timestamp::MAX))
}

/// Only finalizers hold the object: another propagation policy may still change them.
fn repeated(object: &dyn Object, finalizers: Vec<String>) -> Deletion {
    if finalizers.is_empty() {
        return Deletion::Remove;
    }
    if finalizers == object.meta().finalizers {
        return Deletion::Pending;
    }
    let mut marked = object.clone_object();
    marked.meta_mut().finalizers = finalizers;
    Deletion::Mark(marked)
}

/// A graceful deletion under way gets less time.
fn shortened(object: &dyn Object, going: Time, now: Timestamp, left: i64, mut shorter: i64) -> Deletion {
    if shorter == 0 && object.meta().finalizers.is_empty() {
        return Deletion::Remove;
    }
    let mut then = after(going.0, shorter - left);
    if then.0 < now {
        then = Time::new(now);
        // All the time is over; whoever ends the object gracefully must still hear of it.
        shorter = shorter.min(1);
    }
    let mut marked = object.clone_object();
    let meta = marked.meta_mut();
    meta.deletion_timestamp = Some(then);
    meta.deletion_grace_period_seconds = Some(shorter);
    Deletion::Mark(marked)
}

/// The object's finalizers after the propagation policy is put among them.
pub(crate) fn finalizers(object: &dyn Object, o: &DeleteOptions) -> Vec<String> {
    let had = |name: &str| object.meta().finalizers.iter().any(|f| f == name);
    let (orphan, foreground) = match (o.orphan_dependents, o.propagation_policy.as_deref()) {
        (Some(orphan), _) => (orphan, false),
        (None, Some(policy)) => (policy == "Orphan", policy == "Foreground"),
        (None, None) if had(ORPHAN) || had(FOREGROUND) => (had(ORPHAN), had(FOREGROUND)),
        (None, None) => (orphans_by_default(object.info()), false),
    };
    let keep = object.meta().finalizers.iter().filter(|f| *f != ORPHAN && *f != FOREGROUND);
    let mut out: Vec<String> = keep.cloned().collect();
    if collected(object.info()) {
        out.extend(orphan.then(|| ORPHAN.to_string()));
        out.extend(foreground.then(|| FOREGROUND.to_string()));
    }
    out
}

/// Kinds whose version promised long ago that deletion leaves dependents alone.
fn orphans_by_default(kind: &KindInfo) -> bool {
    matches!((kind.group, kind.plural), ("", "replicationcontrollers") | ("batch", "jobs"))
}

/// Whether the kind takes part in garbage collection.
fn collected(kind: &KindInfo) -> bool {
    kind.plural != "events"
}
