//! Whether the kubelet is well.

use super::Node;
use super::response::{Answer, Refusal, full};

/// The runtime is listed every second; after this long something hangs.
const PATIENCE_SECONDS: f64 = 180.0;

/// `/healthz/syncloop`.
pub fn sync_loop(node: &Node) -> Answer {
    let now = node.clock.now().as_millisecond() as f64 / 1000.0;
    let last = node.directory.meters().map_or(0.0, |m| m.last_relist());
    if last > 0.0 && now - last > PATIENCE_SECONDS {
        return Err(Refusal::internal("sync Loop took longer than expected"));
    }
    Ok(full("ok", "text/plain; charset=utf-8"))
}
