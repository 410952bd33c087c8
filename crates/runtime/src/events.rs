//! What happens to sandboxes and containers, told to everybody who listens.

use crate::runtime::Runtime;
use crate::table::Sandbox;
use corten_node_api::cri::{ContainerEventResponse, ContainerEventType};
use parking_lot::Mutex;
use tokio::sync::broadcast;

/// Events that wait for a listener who is slow; one who is slower must list again.
const MOST_WAITING: usize = 512;

/// Where events go.
pub struct Events {
    sender: broadcast::Sender<ContainerEventResponse>,
    /// Held from looking at a sandbox to telling: no event shows an older state than the one before it.
    order: Mutex<()>,
}

impl Default for Events {
    fn default() -> Self {
        Events { sender: broadcast::Sender::new(MOST_WAITING), order: Mutex::default() }
    }
}

impl Events {
    /// Listens from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<ContainerEventResponse> {
        self.sender.subscribe()
    }
}

impl Runtime {
    /// Tells that something happened to a container, or to the sandbox itself, with how everything in the
    /// sandbox stands.
    pub(crate) fn tell(&self, kind: ContainerEventType, sandbox: &Sandbox, id: &str) {
        if self.events.sender.receiver_count() == 0 {
            return;
        }
        let _order = self.events.order.lock();
        let containers = self.table.containers_of(&sandbox.id);
        let event = ContainerEventResponse {
            container_id: id.to_owned(),
            container_event_type: kind as i32,
            created_at: self.now(),
            pod_sandbox_status: Some(self.sandbox_status(sandbox)),
            containers_statuses: containers.iter().map(|c| self.container_status(c)).collect(),
        };
        // Nobody listens any more: fine.
        let _ = self.events.sender.send(event);
    }
}
