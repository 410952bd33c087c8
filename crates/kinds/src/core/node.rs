//! Nodes.

use super::CORE;
use super::pod::defaults::amounts;
use super::pod::{resources, scheduling};
use crate::addresses;
use crate::columns::{self, AGE, Column, NAME, or_none, row};
use crate::errors::Errors;
use crate::metadata::shown;
use crate::names;
use crate::rules::Rules;
use crate::strategy::KindStrategy;
use corten_api::core::v1::{Node, Taint};
use corten_semantics::field::FieldError;
use jiff::Timestamp;
use serde_json::Value;
use std::borrow::Cow;
use std::collections::BTreeSet;

/// Nodes.
pub struct NodeStrategy;

impl KindStrategy for NodeStrategy {
    type Kind = Node;
    const RULES: Rules = CORE;
    const COLUMNS: &'static [Column] = &[
        NAME,
        Column::text("Status"),
        Column::text("Roles"),
        AGE,
        Column::text("Version"),
        Column::text("Internal-IP").wide(),
        Column::text("External-IP").wide(),
        Column::text("OS-Image").wide(),
        Column::text("Kernel-Version").wide(),
        Column::text("Container-Runtime").wide(),
    ];
    const FIELD_LABELS: &'static [&'static str] = &["spec.unschedulable"];

    fn default(&self, node: &mut Node) {
        let status = &mut node.status;
        if status.allocatable.is_empty() {
            status.allocatable.clone_from(&status.capacity);
        }
        amounts(&mut status.capacity);
        amounts(&mut status.allocatable);
        let spec = &mut node.spec;
        match spec.pod_cidrs.first() {
            None if !spec.pod_cidr.is_empty() => spec.pod_cidrs = vec![spec.pod_cidr.clone()],
            Some(first) if spec.pod_cidr.is_empty() => spec.pod_cidr = first.clone(),
            // The older field counts where they differ.
            Some(first) if *first != spec.pod_cidr => spec.pod_cidrs = vec![spec.pod_cidr.clone()],
            _ => {}
        }
    }

    /// A node registers with its status.
    fn prepare_create(&self, _node: &mut Node) {}

    fn validate(&self, node: &Node) -> Vec<FieldError> {
        let mut errors = Errors::default();
        taints(&mut errors, &node.spec.taints);
        amounts_of(&mut errors, node);
        for (i, cidr) in node.spec.pod_cidrs.iter().enumerate() {
            addresses::range(&mut errors, &format!("spec.podCIDRs[{i}]"), cidr);
        }
        if !addresses::one_of_each_family(&node.spec.pod_cidrs) {
            let told = crate::metadata::strings(&node.spec.pod_cidrs);
            errors.invalid("spec.podCIDRs", told, "may specify no more than one CIDR for each IP family");
        }
        errors.into_vec()
    }

    fn validate_update(&self, new: &Node, old: &Node) -> Vec<FieldError> {
        let mut errors = Errors::default();
        amounts_of(&mut errors, new);
        let mut seen = Vec::new();
        for (i, address) in new.status.addresses.iter().enumerate() {
            if seen.contains(&address) {
                errors.duplicate(format!("status.addresses[{i}]"), shown(address));
            }
            seen.push(address);
        }
        if !old.spec.pod_cidrs.is_empty() && new.spec.pod_cidrs != old.spec.pod_cidrs {
            let detail = "node updates may not change podCIDR except from \"\" to valid";
            errors.forbidden("spec.podCIDRs", detail);
        }
        if !old.spec.provider_id.is_empty() && new.spec.provider_id != old.spec.provider_id {
            let detail = "node updates may not change providerID except from \"\" to valid";
            errors.forbidden("spec.providerID", detail);
        }
        taints(&mut errors, &new.spec.taints);
        if new.spec.external_id != old.spec.external_id {
            errors.forbidden("spec.externalID", "may not be updated");
        }
        errors.into_vec()
    }

    fn validate_status_update(&self, new: &Node, old: &Node) -> Vec<FieldError> {
        KindStrategy::validate_update(self, new, old)
    }

    fn warnings(&self, node: &Node, _: Option<&Node>) -> Vec<String> {
        let mut told = Vec::new();
        if node.spec.config_source.is_some() {
            told.push("spec.configSource: the feature is removed".into());
        }
        if !node.spec.external_id.is_empty() {
            told.push("spec.externalID: this field is deprecated, and is unused by Kubernetes".into());
        }
        for (i, range) in node.spec.pod_cidrs.iter().enumerate() {
            told.extend(addresses::range_warnings(&format!("spec.podCIDRs[{i}]"), range));
        }
        told
    }

    fn row(&self, node: &Node, now: Timestamp) -> Vec<Value> {
        let info = &node.status.node_info;
        let known = |text: &str| if text.is_empty() { "<unknown>".to_string() } else { text.to_string() };
        row![
            node.metadata.name.as_str(),
            state(node),
            roles(node),
            columns::age(node.metadata.creation_timestamp, now),
            info.kubelet_version.as_str(),
            address(node, "InternalIP"),
            address(node, "ExternalIP"),
            known(&info.os_image),
            known(&info.kernel_version),
            known(&info.container_runtime_version),
        ]
    }

    fn selectable_field<'a>(&self, node: &'a Node, _label: &str) -> Cow<'a, str> {
        if node.spec.unschedulable { "true".into() } else { "false".into() }
    }
}

fn amounts_of(errors: &mut Errors, node: &Node) {
    for (name, list) in [("capacity", &node.status.capacity), ("allocatable", &node.status.allocatable)] {
        for (resource, amount) in list {
            resources::amount(errors, &format!("status.{name}.{resource}"), resource, amount);
        }
    }
}

fn taints(errors: &mut Errors, list: &[Taint]) {
    for (i, taint) in list.iter().enumerate() {
        let path = format!("metadata.taints[{i}]");
        errors.format(&format!("{path}.key"), &taint.key, names::qualified_name);
        let wrong = names::label_value(&taint.value);
        if !wrong.is_empty() {
            errors.invalid(format!("{path}.value"), &taint.value, wrong.join(";"));
        }
        errors.one_of(format!("{path}.effect"), &taint.effect, scheduling::EFFECTS);
        let same = |other: &&Taint| (&other.key, &other.effect) == (&taint.key, &taint.effect);
        if list[..i].iter().any(|other| same(&other)) {
            let mut error = FieldError::duplicate(path, shown(taint));
            error.detail = "taints must be unique by key and effect pair".into();
            errors.extend([error]);
        }
    }
}

fn state(node: &Node) -> String {
    let ready = node.status.conditions.iter().rfind(|c| c.type_ == "Ready");
    let state = ready.map_or("Unknown", |c| if c.status == "True" { "Ready" } else { "NotReady" });
    if node.spec.unschedulable { format!("{state},SchedulingDisabled") } else { state.to_string() }
}

fn roles(node: &Node) -> String {
    let role = |(key, value): (&String, &String)| match key.strip_prefix("node-role.kubernetes.io/") {
        Some(role) if !role.is_empty() => Some(role.to_string()),
        None if key == "kubernetes.io/role" && !value.is_empty() => Some(value.clone()),
        _ => None,
    };
    let roles: BTreeSet<String> = node.metadata.labels.iter().filter_map(role).collect();
    or_none(roles.into_iter().collect::<Vec<_>>().join(","))
}

fn address(node: &Node, type_: &str) -> String {
    let found = node.status.addresses.iter().find(|a| a.type_ == type_);
    or_none(found.map_or("", |a| &a.address))
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_api::core::v1::NodeCondition;

    #[test]
    fn a_row_tells_state_and_roles() {
        let mut node = Node::default();
        node.metadata.labels.insert("node-role.kubernetes.io/control-plane".into(), String::new());
        let cell = |n: &Node, i: usize| KindStrategy::row(&NodeStrategy, n, Timestamp::UNIX_EPOCH)[i].clone();
        assert_eq!((cell(&node, 1), cell(&node, 2)), ("Unknown".into(), "control-plane".into()));
        node.status.conditions.push(NodeCondition {
            type_: "Ready".into(),
            status: "True".into(),
            ..Default::default()
        });
        node.spec.unschedulable = true;
        assert_eq!(cell(&node, 1), "Ready,SchedulingDisabled");
    }
}
