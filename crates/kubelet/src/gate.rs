//! What the node itself says of a pod that was bound to it, before the checks against its object (upstream asks
//! in this order).

use crate::Shared;
use crate::pod::admission::Rejection;
use corten_api::core::v1::{Container, Pod};
use corten_node_api::cri::ContainerConfig;

/// Decides on the pod, and gives it the devices and processors that it asks for.
///
/// # Errors
/// Why the pod is not taken.
pub(crate) async fn admit(shared: &Shared, pod: &Pod) -> Result<(), Rejection> {
    let rejection = |reason: &str, message: String| Rejection { reason: reason.into(), message };
    if let Some(message) = shared.shutdown.refusal() {
        return Err(rejection("NodeShutdown", message));
    }
    if let Some(message) = crate::eviction::refusal(pod, &shared.pressure.conditions()) {
        return Err(rejection("Evicted", message));
    }
    shared.devices.admit(shared, pod).await?;
    shared.cpus.admit(&shared.pods.list(), pod)
}

/// Adds to a container's configuration what its pod was given.
///
/// # Errors
/// A device is not ready for it.
pub(crate) async fn give(
    shared: &Shared,
    pod: &Pod,
    c: &Container,
    config: ContainerConfig,
) -> Result<ContainerConfig, String> {
    let mut config = shared.devices.give(pod, c, config).await?;
    if let (Some(cpus), Some(linux)) = (shared.cpus.of(&pod.metadata.uid, &c.name), &mut config.linux) {
        linux.resources.get_or_insert_default().cpuset_cpus = cpus.to_string();
    }
    Ok(config)
}
