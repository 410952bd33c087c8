//! Claims of devices: their number, and the devices of each class that they may get at most.

use super::one;
use crate::resources::ResourceList;
use corten_api::Quantity;
use corten_api::resource::v1::ResourceClaim;

const BY_CLASS: &str = ".deviceclass.resource.k8s.io/devices";
const NUMBER: &str = "count/resourceclaims.resource.k8s.io";
/// What a request for all devices may get at most.
const MOST_ALLOCATED: i64 = 32;

pub(super) fn matches(name: &str) -> bool {
    name == NUMBER || name.ends_with(BY_CLASS)
}

pub(super) fn usage(claim: &ResourceClaim) -> ResourceList {
    let mut usage = one(NUMBER);
    for request in &claim.spec.devices.requests {
        // Of alternatives one is taken: the worst counts, class by class.
        let mut most = ResourceList::new();
        for choice in &request.first_available {
            let devices = devices(&choice.allocation_mode, choice.count);
            let of = most.entry(format!("{}{BY_CLASS}", choice.device_class_name)).or_insert(devices);
            *of = (*of).max(devices);
        }
        if let (Some(exactly), true) = (&request.exactly, request.first_available.is_empty()) {
            let devices = devices(&exactly.allocation_mode, exactly.count);
            most.insert(format!("{}{BY_CLASS}", exactly.device_class_name), devices);
        }
        usage = super::add(&usage, &most);
    }
    usage
}

fn devices(mode: &str, count: i64) -> Quantity {
    Quantity::whole(match mode {
        "ExactCount" => count,
        "All" => MOST_ALLOCATED,
        _ => 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_api::resource::v1::{DeviceRequest, DeviceSubRequest, ExactDeviceRequest};

    #[test]
    fn devices_count_by_class_at_their_worst() {
        let choice = |class: &str, count| DeviceSubRequest {
            device_class_name: class.into(),
            allocation_mode: "ExactCount".into(),
            count,
            ..Default::default()
        };
        let all = ExactDeviceRequest {
            device_class_name: "nic".into(),
            allocation_mode: "All".into(),
            ..Default::default()
        };
        let mut claim = ResourceClaim::default();
        claim.spec.devices.requests = vec![
            DeviceRequest {
                first_available: vec![choice("gpu", 2), choice("gpu", 5), choice("fpga", 1)],
                ..Default::default()
            },
            DeviceRequest { exactly: Some(Box::new(all)), ..Default::default() },
        ];
        let used = usage(&claim);
        let of = |class: &str| used[&format!("{class}{BY_CLASS}")].value();
        assert_eq!((of("gpu"), of("fpga"), of("nic"), used[NUMBER].value()), (5, 1, 32, 1));
    }
}
