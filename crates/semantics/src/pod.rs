//! What a pod's status means to others.

use corten_api::core::v1::{Pod, PodCondition};
use corten_api::{Time, core::v1::Container};
use jiff::Timestamp;

/// The condition of this type.
pub fn condition<'a>(pod: &'a Pod, kind: &str) -> Option<&'a PodCondition> {
    pod.status.conditions.iter().find(|c| c.type_ == kind)
}

/// Whether the pod is ready to serve.
pub fn is_ready(pod: &Pod) -> bool {
    condition(pod, "Ready").is_some_and(|c| c.status == "True")
}

/// Whether the pod has ended for good.
pub fn is_terminal(pod: &Pod) -> bool {
    matches!(pod.status.phase.as_str(), "Succeeded" | "Failed")
}

/// Whether the pod is being deleted.
pub fn is_terminating(pod: &Pod) -> bool {
    pod.metadata.deletion_timestamp.is_some()
}

/// Whether the pod counts towards its owner's replicas.
pub fn is_active(pod: &Pod) -> bool {
    !is_terminal(pod) && !is_terminating(pod)
}

/// Whether the pod has been ready for `min_ready_seconds`.
pub fn is_available(pod: &Pod, min_ready_seconds: i32, now: Timestamp) -> bool {
    available_at(pod, min_ready_seconds).is_some_and(|at| at <= now)
}

/// When a ready pod becomes (or became) available; `None` while it is not ready.
pub fn available_at(pod: &Pod, min_ready_seconds: i32) -> Option<Timestamp> {
    let ready = condition(pod, "Ready").filter(|c| c.status == "True")?;
    let since = ready.last_transition_time.map_or(Timestamp::UNIX_EPOCH, |t: Time| t.0);
    if min_ready_seconds == 0 {
        return Some(Timestamp::UNIX_EPOCH);
    }
    Some(since + jiff::SignedDuration::from_secs(i64::from(min_ready_seconds)))
}

/// Whether an init container goes on running beside the others (a sidecar).
pub fn is_sidecar(container: &Container) -> bool {
    container.restart_policy.as_deref() == Some("Always")
}

/// `Guaranteed`, `Burstable` or `BestEffort` (upstream's `qos.ComputePodQOS`).
pub fn qos_class(pod: &Pod) -> &'static str {
    let containers = pod.spec.containers.iter().chain(&pod.spec.init_containers);
    let (mut any, mut guaranteed) = (false, true);
    for c in containers {
        for name in ["cpu", "memory"] {
            let set = |map: &std::collections::BTreeMap<String, corten_api::Quantity>| {
                map.get(name).copied().filter(|q| !q.is_zero())
            };
            let (request, limit) = (set(&c.resources.requests), set(&c.resources.limits));
            any |= request.is_some() || limit.is_some();
            guaranteed &= limit.is_some() && request.is_none_or(|r| Some(r) == limit);
        }
    }
    match (any, guaranteed) {
        (false, _) => "BestEffort",
        (true, true) => "Guaranteed",
        (true, false) => "Burstable",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_api::Quantity;

    fn pod(requests: &[(&str, i64)], limits: &[(&str, i64)]) -> Pod {
        let list = |l: &[(&str, i64)]| l.iter().map(|(k, v)| (k.to_string(), Quantity::whole(*v))).collect();
        let mut c = Container::default();
        c.resources.requests = list(requests);
        c.resources.limits = list(limits);
        let mut pod = Pod::default();
        pod.spec.containers = vec![c];
        pod
    }

    #[test]
    fn quality_of_service_follows_requests_and_limits() {
        let both = [("cpu", 1), ("memory", 2)];
        for (requests, limits, want) in [
            (&[][..], &[][..], "BestEffort"),
            (&both[..], &both[..], "Guaranteed"),
            (&[][..], &both[..], "Guaranteed"),
            (&both[..], &[][..], "Burstable"),
            (&[("cpu", 1)][..], &[("cpu", 1)][..], "Burstable"),
        ] {
            assert_eq!(qos_class(&pod(requests, limits)), want, "{requests:?} {limits:?}");
        }
    }

    #[test]
    fn a_pod_is_available_after_its_minimum() {
        let now: Timestamp = "2026-01-01T00:00:10Z".parse().expect("valid");
        let mut pod = Pod::default();
        assert!(!is_available(&pod, 0, now));
        pod.status.conditions = vec![PodCondition {
            type_: "Ready".into(),
            status: "True".into(),
            last_transition_time: Some("2026-01-01T00:00:00Z".parse().expect("valid")),
            ..Default::default()
        }];
        assert!(is_available(&pod, 0, now));
        assert!(is_available(&pod, 10, now));
        assert!(!is_available(&pod, 11, now));
    }
}
