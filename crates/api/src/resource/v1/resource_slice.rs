use crate::Api;
use crate::Quantity;
use crate::Time;
use crate::core::v1::NodeSelector;
use crate::meta::v1::ObjectMeta;
use std::collections::BTreeMap;

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "resource.v1")]
#[kind(group = "resource.k8s.io", version = "v1", plural = "resourceslices", cluster)]
pub struct ResourceSlice {
    #[api(tag = 1, omitempty)]
    pub metadata: ObjectMeta,
    #[api(tag = 2, required)]
    pub spec: ResourceSliceSpec,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "resource.v1")]
pub struct ResourceSliceSpec {
    #[api(tag = 1, required)]
    pub driver: String,
    #[api(tag = 2, required)]
    pub pool: ResourcePool,
    #[api(tag = 3)]
    pub node_name: Option<String>,
    #[api(tag = 4)]
    pub node_selector: Option<Box<NodeSelector>>,
    #[api(tag = 5)]
    pub all_nodes: Option<bool>,
    #[api(tag = 6, omitempty)]
    pub devices: Vec<Device>,
    #[api(tag = 7)]
    pub per_device_node_selection: Option<bool>,
    #[api(tag = 8, omitempty)]
    pub shared_counters: Vec<CounterSet>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "resource.v1")]
pub struct ResourcePool {
    #[api(tag = 1, required)]
    pub name: String,
    #[api(tag = 2, required)]
    pub generation: i64,
    #[api(tag = 3, required)]
    pub resource_slice_count: i64,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "resource.v1")]
pub struct Device {
    #[api(tag = 1, required)]
    pub name: String,
    #[api(tag = 2, omitempty)]
    pub attributes: BTreeMap<String, DeviceAttribute>,
    #[api(tag = 3, omitempty)]
    pub capacity: BTreeMap<String, DeviceCapacity>,
    #[api(tag = 4, omitempty)]
    pub consumes_counters: Vec<DeviceCounterConsumption>,
    #[api(tag = 5)]
    pub node_name: Option<String>,
    #[api(tag = 6)]
    pub node_selector: Option<Box<NodeSelector>>,
    #[api(tag = 7)]
    pub all_nodes: Option<bool>,
    #[api(tag = 8, omitempty)]
    pub taints: Vec<DeviceTaint>,
    #[api(tag = 9)]
    pub binds_to_node: Option<bool>,
    #[api(tag = 10, omitempty)]
    pub binding_conditions: Vec<String>,
    #[api(tag = 11, omitempty)]
    pub binding_failure_conditions: Vec<String>,
    #[api(tag = 12)]
    pub allow_multiple_allocations: Option<bool>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "resource.v1")]
pub struct DeviceAttribute {
    #[api(tag = 2)]
    pub int: Option<i64>,
    #[api(tag = 3)]
    pub bool: Option<bool>,
    #[api(tag = 4)]
    pub string: Option<String>,
    #[api(tag = 5)]
    pub version: Option<String>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "resource.v1")]
pub struct DeviceCapacity {
    #[api(tag = 1, required)]
    pub value: Quantity,
    #[api(tag = 2)]
    pub request_policy: Option<Box<CapacityRequestPolicy>>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "resource.v1")]
pub struct CapacityRequestPolicy {
    #[api(tag = 1)]
    pub default_: Option<Quantity>,
    #[api(tag = 3, omitempty)]
    pub valid_values: Vec<Quantity>,
    #[api(tag = 4)]
    pub valid_range: Option<Box<CapacityRequestPolicyRange>>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "resource.v1")]
pub struct CapacityRequestPolicyRange {
    #[api(tag = 1)]
    pub min: Option<Quantity>,
    #[api(tag = 2)]
    pub max: Option<Quantity>,
    #[api(tag = 3)]
    pub step: Option<Quantity>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "resource.v1")]
pub struct DeviceCounterConsumption {
    #[api(tag = 1, required)]
    pub counter_set: String,
    #[api(tag = 2, omitempty)]
    pub counters: BTreeMap<String, Counter>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "resource.v1")]
pub struct Counter {
    #[api(tag = 1, required)]
    pub value: Quantity,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "resource.v1")]
pub struct DeviceTaint {
    #[api(tag = 1, required)]
    pub key: String,
    #[api(tag = 2, omitempty)]
    pub value: String,
    #[api(tag = 3, required)]
    pub effect: String,
    #[api(tag = 4)]
    pub time_added: Option<Time>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "resource.v1")]
pub struct CounterSet {
    #[api(tag = 1, required)]
    pub name: String,
    #[api(tag = 2, omitempty)]
    pub counters: BTreeMap<String, Counter>,
}
