//! What is wrong with a ResourceSlice.

use crate::core::pod::scheduling;
use crate::errors::Errors;
use crate::metadata::IMMUTABLE;
use crate::names;
use crate::storage::csi_driver::driver_name;
use corten_api::resource::v1::{Device, ResourceSliceSpec};
use corten_semantics::field::FieldError;

const MOST_DEVICES: usize = 128;
/// As many where devices have taints or share counters.
const MOST_SHARING_DEVICES: usize = 64;
const ONE_PLACE: &str =
    "exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required";

/// Checks a slice's specification.
pub(super) fn spec(errors: &mut Errors, spec: &ResourceSliceSpec) {
    driver_name(errors, "spec.driver", &spec.driver);
    pool(errors, spec);
    place(errors, spec);
    let sharing = spec.devices.iter().any(|d| !d.taints.is_empty() || !d.consumes_counters.is_empty());
    let most = if sharing { MOST_SHARING_DEVICES } else { MOST_DEVICES };
    if spec.devices.len() > most {
        errors.extend([FieldError::too_many("spec.devices", spec.devices.len(), most)]);
    }
    for (i, one) in spec.devices.iter().enumerate() {
        let path = format!("spec.devices[{i}]");
        device(errors, one, &path);
        if spec.devices[..i].iter().any(|other| other.name == one.name) {
            errors.duplicate(format!("{path}.name"), &one.name);
        }
    }
}

/// What of a slice never changes.
pub(super) fn update(errors: &mut Errors, new: &ResourceSliceSpec, old: &ResourceSliceSpec) {
    if new.pool.name != old.pool.name {
        errors.invalid("spec.pool.name", &new.pool.name, IMMUTABLE);
    }
    if new.driver != old.driver {
        errors.invalid("spec.driver", &new.driver, IMMUTABLE);
    }
    if new.node_name != old.node_name {
        errors.invalid("spec.nodeName", new.node_name.as_deref().unwrap_or_default(), IMMUTABLE);
    }
}

fn pool(errors: &mut Errors, spec: &ResourceSliceSpec) {
    let pool = &spec.pool;
    if pool.name.is_empty() {
        errors.required("spec.pool.name", "");
    } else {
        if pool.name.len() > 253 {
            errors.too_long("spec.pool.name", 253);
        }
        for part in pool.name.split('/') {
            for message in names::dns_subdomain(part) {
                errors.invalid("spec.pool.name", part, message);
            }
        }
    }
    if pool.resource_slice_count <= 0 {
        let count = pool.resource_slice_count;
        errors.invalid("spec.pool.resourceSliceCount", count, "must be greater than zero");
    }
    if pool.generation < 0 {
        errors.invalid("spec.pool.generation", pool.generation, "must be greater than or equal to zero");
    }
}

/// Where the devices are: said in one way.
fn place(errors: &mut Errors, spec: &ResourceSliceSpec) {
    let mut set = Vec::new();
    match spec.node_name.as_deref() {
        None => {}
        Some("") => {
            errors.invalid("spec.nodeName", "", "must be either unset or set to a non-empty string");
        }
        Some(name) => {
            set.push("`nodeName`");
            errors.format("spec.nodeName", name, names::dns_subdomain);
        }
    }
    if let Some(selector) = &spec.node_selector {
        set.push("`nodeSelector`");
        scheduling::node_selector(errors, selector, "spec.nodeSelector");
    }
    for (name, quoted, value) in [
        ("allNodes", "`allNodes`", spec.all_nodes),
        ("perDeviceNodeSelection", "`perDeviceNodeSelection`", spec.per_device_node_selection),
    ] {
        match value {
            Some(true) => set.push(quoted),
            Some(false) => {
                let detail = "must be either unset or set to true";
                errors.invalid(format!("spec.{name}"), false, detail);
            }
            None => {}
        }
    }
    match set.len() {
        0 => errors.required("spec", ONE_PLACE),
        1 => {}
        _ => {
            let detail = format!("{ONE_PLACE}, but multiple fields are set");
            errors.invalid("spec", format!("{{{}}}", set.join(", ")), detail);
        }
    }
}

fn device(errors: &mut Errors, device: &Device, path: &str) {
    let at = format!("{path}.name");
    if device.name.is_empty() {
        errors.required(&at, "");
    } else {
        errors.format(&at, &device.name, names::dns_label);
    }
    let count = device.attributes.len() + device.capacity.len();
    if count > 32 {
        let detail = "the total number of attributes and capacities must not exceed 32";
        errors.invalid(path, count, detail);
    }
    for (name, value) in &device.attributes {
        let set =
            [value.bool.is_some(), value.int.is_some(), value.string.is_some(), value.version.is_some()];
        if set.iter().filter(|s| **s).count() != 1 {
            errors.invalid(
                format!("{path}.attributes[{name}]"),
                crate::metadata::shown(value),
                "exactly one value must be specified",
            );
        }
    }
}
