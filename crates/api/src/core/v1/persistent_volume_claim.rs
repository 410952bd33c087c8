use super::*;
use crate::Api;
use crate::Quantity;
use crate::Time;
use crate::meta::v1::LabelSelector;
use crate::meta::v1::ObjectMeta;
use std::collections::BTreeMap;

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
#[kind(group = "", version = "v1", plural = "persistentvolumeclaims", short = "pvc", subresources = "status")]
pub struct PersistentVolumeClaim {
    #[api(tag = 1, omitempty)]
    pub metadata: ObjectMeta,
    #[api(tag = 2, omitempty)]
    pub spec: PersistentVolumeClaimSpec,
    #[api(tag = 3, omitempty)]
    pub status: PersistentVolumeClaimStatus,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct PersistentVolumeClaimSpec {
    #[api(tag = 1, omitempty)]
    pub access_modes: Vec<String>,
    #[api(tag = 4)]
    pub selector: Option<Box<LabelSelector>>,
    #[api(tag = 2, omitempty)]
    pub resources: VolumeResourceRequirements,
    #[api(tag = 3, omitempty)]
    pub volume_name: String,
    #[api(tag = 5)]
    pub storage_class_name: Option<String>,
    #[api(tag = 6)]
    pub volume_mode: Option<String>,
    #[api(tag = 7)]
    pub data_source: Option<Box<TypedLocalObjectReference>>,
    #[api(tag = 8)]
    pub data_source_ref: Option<Box<TypedObjectReference>>,
    #[api(tag = 9)]
    pub volume_attributes_class_name: Option<String>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct PersistentVolumeClaimStatus {
    #[api(tag = 1, omitempty)]
    pub phase: String,
    #[api(tag = 2, omitempty)]
    pub access_modes: Vec<String>,
    #[api(tag = 3, omitempty)]
    pub capacity: BTreeMap<String, Quantity>,
    #[api(tag = 4, omitempty, list = "map", keys = "type", patch = "merge", key = "type")]
    pub conditions: Vec<PersistentVolumeClaimCondition>,
    #[api(tag = 5, omitempty)]
    pub allocated_resources: BTreeMap<String, Quantity>,
    #[api(tag = 7, omitempty)]
    pub allocated_resource_statuses: BTreeMap<String, String>,
    #[api(tag = 8)]
    pub current_volume_attributes_class_name: Option<String>,
    #[api(tag = 9)]
    pub modify_volume_status: Option<Box<ModifyVolumeStatus>>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct PersistentVolumeClaimCondition {
    #[api(tag = 1, required)]
    pub type_: String,
    #[api(tag = 2, required)]
    pub status: String,
    #[api(tag = 3, omitempty, nullable)]
    pub last_probe_time: Option<Time>,
    #[api(tag = 4, omitempty, nullable)]
    pub last_transition_time: Option<Time>,
    #[api(tag = 5, omitempty)]
    pub reason: String,
    #[api(tag = 6, omitempty)]
    pub message: String,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct ModifyVolumeStatus {
    #[api(tag = 1, omitempty)]
    pub target_volume_attributes_class_name: String,
    #[api(tag = 2, required)]
    pub status: String,
}
