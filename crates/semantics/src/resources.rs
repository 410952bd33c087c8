//! What a pod asks for in all: containers, init containers, sidecars and overhead taken together as
//! KEP-753 has it (upstream's `resource.PodRequests` and `PodLimits`).

use crate::pod::is_sidecar;
use corten_api::Quantity;
use corten_api::core::v1::{Container, ContainerStatus, Pod};
use std::collections::BTreeMap;

/// Amounts by resource name.
pub type ResourceList = BTreeMap<String, Quantity>;

/// How requests are summed up.
#[derive(Clone, Debug, Default)]
pub struct RequestOptions {
    /// Also count what the containers hold now while a resize is under way (KEP-1287).
    pub with_status: bool,
    /// What a container counts for where it asks for nothing.
    pub missing: ResourceList,
}

/// The pod's requests, pod-level ones and overhead included.
pub fn pod_requests(pod: &Pod, options: &RequestOptions) -> ResourceList {
    let of = |container: &Container, statuses: &[ContainerStatus], live: bool| {
        let mut list = container.resources.requests.clone();
        let status = statuses.iter().find(|s| live && options.with_status && s.name == container.name);
        if let Some(status) = status {
            raise_to_held(pod, status, &mut list);
        }
        for (name, amount) in &options.missing {
            list.entry(name.clone()).or_insert(*amount);
        }
        list
    };
    let mut sum = ResourceList::new();
    for container in &pod.spec.containers {
        add(&mut sum, &of(container, &pod.status.container_statuses, true));
    }
    with_init_containers(pod, &mut sum, |c| of(c, &pod.status.init_container_statuses, is_sidecar(c)));
    if let Some(own) = &pod.spec.resources {
        let supported = own.requests.iter().filter(|(name, _)| is_pod_level(name));
        sum.extend(supported.map(|(name, amount)| (name.clone(), *amount)));
    }
    add(&mut sum, &pod.spec.overhead);
    sum
}

/// The pod's limits; overhead is added only where there is a limit.
pub fn pod_limits(pod: &Pod) -> ResourceList {
    limits(pod, &|container, _, _| container.resources.limits.clone())
}

/// The pod's limits, counting also those that containers have now while a resize is under way (KEP-1287).
pub fn pod_limits_with_status(pod: &Pod) -> ResourceList {
    let infeasible = crate::pod::condition(pod, "PodResizePending").is_some_and(|c| c.reason == "Infeasible");
    limits(pod, &|container, statuses, live| {
        let status = statuses.iter().find(|s| live && s.name == container.name);
        let Some(held) = status.and_then(|s| s.resources.as_ref()) else {
            return container.resources.limits.clone();
        };
        let mut list = if infeasible { ResourceList::new() } else { container.resources.limits.clone() };
        raise(&mut list, &held.limits);
        list
    })
}

/// A container's limits, of the statuses it may be found in, and whether these count.
type LimitsOf<'a> = &'a dyn Fn(&Container, &[ContainerStatus], bool) -> ResourceList;

fn limits(pod: &Pod, of: LimitsOf<'_>) -> ResourceList {
    let mut sum = ResourceList::new();
    for container in &pod.spec.containers {
        add(&mut sum, &of(container, &pod.status.container_statuses, true));
    }
    with_init_containers(pod, &mut sum, |c| of(c, &pod.status.init_container_statuses, is_sidecar(c)));
    if let Some(own) = &pod.spec.resources {
        let supported = own.limits.iter().filter(|(name, _)| is_pod_level(name));
        sum.extend(supported.map(|(name, amount)| (name.clone(), *amount)));
    }
    for (name, amount) in &pod.spec.overhead {
        if let Some(limit) = sum.get_mut(name).filter(|l| !l.is_zero()) {
            *limit += *amount;
        }
    }
    sum
}

/// Whether a resource can be asked for by the pod as a whole (KEP-2837).
pub fn is_pod_level(name: &str) -> bool {
    name == "cpu" || name == "memory" || name.starts_with("hugepages-")
}

/// Whether nodes count this resource beside cpu, memory, ephemeral storage and pods: extended resources,
/// huge pages and attachable volumes.
pub fn is_scalar(name: &str) -> bool {
    (name.contains('/') && !name.starts_with("requests."))
        || name.starts_with("hugepages-")
        || name.starts_with("attachable-volumes-")
}

/// Sidecars add up with everything after them; any other init container runs alone beside the sidecars
/// before it, so the pod needs the larger of both.
fn with_init_containers(pod: &Pod, sum: &mut ResourceList, of: impl Fn(&Container) -> ResourceList) {
    let (mut sidecars, mut most) = (ResourceList::new(), ResourceList::new());
    for container in &pod.spec.init_containers {
        let mut wanted = of(container);
        if is_sidecar(container) {
            add(sum, &wanted);
            add(&mut sidecars, &wanted);
            raise(&mut most, &sidecars);
        } else {
            add(&mut wanted, &sidecars);
            raise(&mut most, &wanted);
        }
    }
    raise(sum, &most);
}

/// Raises `list` to what the container holds; a resize that can never happen does not count.
fn raise_to_held(pod: &Pod, status: &ContainerStatus, list: &mut ResourceList) {
    let Some(held) = &status.resources else { return };
    let resize = crate::pod::condition(pod, "PodResizePending");
    if resize.is_some_and(|c| c.reason == "Infeasible") {
        list.clear();
    }
    raise(list, &held.requests);
    raise(list, &status.allocated_resources);
}

fn add(list: &mut ResourceList, more: &ResourceList) {
    for (name, amount) in more {
        list.entry(name.clone()).and_modify(|a| *a += *amount).or_insert(*amount);
    }
}

fn raise(list: &mut ResourceList, to: &ResourceList) {
    for (name, amount) in to {
        list.entry(name.clone()).and_modify(|a| *a = (*a).max(*amount)).or_insert(*amount);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_api::core::v1::ResourceRequirements;

    fn container(cpu: i64, sidecar: bool) -> Container {
        let mut c = Container { name: format!("c{cpu}"), ..Container::default() };
        if cpu > 0 {
            c.resources.requests.insert("cpu".into(), Quantity::milli(cpu));
            c.resources.limits.insert("cpu".into(), Quantity::milli(2 * cpu));
        }
        c.restart_policy = sidecar.then(|| "Always".into());
        c
    }

    fn pod(init: &[(i64, bool)], main: &[i64], overhead: i64) -> Pod {
        let mut pod = Pod::default();
        pod.spec.init_containers = init.iter().map(|(cpu, sidecar)| container(*cpu, *sidecar)).collect();
        pod.spec.containers = main.iter().map(|cpu| container(*cpu, false)).collect();
        if overhead > 0 {
            pod.spec.overhead.insert("cpu".into(), Quantity::milli(overhead));
        }
        pod
    }

    #[test]
    fn init_containers_sidecars_and_overhead_add_up_as_upstream() {
        for (init, main, overhead, want) in [
            (&[][..], &[100, 200][..], 0, 300),
            (&[(500, false)][..], &[100, 200][..], 0, 500),
            (&[(500, false)][..], &[100, 200][..], 50, 550),
            (&[(100, true)][..], &[100][..], 0, 200),
            (&[(100, true), (500, false)][..], &[100][..], 0, 600),
            (&[(500, false), (100, true)][..], &[100][..], 0, 500),
            (&[(100, true), (150, false), (100, true)][..], &[100][..], 0, 300),
        ] {
            let pod = pod(init, main, overhead);
            let sum = pod_requests(&pod, &RequestOptions::default());
            assert_eq!(sum["cpu"], Quantity::milli(want), "{init:?} {main:?} {overhead}");
            let limit = pod_limits(&pod)["cpu"];
            assert_eq!(
                limit,
                Quantity::milli(2 * (want - overhead) + overhead),
                "limits of {init:?} {main:?}"
            );
        }
    }

    #[test]
    fn missing_amounts_and_pod_level_requests() {
        let missing = ResourceList::from([("cpu".to_string(), Quantity::milli(100))]);
        let options = RequestOptions { missing, ..RequestOptions::default() };
        assert_eq!(pod_requests(&pod(&[], &[0, 50], 0), &options)["cpu"], Quantity::milli(150));
        let mut whole = pod(&[], &[100], 10);
        let requests = [("cpu", 700), ("ephemeral-storage", 5)];
        let requests = requests.map(|(n, v)| (n.to_string(), Quantity::milli(v)));
        whole.spec.resources =
            Some(Box::new(ResourceRequirements { requests: requests.into(), ..Default::default() }));
        let sum = pod_requests(&whole, &RequestOptions::default());
        assert_eq!((sum["cpu"], sum.len()), (Quantity::milli(710), 1));
    }

    #[test]
    fn a_resize_counts_the_larger_until_it_is_done() {
        let mut pod = pod(&[], &[100], 0);
        let held = ResourceRequirements {
            requests: ResourceList::from([("cpu".to_string(), Quantity::milli(300))]),
            ..Default::default()
        };
        pod.status.container_statuses = vec![ContainerStatus {
            name: "c100".into(),
            resources: Some(Box::new(held)),
            ..Default::default()
        }];
        let with_status = RequestOptions { with_status: true, ..RequestOptions::default() };
        assert_eq!(pod_requests(&pod, &with_status)["cpu"], Quantity::milli(300));
        assert_eq!(pod_requests(&pod, &RequestOptions::default())["cpu"], Quantity::milli(100));
    }

    #[test]
    fn scalar_resources_are_told_by_their_name() {
        for (name, want) in [
            ("cpu", false),
            ("pods", false),
            ("storage", false),
            ("example.com/gpu", true),
            ("hugepages-2Mi", true),
            ("requests.example.com/gpu", false),
        ] {
            assert_eq!(is_scalar(name), want, "{name}");
        }
    }
}
