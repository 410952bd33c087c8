use super::*;
use crate::Api;
use crate::Quantity;
use crate::Time;
use crate::meta::v1::ObjectMeta;
use std::collections::BTreeMap;

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct PersistentVolumeSpec {
    #[api(tag = 1, omitempty)]
    pub capacity: BTreeMap<String, Quantity>,
    #[api(tag = 2, inline)]
    pub persistent_volume_source: PersistentVolumeSource,
    #[api(tag = 3, omitempty)]
    pub access_modes: Vec<String>,
    #[api(tag = 4)]
    pub claim_ref: Option<Box<ObjectReference>>,
    #[api(tag = 5, omitempty)]
    pub persistent_volume_reclaim_policy: String,
    #[api(tag = 6, omitempty)]
    pub storage_class_name: String,
    #[api(tag = 7, omitempty)]
    pub mount_options: Vec<String>,
    #[api(tag = 8)]
    pub volume_mode: Option<String>,
    #[api(tag = 9)]
    pub node_affinity: Option<Box<VolumeNodeAffinity>>,
    #[api(tag = 10)]
    pub volume_attributes_class_name: Option<String>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct VolumeNodeAffinity {
    #[api(tag = 1)]
    pub required: Option<Box<NodeSelector>>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
#[kind(
    group = "",
    version = "v1",
    plural = "persistentvolumes",
    short = "pv",
    cluster,
    subresources = "status"
)]
pub struct PersistentVolume {
    #[api(tag = 1, omitempty)]
    pub metadata: ObjectMeta,
    #[api(tag = 2, omitempty)]
    pub spec: PersistentVolumeSpec,
    #[api(tag = 3, omitempty)]
    pub status: PersistentVolumeStatus,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct PersistentVolumeStatus {
    #[api(tag = 1, omitempty)]
    pub phase: String,
    #[api(tag = 2, omitempty)]
    pub message: String,
    #[api(tag = 3, omitempty)]
    pub reason: String,
    #[api(tag = 4)]
    pub last_phase_transition_time: Option<Time>,
}
