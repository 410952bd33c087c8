//! What is wrong with a claim's status: the devices that it was given, who uses them, what drivers report.

use super::claim_validate::{MOST_REQUESTS, RequestNames};
use super::parts::{MOST_CONFIGS, configuration, duplicates, each, json_object, label, pool_name};
use crate::addresses;
use crate::conditions;
use crate::core::pod::scheduling;
use crate::errors::Errors;
use crate::metadata::{IMMUTABLE, Shown, shown};
use crate::reflection;
use crate::storage::csi_driver::driver_name;
use corten_api::resource::v1::{AllocatedDeviceStatus, AllocationResult, NetworkDeviceData, ResourceClaim};
use corten_semantics::field::FieldError;

/// The most consumers of a claim.
const MOST_CONSUMERS: usize = 256;
const MOST_CONDITIONS: usize = 8;
const MOST_ADDRESSES: usize = 16;
const LONGEST_INTERFACE: usize = 256;
const LONGEST_HARDWARE_ADDRESS: usize = 128;

/// A device among all: driver, pool and name.
type DeviceId<'a> = (&'a str, &'a str, &'a str);

fn given(allocation: Option<&AllocationResult>) -> Vec<DeviceId<'_>> {
    let results = allocation.iter().flat_map(|allocation| &allocation.devices.results);
    results.map(|r| (r.driver.as_str(), r.pool.as_str(), r.device.as_str())).collect()
}

fn reported(device: &AllocatedDeviceStatus) -> DeviceId<'_> {
    (&device.driver, &device.pool, &device.device)
}

/// Drops what drivers reported about devices that the claim no longer has.
pub(super) fn forget_taken_back(new: &mut ResourceClaim, old: &ResourceClaim) {
    let (has, had) = (given(new.status.allocation.as_deref()), given(old.status.allocation.as_deref()));
    let gone: Vec<_> = had.into_iter().filter(|device| !has.contains(device)).collect();
    let mut devices = std::mem::take(&mut new.status.devices);
    devices.retain(|device| !gone.contains(&reported(device)));
    new.status.devices = devices;
}

/// Checks a new status.
pub(super) fn status(errors: &mut Errors, new: &ResourceClaim, old: &ResourceClaim) {
    let status = &new.status;
    consumers(errors, new, old);
    let devices = given(status.allocation.as_deref());
    let path = "status.devices";
    each(errors, &status.devices, usize::MAX, path, |errors, device, at| {
        self::device(errors, device, &devices, at);
    });
    duplicates(errors, &status.devices, usize::MAX, path, |device| {
        let (driver, pool, name) = reported(device);
        Shown(format!("{driver}/{pool}/{name}"))
    });
    match (&status.allocation, &old.status.allocation) {
        (Some(has), Some(had)) if !reflection::equal(&**has, &**had) => {
            errors.invalid("status.allocation", shown(&**has), IMMUTABLE);
        }
        (Some(new_one), None) => {
            allocation(errors, new_one, &RequestNames::of(&new.spec.devices), "status.allocation");
        }
        _ => {}
    }
}

fn consumers(errors: &mut Errors, new: &ResourceClaim, old: &ResourceClaim) {
    let path = "status.reservedFor";
    let list = &new.status.reserved_for;
    each(errors, list, MOST_CONSUMERS, path, |errors, consumer, at| {
        for (field, value) in
            [("resource", &consumer.resource), ("name", &consumer.name), ("uid", &consumer.uid)]
        {
            if value.is_empty() {
                errors.required(format!("{at}.{field}"), "");
            }
        }
    });
    duplicates(errors, list, MOST_CONSUMERS, path, |consumer| consumer.uid.clone());
    if list.is_empty() {
        return;
    }
    if new.status.allocation.is_none() {
        errors.forbidden(path, "may not be specified when `allocated` is not set");
    } else if new.metadata.deletion_timestamp.is_some()
        && list.iter().any(|consumer| !old.status.reserved_for.contains(consumer))
    {
        let detail =
            "new entries may not be added while `deallocationRequested` or `deletionTimestamp` are set";
        errors.forbidden(path, detail);
    }
}

fn allocation(errors: &mut Errors, allocation: &AllocationResult, known: &RequestNames<'_>, path: &str) {
    let at = format!("{path}.devices.results");
    each(errors, &allocation.devices.results, MOST_REQUESTS, &at, |errors, result, at| {
        known.reference(errors, &result.request, &format!("{at}.request"));
        driver_name(errors, &format!("{at}.driver"), &result.driver);
        pool_name(errors, &result.pool, &format!("{at}.pool"));
        label(errors, &result.device, &format!("{at}.device"));
    });
    // The class's and the claim's.
    let at = format!("{path}.devices.config");
    each(errors, &allocation.devices.config, 2 * MOST_CONFIGS, &at, |errors, config, at| {
        errors.one_of(format!("{at}.source"), &config.source, &["FromClaim", "FromClass"]);
        known.references(errors, &config.requests, &format!("{at}.requests"));
        configuration(errors, &config.device_configuration, at);
    });
    if let Some(selector) = &allocation.node_selector {
        scheduling::node_selector(errors, selector, &format!("{path}.nodeSelector"));
    }
}

fn device(errors: &mut Errors, device: &AllocatedDeviceStatus, given: &[DeviceId<'_>], path: &str) {
    driver_name(errors, &format!("{path}.driver"), &device.driver);
    pool_name(errors, &device.pool, &format!("{path}.pool"));
    label(errors, &device.device, &format!("{path}.device"));
    let (driver, pool, name) = reported(device);
    if !given.contains(&(driver, pool, name)) {
        let told = Shown(format!("{driver}/{pool}/{name}"));
        errors.invalid(path, told, "must be an allocated device in the claim");
    }
    let at = format!("{path}.conditions");
    if device.conditions.len() > MOST_CONDITIONS {
        errors.extend([FieldError::too_many(&at, device.conditions.len(), MOST_CONDITIONS)]);
    }
    conditions::validate(errors, &device.conditions, &at);
    if let Some(data) = device.data.as_ref().filter(|data| !data.is_empty()) {
        json_object(errors, data, &format!("{path}.data"));
    }
    if let Some(data) = &device.network_data {
        network(errors, data, &format!("{path}.networkData"));
    }
}

fn network(errors: &mut Errors, data: &NetworkDeviceData, path: &str) {
    if data.interface_name.len() > LONGEST_INTERFACE {
        errors.too_long(format!("{path}.interfaceName"), LONGEST_INTERFACE);
    }
    if data.hardware_address.len() > LONGEST_HARDWARE_ADDRESS {
        errors.too_long(format!("{path}.hardwareAddress"), LONGEST_HARDWARE_ADDRESS);
    }
    let at = format!("{path}.ips");
    each(errors, &data.ips, MOST_ADDRESSES, &at, |errors, address, at| {
        addresses::of_interface(errors, at, address);
    });
    duplicates(errors, &data.ips, MOST_ADDRESSES, &at, |address| address.clone());
}
