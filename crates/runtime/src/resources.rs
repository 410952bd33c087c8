//! Limits that change while containers run.

use crate::runtime::{Runtime, blocking};
use crate::spec;
use corten_node_api::cri::{
    LinuxContainerResources, UpdateContainerResourcesRequest, UpdatePodSandboxResourcesRequest,
};
use tonic::Status;

impl Runtime {
    /// Gives a container new limits. What is zero or empty stays as it is.
    pub(crate) async fn update_container(
        self,
        request: UpdateContainerResourcesRequest,
    ) -> Result<(), Status> {
        let container = self.table.container(&request.container_id)?;
        let Some(wanted) = request.linux else {
            return Err(Status::invalid_argument("no resources of Linux are given"));
        };
        {
            let state = container.state.borrow();
            if state.has_ended() || state.removing {
                return Err(Status::failed_precondition(format!(
                    "container {} is in {} state: its limits cannot change",
                    container.id,
                    state.cri().as_str_name()
                )));
            }
        }
        let (cgroups, group) = (self.cgroups.clone(), container.cgroup());
        let limits = spec::limits(&wanted)?;
        blocking(move || {
            let set = cgroups.set(&group, &limits);
            set.map_err(|e| Status::unknown(format!("failed to update resources: {e}")))
        })
        .await?;
        {
            let mut record = container.record.lock();
            let now = record.resources.get_or_insert_default();
            merge(now, wanted);
        }
        self.save_container(&container).await
    }

    /// Notes a sandbox's new limits. The pod's group is the kubelet's, which has set them.
    pub(crate) async fn update_sandbox(
        self,
        request: UpdatePodSandboxResourcesRequest,
    ) -> Result<(), Status> {
        let sandbox = self.table.sandbox(&request.pod_sandbox_id)?;
        if sandbox.ready().is_none() {
            return Err(Status::failed_precondition(format!("sandbox {} is not running", sandbox.id)));
        }
        {
            let mut record = sandbox.record.lock();
            let linux = record.config.get_or_insert_default().linux.get_or_insert_default();
            linux.overhead = request.overhead.or(linux.overhead.take());
            linux.resources = request.resources.or(linux.resources.take());
        }
        self.save_sandbox(&sandbox).await
    }
}

/// What is given replaces what was; the rest stays.
fn merge(now: &mut LinuxContainerResources, wanted: LinuxContainerResources) {
    let number = |now: &mut i64, wanted: i64| {
        if wanted != 0 {
            *now = wanted;
        }
    };
    number(&mut now.cpu_period, wanted.cpu_period);
    number(&mut now.cpu_quota, wanted.cpu_quota);
    number(&mut now.cpu_shares, wanted.cpu_shares);
    number(&mut now.memory_limit_in_bytes, wanted.memory_limit_in_bytes);
    number(&mut now.memory_swap_limit_in_bytes, wanted.memory_swap_limit_in_bytes);
    number(&mut now.oom_score_adj, wanted.oom_score_adj);
    for (now, wanted) in
        [(&mut now.cpuset_cpus, wanted.cpuset_cpus), (&mut now.cpuset_mems, wanted.cpuset_mems)]
    {
        if !wanted.is_empty() {
            *now = wanted;
        }
    }
    for limit in wanted.hugepage_limits {
        now.hugepage_limits.retain(|l| l.page_size != limit.page_size);
        now.hugepage_limits.push(limit);
    }
    now.unified.extend(wanted.unified);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_given_changes() {
        let mut now = LinuxContainerResources {
            cpu_shares: 100,
            memory_limit_in_bytes: 5,
            cpuset_cpus: "0".into(),
            ..Default::default()
        };
        let wanted =
            LinuxContainerResources { cpu_shares: 200, cpuset_mems: "1".into(), ..Default::default() };
        merge(&mut now, wanted);
        let expected = LinuxContainerResources {
            cpu_shares: 200,
            memory_limit_in_bytes: 5,
            cpuset_cpus: "0".into(),
            cpuset_mems: "1".into(),
            ..Default::default()
        };
        assert_eq!(now, expected);
    }
}
