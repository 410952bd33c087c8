//! What is wrong with a ResourceSlice.

use super::parts::{duplicates, each, label, pool_name, qualified, shortened};
use crate::core::pod::scheduling;
use crate::errors::Errors;
use crate::metadata::{IMMUTABLE, shown};
use crate::names;
use crate::storage::csi_driver::driver_name;
use corten_api::resource::v1::{Device, DeviceAttribute, ResourceSliceSpec};

const MOST_DEVICES: usize = 128;
/// The most attributes and capacities of a device.
const MOST_FACTS: usize = 32;
const ONE_VALUE: &str = "exactly one value must be specified";
/// The longest value of an attribute.
const LONGEST_VALUE: usize = 64;
const ONE_PLACE: &str =
    "exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required";

/// Checks a slice's specification.
pub(super) fn spec(errors: &mut Errors, spec: &ResourceSliceSpec) {
    driver_name(errors, "spec.driver", &spec.driver);
    pool(errors, spec);
    place(errors, spec);
    each(errors, &spec.devices, MOST_DEVICES, "spec.devices", device);
    duplicates(errors, &spec.devices, MOST_DEVICES, "spec.devices", |device| device.name.clone());
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
    pool_name(errors, &pool.name, "spec.pool.name");
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
        if selector.node_selector_terms.len() != 1 {
            let detail = "must have exactly one node selector term";
            errors.invalid(
                "spec.nodeSelector.nodeSelectorTerms",
                shown(&selector.node_selector_terms),
                detail,
            );
        }
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
    label(errors, &device.name, &format!("{path}.name"));
    let count = device.attributes.len() + device.capacity.len();
    if count > MOST_FACTS {
        let detail = format!("the total number of attributes and capacities must not exceed {MOST_FACTS}");
        errors.invalid(path, count, detail);
    }
    for (name, value) in &device.attributes {
        let at = format!("{path}.attributes[{}]", shortened(name));
        qualified(errors, name, &at);
        attribute(errors, value, &at);
    }
    for name in device.capacity.keys() {
        qualified(errors, name, &format!("{path}.capacity[{}]", shortened(name)));
    }
}

fn attribute(errors: &mut Errors, value: &DeviceAttribute, path: &str) {
    if value.string.as_ref().is_some_and(|text| text.len() > LONGEST_VALUE) {
        errors.too_long(format!("{path}.string"), LONGEST_VALUE);
    }
    if let Some(version) = &value.version {
        let at = format!("{path}.version");
        if !is_semantic_version(version) {
            errors.invalid(&at, version, "must be a string compatible with semver.org spec 2.0.0");
        }
        if version.len() > LONGEST_VALUE {
            errors.too_long(at, LONGEST_VALUE);
        }
    }
    let set = [value.bool.is_some(), value.int.is_some(), value.string.is_some(), value.version.is_some()];
    match set.iter().filter(|set| **set).count() {
        0 => errors.invalid(path, "", ONE_VALUE),
        1 => {}
        _ => errors.invalid(path, shown(value), ONE_VALUE),
    }
}

/// A version as semver.org has it: three numbers, perhaps with a pre-release and a build.
fn is_semantic_version(text: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let number = |part: &str| digits(part) && (part == "0" || !part.starts_with('0'));
    let word = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let (text, build) = text.split_once('+').map_or((text, None), |(text, build)| (text, Some(build)));
    let (core, release) = text.split_once('-').map_or((text, None), |(core, pre)| (core, Some(pre)));
    let core: Vec<&str> = core.split('.').collect();
    core.len() == 3
        && core.into_iter().all(number)
        && release.is_none_or(|r| r.split('.').all(|part| word(part) && (!digits(part) || number(part))))
        && build.is_none_or(|b| b.split('.').all(word))
}
