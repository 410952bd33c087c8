//! Keeps pods with scheduling gates out of the queue (KEP-3521).

use crate::framework::{Plugin, PreEnqueue, Rejection};
use crate::pod_info::PodInfo;

/// The plugin.
pub struct SchedulingGates;

impl Plugin for SchedulingGates {
    fn name(&self) -> &'static str {
        "SchedulingGates"
    }
    fn pre_enqueue(&self) -> Option<&dyn PreEnqueue> {
        Some(self)
    }
}

impl PreEnqueue for SchedulingGates {
    fn pre_enqueue(&self, pod: &PodInfo) -> Result<(), Rejection> {
        let gates: Vec<&str> = pod.pod.spec.scheduling_gates.iter().map(|g| g.name.as_str()).collect();
        if gates.is_empty() {
            return Ok(());
        }
        let reason = format!("waiting for scheduling gates: [{}]", gates.join(" "));
        Err(Rejection { resolvable: false, reasons: vec![reason.into()] })
    }
}
