//! Rotates the logs of running containers as they grow.

use super::Rotation;
use crate::Shared;
use crate::pod::names::{CONTAINER_NAME, POD_NAME, POD_NAMESPACE, POD_UID, Places};
use crate::workers::Workers;
use corten_node_api::cri::{
    Container, ContainerFilter, ContainerState, ContainerStateValue, ListContainersRequest,
    ReopenContainerLogRequest,
};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Upstream's `containerLogMonitorInterval`.
const PERIOD: Duration = Duration::from_secs(10);

/// Runs until dropped.
pub async fn run(shared: Arc<Shared>, workers: Workers) {
    let rotation =
        Rotation { max_size: shared.settings.log_max_size, max_files: shared.settings.log_max_files };
    loop {
        corten_rt::sleep(PERIOD).await;
        if !workers.is_empty() {
            Box::pin(look(&shared, &rotation)).await;
        }
    }
}

async fn look(shared: &Shared, rotation: &Rotation) {
    let running = ContainerStateValue { state: ContainerState::ContainerRunning as i32 };
    let filter = ContainerFilter { state: Some(running), ..ContainerFilter::default() };
    let listed = match shared.cri.list_containers(ListContainersRequest { filter: Some(filter) }).await {
        Ok(listed) => listed.containers,
        Err(error) => return tracing::debug!(%error, "the runtime did not list its containers"),
    };
    for container in listed {
        let Some(log) = log_of(&shared.places, &container).filter(|log| rotation.is_due(log)) else {
            continue;
        };
        let request = ReopenContainerLogRequest { container_id: container.id };
        let reopen =
            async { shared.cri.reopen_container_log(request).await.map(|_| ()).map_err(|e| e.to_string()) };
        if let Err(error) = rotation.rotate(&log, shared.clock.now(), reopen).await {
            tracing::warn!(log = %log.display(), %error, "a container's log was not rotated");
        }
    }
}

/// Where a container's log is, by its labels.
fn log_of(places: &Places, container: &Container) -> Option<PathBuf> {
    let label = |name: &str| container.labels.get(name);
    let attempt = container.metadata.as_ref()?.attempt;
    let pod = places.logs_of(label(POD_NAMESPACE)?, label(POD_NAME)?, label(POD_UID)?);
    Some(pod.join(Places::container_log(label(CONTAINER_NAME)?, attempt)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_node_api::cri::ContainerMetadata;

    #[test]
    fn a_log_is_found_by_labels_and_strangers_have_none() {
        let places = Places { root: "/r".into(), logs: "/logs".into() };
        let mut container = Container {
            metadata: Some(ContainerMetadata { attempt: 2, ..Default::default() }),
            ..Default::default()
        };
        assert_eq!(log_of(&places, &container), None);
        for (name, value) in [(POD_NAMESPACE, "ns"), (POD_NAME, "p"), (POD_UID, "u"), (CONTAINER_NAME, "c")] {
            container.labels.insert(name.into(), value.into());
        }
        assert_eq!(log_of(&places, &container), Some("/logs/ns_p_u/c/2.log".into()));
    }
}
