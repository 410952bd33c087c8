//! What upstream refuses, in its words.

use super::{DeviceClassStrategy, ResourceClaimStrategy, ResourceSliceStrategy};
use crate::strategy::KindStrategy;
use corten_api::Time;
use corten_api::core::v1::{NodeSelector, NodeSelectorTerm};
use corten_api::meta::v1::Condition;
use corten_api::resource::v1::*;
use corten_api::{Quantity, Raw};
use corten_semantics::field::FieldError;
use jiff::Timestamp;

/// A change, and what is said of it.
type Case<K> = (fn(&mut K), &'static str);

fn told(errors: Vec<FieldError>) -> Vec<String> {
    errors.iter().map(ToString::to_string).collect()
}

fn raw(text: &str) -> Raw {
    Raw(text.into())
}

fn configuration(parameters: &str) -> DeviceConfiguration {
    let opaque = OpaqueDeviceConfiguration { driver: "gpu.example.com".into(), parameters: raw(parameters) };
    DeviceConfiguration { opaque: Some(Box::new(opaque)) }
}

fn selector(expression: &str) -> DeviceSelector {
    DeviceSelector { cel: Some(Box::new(CELDeviceSelector { expression: expression.into() })) }
}

fn exactly(class: &str) -> ExactDeviceRequest {
    ExactDeviceRequest {
        device_class_name: class.into(),
        allocation_mode: "ExactCount".into(),
        count: 1,
        ..ExactDeviceRequest::default()
    }
}

fn claim() -> ResourceClaim {
    let choice = DeviceSubRequest {
        name: "large".into(),
        device_class_name: "gpu".into(),
        allocation_mode: "All".into(),
        ..DeviceSubRequest::default()
    };
    let mut claim = ResourceClaim::default();
    let devices = &mut claim.spec.devices;
    devices.requests = vec![
        DeviceRequest { name: "one".into(), exactly: Some(Box::new(exactly("gpu"))), ..Default::default() },
        DeviceRequest { name: "any".into(), first_available: vec![choice], ..Default::default() },
    ];
    devices.constraints = vec![DeviceConstraint {
        requests: vec!["one".into(), "any/large".into()],
        match_attribute: Some("gpu.example.com/model".into()),
        ..DeviceConstraint::default()
    }];
    devices.config =
        vec![DeviceClaimConfiguration { requests: Vec::new(), device_configuration: configuration("{}") }];
    claim
}

fn request(claim: &mut ResourceClaim) -> &mut ExactDeviceRequest {
    claim.spec.devices.requests[0].exactly.as_mut().expect("exactly one")
}

#[test]
fn claims_are_judged_as_upstreams() {
    assert_eq!(told(KindStrategy::validate(&ResourceClaimStrategy, &claim())), Vec::<String>::new());
    let cases: &[Case<ResourceClaim>] = &[
        (
            |c| c.spec.devices.requests.push(c.spec.devices.requests[0].clone()),
            r#"spec.devices.requests[2]: Duplicate value: "one""#,
        ),
        (
            |c| c.spec.devices.requests[0].exactly = None,
            "spec.devices.requests[0]: Required value: exactly one of `exactly` or `firstAvailable` is required",
        ),
        (
            |c| request(c).device_class_name.clear(),
            "spec.devices.requests[0].exactly.deviceClassName: Required value",
        ),
        (
            |c| request(c).count = 0,
            "spec.devices.requests[0].exactly.count: Invalid value: 0: must be greater than zero",
        ),
        (
            |c| request(c).allocation_mode = "All".into(),
            "spec.devices.requests[0].exactly.count: Invalid value: 1: must not be specified when allocationMode is 'All'",
        ),
        (
            |c| request(c).allocation_mode = "Some".into(),
            r#"spec.devices.requests[0].exactly.allocationMode: Unsupported value: "Some": supported values: "All", "ExactCount""#,
        ),
        (
            |c| request(c).selectors = vec![DeviceSelector::default()],
            "spec.devices.requests[0].exactly.selectors[0].cel: Required value",
        ),
        (
            |c| request(c).selectors = vec![selector("device.driver")],
            r#"spec.devices.requests[0].exactly.selectors[0].cel.expression: Invalid value: "device.driver": must evaluate to bool or the unknown type, not string"#,
        ),
        (
            |c| request(c).selectors = vec![selector(""); 33],
            "spec.devices.requests[0].exactly.selectors: Too many: 33: must have at most 32 items",
        ),
        (
            |c| c.spec.devices.constraints[0].match_attribute = Some("model".into()),
            r#"spec.devices.constraints[0].matchAttribute: Invalid value: "model": a fully qualified name must be a domain and a name separated by a slash"#,
        ),
        (
            |c| c.spec.devices.constraints[0].match_attribute = None,
            "spec.devices.constraints[0].matchAttribute: Required value",
        ),
        (
            |c| c.spec.devices.constraints[0].requests[1] = "any/small".into(),
            r#"spec.devices.constraints[0].requests[1]: Invalid value: "any/small": must be the name of a request in the claim or the name of a request and a subrequest separated by '/'"#,
        ),
        (
            |c| c.spec.devices.config[0].device_configuration = configuration("[]"),
            r#"spec.devices.config[0].opaque.parameters: Invalid value: "<value omitted>": must be a valid JSON object"#,
        ),
        (
            |c| c.spec.devices.config[0].device_configuration.opaque = None,
            "spec.devices.config[0].opaque: Required value",
        ),
    ];
    for (change, want) in cases {
        let mut claim = claim();
        change(&mut claim);
        assert_eq!(told(KindStrategy::validate(&ResourceClaimStrategy, &claim)), [*want]);
    }
    let mut costly = claim();
    request(&mut costly).selectors = vec![selector(
        r#"device.attributes["gpu.example.com"].model == "a" && device.capacity["gpu.example.com"].memory.compareTo(quantity("1Gi")) >= 0"#,
    )];
    assert_eq!(told(KindStrategy::validate(&ResourceClaimStrategy, &costly)), Vec::<String>::new());
    request(&mut costly).selectors = vec![selector("device.attribute")];
    let errors = told(KindStrategy::validate(&ResourceClaimStrategy, &costly));
    assert!(
        errors[0].contains("compilation failed: ERROR: <input>:1:7: undefined field 'attribute'"),
        "{errors:?}"
    );
}

/// A claim that was given a device, which a pod uses and a driver reports about.
fn allocated() -> ResourceClaim {
    let mut claim = claim();
    let result = DeviceRequestAllocationResult {
        request: "any/large".into(),
        driver: "gpu.example.com".into(),
        pool: "node/0".into(),
        device: "gpu-0".into(),
        ..DeviceRequestAllocationResult::default()
    };
    let config = DeviceAllocationConfiguration {
        source: "FromClass".into(),
        device_configuration: configuration("{}"),
        ..DeviceAllocationConfiguration::default()
    };
    let devices = DeviceAllocationResult { results: vec![result], config: vec![config] };
    claim.status.allocation = Some(Box::new(AllocationResult { devices, ..AllocationResult::default() }));
    claim.status.reserved_for = vec![ResourceClaimConsumerReference {
        resource: "pods".into(),
        name: "p".into(),
        uid: "1".into(),
        ..ResourceClaimConsumerReference::default()
    }];
    let condition = Condition {
        type_: "Ready".into(),
        status: "True".into(),
        reason: "Up".into(),
        last_transition_time: Some(Time::new(Timestamp::UNIX_EPOCH)),
        ..Condition::default()
    };
    let network = NetworkDeviceData { ips: vec!["10.9.8.7/24".into()], ..NetworkDeviceData::default() };
    claim.status.devices = vec![AllocatedDeviceStatus {
        driver: "gpu.example.com".into(),
        pool: "node/0".into(),
        device: "gpu-0".into(),
        conditions: vec![condition],
        network_data: Some(Box::new(network)),
        ..AllocatedDeviceStatus::default()
    }];
    claim
}

fn allocation(claim: &mut ResourceClaim) -> &mut AllocationResult {
    claim.status.allocation.as_mut().expect("an allocation")
}

#[test]
fn statuses_are_judged_as_upstreams() {
    let errors = |new: &ResourceClaim, old: &ResourceClaim| {
        told(KindStrategy::validate_status_update(&ResourceClaimStrategy, new, old))
    };
    assert_eq!(errors(&allocated(), &claim()), Vec::<String>::new());
    let cases: &[Case<ResourceClaim>] = &[
        (|c| c.status.reserved_for[0].uid.clear(), "status.reservedFor[0].uid: Required value"),
        (
            |c| c.metadata.deletion_timestamp = Some(Time::new(Timestamp::UNIX_EPOCH)),
            "status.reservedFor: Forbidden: new entries may not be added while `deallocationRequested` or `deletionTimestamp` are set",
        ),
        (
            |c| allocation(c).devices.results[0].request = "none".into(),
            r#"status.allocation.devices.results[0].request: Invalid value: "none": must be the name of a request in the claim or the name of a request and a subrequest separated by '/'"#,
        ),
        (
            |c| allocation(c).devices.config[0].source = "Else".into(),
            r#"status.allocation.devices.config[0].source: Unsupported value: "Else": supported values: "FromClaim", "FromClass""#,
        ),
        (
            |c| c.status.devices[0].conditions[0].reason.clear(),
            "status.devices[0].conditions[0].reason: Required value",
        ),
        (
            |c| c.status.devices[0].device = "gpu-1".into(),
            "status.devices[0]: Invalid value: gpu.example.com/node/0/gpu-1: must be an allocated device in the claim",
        ),
        (
            |c| {
                c.status.devices[0].network_data.as_mut().expect("data").ips[0] = "::ffff:10.9.8.7/120".into()
            },
            r#"status.devices[0].networkData.ips[0]: Invalid value: "::ffff:10.9.8.7/120": must be in canonical form ("10.9.8.7/24")"#,
        ),
    ];
    for (change, want) in cases {
        let mut new = allocated();
        change(&mut new);
        assert_eq!(errors(&new, &claim()), [*want]);
    }
    let mut other = allocated();
    allocation(&mut other).devices.results.clear();
    let found = errors(&other, &allocated());
    assert!(
        found
            .iter()
            .any(|e| e.contains("status.allocation: Invalid value") && e.ends_with("field is immutable"))
    );
    let mut free = allocated();
    free.status.allocation = None;
    ResourceClaimStrategy.prepare_status_update(&mut free, &allocated());
    assert!(free.status.devices.is_empty(), "what was reported goes with the device");
    assert_eq!(
        errors(&free, &allocated()),
        ["status.reservedFor: Forbidden: may not be specified when `allocated` is not set"]
    );
}

fn slice() -> ResourceSlice {
    let mut slice = ResourceSlice::default();
    slice.spec.driver = "gpu.example.com".into();
    slice.spec.pool = ResourcePool { name: "node".into(), generation: 1, resource_slice_count: 1 };
    slice.spec.node_name = Some("node".into());
    let mut device = Device { name: "gpu-0".into(), ..Device::default() };
    let version = DeviceAttribute { version: Some("1.2.3-rc.1+b".into()), ..DeviceAttribute::default() };
    device.attributes.insert("gpu.example.com/driver".into(), version);
    let capacity = DeviceCapacity { value: Quantity::whole(1), request_policy: None };
    device.capacity.insert("memory".into(), capacity);
    slice.spec.devices = vec![device];
    slice
}

fn attribute(slice: &mut ResourceSlice) -> &mut DeviceAttribute {
    slice.spec.devices[0].attributes.values_mut().next().expect("an attribute")
}

#[test]
fn slices_are_judged_as_upstreams() {
    let errors = |slice: &ResourceSlice| told(KindStrategy::validate(&ResourceSliceStrategy, slice));
    assert_eq!(errors(&slice()), Vec::<String>::new());
    let cases: &[Case<ResourceSlice>] = &[
        (
            |s| {
                s.spec.node_name = None;
                let terms = vec![NodeSelectorTerm::default(); 2];
                s.spec.node_selector = Some(Box::new(NodeSelector { node_selector_terms: terms }));
            },
            "spec.nodeSelector.nodeSelectorTerms: Invalid value: [{},{}]: must have exactly one node selector term",
        ),
        (|s| s.spec.devices.push(s.spec.devices[0].clone()), r#"spec.devices[1]: Duplicate value: "gpu-0""#),
        (
            |s| attribute(s).version = Some("1.02.3".into()),
            r#"spec.devices[0].attributes[gpu.example.com/driver].version: Invalid value: "1.02.3": must be a string compatible with semver.org spec 2.0.0"#,
        ),
        (
            |s| *attribute(s) = DeviceAttribute::default(),
            r#"spec.devices[0].attributes[gpu.example.com/driver]: Invalid value: "": exactly one value must be specified"#,
        ),
        (
            |s| {
                let capacity = DeviceCapacity { value: Quantity::whole(1), request_policy: None };
                s.spec.devices[0].capacity.insert("/x".into(), capacity);
            },
            r#"spec.devices[0].capacity[/x]: Invalid value: "": the domain must not be empty"#,
        ),
    ];
    for (change, want) in cases {
        let mut slice = slice();
        change(&mut slice);
        assert_eq!(errors(&slice), [*want]);
    }
}

#[test]
fn what_is_off_upstream_is_dropped() {
    let mut new = slice();
    new.spec.devices[0].taints = vec![DeviceTaint::default()];
    new.spec.shared_counters = vec![CounterSet::default()];
    ResourceSliceStrategy.prepare_create(&mut new);
    assert_eq!(new.spec, slice().spec);
    let mut new = claim();
    request(&mut new).tolerations = vec![DeviceToleration::default()];
    ResourceClaimStrategy.prepare_create(&mut new);
    assert_eq!(new.spec, claim().spec);
    let mut class = DeviceClass::default();
    class.spec.extended_resource_name = Some("example.com/gpu".into());
    DeviceClassStrategy.prepare_create(&mut class);
    assert_eq!(class.spec, DeviceClassSpec::default());
    class.spec.config = vec![DeviceClassConfiguration::default()];
    assert_eq!(
        told(KindStrategy::validate(&DeviceClassStrategy, &class)),
        ["spec.config[0].opaque: Required value"]
    );
}
