//! Annotations of pods that mean something.

use super::app_armor::{self, ANNOTATION as APP_ARMOR};
use super::update::MIRROR;
use crate::errors::Errors;
use corten_api::core::v1::Pod;

/// How costly it is to delete a pod, for ReplicaSets that shrink.
const DELETION_COST: &str = "controller.kubernetes.io/pod-deletion-cost";

/// What is wrong with a new pod's annotations.
pub(super) fn create(errors: &mut Errors, pod: &Pod) {
    known(errors, pod, false);
    app_armor::agreement(errors, pod);
}

/// What is wrong with the annotations of an update, through any endpoint.
pub(super) fn update(errors: &mut Errors, new: &Pod, old: &Pod) {
    let (has, had) = (&new.metadata.annotations, &old.metadata.annotations);
    for key in had.iter().filter(|(k, v)| has.get(*k) != Some(v)).map(|(k, _)| k) {
        if key.starts_with(APP_ARMOR) {
            errors.forbidden(at(key), "may not remove or update AppArmor annotations");
        }
        if key == MIRROR {
            errors.forbidden(at(key), "may not remove or update mirror pod annotation");
        }
    }
    for key in has.keys().filter(|k| !had.contains_key(*k)) {
        if key.starts_with(APP_ARMOR) {
            errors.forbidden(at(key), "may not add AppArmor annotations");
        }
        if key == MIRROR {
            errors.forbidden(at(key), "may not add mirror pod annotation");
        }
    }
    // A cost that was wrong before the check was there may stay.
    let tolerated = had.get(DELETION_COST).is_some_and(|cost| !is_cost(cost));
    known(errors, new, tolerated);
}

fn at(key: &str) -> String {
    format!("metadata.annotations[{key}]")
}

fn known(errors: &mut Errors, pod: &Pod, any_cost: bool) {
    let annotations = &pod.metadata.annotations;
    if let Some(value) = annotations.get(MIRROR).filter(|_| pod.spec.node_name.is_empty()) {
        errors.invalid(at(MIRROR), value, "must set spec.nodeName if mirror pod annotation is set");
    }
    if let Some(cost) = annotations.get(DELETION_COST).filter(|cost| !any_cost && !is_cost(cost)) {
        errors.invalid(at(DELETION_COST), cost, "must be a 32bit integer");
    }
    app_armor::annotations(errors, pod);
}

/// A number of 32 bits without plus sign or leading zeros.
fn is_cost(text: &str) -> bool {
    let padded = text.starts_with('+') || text.starts_with('0') && text != "0";
    !padded && text.parse::<i32>().is_ok()
}
