//! What an update of `resize` may change: cpu and memory, never so that the pod's class changes.

use super::update::MIRROR;
use super::{qos_class, validate as whole};
use crate::errors::Errors;
use crate::reflection;
use corten_api::Quantity;
use corten_api::core::v1::{Container, Pod};
use corten_semantics::field::FieldError;
use std::collections::BTreeMap;

/// Mistakes of a resize.
pub(super) fn validate(new: &Pod, old: &Pod) -> Vec<FieldError> {
    let mut errors = Errors::default();
    if old.metadata.annotations.contains_key(MIRROR) {
        errors.forbidden("[]", "static pods cannot be resized");
        return errors.into_vec();
    }
    if old.spec.os.as_ref().is_some_and(|os| os.name == "windows") {
        errors.forbidden("[]", "windows pods cannot be resized");
        return errors.into_vec();
    }
    whole::spec(&mut errors, &new.spec, &new.metadata.name, true, "spec");
    whole::service_account_tokens(&mut errors, new);
    let class = if old.status.qos_class.is_empty() { qos_class(old) } else { &old.status.qos_class };
    if class != qos_class(new) {
        let detail = "Pod QOS Class may not change as a result of resizing";
        errors.invalid("spec", &new.status.qos_class, detail);
    }
    let runs = old.status.container_statuses.iter().find(|c| c.state.running.is_some());
    if runs.is_some_and(|c| c.resources.is_none()) {
        errors.forbidden("spec", "Pod running on node without support for resize");
    }
    let whole_pod =
        |p: &Pod| p.spec.resources.as_ref().is_some_and(|r| !(r.requests.is_empty() && r.limits.is_empty()));
    if whole_pod(old) || whole_pod(new) {
        let detail = "resize of pods with pod-level resources is forbidden when InPlacePodLevelResourcesVerticalScalingEnabled feature gate is disabled";
        errors.forbidden("[]", detail);
        return errors.into_vec();
    }
    if same_containers(&mut errors, new, old) {
        changes(&mut errors, new, old);
    }
    errors.into_vec()
}

fn same_containers(errors: &mut Errors, new: &Pod, old: &Pod) -> bool {
    let mut same = true;
    for (name, has, had) in [
        ("containers", &new.spec.containers, &old.spec.containers),
        ("initContainers", &new.spec.init_containers, &old.spec.init_containers),
    ] {
        if has.len() != had.len() {
            same = false;
            let detail = format!("{name} may not be added or removed on resize");
            errors.forbidden(format!("spec.{name}"), detail);
            continue;
        }
        for (i, _) in has.iter().zip(had).enumerate().filter(|(_, (a, b))| a.name != b.name) {
            same = false;
            let detail = format!("{name} may not be renamed or reordered on resize");
            errors.forbidden(format!("spec.{name}[{i}].name"), detail);
        }
    }
    same
}

/// With cpu and memory set back, nothing may differ.
fn changes(errors: &mut Errors, new: &Pod, old: &Pod) {
    let mut left = new.spec.clone();
    for (i, (has, had)) in left.init_containers.iter_mut().zip(&old.spec.init_containers).enumerate() {
        if had.restart_policy.as_deref() == Some("Always") {
            removals(errors, has, had, &format!("spec.initContainers[{i}].resources"));
            set_back(has, had);
            if !reflection::equal(has, had) {
                let detail = "only cpu and memory resources for sidecar containers are mutable";
                errors.forbidden("spec", detail);
            }
        } else if !reflection::equal(has, had) {
            errors.forbidden("spec", "resources for non-sidecar init containers are immutable");
        }
    }
    for (i, (has, had)) in left.containers.iter_mut().zip(&old.spec.containers).enumerate() {
        removals(errors, has, had, &format!("spec.containers[{i}].resources"));
        set_back(has, had);
    }
    let init_same = reflection::equal(&left.init_containers, &old.spec.init_containers);
    if init_same && !reflection::equal(&left, &old.spec) {
        errors.forbidden("spec", "only cpu and memory resources are mutable");
    }
}

fn removals(errors: &mut Errors, new: &Container, old: &Container, path: &str) {
    let (has, had) = (&new.resources, &old.resources);
    let removed = |has: &BTreeMap<String, Quantity>, had: &BTreeMap<String, Quantity>| {
        had.keys().any(|name| !has.contains_key(name))
    };
    if removed(&has.requests, &had.requests) {
        errors.forbidden(format!("{path}.requests"), "resource requests cannot be removed");
    }
    if removed(&has.limits, &had.limits) {
        errors.forbidden(format!("{path}.limits"), "resource limits cannot be removed");
    }
}

/// Gives cpu and memory the amounts they had.
fn set_back(new: &mut Container, old: &Container) {
    for (has, had) in [
        (&mut new.resources.requests, &old.resources.requests),
        (&mut new.resources.limits, &old.resources.limits),
    ] {
        for name in ["cpu", "memory"] {
            has.remove(name);
            has.extend(had.get_key_value(name).map(|(name, amount)| (name.clone(), *amount)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::defaults;
    use super::*;

    #[test]
    fn cpu_and_memory_may_change_within_the_class() {
        let mut old = Pod::default();
        old.metadata.name = "web".into();
        let mut c = Container { name: "c".into(), image: "i:1".into(), ..Default::default() };
        c.resources.requests.insert("cpu".into(), Quantity::milli(100));
        c.resources.limits.insert("cpu".into(), Quantity::milli(200));
        old.spec.containers.push(c);
        defaults::pod(&mut old);
        old.status.qos_class = qos_class(&old).into();
        type Change = fn(&mut Pod);
        let rows: &[(Change, &str)] = &[
            (|p| p.spec.containers[0].resources.requests.extend([("cpu".into(), Quantity::milli(150))]), ""),
            (
                |p| drop(p.spec.containers[0].resources.limits.remove_entry("cpu")),
                "spec.containers[0].resources.limits: Forbidden: resource limits cannot be removed",
            ),
            (
                |p| p.spec.containers[0].image = "i:2".into(),
                "spec: Forbidden: only cpu and memory resources are mutable",
            ),
            (
                |p| p.spec.containers[0].resources.requests.clear(),
                "spec.containers[0].resources.requests: Forbidden: resource requests cannot be removed",
            ),
        ];
        for (change, want) in rows {
            let mut new = old.clone();
            change(&mut new);
            let told: Vec<String> = validate(&new, &old).iter().map(ToString::to_string).collect();
            assert_eq!(told.join("; "), *want);
        }
    }
}
