//! Limits: memory, processor, their change while a container runs.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use corten_node_api::cri::*;

use super::checks;
use crate::world::{World, resources, same};

checks![
    limits_are_written,
    memory_is_limited,
    a_container_may_die_as_a_whole,
    processor_time_is_limited,
    limits_change_while_running,
    scores_are_set,
    huge_pages_are_limited,
    pods_have_limits,
    groups_are_removed
];

/// A file of the container's control group, the first that exists.
fn group_file(w: &World, parent: &str, container: &str, names: [&str; 2]) -> Result<String> {
    let _ = w;
    let root = PathBuf::from("/sys/fs/cgroup");
    let own = format!("{}/{container}", parent.trim_matches('/'));
    let controller = names[0].split('.').next().unwrap_or_default();
    let first = root.join(controller).join(&own).join(names[0]);
    let second = root.join(&own).join(names[1]);
    let path = if first.exists() { first } else { second };
    let text = std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    Ok(text.trim().to_owned())
}

/// Whether control groups are those of version 2.
fn is_unified() -> bool {
    !Path::new("/sys/fs/cgroup/memory").exists()
}

/// Whether the kernel can choose processors for control groups.
fn has_cpuset() -> bool {
    let all = std::fs::read_to_string("/sys/fs/cgroup/cgroup.controllers");
    !is_unified() || all.is_ok_and(|all| all.contains("cpuset"))
}

fn parent(pod: &PodSandboxConfig) -> String {
    pod.linux.as_ref().map(|l| l.cgroup_parent.clone()).unwrap_or_default()
}

async fn limits_are_written(w: &World) -> Result<()> {
    let pod = w.pod().await?;
    let set = if has_cpuset() { "0" } else { "" };
    let id = pod
        .start(|c| {
            *resources(c) = LinuxContainerResources {
                cpu_shares: 512,
                cpu_quota: 20_000,
                cpu_period: 100_000,
                memory_limit_in_bytes: 64 << 20,
                memory_swap_limit_in_bytes: 64 << 20,
                cpuset_cpus: set.into(),
                cpuset_mems: set.into(),
                ..LinuxContainerResources::default()
            };
        })
        .await?;
    let read = |first, second| group_file(w, &parent(&pod.config), &id, [first, second]);
    same("memory", read("memory.limit_in_bytes", "memory.max")?, (64u64 << 20).to_string())?;
    let quota = read("cpu.cfs_quota_us", "cpu.max")?;
    ensure!(quota == "20000" || quota == "20000 100000", "{quota}");
    let shares = read("cpu.shares", "cpu.weight")?;
    ensure!(shares == "512" || shares == "20", "{shares}");
    if has_cpuset() {
        same("cpuset", read("cpuset.cpus", "cpuset.cpus")?.as_str(), "0")?;
    } else {
        let refused = pod.start(|c| resources(c).cpuset_cpus = "0".into()).await;
        let words = format!("{:#}", refused.err().context("processors are chosen that cannot be")?);
        ensure!(words.contains("cpuset"), "{words}");
    }
    let told = w.status(&id).await?.resources.and_then(|r| r.linux).context("no limits in the status")?;
    same("status", (told.cpu_shares, told.memory_limit_in_bytes), (512, 64 << 20))?;
    let (seen, _) = w.exec(&id, "cat /proc/self/cgroup").await?;
    ensure!(!seen.is_empty(), "no groups");
    Ok(())
}

async fn memory_is_limited(w: &World) -> Result<()> {
    let pod = w.pod().await?;
    let eat = "dd if=/dev/zero of=/dev/null bs=200M count=1";
    let limit = |c: &mut ContainerConfig| resources(c).memory_limit_in_bytes = 32 << 20;
    let (status, _) = pod
        .run("exec dd if=/dev/zero of=/dev/null bs=200M count=1", |c| {
            c.command = eat.split(' ').map(str::to_owned).collect();
            limit(c);
        })
        .await?;
    same("first process", (status.exit_code, status.reason.as_str()), (137, "OOMKilled"))?;
    let (status, log) = pod.run(&format!("{eat}; echo went on"), limit).await?;
    ensure!(log.contains("went on"), "{log}");
    same("a child", status.exit_code, 0)
}

async fn a_container_may_die_as_a_whole(w: &World) -> Result<()> {
    if !is_unified() {
        return Ok(()); // version 1 kills one process
    }
    let pod = w.pod().await?;
    let eat = "dd if=/dev/zero of=/dev/null bs=200M count=1; echo went on";
    let (status, log) = pod
        .run(eat, |c| {
            resources(c).memory_limit_in_bytes = 32 << 20;
            resources(c).unified = [("memory.oom.group".to_owned(), "1".to_owned())].into();
        })
        .await?;
    same("all", (status.exit_code, status.reason.as_str(), log.as_str()), (137, "OOMKilled", ""))
}

async fn processor_time_is_limited(w: &World) -> Result<()> {
    let pod = w.pod().await?;
    let id = pod
        .start(|c| {
            c.command = ["sh", "-c", "while :; do :; done"].map(str::to_owned).to_vec();
            resources(c).cpu_period = 20_000;
            resources(c).cpu_quota = 2_000;
        })
        .await?;
    let held_up = || -> Result<u64> {
        let text = group_file(w, &parent(&pod.config), &id, ["cpu.stat", "cpu.stat"])?;
        let count = text.lines().find_map(|l| l.strip_prefix("nr_throttled "));
        count.context("no such figure")?.parse().context("no number")
    };
    for _ in 0..100 {
        if held_up()? > 5 {
            return Ok(());
        }
        corten_rt::sleep(std::time::Duration::from_millis(50)).await;
    }
    anyhow::bail!("it has not been held up")
}

async fn limits_change_while_running(w: &World) -> Result<()> {
    let pod = w.pod().await?;
    let id = pod
        .start(|c| {
            resources(c).memory_limit_in_bytes = 64 << 20;
            resources(c).cpu_shares = 100;
        })
        .await?;
    for megabytes in [128, 32] {
        let linux = Some(LinuxContainerResources {
            memory_limit_in_bytes: megabytes << 20,
            memory_swap_limit_in_bytes: megabytes << 20,
            cpu_shares: 200,
            cpu_quota: 50_000,
            cpu_period: 100_000,
            ..LinuxContainerResources::default()
        });
        let annotations = [("a".to_owned(), "b".to_owned())].into();
        let request = UpdateContainerResourcesRequest {
            container_id: id.clone(),
            linux,
            annotations,
            ..UpdateContainerResourcesRequest::default()
        };
        w.probe.update_container_resources(request).await?;
        let read = |first, second| group_file(w, &parent(&pod.config), &id, [first, second]);
        same("memory", read("memory.limit_in_bytes", "memory.max")?, (megabytes << 20).to_string())?;
        let shares = read("cpu.shares", "cpu.weight")?;
        ensure!(shares == "200" || shares == "8", "{shares}");
        let told = w.status(&id).await?.resources.and_then(|r| r.linux).context("no limits in the status")?;
        same("status", told.memory_limit_in_bytes, megabytes << 20)?;
    }
    Ok(())
}

async fn scores_are_set(w: &World) -> Result<()> {
    let pod = w.pod().await?;
    let text = pod.output("cat /proc/self/oom_score_adj", |c| resources(c).oom_score_adj = 900).await?;
    same("score", text.as_str(), "900")
}

async fn huge_pages_are_limited(w: &World) -> Result<()> {
    let pod = w.pod().await?;
    let id = pod
        .start(|c| {
            resources(c).hugepage_limits = vec![HugepageLimit { page_size: "2MB".into(), limit: 4 << 20 }];
        })
        .await?;
    let unified = [("memory.low".to_owned(), "1048576".to_owned())].into();
    if is_unified() {
        pod.start(|c| resources(c).unified = unified).await?;
    } else {
        let refused = pod.start(|c| resources(c).unified = unified).await;
        ensure!(refused.is_err(), "version 2's settings on version 1");
    }
    same("state", w.status(&id).await?.state, ContainerState::ContainerRunning as i32)
}

async fn pods_have_limits(w: &World) -> Result<()> {
    let limits = |bytes| Some(LinuxContainerResources { memory_limit_in_bytes: bytes, ..Default::default() });
    let pod = w
        .pod_with(|c| {
            let linux = c.linux.get_or_insert_default();
            linux.resources = limits(64 << 20);
            linux.overhead = limits(1 << 20);
        })
        .await?;
    let request = UpdatePodSandboxResourcesRequest {
        pod_sandbox_id: pod.id.clone(),
        overhead: limits(1 << 20),
        resources: limits(96 << 20),
    };
    w.probe.update_pod_sandbox_resources(request).await?;
    Ok(())
}

async fn groups_are_removed(w: &World) -> Result<()> {
    let pod = w.pod().await?;
    let id = pod.start(|c| resources(c).memory_limit_in_bytes = 64 << 20).await?;
    let parent = parent(&pod.config);
    group_file(w, &parent, &id, ["memory.limit_in_bytes", "memory.max"])?;
    w.clean().await?;
    ensure!(
        group_file(w, &parent, &id, ["memory.limit_in_bytes", "memory.max"]).is_err(),
        "the container's control group is left"
    );
    Ok(())
}
