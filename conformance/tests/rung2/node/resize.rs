//! Resources of running pods change without a restart.

use anyhow::{Context, Result, ensure};
use corten_api::core::v1::Pod;
use corten_client::{DeleteOptions, PatchType};
use corten_conformance::{Cluster, object, pods, spec, value};
use serde_json::{Value, json};
use std::sync::Arc;

/// What a container asks for: thousandths of a CPU, and MiB; 0 for nothing.
#[derive(Clone, Copy, Default)]
struct Amounts {
    cpu: u64,
    cpu_limit: u64,
    memory: u64,
    memory_limit: u64,
}

impl Amounts {
    fn guaranteed(cpu: u64, memory: u64) -> Self {
        Amounts { cpu, cpu_limit: cpu, memory, memory_limit: memory }
    }

    /// The field `resources`.
    fn resources(self) -> Value {
        let list = |cpu: u64, memory: u64| {
            let mut list = serde_json::Map::new();
            if cpu > 0 {
                list.insert("cpu".into(), json!(format!("{cpu}m")));
            }
            if memory > 0 {
                list.insert("memory".into(), json!(format!("{memory}Mi")));
            }
            list
        };
        let mut resources = json!({});
        for (field, list) in
            [("requests", list(self.cpu, self.memory)), ("limits", list(self.cpu_limit, self.memory_limit))]
        {
            if !list.is_empty() {
                resources[field] = Value::Object(list);
            }
        }
        resources
    }

    /// The files of the container's control group, in version 1 and 2, and what may stand in them.
    fn files(self) -> Vec<(&'static str, &'static str, Vec<String>)> {
        let shares = (self.cpu * 1024 / 1000).max(2);
        let mut files = vec![("cpu/cpu.shares", "cpu.weight", [vec![shares], weights(shares)].concat())];
        if self.cpu_limit > 0 {
            files.push(("cpu/cpu.cfs_quota_us", "cpu.max", vec![(self.cpu_limit * 100).max(1000)]));
        }
        if self.memory_limit > 0 {
            files.push(("memory/memory.limit_in_bytes", "memory.max", vec![self.memory_limit << 20]));
        }
        let text = |numbers: Vec<u64>| numbers.iter().map(u64::to_string).collect();
        files.into_iter().map(|(one, two, numbers)| (one, two, text(numbers))).collect()
    }
}

/// The weights that stand for shares: by the old conversion and by the new one.
fn weights(shares: u64) -> Vec<u64> {
    let log = (shares as f64).log2();
    let new = 10f64.powf((log * log + 125.0 * log) / 612.0 - 7.0 / 34.0).ceil();
    vec![1 + (shares - 2) * 9999 / 262_142, new as u64]
}

fn containers(amounts: &[Amounts]) -> Vec<Value> {
    let named = amounts.iter().enumerate();
    named
        .map(|(i, amounts)| json!({"name": format!("c{}", i + 1), "resources": amounts.resources()}))
        .collect()
}

async fn created(cluster: &Cluster, amounts: &[Amounts]) -> Result<Arc<Pod>> {
    let mut all = Vec::new();
    for own in containers(amounts) {
        let name = own["name"].as_str().unwrap_or_default();
        let mut container = pods::shell(name, "trap 'exit 0' TERM; sleep 1000 & wait");
        container["resources"] = own["resources"].clone();
        all.push(container);
    }
    let mut pod = pods::pod("resize-test", &all);
    pod["spec"]["restartPolicy"] = json!("OnFailure");
    let pod = cluster.ready_pod(pod).await?;
    specified(&value(&*pod)?, amounts)?;
    resized(cluster, amounts).await?;
    Ok(pod)
}

/// The containers' specs ask for these amounts.
fn specified(pod: &Value, amounts: &[Amounts]) -> Result<()> {
    for (i, amounts) in amounts.iter().enumerate() {
        let seen = &pod["spec"]["containers"][i]["resources"];
        ensure!(*seen == amounts.resources(), "c{}: {seen}", i + 1);
    }
    Ok(())
}

/// The pod's status tells of these amounts, and of no resize under way.
fn told(pod: &Pod, amounts: &[Amounts]) -> bool {
    let Ok(seen) = value(pod) else { return false };
    let busy = ["PodResizePending", "PodResizeInProgress"];
    pods::is_ready(pod)
        && !pod.status.conditions.iter().any(|c| busy.contains(&c.type_.as_str()))
        && amounts.iter().enumerate().all(|(i, amounts)| {
            let (status, wanted) = (&seen["status"]["containerStatuses"][i], amounts.resources());
            status["resources"] == wanted && status["allocatedResources"] == wanted["requests"]
        })
}

/// Waits until the amounts are in force: in the status, and in the containers' control groups, without a restart.
async fn resized(cluster: &Cluster, amounts: &[Amounts]) -> Result<()> {
    let pod =
        cluster.until::<Pod>("resize-test", "the amounts in its status", |pod| told(pod, amounts)).await?;
    for (i, amounts) in amounts.iter().enumerate() {
        let status = pod.status.container_statuses.get(i).context("a container's status")?;
        ensure!(status.restart_count == 0, "restarted: {status:?}");
        for (one, two, wanted) in amounts.files() {
            let line = format!("cat /sys/fs/cgroup/{one} 2>/dev/null || cut -d' ' -f1 /sys/fs/cgroup/{two}");
            let read = cluster.run_in("resize-test", &status.name, &["sh", "-c", &line]).await?;
            let found = read.stdout.trim();
            ensure!(wanted.iter().any(|w| w == found), "{}: {one} is {read:?}, not {wanted:?}", status.name);
        }
    }
    Ok(())
}

/// Patches the pod to these amounts, and waits until they are in force.
async fn patched(cluster: &Cluster, amounts: &[Amounts]) -> Result<()> {
    let mut all = containers(amounts);
    for container in &mut all {
        // What was there and is not any more must go.
        for field in ["requests", "limits"] {
            for resource in ["cpu", "memory"] {
                if container["resources"][field].get(resource).is_none() {
                    container["resources"][field][resource] = Value::Null;
                }
            }
        }
    }
    let patch = json!({"spec": {"containers": all}}).to_string().into_bytes();
    let api = cluster.api::<Pod>();
    let patched = api.patch_sub("resize-test", "resize", PatchType::Strategic, patch).await?;
    specified(&value(&*patched)?, amounts)?;
    resized(cluster, amounts).await
}

/// A pod is resized, and back where that is asked for.
async fn there_and_back(cluster: &Cluster, from: &[Amounts], to: &[Amounts], back: bool) -> Result<()> {
    created(cluster, from).await?;
    patched(cluster, to).await?;
    if back {
        patched(cluster, from).await?;
    }
    cluster.api::<Pod>().delete("resize-test", DeleteOptions::default()).await?;
    cluster.gone::<Pod>("resize-test").await
}

const CPU: [u64; 3] = [15, 20, 25];
const MEMORY: [u64; 3] = [15, 20, 25];
const LESS: usize = 0;
const SAME: usize = 1;
const MORE: usize = 2;

/// Three containers, each a bit larger than the one before, to other amounts of CPU and memory.
async fn guaranteed(cluster: &Cluster, to: [(usize, usize); 3]) -> Result<()> {
    let amounts = |of: [(usize, usize); 3]| {
        let offsets = [0, 2, 4];
        let each = of.iter().zip(offsets);
        each.map(|((cpu, memory), offset)| Amounts::guaranteed(CPU[*cpu] + offset, MEMORY[*memory] + offset))
            .collect::<Vec<_>>()
    };
    there_and_back(cluster, &amounts([(SAME, SAME); 3]), &amounts(to), true).await
}

#[tokio::test]
async fn podresize_guaranteed_3c_net_increase() -> Result<()> {
    spec(async |cluster| guaranteed(cluster, [(MORE, MORE), (MORE, MORE), (LESS, LESS)]).await).await
}

#[tokio::test]
async fn podresize_guaranteed_3c_net_decrease() -> Result<()> {
    spec(async |cluster| guaranteed(cluster, [(MORE, MORE), (LESS, LESS), (LESS, LESS)]).await).await
}

#[tokio::test]
async fn podresize_guaranteed_3c_mixed() -> Result<()> {
    spec(async |cluster| guaranteed(cluster, [(MORE, SAME), (LESS, MORE), (MORE, MORE)]).await).await
}

#[tokio::test]
async fn podresize_burstable_6_containers() -> Result<()> {
    spec(async |cluster| {
        let (cpu, memory) = (Amounts { cpu: 20, ..NONE }, Amounts { memory: 20, ..NONE });
        let from = [cpu, memory, Amounts { cpu: 20, memory: 20, ..NONE }, cpu, memory];
        let to = [
            Amounts { cpu: 25, cpu_limit: 35, ..NONE },
            Amounts { memory: 15, memory_limit: 35, ..NONE },
            Amounts { cpu: 20, memory: 15, ..NONE },
            Amounts { cpu: 15, memory: 20, ..NONE },
            Amounts { cpu: 20, memory: 25, ..NONE },
        ];
        there_and_back(cluster, &from, &to, false).await
    })
    .await
}

const NONE: Amounts = Amounts { cpu: 0, cpu_limit: 0, memory: 0, memory_limit: 0 };

#[tokio::test]
async fn podresize_burstable_equivalents() -> Result<()> {
    spec(async |cluster| {
        let from = [Amounts { cpu: 2, cpu_limit: 10, ..NONE }];
        let to = [Amounts { cpu: 1, cpu_limit: 5, ..NONE }];
        there_and_back(cluster, &from, &to, true).await
    })
    .await
}

#[tokio::test]
async fn podresize_replace_endpoint() -> Result<()> {
    spec(async |cluster| {
        let pod = created(cluster, &[Amounts { cpu: 20, memory: 20, ..NONE }]).await?;
        ensure!(pod.metadata.generation == 1, "generation {}", pod.metadata.generation);
        let wanted = [Amounts { cpu: 25, memory: 25, ..NONE }];
        let other = object::<Pod>(&json!({"spec": {"containers": containers(&wanted)}}))?;
        let resources = other.spec.containers.first().context("a container")?.resources.clone();
        cluster
            .change_sub::<Pod>("resize-test", "resize", |pod| {
                if let Some(container) = pod.spec.containers.first_mut() {
                    container.resources = resources.clone();
                }
            })
            .await?;
        let updated = cluster.api::<Pod>().get("resize-test").await?;
        specified(&value(&*updated)?, &wanted)?;
        ensure!(updated.metadata.generation == 2, "generation {}", updated.metadata.generation);
        resized(cluster, &wanted).await?;
        let same = async || {
            let pod = cluster.api::<Pod>().get("resize-test").await?;
            let sub = cluster.get_sub::<Pod, Pod>("resize-test", "resize").await?;
            Ok((pod == sub).then_some(()))
        };
        corten_conformance::wait("the same pod from the subresource", same).await
    })
    .await
}
