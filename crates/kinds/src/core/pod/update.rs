//! What an update of a pod may change.

use super::{annotations, scheduling, validate};
use crate::errors::Errors;
use crate::names;
use crate::reflection;
use corten_api::core::v1::{Container, EphemeralContainer, NodeAffinity, Pod, PodSpec};
use corten_semantics::field::FieldError;
use serde_json::Value;

/// Marks the API's image of a pod that the kubelet read from a file.
pub(super) const MIRROR: &str = "kubernetes.io/config.mirror";
const CHANGEABLE: &str = "`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";

/// Mistakes of an update through the main endpoint.
pub(super) fn update(new: &Pod, old: &Pod) -> Vec<FieldError> {
    let mut errors = Errors::default();
    validate::spec(&mut errors, &new.spec, &new.metadata.name, true, "spec");
    validate::service_account_tokens(&mut errors, new);
    annotations::update(&mut errors, new, old);
    for (name, has, had) in [
        ("containers", &new.spec.containers, &old.spec.containers),
        ("initContainers", &new.spec.init_containers, &old.spec.init_containers),
    ] {
        if has.len() != had.len() {
            errors.forbidden(format!("spec.{name}"), "pod updates may not add or remove containers");
            return errors.into_vec();
        }
        images(&mut errors, has, &format!("spec.{name}"));
    }
    active_deadline(&mut errors, &new.spec, &old.spec);
    tolerations(&mut errors, &new.spec, &old.spec);
    for (i, gate) in new.spec.scheduling_gates.iter().enumerate() {
        if !old.spec.scheduling_gates.contains(gate) {
            let detail = format!("only deletion is allowed, but found new scheduling gate '{}'", gate.name);
            errors.forbidden(format!("spec.schedulingGates[{i}].name"), detail);
        }
    }
    if !reflection::equal(&new.spec, &old.spec) {
        rest(&mut errors, &new.spec, &old.spec);
    }
    errors.into_vec()
}

fn images(errors: &mut Errors, list: &[Container], path: &str) {
    for (i, c) in list.iter().enumerate() {
        let at = format!("{path}[{i}].image");
        if c.image.is_empty() {
            errors.required(&at, "");
        }
        if c.image.trim() != c.image {
            errors.invalid(at, &c.image, "must not have leading or trailing whitespace");
        }
    }
}

fn active_deadline(errors: &mut Errors, new: &PodSpec, old: &PodSpec) {
    let at = "spec.activeDeadlineSeconds";
    match (new.active_deadline_seconds, old.active_deadline_seconds) {
        (Some(seconds), before) => {
            if !(0..=i32::MAX.into()).contains(&seconds) {
                errors.invalid(at, seconds, names::between(0, i32::MAX.into()));
            } else if before.is_some_and(|b| b < seconds) {
                errors.invalid(at, seconds, "must be less than or equal to previous value");
            }
        }
        (None, Some(_)) => {
            let null = crate::metadata::Shown("null".into());
            errors.invalid(at, null, "must not update from a positive integer to nil value");
        }
        (None, None) => {}
    }
}

fn tolerations(errors: &mut Errors, new: &PodSpec, old: &PodSpec) {
    for had in &old.tolerations {
        let same = |t: &&corten_api::core::v1::Toleration| {
            (&t.key, &t.operator, &t.value, &t.effect) == (&had.key, &had.operator, &had.value, &had.effect)
        };
        if !new.tolerations.iter().any(|t| same(&t)) {
            let detail = "existing toleration can not be modified except its tolerationSeconds";
            errors.forbidden("spec.tolerations", detail);
        }
    }
    scheduling::tolerations(errors, &new.tolerations, "spec.tolerations");
}

/// With all that may change set back, nothing may differ.
fn rest(errors: &mut Errors, new: &PodSpec, old: &PodSpec) {
    let mut left = new.clone();
    let set_back = |to: &mut [Container], from: &[Container]| {
        for (to, from) in to.iter_mut().zip(from) {
            to.image.clone_from(&from.image);
        }
    };
    set_back(&mut left.containers, &old.containers);
    set_back(&mut left.init_containers, &old.init_containers);
    left.active_deadline_seconds = old.active_deadline_seconds;
    left.scheduling_gates.clone_from(&old.scheduling_gates);
    left.tolerations.clone_from(&old.tolerations);
    let negative = old.termination_grace_period_seconds.is_some_and(|s| s < 0);
    if negative && left.termination_grace_period_seconds == Some(1) {
        left.termination_grace_period_seconds = old.termination_grace_period_seconds;
    }
    if !old.scheduling_gates.is_empty() {
        gated(errors, &mut left, old);
    }
    if !reflection::equal(&left, old) {
        let diff = difference(&reflection::json(old), &reflection::json(&left));
        let detail = format!("pod updates may not change fields other than {CHANGEABLE}\n{diff}");
        errors.forbidden("spec", detail);
    }
}

/// A pod that waits for its gates may be narrowed to fewer nodes.
fn gated(errors: &mut Errors, left: &mut PodSpec, old: &PodSpec) {
    if left.node_selector != old.node_selector {
        let kept = old.node_selector.iter().all(|(k, v)| left.node_selector.get(k) == Some(v));
        if !kept {
            let shown = crate::metadata::shown(&left.node_selector);
            let detail = "only additions to spec.nodeSelector are allowed (no mutations or deletions)";
            errors.invalid("spec.nodeSelector", shown, detail);
        }
        left.node_selector.clone_from(&old.node_selector);
    }
    let of = |spec: &PodSpec| spec.affinity.as_ref().and_then(|a| a.node_affinity.clone());
    let (has, had) = (of(left), of(old));
    if has == had {
        return;
    }
    if !narrows(has.as_deref(), had.as_deref()) {
        let detail = "no additions/deletions to non-empty NodeSelectorTerms list are allowed";
        let path =
            "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms";
        errors.forbidden(path, detail);
    }
    if let Some(affinity) = &mut left.affinity {
        affinity.node_affinity = had;
        if old.affinity.is_none() && **affinity == Default::default() {
            left.affinity = None;
        }
    } else if had.is_some() {
        left.affinity.clone_from(&old.affinity);
    }
}

/// Whether the required terms are as many as before, each with at least the requirements it had.
fn narrows(new: Option<&NodeAffinity>, old: Option<&NodeAffinity>) -> bool {
    let required = |a: Option<&NodeAffinity>| {
        let selector = a.and_then(|a| a.required_during_scheduling_ignored_during_execution.clone());
        selector.map_or(Vec::new(), |s| s.node_selector_terms)
    };
    let (has, had) = (required(new), required(old));
    had.is_empty()
        || has.len() == had.len()
            && has.iter().zip(&had).all(|(new, old)| {
                old.match_expressions.iter().all(|e| new.match_expressions.contains(e))
                    && old.match_fields.iter().all(|e| new.match_fields.contains(e))
            })
}

/// What differs, field by field: `-` the old, `+` the new.
fn difference(old: &Value, new: &Value) -> String {
    let mut lines = Vec::new();
    walk("", Some(old), Some(new), &mut lines);
    lines.join("\n")
}

fn walk(path: &str, old: Option<&Value>, new: Option<&Value>, lines: &mut Vec<String>) {
    match (old, new) {
        (a, b) if a == b => {}
        (Some(Value::Object(a)), Some(Value::Object(b))) => {
            for key in a.keys().chain(b.keys().filter(|k| !a.contains_key(*k))) {
                walk(&format!("{path}.{key}"), a.get(key), b.get(key), lines);
            }
        }
        (Some(Value::Array(a)), Some(Value::Array(b))) => {
            for i in 0..a.len().max(b.len()) {
                walk(&format!("{path}[{i}]"), a.get(i), b.get(i), lines);
            }
        }
        (a, b) => {
            let path = path.trim_start_matches('.');
            lines.extend(a.map(|a| format!("- {path}: {a}")));
            lines.extend(b.map(|b| format!("+ {path}: {b}")));
        }
    }
}

/// Mistakes of an update of `ephemeralcontainers`: containers may be added, none changed or removed.
pub(super) fn ephemeral(new: &Pod, old: &Pod) -> Vec<FieldError> {
    let mut errors = Errors::default();
    if old.metadata.annotations.contains_key(MIRROR) {
        errors.forbidden("[]", "static pods do not support ephemeral containers");
        return errors.into_vec();
    }
    validate::spec(&mut errors, &new.spec, &new.metadata.name, true, "spec");
    let named = |list: &[EphemeralContainer], name: &str| {
        list.iter().find(|c| c.ephemeral_container_common.name == name).cloned()
    };
    for had in &old.spec.ephemeral_containers {
        let name = had.ephemeral_container_common.name.as_str();
        match named(&new.spec.ephemeral_containers, name) {
            None => {
                let detail = format!("existing ephemeral containers \"{name}\" may not be removed\n");
                errors.forbidden("spec.ephemeralContainers", detail);
            }
            Some(has) if has != *had => {
                let diff = difference(&reflection::json(had), &reflection::json(&has));
                let detail = format!("existing ephemeral containers \"{name}\" may not be changed\n{diff}");
                errors.forbidden("spec.ephemeralContainers", detail);
            }
            Some(_) => {}
        }
    }
    errors.into_vec()
}

#[cfg(test)]
mod tests {
    use super::super::defaults;
    use super::*;
    use corten_api::core::v1::Toleration;

    fn good() -> Pod {
        let mut pod = Pod::default();
        pod.metadata.name = "web".into();
        pod.spec.containers.push(Container { name: "c".into(), image: "i:1".into(), ..Default::default() });
        defaults::pod(&mut pod);
        pod
    }

    #[test]
    fn only_few_fields_may_change() {
        type Change = fn(&mut Pod);
        let rows: &[(Change, &str)] = &[
            (|p| p.spec.containers[0].image = "i:2".into(), ""),
            (|p| p.spec.active_deadline_seconds = Some(5), ""),
            (
                |p| {
                    p.spec.tolerations.push(Toleration {
                        key: "a".into(),
                        operator: "Exists".into(),
                        ..Default::default()
                    })
                },
                "",
            ),
            (
                |p| {
                    p.spec.containers.push(Container {
                        name: "d".into(),
                        image: "i:1".into(),
                        ..p.spec.containers[0].clone()
                    })
                },
                "spec.containers: Forbidden: pod updates may not add or remove containers",
            ),
            (
                |p| p.spec.node_name = "n".into(),
                "spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)\n+ nodeName: \"n\"",
            ),
        ];
        for (change, want) in rows {
            let old = good();
            let mut new = old.clone();
            change(&mut new);
            let told: Vec<String> = update(&new, &old).iter().map(ToString::to_string).collect();
            assert_eq!(told.join("; "), *want);
        }
    }
}
