//! Validation of what decides where a pod runs: affinity, tolerations, spreading.

use crate::errors::Errors;
use crate::names;
use crate::selectors;
use corten_api::core::v1::{
    Affinity, NodeSelector, NodeSelectorRequirement, NodeSelectorTerm, PodAffinityTerm, Toleration,
    TopologySpreadConstraint, WeightedPodAffinityTerm,
};
use corten_api::meta::v1::LabelSelector;
use std::collections::BTreeSet;

const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";
/// What a taint does to pods that do not tolerate it.
pub(crate) const EFFECTS: &[&str] = &["NoSchedule", "PreferNoSchedule", "NoExecute"];

/// The affinity of a pod.
pub(super) fn affinity(errors: &mut Errors, affinity: &Affinity, path: &str) {
    if let Some(node) = &affinity.node_affinity {
        let path = format!("{path}.nodeAffinity");
        if let Some(selector) = &node.required_during_scheduling_ignored_during_execution {
            node_selector(errors, selector, &format!("{path}.{REQUIRED}"));
        }
        for (i, term) in node.preferred_during_scheduling_ignored_during_execution.iter().enumerate() {
            let at = format!("{path}.{PREFERRED}[{i}]");
            weight(errors, term.weight, &at);
            node_term(errors, &term.preference, false, &format!("{at}.preference"));
        }
    }
    if let Some(near) = &affinity.pod_affinity {
        pod_terms(
            errors,
            &near.required_during_scheduling_ignored_during_execution,
            &near.preferred_during_scheduling_ignored_during_execution,
            &format!("{path}.podAffinity"),
        );
    }
    if let Some(far) = &affinity.pod_anti_affinity {
        pod_terms(
            errors,
            &far.required_during_scheduling_ignored_during_execution,
            &far.preferred_during_scheduling_ignored_during_execution,
            &format!("{path}.podAntiAffinity"),
        );
    }
}

fn weight(errors: &mut Errors, weight: i32, path: &str) {
    if !(1..=100).contains(&weight) {
        errors.invalid(format!("{path}.weight"), weight, "must be in the range 1-100");
    }
}

/// A selector of nodes, also of a PersistentVolume.
pub(crate) fn node_selector(errors: &mut Errors, selector: &NodeSelector, path: &str) {
    let at = format!("{path}.nodeSelectorTerms");
    if selector.node_selector_terms.is_empty() {
        errors.required(&at, "must have at least one node selector term");
    }
    for (i, term) in selector.node_selector_terms.iter().enumerate() {
        node_term(errors, term, true, &format!("{at}[{i}]"));
    }
}

/// One term; values are checked where the term is required.
fn node_term(errors: &mut Errors, term: &NodeSelectorTerm, values: bool, path: &str) {
    for (i, requirement) in term.match_expressions.iter().enumerate() {
        node_requirement(errors, requirement, values, &format!("{path}.matchExpressions[{i}]"));
    }
    for (i, requirement) in term.match_fields.iter().enumerate() {
        field_requirement(errors, requirement, &format!("{path}.matchFields[{i}]"));
    }
}

fn node_requirement(errors: &mut Errors, requirement: &NodeSelectorRequirement, values: bool, path: &str) {
    let at = format!("{path}.values");
    let count = requirement.values.len();
    match requirement.operator.as_str() {
        "In" | "NotIn" if count == 0 => {
            errors.required(&at, "must be specified when `operator` is 'In' or 'NotIn'");
        }
        "Exists" | "DoesNotExist" if count > 0 => {
            errors.forbidden(&at, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
        }
        "Gt" | "Lt" if count != 1 => {
            errors.required(&at, "must be specified single value when `operator` is 'Lt' or 'Gt'");
        }
        "In" | "NotIn" | "Exists" | "DoesNotExist" | "Gt" | "Lt" => {}
        other => errors.invalid(format!("{path}.operator"), other, "not a valid selector operator"),
    }
    errors.format(&format!("{path}.key"), &requirement.key, names::qualified_name);
    for (i, value) in requirement.values.iter().enumerate().filter(|_| values) {
        errors.format(&format!("{at}[{i}]"), value, names::label_value);
    }
}

fn field_requirement(errors: &mut Errors, requirement: &NodeSelectorRequirement, path: &str) {
    let at = format!("{path}.values");
    match requirement.operator.as_str() {
        "In" | "NotIn" if requirement.values.len() != 1 => {
            let detail = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector";
            errors.required(&at, detail);
        }
        "In" | "NotIn" => {}
        other => errors.invalid(format!("{path}.operator"), other, "not a valid selector operator"),
    }
    if requirement.key != "metadata.name" {
        errors.invalid(format!("{path}.key"), &requirement.key, "not a valid field selector key");
        return;
    }
    for (i, value) in requirement.values.iter().enumerate() {
        errors.format(&format!("{at}[{i}]"), value, names::dns_subdomain);
    }
}

fn pod_terms(
    errors: &mut Errors,
    required: &[PodAffinityTerm],
    preferred: &[WeightedPodAffinityTerm],
    path: &str,
) {
    for (i, term) in required.iter().enumerate() {
        pod_term(errors, term, &format!("{path}.{REQUIRED}[{i}]"));
    }
    for (i, weighted) in preferred.iter().enumerate() {
        let at = format!("{path}.{PREFERRED}[{i}]");
        weight(errors, weighted.weight, &at);
        pod_term(errors, &weighted.pod_affinity_term, &format!("{at}.podAffinityTerm"));
    }
}

fn pod_term(errors: &mut Errors, term: &PodAffinityTerm, path: &str) {
    for (name, selector) in
        [("labelSelector", &term.label_selector), ("namespaceSelector", &term.namespace_selector)]
    {
        if let Some(selector) = selector {
            errors.extend(selectors::validate(selector, &format!("{path}.{name}")));
        }
    }
    for namespace in &term.namespaces {
        errors.format(&format!("{path}.namespace"), namespace, names::dns_label);
    }
    let selector = term.label_selector.as_deref();
    label_keys(errors, &term.match_label_keys, selector, &format!("{path}.matchLabelKeys"));
    label_keys(errors, &term.mismatch_label_keys, selector, &format!("{path}.mismatchLabelKeys"));
    for (i, key) in term.match_label_keys.iter().enumerate() {
        if term.mismatch_label_keys.contains(key) {
            let detail = "exists in both matchLabelKeys and mismatchLabelKeys";
            errors.invalid(format!("{path}.matchLabelKeys[{i}]"), key, detail);
        }
    }
    let at = format!("{path}.topologyKey");
    if term.topology_key.is_empty() {
        errors.required(&at, "can not be empty");
    }
    errors.format(&at, &term.topology_key, names::qualified_name);
}

fn label_keys(errors: &mut Errors, keys: &[String], selector: Option<&LabelSelector>, path: &str) {
    if !keys.is_empty() && selector.is_none() {
        errors.forbidden(path, "must not be specified when labelSelector is not set");
        return;
    }
    for (i, key) in keys.iter().enumerate() {
        errors.format(&format!("{path}[{i}]"), key, names::qualified_name);
    }
}

/// A key whose value the pod gives stands in the selector once at most: as the requirement made of it.
fn keys_elsewhere(errors: &mut Errors, keys: &[String], selector: Option<&LabelSelector>, path: &str) {
    let Some(selector) = selector else { return };
    for (i, key) in keys.iter().enumerate() {
        let in_expressions = selector.match_expressions.iter().filter(|e| e.key == *key).count();
        if in_expressions + usize::from(selector.match_labels.contains_key(key)) > 1 {
            let detail = "exists in both matchLabelKeys and labelSelector";
            errors.invalid(format!("{path}[{i}]"), key, detail);
        }
    }
}

/// The tolerations of a pod.
pub(crate) fn tolerations(errors: &mut Errors, list: &[Toleration], path: &str) {
    for (i, toleration) in list.iter().enumerate() {
        let at = |field: &str| format!("{path}[{i}].{field}");
        let (key, operator) = (toleration.key.as_str(), toleration.operator.as_str());
        if !key.is_empty() {
            errors.format(&at("key"), key, names::qualified_name);
        } else if operator != "Exists" {
            let detail =
                "operator must be Exists when `key` is empty, which means \"match all values and all keys\"";
            errors.invalid(at("operator"), operator, detail);
        }
        if toleration.toleration_seconds.is_some() && toleration.effect != "NoExecute" {
            let detail = "effect must be 'NoExecute' when `tolerationSeconds` is set";
            errors.invalid(at("effect"), &toleration.effect, detail);
        }
        match operator {
            "Equal" | "" => {
                let wrong = names::label_value(&toleration.value);
                if !wrong.is_empty() {
                    errors.invalid(at("operator"), &toleration.value, wrong.join(";"));
                }
            }
            "Exists" if !toleration.value.is_empty() => {
                let detail = "value must be empty when `operator` is 'Exists'";
                errors.invalid(at("operator"), &toleration.value, detail);
            }
            "Exists" => {}
            other => errors.supported(at("operator"), other, &["Equal", "Exists"]),
        }
        errors.one_of_or_empty(at("effect"), &toleration.effect, EFFECTS);
    }
}

/// How a pod's peers spread over the topology.
pub(super) fn spreading(errors: &mut Errors, list: &[TopologySpreadConstraint], path: &str) {
    for (i, constraint) in list.iter().enumerate() {
        let at = |field: &str| format!("{path}[{i}].{field}");
        let action = constraint.when_unsatisfiable.as_str();
        if constraint.max_skew <= 0 {
            errors.invalid(at("maxSkew"), constraint.max_skew, "must be greater than zero");
        }
        if constraint.topology_key.is_empty() {
            errors.required(at("topologyKey"), "can not be empty");
        }
        errors.supported(at("whenUnsatisfiable"), action, &["DoNotSchedule", "ScheduleAnyway"]);
        let same = |other: &&TopologySpreadConstraint| {
            (&other.topology_key, &other.when_unsatisfiable)
                == (&constraint.topology_key, &constraint.when_unsatisfiable)
        };
        if list[i + 1..].iter().any(|other| same(&other)) {
            let pair = format!("{{{}, {action}}}", constraint.topology_key);
            errors.duplicate(at("{topologyKey, whenUnsatisfiable}"), pair);
        }
        if let Some(least) = constraint.min_domains {
            if least <= 0 {
                errors.invalid(at("minDomains"), least, "must be greater than zero");
            }
            if action != "DoNotSchedule" {
                let detail =
                    format!("can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {action}");
                errors.invalid(at("minDomains"), least, detail);
            }
        }
        for (name, policy) in [
            ("nodeAffinityPolicy", &constraint.node_affinity_policy),
            ("nodeTaintsPolicy", &constraint.node_taints_policy),
        ] {
            if let Some(policy) = policy {
                errors.supported(at(name), policy, &["Honor", "Ignore"]);
            }
        }
        let selector = constraint.label_selector.as_deref();
        label_keys(errors, &constraint.match_label_keys, selector, &at("matchLabelKeys"));
        keys_elsewhere(errors, &constraint.match_label_keys, selector, &at("matchLabelKeys"));
        if let Some(selector) = selector {
            errors.extend(selectors::validate(selector, &at("labelSelector")));
        }
    }
}

/// Gates that hold back scheduling.
pub(super) fn gates<'a>(errors: &mut Errors, names: impl Iterator<Item = &'a str>, path: &str) {
    let mut seen = BTreeSet::new();
    for (i, name) in names.enumerate() {
        let at = format!("{path}[{i}]");
        errors.format(&at, name, crate::names::qualified_name);
        if !seen.insert(name) {
            errors.duplicate(at, name);
        }
    }
}
