//! Pods.

mod annotations;
mod app_armor;
mod columns;
mod containers;
pub(crate) mod defaults;
mod env;
mod legacy_volumes;
mod os;
pub(crate) mod probes;
mod qos;
mod resize;
pub(crate) mod resources;
pub(crate) mod scheduling;
mod security;
mod status;
mod update;
pub(crate) mod validate;
pub(crate) mod volumes;
pub(crate) mod warnings;

pub use qos::qos_class;

use crate::columns::Column;
use crate::core::CORE;
use crate::names;
use crate::reflection;
use crate::rules::Rules;
use crate::strategy::KindStrategy;
use corten_api::core::v1::{Container, Pod, PodAffinityTerm, PodCondition, PodStatus};
use corten_api::meta::v1::{LabelSelector, LabelSelectorRequirement, ObjectMeta};
use corten_semantics::field::FieldError;
use jiff::Timestamp;
use serde_json::Value;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Pods.
pub struct PodStrategy;

impl KindStrategy for PodStrategy {
    type Kind = Pod;
    const RULES: Rules = Rules { generation: true, ..CORE };
    const COLUMNS: &'static [Column] = columns::COLUMNS;
    const FIELD_LABELS: &'static [&'static str] = &[
        "spec.nodeName",
        "spec.restartPolicy",
        "spec.schedulerName",
        "spec.serviceAccountName",
        "spec.hostNetwork",
        "status.phase",
        "status.podIP",
        "status.podIPs",
        "status.nominatedNodeName",
        "spec.host",
    ];

    fn default(&self, pod: &mut Pod) {
        defaults::pod(pod);
    }

    fn prepare_create(&self, pod: &mut Pod) {
        pod.metadata.generation = 1;
        pod.status =
            PodStatus { phase: "Pending".into(), qos_class: qos_class(pod).into(), ..PodStatus::default() };
        if !pod.spec.scheduling_gates.is_empty() {
            pod.status.conditions.push(PodCondition {
                type_: "PodScheduled".into(),
                status: "False".into(),
                reason: "SchedulingGated".into(),
                message: "Scheduling is blocked due to non-empty scheduling gates".into(),
                ..PodCondition::default()
            });
        }
        apply_label_keys(pod);
        app_armor::fill(pod);
    }

    fn prepare_update(&self, new: &mut Pod, old: &Pod) {
        new.status = old.status.clone();
        count_generation(new, old);
    }

    fn prepare_status_update(&self, new: &mut Pod, old: &Pod) {
        new.spec = old.spec.clone();
        new.metadata.deletion_timestamp = None;
        new.metadata.owner_references.clone_from(&old.metadata.owner_references);
        if new.status.qos_class.is_empty() {
            new.status.qos_class.clone_from(&old.status.qos_class);
        }
        keep_observed_generations(&mut new.status, &old.status);
    }

    fn prepare_subresource_update(&self, subresource: &str, new: &mut Pod, old: &Pod) {
        match subresource {
            "ephemeralcontainers" => keep_all_but_ephemeral(new, old),
            "resize" => keep_all_but_resources(new, old),
            _ => return,
        }
        count_generation(new, old);
    }

    fn validate(&self, pod: &Pod) -> Vec<FieldError> {
        validate::create(pod)
    }

    fn validate_update(&self, new: &Pod, old: &Pod) -> Vec<FieldError> {
        update::update(new, old)
    }

    fn validate_status_update(&self, new: &Pod, old: &Pod) -> Vec<FieldError> {
        status::validate(new, old)
    }

    fn validate_subresource_update(&self, subresource: &str, new: &Pod, old: &Pod) -> Vec<FieldError> {
        match subresource {
            "ephemeralcontainers" => update::ephemeral(new, old),
            "resize" => resize::validate(new, old),
            _ => Vec::new(),
        }
    }

    fn warnings(&self, pod: &Pod, old: Option<&Pod>) -> Vec<String> {
        let mut told = Vec::new();
        let wrong = names::dns_label(&pod.metadata.name);
        if old.is_none() && !wrong.is_empty() {
            let list = wrong.join(" ");
            told.push(format!(
                "metadata.name: this is used in the Pod's hostname, which can result in surprising behavior; a DNS label is recommended: [{list}]"
            ));
        }
        told.extend(warnings::of_pod(&pod.spec, &pod.metadata, ""));
        told
    }

    fn row(&self, pod: &Pod, now: Timestamp) -> Vec<Value> {
        columns::row(pod, now)
    }

    fn selectable_field<'a>(&self, pod: &'a Pod, label: &str) -> Cow<'a, str> {
        let (spec, status) = (&pod.spec, &pod.status);
        let field = match label {
            "spec.nodeName" | "spec.host" => &spec.node_name,
            "spec.restartPolicy" => &spec.restart_policy,
            "spec.schedulerName" => &spec.scheduler_name,
            "spec.serviceAccountName" => &spec.service_account_name,
            "spec.hostNetwork" => return if spec.host_network { "true" } else { "false" }.into(),
            "status.phase" => &status.phase,
            "status.podIP" => return status.pod_ips.first().map_or("".into(), |ip| ip.ip.as_str().into()),
            "status.nominatedNodeName" => &status.nominated_node_name,
            _ => return "".into(),
        };
        field.as_str().into()
    }

    fn grace_period(&self, pod: &Pod, asked: Option<i64>) -> Option<i64> {
        let ended = matches!(pod.status.phase.as_str(), "Failed" | "Succeeded");
        if pod.spec.node_name.is_empty() || ended {
            return Some(0);
        }
        let period = asked.or(pod.spec.termination_grace_period_seconds).unwrap_or(0);
        Some(if period < 0 { 1 } else { period })
    }
}

fn count_generation(new: &mut Pod, old: &Pod) {
    if !reflection::equal(&new.spec, &old.spec) {
        new.metadata.generation = old.metadata.generation + 1;
    }
}

/// Clients that do not know `observedGeneration` do not clear it.
fn keep_observed_generations(new: &mut PodStatus, old: &PodStatus) {
    if new.observed_generation == 0 {
        new.observed_generation = old.observed_generation;
    }
    let mut had: BTreeMap<&str, Vec<i64>> = BTreeMap::new();
    for c in old.conditions.iter().rev() {
        had.entry(&c.type_).or_default().push(c.observed_generation);
    }
    for c in &mut new.conditions {
        let before = had.get_mut(c.type_.as_str()).and_then(Vec::pop).unwrap_or(0);
        if c.observed_generation == 0 {
            c.observed_generation = before;
        }
    }
}

fn keep_metadata(new: &mut ObjectMeta, old: &ObjectMeta) {
    let managed = std::mem::take(&mut new.managed_fields);
    let version = std::mem::take(&mut new.resource_version);
    *new = ObjectMeta { managed_fields: managed, resource_version: version, ..old.clone() };
}

fn keep_all_but_ephemeral(new: &mut Pod, old: &Pod) {
    let ephemeral = std::mem::take(&mut new.spec.ephemeral_containers);
    new.spec = old.spec.clone();
    new.spec.ephemeral_containers = ephemeral;
    new.status = old.status.clone();
    keep_metadata(&mut new.metadata, &old.metadata);
}

/// Containers that were added, removed or renamed stay, so that validation names them.
fn keep_all_but_resources(new: &mut Pod, old: &Pod) {
    let same_names = |a: &[Container], b: &[Container]| {
        a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.name == b.name)
    };
    let (had, has) = (&old.spec, &new.spec);
    if !same_names(&has.containers, &had.containers)
        || !same_names(&has.init_containers, &had.init_containers)
    {
        return;
    }
    let asked = std::mem::replace(&mut new.spec, old.spec.clone());
    let take = |to: &mut [Container], from: Vec<Container>| {
        for (to, from) in to.iter_mut().zip(from) {
            to.resources = from.resources;
            to.resize_policy = from.resize_policy;
        }
    };
    take(&mut new.spec.containers, asked.containers);
    take(&mut new.spec.init_containers, asked.init_containers);
    new.status = old.status.clone();
    keep_metadata(&mut new.metadata, &old.metadata);
}

/// Keys that stand for the pod's own label values become requirements of the selectors beside them.
fn apply_label_keys(pod: &mut Pod) {
    let labels = pod.metadata.labels.clone();
    if let Some(affinity) = &mut pod.spec.affinity {
        let near = affinity.pod_affinity.as_mut().map(|a| {
            (
                &mut a.required_during_scheduling_ignored_during_execution,
                &mut a.preferred_during_scheduling_ignored_during_execution,
            )
        });
        let far = affinity.pod_anti_affinity.as_mut().map(|a| {
            (
                &mut a.required_during_scheduling_ignored_during_execution,
                &mut a.preferred_during_scheduling_ignored_during_execution,
            )
        });
        for (required, preferred) in near.into_iter().chain(far) {
            for term in required.iter_mut().chain(preferred.iter_mut().map(|p| &mut p.pod_affinity_term)) {
                apply_to_term(term, &labels);
            }
        }
    }
    for constraint in &mut pod.spec.topology_spread_constraints {
        add_requirements(
            constraint.label_selector.as_deref_mut(),
            &constraint.match_label_keys,
            "In",
            &labels,
        );
    }
}

fn apply_to_term(term: &mut PodAffinityTerm, labels: &BTreeMap<String, String>) {
    add_requirements(term.label_selector.as_deref_mut(), &term.match_label_keys, "In", labels);
    add_requirements(term.label_selector.as_deref_mut(), &term.mismatch_label_keys, "NotIn", labels);
}

fn add_requirements(
    selector: Option<&mut LabelSelector>,
    keys: &[String],
    operator: &str,
    labels: &BTreeMap<String, String>,
) {
    let Some(selector) = selector else { return };
    for (key, value) in keys.iter().filter_map(|k| labels.get_key_value(k)) {
        selector.match_expressions.push(LabelSelectorRequirement {
            key: key.clone(),
            operator: operator.into(),
            values: vec![value.clone()],
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod() -> Pod {
        let mut pod = Pod::default();
        pod.spec.containers.push(Container { name: "c".into(), image: "i:1".into(), ..Container::default() });
        KindStrategy::default(&PodStrategy, &mut pod);
        KindStrategy::prepare_create(&PodStrategy, &mut pod);
        pod
    }

    #[test]
    fn a_new_pod_is_pending_and_of_the_first_generation() {
        let pod = pod();
        assert_eq!((pod.status.phase.as_str(), pod.status.qos_class.as_str()), ("Pending", "BestEffort"));
        assert_eq!(pod.metadata.generation, 1);
    }

    #[test]
    fn a_changed_specification_counts_a_status_does_not() {
        let old = pod();
        let mut new = old.clone();
        new.spec.containers[0].image = "i:2".into();
        new.status.phase = "Running".into();
        KindStrategy::prepare_update(&PodStrategy, &mut new, &old);
        assert_eq!((new.metadata.generation, new.status.phase.as_str()), (2, "Pending"));

        let mut new = old.clone();
        new.spec.containers[0].image = "i:2".into();
        new.status.phase = "Running".into();
        KindStrategy::prepare_status_update(&PodStrategy, &mut new, &old);
        assert_eq!((new.metadata.generation, new.status.phase.as_str()), (1, "Running"));
        assert_eq!(new.spec, old.spec);
    }

    #[test]
    fn deletion_gives_grace_only_to_running_pods() {
        let mut p = pod();
        let grace = |p: &Pod, asked| KindStrategy::grace_period(&PodStrategy, p, asked);
        assert_eq!(grace(&p, None), Some(0));
        p.spec.node_name = "n".into();
        assert_eq!((grace(&p, None), grace(&p, Some(5)), grace(&p, Some(-1))), (Some(30), Some(5), Some(1)));
        p.status.phase = "Failed".into();
        assert_eq!(grace(&p, None), Some(0));
    }

    #[test]
    fn resize_takes_resources_alone() {
        let old = pod();
        let mut new = old.clone();
        new.spec.containers[0].image = "i:2".into();
        new.spec.containers[0].resources.requests.insert("cpu".into(), corten_api::Quantity::whole(1));
        KindStrategy::prepare_subresource_update(&PodStrategy, "resize", &mut new, &old);
        assert_eq!(new.spec.containers[0].image, "i:1");
        assert_eq!((new.spec.containers[0].resources.requests.len(), new.metadata.generation), (1, 2));
    }
}
