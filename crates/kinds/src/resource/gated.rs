//! Fields of features that upstream leaves off at v1.35: they are dropped from what clients write. Nothing that is
//! stored has them, so there is none to keep.

use corten_api::resource::v1::{DeviceClassSpec, ResourceClaimSpec, ResourceClaimStatus, ResourceSliceSpec};

/// Extended resources that a class stands for.
pub(super) fn class(spec: &mut DeviceClassSpec) {
    spec.extended_resource_name = None;
}

/// Tolerations of devices' taints, and shares of devices.
pub(super) fn claim(spec: &mut ResourceClaimSpec) {
    for constraint in &mut spec.devices.constraints {
        constraint.distinct_attribute = None;
    }
    for request in &mut spec.devices.requests {
        if let Some(exactly) = &mut request.exactly {
            exactly.tolerations.clear();
            exactly.capacity = None;
        }
        for choice in &mut request.first_available {
            choice.tolerations.clear();
            choice.capacity = None;
        }
    }
}

/// Shares of devices, and conditions of their binding.
pub(super) fn status(status: &mut ResourceClaimStatus) {
    for result in status.allocation.iter_mut().flat_map(|allocation| &mut allocation.devices.results) {
        result.share_id = None;
        result.consumed_capacity.clear();
        result.binding_conditions.clear();
        result.binding_failure_conditions.clear();
    }
    for device in &mut status.devices {
        device.share_id = None;
    }
}

/// Taints, parts and shares of devices, and conditions of their binding.
pub(super) fn slice(spec: &mut ResourceSliceSpec) {
    spec.shared_counters.clear();
    spec.per_device_node_selection = None;
    for device in &mut spec.devices {
        device.taints.clear();
        device.consumes_counters.clear();
        device.node_name = None;
        device.node_selector = None;
        device.all_nodes = None;
        device.binding_conditions.clear();
        device.binding_failure_conditions.clear();
        device.binds_to_node = None;
        device.allow_multiple_allocations = None;
        for capacity in device.capacity.values_mut() {
            capacity.request_policy = None;
        }
    }
}
