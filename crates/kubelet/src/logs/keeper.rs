//! Rotates the logs of running containers as they grow.

use super::Rotation;
use crate::Shared;
use crate::pod::names::{CONTAINER_NAME, POD_NAME, POD_NAMESPACE, POD_UID, Places};
use crate::workers::Workers;
use corten_node_api::cri::{
    Container, ContainerFilter, ContainerState, ContainerStateValue, ListContainersRequest,
    ReopenContainerLogRequest,
};
use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Upstream's `containerLogMonitorInterval`.
const PERIOD: Duration = Duration::from_secs(10);
/// How soon to look again while a container writes so fast that its log outgrew the limit by far.
const HASTE: Duration = Duration::from_secs(1);
/// How many times its limit such a log is.
const FAR: u64 = 2;

/// Runs until dropped.
pub async fn run(shared: Arc<Shared>, workers: Workers) {
    let rotation =
        Rotation { max_size: shared.settings.log_max_size, max_files: shared.settings.log_max_files };
    let mut swollen = HashSet::new();
    loop {
        let haste = !swollen.is_empty();
        corten_rt::sleep(if haste { HASTE } else { PERIOD }).await;
        swollen = match workers.is_empty() {
            true => HashSet::new(),
            false => Box::pin(look(&shared, &rotation, &swollen)).await,
        };
    }
}

/// Rotates what is due. Returns the logs that had grown by far too large; `swollen` are those of the time before.
async fn look(shared: &Shared, rotation: &Rotation, swollen: &HashSet<PathBuf>) -> HashSet<PathBuf> {
    let running = ContainerStateValue { state: ContainerState::ContainerRunning as i32 };
    let filter = ContainerFilter { state: Some(running), ..ContainerFilter::default() };
    let listed = match shared.cri.list_containers(ListContainersRequest { filter: Some(filter) }).await {
        Ok(listed) => listed.containers,
        Err(error) => {
            tracing::debug!(%error, "the runtime did not list its containers");
            return swollen.clone();
        }
    };
    let mut found = HashSet::new();
    for container in listed {
        let Some(log) = log_of(&shared.places, &container) else { continue };
        if !rotation.is_due(&log) {
            // It may have filled the disk, and then the log that came after it cannot grow until that has room.
            if swollen.contains(&log)
                && let Err(error) = rotation.shrink(&log).await
            {
                tracing::warn!(log = %log.display(), %error, "a container's old log was not compressed");
            }
            continue;
        }
        if std::fs::metadata(&log).is_ok_and(|m| m.len() > rotation.max_size.saturating_mul(FAR)) {
            found.insert(log.clone());
        }
        let request = ReopenContainerLogRequest { container_id: container.id };
        let reopen =
            async { shared.cri.reopen_container_log(request).await.map(|_| ()).map_err(|e| e.to_string()) };
        if let Err(error) = rotation.rotate(&log, shared.clock.now(), reopen).await {
            tracing::warn!(log = %log.display(), %error, "a container's log was not rotated");
        }
    }
    found
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
