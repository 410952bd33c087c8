//! The pods' control groups, read in one pass. Which containers a pod has is in its status, so the runtime
//! is not asked.

use super::machine::{Machine, interfaces};
use super::{ContainerUse, Cpu, Memory, PodUse, Usage};
use crate::Shared;
use crate::pod::resources::pod_cgroup;
use corten_api::core::v1::{ContainerStatus, Pod};
use corten_semantics::pod::is_terminal;
use corten_sys::cgroups::{Cgroups, Stats};

/// Measures everything. Reads many small files: a few milliseconds for a hundred pods.
pub fn measure(shared: &Shared) -> Usage {
    let machine = Machine::measure();
    let all = shared.cgroups.stats(&shared.cgroup_root).unwrap_or_default();
    let pods = crate::static_pods::as_they_run(shared);
    Usage {
        time: shared.clock.now(),
        cpu: Cpu { nanoseconds: machine.cpu_nanoseconds, ..Cpu::default() },
        machine,
        pods_cpu: cpu(&all),
        pods_memory: memory(&all),
        pods: pods
            .iter()
            .filter(|p| !is_terminal(p))
            .filter_map(|p| pod(&*shared.cgroups, &shared.cgroup_root, p))
            .collect(),
    }
}

fn pod(cgroups: &dyn Cgroups, root: &str, pod: &Pod) -> Option<PodUse> {
    let group = pod_cgroup(root, pod);
    let stats = cgroups.stats(&group).ok()?;
    let children = cgroups.children(&group).unwrap_or_default();
    let status = &pod.status;
    let statuses = status
        .init_container_statuses
        .iter()
        .chain(&status.container_statuses)
        .chain(&status.ephemeral_container_statuses);
    let containers: Vec<ContainerUse> =
        statuses.filter_map(|s| container(cgroups, &group, &children, s)).collect();
    let inside = containers.iter().find_map(|c| cgroups.processes(&c.group).ok()?.first().copied());
    let network = inside.filter(|_| !pod.spec.host_network).map(|pid| {
        let text = std::fs::read_to_string(format!("/proc/{pid}/net/dev")).unwrap_or_default();
        interfaces(&text)
    });
    Some(PodUse {
        namespace: pod.metadata.namespace.clone(),
        name: pod.metadata.name.clone(),
        uid: pod.metadata.uid.clone(),
        started: status.start_time.map(|t| t.0),
        cpu: cpu(&stats),
        memory: memory(&stats),
        pids: stats.pids,
        network,
        containers,
        group,
    })
}

fn container(
    cgroups: &dyn Cgroups,
    pod: &str,
    children: &[String],
    status: &ContainerStatus,
) -> Option<ContainerUse> {
    let running = status.state.running.as_ref()?;
    let (_, id) = status.container_id.split_once("://").filter(|(_, id)| !id.is_empty())?;
    // Runtimes differ in what they put around the ID.
    let group = format!("{pod}/{}", children.iter().find(|c| c.contains(id))?);
    let stats = cgroups.stats(&group).ok()?;
    Some(ContainerUse {
        name: status.name.clone(),
        id: id.to_string(),
        image: status.image.clone(),
        started: running.started_at.map(|t| t.0),
        cpu: cpu(&stats),
        memory: memory(&stats),
        pids: stats.pids,
        restarts: status.restart_count,
        group,
    })
}

fn cpu(stats: &Stats) -> Cpu {
    Cpu {
        nanoseconds: stats.cpu_usage_ns,
        nano_cores: None,
        periods: stats.cpu_periods,
        throttled_periods: stats.cpu_throttled_periods,
        throttled_nanoseconds: stats.cpu_throttled_ns,
    }
}

fn memory(stats: &Stats) -> Memory {
    Memory {
        usage: stats.memory_usage,
        working_set: stats.memory_working_set,
        rss: stats.memory_rss,
        faults: stats.page_faults,
        major_faults: stats.major_page_faults,
        limit: Some(stats.memory_limit).filter(|l| !matches!(l, 0 | &u64::MAX)),
        oom_kills: stats.oom_kills,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_api::core::v1::{ContainerState, ContainerStateRunning};
    use corten_sys::cgroups::FakeCgroups;

    #[test]
    fn pods_and_containers_are_found_by_their_groups() {
        let mut p = Pod::default();
        p.metadata.uid = "u".into();
        let running = ContainerState {
            running: Some(Box::new(ContainerStateRunning::default())),
            ..ContainerState::default()
        };
        let status = |name: &str, id: &str, state| ContainerStatus {
            name: name.into(),
            container_id: id.into(),
            state,
            ..ContainerStatus::default()
        };
        p.status.container_statuses = vec![
            status("a", "containerd://abc", running.clone()),
            status("gone", "containerd://def", running),
            status("waits", "", ContainerState::default()),
        ];
        let groups = FakeCgroups::default();
        assert_eq!(pod(&groups, "/k", &p), None);
        let path = "/k/besteffort/podu";
        groups.create(&format!("{path}/crio-abc.scope")).expect("made");
        groups.set_stats(path, Stats { cpu_usage_ns: 9, memory_limit: u64::MAX, ..Stats::default() });
        groups.set_stats(&format!("{path}/crio-abc.scope"), Stats { memory_usage: 7, ..Stats::default() });
        let got = pod(&groups, "/k", &p).expect("found");
        assert_eq!((got.cpu.nanoseconds, got.memory.limit, got.containers.len()), (9, None, 1));
        assert_eq!((got.containers[0].name.as_str(), got.containers[0].memory.usage), ("a", 7));
    }
}
