//! What a pod has been given of what it asks for: while a resize does not fit, less than its spec says
//! (upstream's `allocation`). Decisions only; [`super::resize`] carries them out.

use super::admission::{self, Rejection};
use super::resources::changed;
use corten_api::core::v1::{Container, Pod, ResourceRequirements};
use corten_semantics::pod::is_sidecar;
use corten_semantics::resources::{RequestOptions, ResourceList, pod_requests};
use parking_lot::Mutex;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// What the containers of one pod have been given, by name.
pub type Allocation = BTreeMap<String, ResourceRequirements>;

/// What pods have been given that differs from their specs, by UID.
#[derive(Debug, Default)]
pub struct Allocations(Mutex<HashMap<String, Allocation>>);

impl Allocations {
    /// The pod with what it has been given in place of what it asks for.
    pub fn apply(&self, pod: &Arc<Pod>) -> Arc<Pod> {
        match self.0.lock().get(&pod.metadata.uid) {
            Some(allocation) if asks_for_other(pod, allocation) => Arc::new(with(pod, allocation)),
            _ => pod.clone(),
        }
    }

    /// Notes what a pod has been given.
    pub fn set(&self, uid: &str, allocation: Allocation) {
        self.0.lock().insert(uid.to_string(), allocation);
    }

    /// What a pod has been given, if that was noted.
    pub fn get(&self, uid: &str) -> Option<Allocation> {
        self.0.lock().get(uid).cloned()
    }

    /// The pod is gone.
    pub fn forget(&self, uid: &str) {
        self.0.lock().remove(uid);
    }
}

/// Where a resize stands.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Resize {
    /// Why the wish is not granted: reason and message.
    pub pending: Option<Stage>,
    /// What was granted is being carried out; with a reason and message when that does not succeed.
    pub progress: Option<Stage>,
}

/// What a condition tells.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stage {
    pub reason: String,
    pub message: String,
    pub generation: i64,
}

impl Resize {
    /// As an earlier kubelet left it.
    pub fn known(pod: &Pod) -> Self {
        let stage = |kind: &str| {
            let c = corten_semantics::pod::condition(pod, kind).filter(|c| c.status == "True")?;
            let (reason, message) = (c.reason.clone(), c.message.clone());
            Some(Stage { reason, message, generation: c.observed_generation })
        };
        Resize { pending: stage("PodResizePending"), progress: stage("PodResizeInProgress") }
    }
}

/// The containers whose resources may change while they run.
pub fn resizable(pod: &Pod) -> impl Iterator<Item = &Container> {
    let sidecars = pod.spec.init_containers.iter().filter(|c| is_sidecar(c));
    pod.spec.containers.iter().chain(sidecars)
}

/// What a pod is given that is new to this process: what its status says it was given, or what it asks for.
pub fn initial(pod: &Pod) -> Allocation {
    let statuses = pod.status.container_statuses.iter().chain(&pod.status.init_container_statuses);
    let known: BTreeMap<&str, _> = statuses
        .filter(|s| !s.container_id.is_empty())
        .filter_map(|s| Some((s.name.as_str(), (&s.allocated_resources, s.resources.as_deref()?))))
        .collect();
    let of = |c: &Container| match known.get(c.name.as_str()) {
        Some((requests, held)) => ResourceRequirements {
            requests: (*requests).clone(),
            limits: held.limits.clone(),
            ..c.resources.clone()
        },
        None => c.resources.clone(),
    };
    resizable(pod).map(|c| (c.name.clone(), of(c))).collect()
}

/// What the pod asks for.
pub fn wanted(pod: &Pod) -> Allocation {
    resizable(pod).map(|c| (c.name.clone(), c.resources.clone())).collect()
}

/// Whether the pod asks for other resources than it has.
pub fn asks_for_other(pod: &Pod, allocation: &Allocation) -> bool {
    resizable(pod).any(|c| allocation.get(&c.name).is_some_and(|has| !changed(has, &c.resources).is_empty()))
}

/// The pod with what it has been given.
pub fn with(pod: &Pod, allocation: &Allocation) -> Pod {
    let mut out = pod.clone();
    for c in out.spec.containers.iter_mut().chain(&mut out.spec.init_containers) {
        if let Some(has) = allocation.get(&c.name).filter(|has| !changed(has, &c.resources).is_empty()) {
            c.resources = has.clone();
        }
    }
    out
}

/// Whether the pod can have what it asks for, beside `bound`, who have what they were given.
///
/// # Errors
/// Reason and message: `Deferred` when it may fit later, `Infeasible` when it never will.
pub fn decide(pod: &Pod, bound: &[Arc<Pod>], allocatable: &ResourceList) -> Result<(), (String, String)> {
    let infeasible = |message: String| Err(("Infeasible".to_string(), message));
    if super::names::is_static(pod) {
        return infeasible("In-place resize of static-pods is not supported".into());
    }
    let asked = pod_requests(pod, &RequestOptions::default());
    for name in ["memory", "cpu"] {
        let amount = |list: &ResourceList| match (list.get(name), name) {
            (None, _) => 0,
            (Some(q), "cpu") => q.milli_value(),
            (Some(q), _) => q.value(),
        };
        let (requested, capacity) = (amount(&asked), amount(allocatable));
        if requested > capacity {
            return infeasible(format!(
                "Node didn't have enough capacity: {name}, requested: {requested}, capacity: {capacity}"
            ));
        }
    }
    admission::fits(pod, bound, allocatable)
        .map_err(|Rejection { message, .. }| ("Deferred".to_string(), message))
}

/// The text of an event about a resize, in upstream's form.
pub fn tell(what: &str, pod: &Pod, generation: i64, error: &str) -> String {
    let one = |c: &Container| {
        let mut resources = Map::new();
        for (name, list) in [("limits", &c.resources.limits), ("requests", &c.resources.requests)] {
            if !list.is_empty() {
                let amounts = list.iter().map(|(k, q)| (k.clone(), Value::from(q.to_string())));
                resources.insert(name.into(), Value::Object(amounts.collect()));
            }
        }
        // In upstream's order, which a map here does not keep.
        format!("{{\"name\":{},\"resources\":{}}}", json!(c.name), Value::Object(resources))
    };
    let list = |containers: &[Container]| containers.iter().map(one).collect::<Vec<_>>().join(",");
    let mut parts = Vec::new();
    if !pod.spec.init_containers.is_empty() {
        parts.push(format!("\"initContainers\":[{}]", list(&pod.spec.init_containers)));
    }
    parts.push(format!("\"containers\":[{}]", list(&pod.spec.containers)));
    parts.push(format!("\"generation\":{generation}"));
    if !error.is_empty() {
        parts.push(format!("\"error\":{}", json!(error)));
    }
    format!("Pod resize {what}: {{{}}}", parts.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_api::Quantity;

    fn list(amounts: &[(&str, &str)]) -> ResourceList {
        amounts.iter().map(|(k, v)| (k.to_string(), v.parse::<Quantity>().expect("a quantity"))).collect()
    }

    fn pod(cpu: &str, memory: &str) -> Pod {
        let mut c = Container { name: "c0".into(), ..Container::default() };
        c.resources.requests = list(&[("cpu", cpu), ("memory", memory)]);
        c.resources.limits = c.resources.requests.clone();
        let mut pod = Pod::default();
        pod.metadata.uid = "u".into();
        pod.spec.containers = vec![c];
        pod
    }

    #[test]
    fn a_wish_is_granted_deferred_or_refused() {
        let node = list(&[("cpu", "2"), ("memory", "1Gi"), ("pods", "10")]);
        let mut other = pod("1", "100Mi");
        other.metadata.uid = "o".into();
        other.status.start_time = Some(Default::default());
        let bound = [Arc::new(other)];
        let mut fixed = pod("100m", "1Mi");
        fixed.metadata.annotations.insert("kubernetes.io/config.source".into(), "file".into());
        for (pod, want) in [
            (pod("900m", "100Mi"), None),
            (
                pod("1500m", "100Mi"),
                Some((
                    "Deferred",
                    "Node didn't have enough resource: cpu, requested: 1500, used: 1000, capacity: 2000",
                )),
            ),
            (
                pod("3", "100Mi"),
                Some((
                    "Infeasible",
                    "Node didn't have enough capacity: cpu, requested: 3000, capacity: 2000",
                )),
            ),
            (fixed, Some(("Infeasible", "In-place resize of static-pods is not supported"))),
        ] {
            let got = decide(&pod, &bound, &node).err();
            assert_eq!(got, want.map(|(r, m)| (r.to_string(), m.to_string())));
        }
    }

    #[test]
    fn until_then_the_pod_has_what_it_was_given() {
        let before = pod("100m", "100Mi");
        let after = Arc::new(pod("200m", "100Mi"));
        let all = Allocations::default();
        assert!(Arc::ptr_eq(&all.apply(&after), &after));
        all.set("u", wanted(&before));
        assert!(asks_for_other(&after, &wanted(&before)));
        assert_eq!(*all.apply(&after), before);
        all.set("u", wanted(&after));
        assert!(Arc::ptr_eq(&all.apply(&after), &after));
    }

    #[test]
    fn an_earlier_process_gave_what_the_status_tells() {
        let mut now = pod("200m", "100Mi");
        assert_eq!(initial(&now), wanted(&now));
        let held = pod("100m", "100Mi").spec.containers.remove(0).resources;
        now.status.container_statuses = vec![corten_api::core::v1::ContainerStatus {
            name: "c0".into(),
            container_id: "x://1".into(),
            allocated_resources: held.requests.clone(),
            resources: Some(Box::new(held.clone())),
            ..Default::default()
        }];
        assert_eq!(initial(&now)["c0"], held);
    }

    #[test]
    fn events_are_in_upstreams_form() {
        let want = r#"Pod resize completed: {"containers":[{"name":"c0","resources":{"limits":{"cpu":"100m","memory":"100"},"requests":{"cpu":"100m","memory":"100"}}}],"generation":1}"#;
        assert_eq!(tell("completed", &pod("100m", "100"), 1, ""), want);
    }
}
