use super::*;
use crate::Api;
use crate::Quantity;
use crate::Raw;
use crate::Time;
use crate::core::v1::NodeSelector;
use crate::meta::v1::Condition;
use crate::meta::v1::ObjectMeta;
use std::collections::BTreeMap;

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "resource.v1")]
#[kind(group = "resource.k8s.io", version = "v1", plural = "resourceclaims", subresources = "status")]
pub struct ResourceClaim {
    #[api(tag = 1, omitempty)]
    pub metadata: ObjectMeta,
    #[api(tag = 2, required)]
    pub spec: ResourceClaimSpec,
    #[api(tag = 3, omitempty)]
    pub status: ResourceClaimStatus,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "resource.v1")]
pub struct ResourceClaimSpec {
    #[api(tag = 1)]
    pub devices: DeviceClaim,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "resource.v1")]
pub struct DeviceClaim {
    #[api(tag = 1)]
    pub requests: Vec<DeviceRequest>,
    #[api(tag = 2, omitempty)]
    pub constraints: Vec<DeviceConstraint>,
    #[api(tag = 3, omitempty)]
    pub config: Vec<DeviceClaimConfiguration>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "resource.v1")]
pub struct DeviceRequest {
    #[api(tag = 1, required)]
    pub name: String,
    #[api(tag = 2)]
    pub exactly: Option<Box<ExactDeviceRequest>>,
    #[api(tag = 3, omitempty)]
    pub first_available: Vec<DeviceSubRequest>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "resource.v1")]
pub struct ExactDeviceRequest {
    #[api(tag = 1, required)]
    pub device_class_name: String,
    #[api(tag = 2, omitempty)]
    pub selectors: Vec<DeviceSelector>,
    #[api(tag = 3, omitempty)]
    pub allocation_mode: String,
    #[api(tag = 4, omitempty)]
    pub count: i64,
    #[api(tag = 5)]
    pub admin_access: Option<bool>,
    #[api(tag = 6, omitempty)]
    pub tolerations: Vec<DeviceToleration>,
    #[api(tag = 7)]
    pub capacity: Option<Box<CapacityRequirements>>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "resource.v1")]
pub struct DeviceToleration {
    #[api(tag = 1, omitempty)]
    pub key: String,
    #[api(tag = 2, omitempty, default = "\"Equal\"")]
    pub operator: String,
    #[api(tag = 3, omitempty)]
    pub value: String,
    #[api(tag = 4, omitempty)]
    pub effect: String,
    #[api(tag = 5)]
    pub toleration_seconds: Option<i64>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "resource.v1")]
pub struct CapacityRequirements {
    #[api(tag = 1, omitempty)]
    pub requests: BTreeMap<String, Quantity>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "resource.v1")]
pub struct DeviceSubRequest {
    #[api(tag = 1, required)]
    pub name: String,
    #[api(tag = 2, required)]
    pub device_class_name: String,
    #[api(tag = 3, omitempty)]
    pub selectors: Vec<DeviceSelector>,
    #[api(tag = 4, omitempty)]
    pub allocation_mode: String,
    #[api(tag = 5, omitempty)]
    pub count: i64,
    #[api(tag = 6, omitempty)]
    pub tolerations: Vec<DeviceToleration>,
    #[api(tag = 7)]
    pub capacity: Option<Box<CapacityRequirements>>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "resource.v1")]
pub struct DeviceConstraint {
    #[api(tag = 1, omitempty)]
    pub requests: Vec<String>,
    #[api(tag = 2)]
    pub match_attribute: Option<String>,
    #[api(tag = 3)]
    pub distinct_attribute: Option<String>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "resource.v1")]
pub struct DeviceClaimConfiguration {
    #[api(tag = 1, omitempty)]
    pub requests: Vec<String>,
    #[api(tag = 2, inline)]
    pub device_configuration: DeviceConfiguration,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "resource.v1")]
pub struct ResourceClaimStatus {
    #[api(tag = 1)]
    pub allocation: Option<Box<AllocationResult>>,
    #[api(tag = 2, omitempty, list = "map", keys = "uid", patch = "merge", key = "uid")]
    pub reserved_for: Vec<ResourceClaimConsumerReference>,
    #[api(tag = 4, omitempty, list = "map", keys = "driver,device,pool,shareID")]
    pub devices: Vec<AllocatedDeviceStatus>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "resource.v1")]
pub struct AllocationResult {
    #[api(tag = 1, omitempty)]
    pub devices: DeviceAllocationResult,
    #[api(tag = 3)]
    pub node_selector: Option<Box<NodeSelector>>,
    #[api(tag = 5)]
    pub allocation_timestamp: Option<Time>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "resource.v1")]
pub struct DeviceAllocationResult {
    #[api(tag = 1, omitempty)]
    pub results: Vec<DeviceRequestAllocationResult>,
    #[api(tag = 2, omitempty)]
    pub config: Vec<DeviceAllocationConfiguration>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "resource.v1")]
pub struct DeviceRequestAllocationResult {
    #[api(tag = 1, required)]
    pub request: String,
    #[api(tag = 2, required)]
    pub driver: String,
    #[api(tag = 3, required)]
    pub pool: String,
    #[api(tag = 4, required)]
    pub device: String,
    #[api(tag = 5)]
    pub admin_access: Option<bool>,
    #[api(tag = 6, omitempty)]
    pub tolerations: Vec<DeviceToleration>,
    #[api(tag = 7, omitempty)]
    pub binding_conditions: Vec<String>,
    #[api(tag = 8, omitempty)]
    pub binding_failure_conditions: Vec<String>,
    #[api(tag = 9, json = "shareID")]
    pub share_id: Option<String>,
    #[api(tag = 10, omitempty)]
    pub consumed_capacity: BTreeMap<String, Quantity>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "resource.v1")]
pub struct DeviceAllocationConfiguration {
    #[api(tag = 1, required)]
    pub source: String,
    #[api(tag = 2, omitempty)]
    pub requests: Vec<String>,
    #[api(tag = 3, inline)]
    pub device_configuration: DeviceConfiguration,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "resource.v1")]
pub struct ResourceClaimConsumerReference {
    #[api(tag = 1, omitempty)]
    pub api_group: String,
    #[api(tag = 3, required)]
    pub resource: String,
    #[api(tag = 4, required)]
    pub name: String,
    #[api(tag = 5, required)]
    pub uid: String,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "resource.v1")]
pub struct AllocatedDeviceStatus {
    #[api(tag = 1, required)]
    pub driver: String,
    #[api(tag = 2, required)]
    pub pool: String,
    #[api(tag = 3, required)]
    pub device: String,
    #[api(tag = 7, json = "shareID")]
    pub share_id: Option<String>,
    #[api(tag = 4, list = "map", keys = "type")]
    pub conditions: Vec<Condition>,
    #[api(tag = 5)]
    pub data: Option<Raw>,
    #[api(tag = 6)]
    pub network_data: Option<Box<NetworkDeviceData>>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "resource.v1")]
pub struct NetworkDeviceData {
    #[api(tag = 1, omitempty)]
    pub interface_name: String,
    #[api(tag = 2, omitempty)]
    pub ips: Vec<String>,
    #[api(tag = 3, omitempty)]
    pub hardware_address: String,
}
