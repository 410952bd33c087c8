//! The quality-of-service class of a pod (upstream's `core/v1/helper/qos`).

use corten_api::Quantity;
use corten_api::core::v1::{Pod, ResourceRequirements};
use std::collections::BTreeMap;

/// `Guaranteed`, `Burstable` or `BestEffort`, from what the containers or the pod as a whole ask for.
pub fn qos_class(pod: &Pod) -> &'static str {
    let spec = &pod.spec;
    let parts: Vec<&ResourceRequirements> = match spec.resources.as_deref() {
        Some(whole) => vec![whole],
        None => spec.containers.iter().chain(&spec.init_containers).map(|c| &c.resources).collect(),
    };
    let mut requests = BTreeMap::new();
    let mut limits = BTreeMap::new();
    let mut guaranteed = true;
    for part in parts {
        add(&mut requests, &part.requests);
        let limited = add(&mut limits, &part.limits);
        guaranteed &= limited == 2;
    }
    if requests.is_empty() && limits.is_empty() {
        return "BestEffort";
    }
    if guaranteed && requests == limits { "Guaranteed" } else { "Burstable" }
}

/// Adds cpu and memory; tells how many of the two were there.
fn add(sum: &mut BTreeMap<&'static str, Quantity>, more: &BTreeMap<String, Quantity>) -> usize {
    let mut found = 0;
    for name in ["cpu", "memory"] {
        if let Some(amount) = more.get(name).filter(|a| !a.is_zero()) {
            *sum.entry(name).or_default() += *amount;
            found += 1;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_api::core::v1::Container;

    fn resources(requests: &[(&str, &str)], limits: &[(&str, &str)]) -> ResourceRequirements {
        let map = |list: &[(&str, &str)]| {
            list.iter().map(|(k, v)| (k.to_string(), v.parse().expect("amount"))).collect()
        };
        ResourceRequirements { requests: map(requests), limits: map(limits), ..Default::default() }
    }

    #[test]
    fn classes_follow_requests_and_limits() {
        let full = [("cpu", "1"), ("memory", "1Gi")];
        for (containers, want) in [
            (vec![resources(&[], &[])], "BestEffort"),
            (vec![resources(&full, &full)], "Guaranteed"),
            (vec![resources(&full, &full), resources(&[], &[])], "Burstable"),
            (vec![resources(&[("cpu", "1")], &[])], "Burstable"),
            (vec![resources(&[("cpu", "1")], &[("cpu", "1")])], "Burstable"),
            (vec![resources(&[("cpu", "500m"), ("memory", "1Gi")], &full)], "Burstable"),
        ] {
            let mut pod = Pod::default();
            pod.spec.containers = containers
                .into_iter()
                .map(|resources| Container { resources, ..Container::default() })
                .collect();
            assert_eq!(qos_class(&pod), want);
        }
    }
}
