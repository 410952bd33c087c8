//! What a pod's containers ask for together (upstream's `component-helpers/resource`): those that run side by
//! side are added, init containers that run alone count where they need more. Overhead is not included.

use crate::pod::is_sidecar;
use corten_api::Quantity;
use corten_api::core::v1::{Container, Pod, ResourceRequirements};
use std::collections::BTreeMap;

/// Amounts by the name of the resource.
pub type Amounts = BTreeMap<String, Quantity>;

/// What the pod must have; the pod's own `resources` go before its containers' for CPU, memory, huge pages.
pub fn requests(pod: &Pod) -> Amounts {
    total(pod, |r| &r.requests)
}

/// What the pod may use at most; resources that a container has no limit for count only the others.
pub fn limits(pod: &Pod) -> Amounts {
    total(pod, |r| &r.limits)
}

/// Adds `more` to `sum`.
pub fn add(sum: &mut Amounts, more: &Amounts) {
    for (name, amount) in more {
        sum.entry(name.clone()).and_modify(|have| *have += *amount).or_insert(*amount);
    }
}

/// Raises `most` to `other` where that is more.
pub fn raise(most: &mut Amounts, other: &Amounts) {
    for (name, amount) in other {
        if most.get(name).is_none_or(|have| have < amount) {
            most.insert(name.clone(), *amount);
        }
    }
}

fn total(pod: &Pod, of: impl Fn(&ResourceRequirements) -> &Amounts) -> Amounts {
    let amounts = |container: &Container| of(&container.resources).clone();
    let mut sum = Amounts::new();
    for container in &pod.spec.containers {
        add(&mut sum, &amounts(container));
    }
    let (mut sidecars, mut starting) = (Amounts::new(), Amounts::new());
    for container in &pod.spec.init_containers {
        let own = amounts(container);
        if is_sidecar(container) {
            add(&mut sum, &own);
            add(&mut sidecars, &own);
            raise(&mut starting, &sidecars);
        } else {
            let mut with_sidecars = own;
            add(&mut with_sidecars, &sidecars);
            raise(&mut starting, &with_sidecars);
        }
    }
    raise(&mut sum, &starting);
    let of_pod = pod.spec.resources.as_deref().map(of).into_iter().flatten();
    sum.extend(of_pod.filter(|(name, _)| is_pod_level(name)).map(|(n, a)| (n.clone(), *a)));
    sum
}

fn is_pod_level(name: &str) -> bool {
    matches!(name, "cpu" | "memory") || name.starts_with("hugepages-")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container(cpu: &str, sidecar: bool) -> Container {
        let mut container = Container::default();
        container.resources.requests = amounts(cpu);
        container.restart_policy = sidecar.then(|| "Always".into());
        container
    }

    fn amounts(cpu: &str) -> Amounts {
        BTreeMap::from([("cpu".to_string(), cpu.parse().expect("a quantity"))])
    }

    #[test]
    fn what_runs_together_is_added() {
        for (containers, init, of_pod, expected) in [
            (vec!["1", "500m"], vec![], None, "1500m"),
            (vec!["1"], vec![("3", false), ("2", false)], None, "3"),
            (vec!["1"], vec![("500m", true), ("3", false)], None, "3500m"),
            (vec!["1"], vec![("3", false), ("500m", true)], None, "3"),
            (vec!["1"], vec![("1", true), ("1", true)], None, "3"),
            (vec!["1"], vec![("3", false)], Some("2"), "2"),
            (vec![], vec![], None, ""),
        ] {
            let mut pod = Pod::default();
            pod.spec.containers = containers.iter().map(|c| container(c, false)).collect();
            pod.spec.init_containers = init.iter().map(|(c, s)| container(c, *s)).collect();
            pod.spec.resources = of_pod.map(|cpu| {
                Box::new(ResourceRequirements { requests: amounts(cpu), ..ResourceRequirements::default() })
            });
            let expected = if expected.is_empty() { Amounts::new() } else { amounts(expected) };
            assert_eq!(requests(&pod), expected, "{containers:?} {init:?}");
            assert!(limits(&pod).is_empty());
        }
    }
}
