//! What the node itself says of a pod that was bound to it, after the checks that need only the API's objects.

use crate::Shared;
use crate::pod::admission::Rejection;
use corten_api::core::v1::Pod;

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
    Ok(())
}
