//! The runtime itself: version, status, settings, events.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use corten_node_api::cri::*;
use futures::StreamExt;

use super::checks;
use crate::world::{World, same};

checks![
    version_names_the_runtime,
    status_is_ready,
    settings_are_told_and_taken,
    events_follow_a_container,
    checkpoints_are_written_or_refused
];

async fn version_names_the_runtime(w: &World) -> Result<()> {
    let version = w.probe.version(VersionRequest { version: "0.1.0".into() }).await?;
    same("API version", version.runtime_api_version.as_str(), "v1")?;
    ensure!(!version.version.is_empty() && !version.runtime_version.is_empty(), "{version:?}");
    ensure!(!version.runtime_name.is_empty(), "{version:?}");
    Ok(())
}

async fn status_is_ready(w: &World) -> Result<()> {
    let reply = w.probe.status(StatusRequest { verbose: true }).await?;
    let conditions = reply.status.context("no status")?.conditions;
    for kind in ["RuntimeReady", "NetworkReady"] {
        let condition = conditions.iter().find(|c| c.r#type == kind).context(kind)?;
        ensure!(condition.status, "{kind}: {} {}", condition.reason, condition.message);
    }
    ensure!(!reply.info.is_empty(), "no verbose information");
    let brief = w.probe.status(StatusRequest { verbose: false }).await?;
    ensure!(brief.info.is_empty(), "information though nobody asked for it");
    ensure!(reply.runtime_handlers.iter().any(|h| h.name.is_empty()), "no handler without a name");
    Ok(())
}

async fn settings_are_told_and_taken(w: &World) -> Result<()> {
    let network = NetworkConfig { pod_cidr: "10.99.0.0/24".into() };
    let runtime_config = Some(RuntimeConfig { network_config: Some(network) });
    w.probe.update_runtime_config(UpdateRuntimeConfigRequest { runtime_config }).await?;
    let reply = w.probe.runtime_config(RuntimeConfigRequest {}).await?;
    let linux = reply.linux.context("no settings of Linux")?;
    same("cgroup driver", linux.cgroup_driver, CgroupDriver::Cgroupfs as i32)
}

async fn events_follow_a_container(w: &World) -> Result<()> {
    w.probe.sent("GetEventsRequest", &GetEventsRequest {});
    let mut events = w.probe.client().get_container_events().await?;
    let pod = w.pod().await?;
    let id = pod.start(|c| c.command = vec!["true".into()]).await?;
    w.ended(&id).await?;
    let request = RemoveContainerRequest { container_id: id.clone() };
    w.probe.remove_container(request).await?;
    let mut seen = Vec::new();
    while !seen.contains(&(ContainerEventType::ContainerDeletedEvent as i32)) {
        let next = corten_rt::timeout(Duration::from_secs(5), events.next()).await;
        let event = next.flatten().with_context(|| format!("no event after {seen:?}"))?;
        let event =
            w.probe.received("GetContainerEvents", "ContainerEventResponse", event.map_err(Into::into))?;
        if event.container_id == id {
            ensure!(event.pod_sandbox_status.as_ref().is_some_and(|s| s.id == pod.id), "no pod: {event:?}");
            seen.push(event.container_event_type);
        }
    }
    same("events", seen, vec![0, 1, 2, 3])
}

async fn checkpoints_are_written_or_refused(w: &World) -> Result<()> {
    let pod = w.pod().await?;
    let container_id = pod.start(|_| ()).await?;
    let location = w.dir.join("checkpoint.tar").to_string_lossy().into_owned();
    let request = CheckpointContainerRequest { container_id, location, timeout: 10 };
    w.probe.checkpoint_container(request).await?;
    Ok(())
}
