//! What a status update of a pod may not say.

use super::annotations;
use crate::addresses;
use crate::errors::Errors;
use crate::metadata::shown;
use crate::names;
use corten_api::core::v1::{ContainerStatus, Pod, PodCondition, PodSpec};
use corten_semantics::field::FieldError;
use std::collections::BTreeSet;
use std::net::IpAddr;

/// Mistakes of a status update.
pub(super) fn validate(new: &Pod, old: &Pod) -> Vec<FieldError> {
    let mut errors = Errors::default();
    annotations::update(&mut errors, new, old);
    let (has, had) = (&new.status, &old.status);
    conditions(&mut errors, &has.conditions);
    nomination(&mut errors, new, old);
    if has.observed_generation < 0 {
        let detail = "must be a non-negative integer";
        errors.invalid("status.observedGeneration", has.observed_generation, detail);
    }
    if !had.qos_class.is_empty() && has.qos_class != had.qos_class {
        errors.invalid("status.qosClass", &has.qos_class, crate::metadata::IMMUTABLE);
    }
    states(&mut errors, &old.spec, &has.container_statuses, &had.container_statuses, "containerStatuses");
    let (has_init, had_init) = (&has.init_container_statuses, &had.init_container_statuses);
    states(&mut errors, &old.spec, has_init, had_init, "initContainerStatuses");
    for (i, before) in had.ephemeral_container_statuses.iter().enumerate().filter(|(_, s)| ended(s)) {
        let again = |s: &&ContainerStatus| s.name == before.name && !ended(s);
        if has.ephemeral_container_statuses.iter().any(|s| again(&s)) {
            errors.forbidden(format!("status.ephemeralContainerStatuses[{i}].state"), BACK_TO_LIFE);
        }
    }
    claims(&mut errors, new);
    let ips: Vec<&str> = has.pod_ips.iter().map(|p| p.ip.as_str()).collect();
    let before: Vec<&str> = had.pod_ips.iter().map(|p| p.ip.as_str()).collect();
    addresses_of(&mut errors, "status.podIPs", &ips, &before, || shown(&has.pod_ips));
    if let Some(first) = has.host_ips.first().filter(|first| first.ip != has.host_ip) {
        errors.invalid("status.hostIPs[0].ip", &first.ip, "must be equal to `hostIP`");
    }
    let ips: Vec<&str> = has.host_ips.iter().map(|p| p.ip.as_str()).collect();
    let before: Vec<&str> = had.host_ips.iter().map(|p| p.ip.as_str()).collect();
    addresses_of(&mut errors, "status.hostIPs", &ips, &before, || shown(&has.host_ips));
    errors.into_vec()
}

const BACK_TO_LIFE: &str = "may not be transitioned to non-terminated state";

fn conditions(errors: &mut Errors, list: &[PodCondition]) {
    for (i, condition) in list.iter().enumerate() {
        let path = format!("status.conditions[{i}]");
        if condition.observed_generation < 0 {
            let detail = "must be a non-negative integer";
            errors.invalid(format!("{path}.observedGeneration"), condition.observed_generation, detail);
        }
        if !["PodScheduled", "Ready", "Initialized"].contains(&condition.type_.as_str()) {
            errors.format(&format!("{path}.Type"), &condition.type_, names::qualified_name);
        }
    }
}

fn nomination(errors: &mut Errors, new: &Pod, old: &Pod) {
    let (has, had) = (&new.status.nominated_node_name, &old.status.nominated_node_name);
    if has.is_empty() || has == had {
        return;
    }
    errors.format("status.nominatedNodeName", has, names::dns_subdomain);
    if !old.spec.node_name.is_empty() {
        let detail = "may not be set on pods that are already bound to a node";
        errors.forbidden("status.nominatedNodeName", detail);
    }
}

fn ended(status: &ContainerStatus) -> bool {
    status.state.terminated.is_some()
}

/// A container that ended for good stays so.
fn states(errors: &mut Errors, spec: &PodSpec, new: &[ContainerStatus], old: &[ContainerStatus], name: &str) {
    for (i, before) in old.iter().enumerate() {
        let Some(end) = before.state.terminated.as_deref() else { continue };
        if new.iter().any(|s| s.name == before.name && !ended(s))
            && !restarts(spec, &before.name, end.exit_code)
        {
            errors.forbidden(format!("status.{name}[{i}].state"), BACK_TO_LIFE);
        }
    }
}

/// Whether a container that ended with a code is started again.
fn restarts(spec: &PodSpec, name: &str, code: i32) -> bool {
    let container = spec.containers.iter().chain(&spec.init_containers).find(|c| c.name == name);
    for rule in container.iter().flat_map(|c| &c.restart_policy_rules) {
        let Some(codes) = &rule.exit_codes else { continue };
        if codes.values.contains(&code) == (codes.operator == "In") {
            return rule.action == "Restart";
        }
    }
    let own = container.and_then(|c| c.restart_policy.as_deref());
    match own.unwrap_or(&spec.restart_policy) {
        "Always" => true,
        "OnFailure" => code != 0,
        _ => false,
    }
}

fn claims(errors: &mut Errors, pod: &Pod) {
    let mut seen = BTreeSet::new();
    for (i, status) in pod.status.resource_claim_statuses.iter().enumerate() {
        let at = format!("status.resourceClaimStatuses[{i}].name");
        if !pod.spec.resource_claims.iter().any(|c| c.name == status.name) {
            let detail = "must match the name of an entry in `spec.resourceClaims`";
            errors.invalid(&at, &status.name, detail);
        }
        if !seen.insert(&status.name) {
            errors.duplicate(&at, &status.name);
        }
        if let Some(name) = &status.resource_claim_name {
            errors.format(&at, name, names::dns_subdomain);
        }
    }
}

/// Addresses are readable, those that are new at least, and at most one of each family.
fn addresses_of(
    errors: &mut Errors,
    path: &str,
    list: &[&str],
    before: &[&str],
    shown: impl Fn() -> crate::metadata::Shown,
) {
    let mut families = (0, 0);
    for (i, text) in list.iter().enumerate() {
        let parsed = match before.contains(text) {
            true => addresses::parse(text),
            false => addresses::address(errors, &format!("{path}[{i}]"), text),
        };
        match parsed {
            Some(IpAddr::V4(_)) => families.0 += 1,
            Some(IpAddr::V6(_)) => families.1 += 1,
            None => {}
        }
    }
    if list.len() > 1 && families != (1, 1) {
        errors.invalid(path, shown(), "may specify no more than one IP for each IP family");
    }
}
