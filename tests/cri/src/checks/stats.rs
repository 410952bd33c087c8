//! Figures of containers and sandboxes.

use anyhow::{Context, Result, ensure};
use corten_node_api::cri::*;

use super::checks;
use crate::world::{LABEL, World, same};

checks![containers_have_figures, sandboxes_have_figures, metrics_are_listed];

const BUSY: &str = "dd if=/dev/zero of=/tmp/file bs=1M count=8; i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; sleep 3600";

async fn containers_have_figures(w: &World) -> Result<()> {
    let pod = w.pod().await?;
    let id = pod
        .start(|c| {
            c.command = ["sh", "-c", BUSY].map(str::to_owned).to_vec();
            c.annotations.insert("a".into(), "v".into());
            crate::world::resources(c).memory_limit_in_bytes = 256 << 20;
            c.labels.insert(LABEL.into(), w.run.clone());
        })
        .await?;
    corten_rt::sleep(std::time::Duration::from_millis(1500)).await;
    let request = ContainerStatsRequest { container_id: id.clone() };
    let stats = w.probe.container_stats(request).await?.stats.context("no figures")?;
    let attributes = stats.attributes.context("no attributes")?;
    same("id", attributes.id.as_str(), id.as_str())?;
    ensure!(attributes.metadata.is_some() && !attributes.labels.is_empty(), "{attributes:?}");
    let cpu = stats.cpu.context("no processor time")?;
    ensure!(
        cpu.timestamp > 0 && cpu.usage_core_nano_seconds.is_some_and(|n| n.value > 10_000_000),
        "{cpu:?}"
    );
    let memory = stats.memory.context("no memory")?;
    ensure!(memory.working_set_bytes.is_some_and(|b| b.value > 0), "{memory:?}");
    ensure!(memory.usage_bytes.is_some_and(|b| b.value > 0) && memory.rss_bytes.is_some(), "{memory:?}");
    let layer = stats.writable_layer.context("no writable layer")?;
    ensure!(layer.fs_id.is_some() && layer.inodes_used.is_some(), "{layer:?}");
    let filter = |id: &str, pod: &str, labels: &[(String, String)]| ContainerStatsFilter {
        id: id.to_owned(),
        pod_sandbox_id: pod.to_owned(),
        label_selector: labels.iter().cloned().collect(),
    };
    let run = [(LABEL.to_owned(), w.run.clone())];
    for filter in [filter(&id, "", &[]), filter("", &pod.id, &[]), filter("", "", &run)] {
        let request = ListContainerStatsRequest { filter: Some(filter.clone()) };
        let found = w.probe.list_container_stats(request).await?.stats;
        same(&format!("{filter:?}"), found.len(), 1)?;
    }
    Ok(())
}

async fn sandboxes_have_figures(w: &World) -> Result<()> {
    let pod = w.pod_with(|c| drop(c.annotations.insert("a".into(), "v".into()))).await?;
    pod.start(|c| c.command = ["sh", "-c", BUSY].map(str::to_owned).to_vec()).await?;
    corten_rt::sleep(std::time::Duration::from_millis(1500)).await;
    let request = PodSandboxStatsRequest { pod_sandbox_id: pod.id.clone() };
    let stats = w.probe.pod_sandbox_stats(request).await?.stats.context("no figures")?;
    same("id", stats.attributes.map(|a| a.id), Some(pod.id.clone()))?;
    let linux = stats.linux.context("no figures of Linux")?;
    ensure!(
        linux.cpu.is_some_and(|c| c.usage_core_nano_seconds.is_some_and(|n| n.value > 0)),
        "no processor"
    );
    ensure!(linux.memory.is_some_and(|m| m.working_set_bytes.is_some()), "no memory");
    let network = linux.network.and_then(|n| n.default_interface).context("no network")?;
    same("interface", network.name.as_str(), "eth0")?;
    ensure!(network.rx_bytes.is_some() && network.tx_bytes.is_some(), "{network:?}");
    ensure!(linux.process.is_some_and(|p| p.process_count.is_some_and(|n| n.value > 0)), "no processes");
    same("containers", linux.containers.len(), 1)?;
    let filter = |id: &str, labels: &[(String, String)]| PodSandboxStatsFilter {
        id: id.to_owned(),
        label_selector: labels.iter().cloned().collect(),
    };
    for filter in [filter(&pod.id, &[]), filter("", &[(LABEL.to_owned(), w.run.clone())])] {
        let request = ListPodSandboxStatsRequest { filter: Some(filter) };
        same("filtered", w.probe.list_pod_sandbox_stats(request).await?.stats.len(), 1)?;
    }
    Ok(())
}

async fn metrics_are_listed(w: &World) -> Result<()> {
    let pod = w.pod().await?;
    pod.start(|_| ()).await?;
    let known = w.probe.list_metric_descriptors(ListMetricDescriptorsRequest {}).await?.descriptors;
    ensure!(known.iter().any(|d| d.name == "container_cpu_usage_seconds_total"), "no descriptor of CPU time");
    let all = w.probe.list_pod_sandbox_metrics(ListPodSandboxMetricsRequest {}).await?.pod_metrics;
    let own = all.iter().find(|p| p.pod_sandbox_id == pod.id).context("no metrics of the pod")?;
    let one = own.container_metrics.first().context("no metrics of its container")?;
    for metric in &one.metrics {
        ensure!(known.iter().any(|d| d.name == metric.name), "{} has no descriptor", metric.name);
    }
    Ok(())
}
