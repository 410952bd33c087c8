//! Gives running containers and their pod's cgroup the resources that the pod has been given.

use super::observed::Seen;
use super::resources::{container_resources, linux, pod_cgroup, pod_limits};
use crate::Shared;
use corten_api::core::v1::{Container, Pod, ResourceRequirements};
use corten_node_api::cri::{
    ContainerStatsRequest, UpdateContainerResourcesRequest, UpdatePodSandboxResourcesRequest,
};
use corten_sys::cgroups::Limits;
use std::sync::Arc;

/// One container that gets other resources.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    pub id: String,
    pub container: Container,
    /// What it has.
    pub has: ResourceRequirements,
}

/// Whether a container can take the change while it runs: its resize policy says so for each resource.
pub fn needs_restart(c: &Container, changed: &[&str]) -> bool {
    let restarts = |name: &&str| {
        c.resize_policy.iter().any(|p| p.resource_name == *name && p.restart_policy == "RestartContainer")
    };
    changed.iter().any(restarts)
}

/// Carries the changes out. What grows grows in the pod first, what shrinks in the containers, so that no
/// container is ever promised more than its pod has. The error is the message of the resize's condition.
pub async fn resize(shared: &Shared, pod: &Pod, sandbox: &str, changes: &[Change]) -> Result<(), String> {
    let group = pod_cgroup(&shared.cgroup_root, pod);
    let wanted = pod_limits(pod);
    let now = shared.cgroups.limits(&group).map_err(|e| e.to_string())?;
    check_memory(shared, &group, &now, &wanted, changes).await?;
    let set = |limits: Limits| {
        let (cgroups, group): (Arc<_>, String) = (shared.cgroups.clone(), group.clone());
        async move {
            let done = tokio::task::spawn_blocking(move || cgroups.set(&group, &limits)).await;
            done.map_err(|e| e.to_string())?.map_err(|e| e.to_string())
        }
    };
    let (first, then) = in_order(&now, &wanted);
    set(first).await?;
    for change in changes {
        let resources = container_resources(pod, &change.container, shared.memory_bytes, shared.oom_floor);
        let request = UpdateContainerResourcesRequest {
            container_id: change.id.clone(),
            linux: Some(resources),
            ..UpdateContainerResourcesRequest::default()
        };
        shared.cri.update_container_resources(request).await.map_err(|e| e.to_string())?;
    }
    set(then).await?;
    let request = UpdatePodSandboxResourcesRequest {
        pod_sandbox_id: sandbox.to_string(),
        resources: Some(linux(&wanted)),
        ..UpdatePodSandboxResourcesRequest::default()
    };
    // It is only told; many runtimes do not care.
    if let Err(error) = shared.cri.update_pod_sandbox_resources(request).await
        && !error.is_unimplemented()
    {
        tracing::debug!(pod = pod.metadata.name, %error, "the runtime was not told of a resize");
    }
    Ok(())
}

/// What of the pod's limits is set before the containers', and what after.
fn in_order(now: &Limits, wanted: &Limits) -> (Limits, Limits) {
    let rank = |limit: Option<i64>| limit.filter(|l| *l >= 0).unwrap_or(i64::MAX);
    let (mut first, mut then) = (Limits::default(), Limits::default());
    let of = |grows: bool, a: &mut Limits, b: &mut Limits, set: &dyn Fn(&mut Limits)| {
        if grows { set(a) } else { set(b) }
    };
    of(wanted.cpu_shares > now.cpu_shares, &mut first, &mut then, &|l| l.cpu_shares = wanted.cpu_shares);
    of(rank(wanted.cpu_quota_us) > rank(now.cpu_quota_us), &mut first, &mut then, &|l| {
        l.cpu_quota_us = wanted.cpu_quota_us;
        l.cpu_period_us = wanted.cpu_period_us;
    });
    of(rank(wanted.memory_bytes) > rank(now.memory_bytes), &mut first, &mut then, &|l| {
        l.memory_bytes = wanted.memory_bytes;
    });
    (first, then)
}

/// A limit below what is in use would kill.
async fn check_memory(
    shared: &Shared,
    group: &str,
    now: &Limits,
    wanted: &Limits,
    changes: &[Change],
) -> Result<(), String> {
    let mut wrong = Vec::new();
    let limited = |limit: Option<i64>| limit.filter(|l| *l > 0).and_then(|l| u64::try_from(l).ok());
    if let Some(limit) = limited(wanted.memory_bytes)
        && limited(now.memory_bytes).is_none_or(|before| limit < before)
    {
        let used = shared.cgroups.stats(group).map_err(|e| e.to_string())?.memory_usage;
        if used >= limit {
            wrong.push(format!("attempting to set pod memory limit ({limit}) below current usage ({used})"));
        }
    }
    for change in changes {
        let limit = |r: &ResourceRequirements| r.limits.get("memory").map(|q| q.value()).filter(|l| *l > 0);
        let Some(new) = limit(&change.container.resources) else { continue };
        if limit(&change.has).is_some_and(|old| old <= new) {
            continue;
        }
        let request = ContainerStatsRequest { container_id: change.id.clone() };
        let stats = shared.cri.container_stats(request).await.map_err(|e| e.to_string())?.stats;
        let memory = stats.and_then(|s| s.memory);
        let used = memory.and_then(|m| m.usage_bytes.or(m.working_set_bytes)).map_or(0, |v| v.value);
        if i64::try_from(used).is_ok_and(|used| used >= new) {
            wrong.push(format!(
                "attempting to set container \"{}\" memory limit ({new}) below current usage ({used})",
                change.container.name
            ));
        }
    }
    match wrong.as_slice() {
        [] => Ok(()),
        [one] => Err(format!("cannot decrease memory limits: {one}")),
        many => Err(format!("cannot decrease memory limits: [{}]", many.join(", "))),
    }
}

/// What a running container has, by what its status tells, if it tells of this very container.
pub fn held(pod: &Pod, seen: &Seen) -> Option<ResourceRequirements> {
    let statuses = pod.status.container_statuses.iter().chain(&pod.status.init_container_statuses);
    let mut mine = statuses.filter(|s| s.container_id.ends_with(&format!("://{}", seen.id)));
    mine.find_map(|s| s.resources.as_deref().cloned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_api::core::v1::ContainerResizePolicy;

    #[test]
    fn the_policy_of_what_changed_decides_on_a_restart() {
        let policy = |name: &str, restart: &str| ContainerResizePolicy {
            resource_name: name.into(),
            restart_policy: restart.into(),
        };
        let c = Container {
            resize_policy: vec![policy("cpu", "NotRequired"), policy("memory", "RestartContainer")],
            ..Container::default()
        };
        assert!(!needs_restart(&c, &["cpu"]));
        assert!(needs_restart(&c, &["cpu", "memory"]));
        assert!(!needs_restart(&Container::default(), &["cpu", "memory"]));
    }

    #[test]
    fn the_pod_grows_first_and_shrinks_last() {
        let limits = |shares, quota, memory| Limits {
            cpu_shares: Some(shares),
            cpu_quota_us: Some(quota),
            memory_bytes: Some(memory),
            ..Limits::default()
        };
        let (first, then) = in_order(&limits(10, 1000, 100), &limits(20, 500, -1));
        assert_eq!((first.cpu_shares, first.cpu_quota_us, first.memory_bytes), (Some(20), None, Some(-1)));
        assert_eq!((then.cpu_shares, then.cpu_quota_us, then.memory_bytes), (None, Some(500), None));
    }
}
