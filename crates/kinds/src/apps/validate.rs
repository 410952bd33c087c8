//! Validation that workloads share: selectors, templates, counts and percentages.

use crate::core::pod::validate;
use crate::errors::Errors;
use crate::metadata::{IMMUTABLE, Shown, shown};
use crate::names;
use crate::reflection;
use crate::selectors;
use corten_api::IntOrString;
use corten_api::core::v1::PodTemplateSpec;
use corten_api::meta::v1::LabelSelector;
use corten_api::selector::Selector;
use std::collections::BTreeMap;

/// The selector must be there, well formed and not empty; `kind` names the workload in the message.
pub(crate) fn selector(errors: &mut Errors, selector: Option<&LabelSelector>, kind: &str) {
    let Some(selector) = selector else {
        errors.required("spec.selector", "");
        return;
    };
    errors.extend(selectors::validate(selector, "spec.selector"));
    if *selector == LabelSelector::default() {
        errors.invalid("spec.selector", shown(selector), format!("empty selector is invalid for {kind}"));
    }
}

/// The selector must select the template's pods.
pub(crate) fn selects(
    errors: &mut Errors,
    selector: Option<&LabelSelector>,
    labels: &BTreeMap<String, String>,
) {
    let wrong = selector.is_some_and(|s| !selectors::validate(s, "").is_empty());
    match Selector::from_label_selector(selector) {
        _ if wrong => {
            let value = selector.map(|s| shown(s));
            errors.extend(value.map(|v| {
                corten_semantics::field::FieldError::invalid("spec.selector", v, "invalid label selector")
            }));
        }
        // Without a selector none of the pods are selected.
        Ok(s) if selector.is_none() || !s.is_everything() && !s.matches(labels) => {
            let detail = "`selector` does not match template `labels`";
            let told = if labels.is_empty() { Shown("null".into()) } else { shown(labels) };
            errors.invalid("spec.template.metadata.labels", told, detail);
        }
        Ok(_) | Err(_) => {}
    }
}

/// The template of pods that run for ever; `kind` names the workload in the message.
pub(crate) fn template(errors: &mut Errors, template: &PodTemplateSpec, kind: &str) {
    validate::template(errors, template, "spec.template");
    errors.supported("spec.template.spec.restartPolicy", &template.spec.restart_policy, &["Always"]);
    if template.spec.active_deadline_seconds.is_some() {
        let detail = format!("activeDeadlineSeconds in {kind} is not Supported");
        errors.forbidden("spec.template.spec.activeDeadlineSeconds", detail);
    }
}

/// A selector never changes.
pub(crate) fn same_selector(
    errors: &mut Errors,
    new: &Option<Box<LabelSelector>>,
    old: &Option<Box<LabelSelector>>,
) {
    if !reflection::equal(new, old) {
        errors.invalid("spec.selector", shown(new), IMMUTABLE);
    }
}

/// A number of pods or a percentage.
pub(crate) fn number_or_percent(errors: &mut Errors, value: &IntOrString, path: &str) {
    match value {
        IntOrString::Int(number) => errors.not_negative(path, *number),
        IntOrString::String(text) => errors.format(path, text, names::percent),
    }
}

/// The number, or the percentage as a number.
pub(crate) fn amount(value: Option<&IntOrString>) -> i32 {
    match value {
        None => 0,
        Some(IntOrString::Int(number)) => *number,
        Some(IntOrString::String(text)) => {
            text.strip_suffix('%').and_then(|n| n.parse().ok()).unwrap_or_default()
        }
    }
}

/// A percentage is of at most all.
pub(crate) fn at_most_all(errors: &mut Errors, value: &IntOrString, path: &str) {
    if matches!(value, IntOrString::String(_)) && amount(Some(value)) > 100 {
        errors.invalid(path, shown(value), "must not be greater than 100%");
    }
}

/// Counts in a status: none negative, none of `parts` above the replicas.
pub(crate) fn counts(errors: &mut Errors, replicas: i32, ready: i32, available: i32, parts: &[(&str, i32)]) {
    errors.not_negative("status.replicas", replicas);
    for (name, count) in parts {
        let path = format!("status.{name}");
        errors.not_negative(&path, *count);
        if *count > replicas {
            errors.invalid(path, *count, "cannot be greater than status.replicas");
        }
    }
    if available > ready {
        errors.invalid("status.availableReplicas", available, "cannot be greater than readyReplicas");
    }
}

/// The count of collisions only grows.
pub(crate) fn collisions(errors: &mut Errors, new: Option<i32>, old: Option<i32>) {
    let at = "status.collisionCount";
    if let Some(count) = new {
        errors.not_negative(at, count);
    }
    if old.is_some_and(|old| new.unwrap_or(0) < old) {
        errors.invalid(at, new.unwrap_or(0), "cannot be decremented");
    }
}
