//! Pods: their number and what they ask for and may use at most, until they have ended.

use super::{add, one, selects};
use crate::pod::{is_terminal, qos_class};
use crate::resources::{RequestOptions, ResourceList, is_pod_level, pod_limits_with_status, pod_requests};
use corten_api::Quantity;
use corten_api::core::v1::{Container, Pod, PodAffinityTerm, ScopedResourceSelectorRequirement};
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

const NAMES: [&str; 11] = [
    "count/pods",
    "cpu",
    "ephemeral-storage",
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "memory",
    "pods",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
];
/// Of these every container of a pod must name an amount, once a quota limits them.
const DEMANDED: [&str; 6] =
    ["cpu", "limits.cpu", "limits.memory", "memory", "requests.cpu", "requests.memory"];
const DEVICE_CLASS: &str = "deviceclass.resource.kubernetes.io/";

pub(super) fn matches(name: &str) -> bool {
    NAMES.contains(&name)
        || name.starts_with("hugepages-")
        || name
            .strip_prefix("requests.")
            .is_some_and(|r| r.starts_with("hugepages-") || r.starts_with(DEVICE_CLASS) || !is_native(name))
}

/// Whether Kubernetes itself defines the resource.
fn is_native(name: &str) -> bool {
    !name.contains('/') || name.contains("kubernetes.io/")
}

fn is_extended(name: &str) -> bool {
    name.starts_with(DEVICE_CLASS) || !(is_native(name) || name.starts_with("requests."))
}

/// Whether the pod still counts: it has not ended, and is not stuck in its deletion.
pub fn is_charged(pod: &Pod, now: Timestamp) -> bool {
    let meta = &pod.metadata;
    let stuck = meta.deletion_timestamp.zip(meta.deletion_grace_period_seconds).is_some_and(|(at, grace)| {
        at.0.checked_add(SignedDuration::from_secs(grace)).is_ok_and(|end| now > end)
    });
    !is_terminal(pod) && !stuck
}

pub(super) fn usage(pod: &Pod, now: Timestamp) -> ResourceList {
    let stored = one("count/pods");
    if !is_charged(pod, now) {
        return stored;
    }
    let options = RequestOptions { with_status: true, ..RequestOptions::default() };
    add(&stored, &computed(&pod_requests(pod, &options), &pod_limits_with_status(pod)))
}

fn computed(requests: &ResourceList, limits: &ResourceList) -> ResourceList {
    let mut usage = one("pods");
    for name in ["cpu", "memory", "ephemeral-storage"] {
        if let Some(amount) = requests.get(name) {
            usage.insert(name.into(), *amount);
            usage.insert(format!("requests.{name}"), *amount);
        }
        if let Some(amount) = limits.get(name) {
            usage.insert(format!("limits.{name}"), *amount);
        }
    }
    for (name, amount) in requests {
        let huge = name.starts_with("hugepages-");
        if huge {
            usage.insert(name.clone(), *amount);
        }
        if huge || is_extended(name) {
            usage.insert(format!("requests.{name}"), *amount);
        }
    }
    usage
}

/// What a quota of these limits demands of the pod's containers and they do not tell, as `must specify ...`.
pub fn missing_constraints(pod: &Pod, hard: &BTreeMap<String, Quantity>) -> Option<String> {
    let own = pod.spec.resources.as_ref();
    if own.is_some_and(|r| r.requests.keys().chain(r.limits.keys()).any(|name| is_pod_level(name))) {
        return None;
    }
    let mut missing: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let demanded: Vec<&str> = DEMANDED.into_iter().filter(|name| hard.contains_key(*name)).collect();
    for Container { name, resources, .. } in pod.spec.containers.iter().chain(&pod.spec.init_containers) {
        let told = computed(&resources.requests, &resources.limits);
        for absent in demanded.iter().filter(|n| !told.contains_key(**n)) {
            missing.entry(absent).or_default().insert(name);
        }
    }
    let list = |names: BTreeSet<&str>| names.into_iter().collect::<Vec<_>>().join(",");
    let parts: Vec<String> =
        missing.into_iter().map(|(resource, names)| format!("{resource} for: {}", list(names))).collect();
    (!parts.is_empty()).then(|| format!("must specify {}", parts.join("; ")))
}

pub(super) fn in_scope(scope: &ScopedResourceSelectorRequirement, pod: &Pod) -> bool {
    let ends = pod.spec.active_deadline_seconds.is_some_and(|s| s >= 0);
    match scope.scope_name.as_str() {
        "Terminating" => ends,
        "NotTerminating" => !ends,
        "BestEffort" => is_best_effort(pod),
        "NotBestEffort" => !is_best_effort(pod),
        "PriorityClass" => {
            let class = pod.spec.priority_class_name.as_str();
            selects(scope, if class.is_empty() { &[] } else { std::slice::from_ref(&class) })
        }
        "CrossNamespacePodAffinity" => crosses_namespaces(pod),
        _ => false,
    }
}

fn is_best_effort(pod: &Pod) -> bool {
    match pod.status.qos_class.as_str() {
        "" => qos_class(pod) == "BestEffort",
        class => class == "BestEffort",
    }
}

fn crosses_namespaces(pod: &Pod) -> bool {
    let Some(affinity) = &pod.spec.affinity else { return false };
    let crosses = |t: &PodAffinityTerm| !t.namespaces.is_empty() || t.namespace_selector.is_some();
    let near = affinity.pod_affinity.as_ref().map(|a| {
        let preferred = &a.preferred_during_scheduling_ignored_during_execution;
        a.required_during_scheduling_ignored_during_execution.iter().any(crosses)
            || preferred.iter().any(|w| crosses(&w.pod_affinity_term))
    });
    let far = affinity.pod_anti_affinity.as_ref().map(|a| {
        let preferred = &a.preferred_during_scheduling_ignored_during_execution;
        a.required_during_scheduling_ignored_during_execution.iter().any(crosses)
            || preferred.iter().any(|w| crosses(&w.pod_affinity_term))
    });
    near == Some(true) || far == Some(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_api::Time;

    fn amounts(text: &str) -> ResourceList {
        let pair = |p: &str| {
            let (name, amount) = p.split_once('=').expect("a pair");
            (name.to_string(), amount.parse().expect("a quantity"))
        };
        text.split_whitespace().map(pair).collect()
    }

    fn pod(requests: &str, limits: &str) -> Pod {
        let mut pod = Pod::default();
        let mut container = Container { name: "main".into(), ..Container::default() };
        container.resources.requests = amounts(requests);
        container.resources.limits = amounts(limits);
        pod.spec.containers = vec![container];
        pod
    }

    #[test]
    fn pods_count_until_they_have_ended() {
        let now: Timestamp = "2026-01-01T00:01:00Z".parse().expect("a time");
        let mut pod = pod("cpu=1 example.com/x=2 hugepages-2Mi=4Mi", "memory=1Gi ephemeral-storage=5");
        let all = amounts(
            "count/pods=1 pods=1 cpu=1 requests.cpu=1 limits.memory=1Gi limits.ephemeral-storage=5 \
             requests.example.com/x=2 hugepages-2Mi=4Mi requests.hugepages-2Mi=4Mi",
        );
        assert_eq!(usage(&pod, now), all);
        pod.metadata.deletion_timestamp = Some(Time::new("2026-01-01T00:00:00Z".parse().expect("a time")));
        pod.metadata.deletion_grace_period_seconds = Some(90);
        assert_eq!(usage(&pod, now), all, "it still ends");
        pod.metadata.deletion_grace_period_seconds = Some(30);
        assert_eq!(usage(&pod, now), amounts("count/pods=1"), "stuck");
        pod.metadata.deletion_timestamp = None;
        pod.status.phase = "Succeeded".into();
        assert_eq!(usage(&pod, now), amounts("count/pods=1"));
    }

    #[test]
    fn containers_must_tell_what_quotas_limit() {
        let mut pod = pod("cpu=1", "memory=1");
        pod.spec.init_containers = vec![Container { name: "first".into(), ..Container::default() }];
        let told =
            missing_constraints(&pod, &amounts("limits.cpu=1 requests.cpu=1 ephemeral-storage=1 pods=1"));
        assert_eq!(told.as_deref(), Some("must specify limits.cpu for: first,main; requests.cpu for: first"));
        pod.spec.init_containers.clear();
        assert_eq!(missing_constraints(&pod, &amounts("cpu=1 limits.memory=1")), None);
    }

    #[test]
    fn scopes_sort_pods() {
        let scope = |name: &str| ScopedResourceSelectorRequirement {
            scope_name: name.into(),
            operator: "Exists".into(),
            ..Default::default()
        };
        let (mut short, burst) = (pod("", ""), pod("cpu=1", ""));
        short.spec.active_deadline_seconds = Some(0);
        for (name, of_short, of_burst) in [
            ("Terminating", true, false),
            ("NotTerminating", false, true),
            ("BestEffort", true, false),
            ("NotBestEffort", false, true),
            ("PriorityClass", false, false),
            ("CrossNamespacePodAffinity", false, false),
            ("VolumeAttributesClass", false, false),
        ] {
            let found = (in_scope(&scope(name), &short), in_scope(&scope(name), &burst));
            assert_eq!(found, (of_short, of_burst), "{name}");
        }
    }
}
