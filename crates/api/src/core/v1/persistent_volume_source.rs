use super::*;
use crate::Api;
use std::collections::BTreeMap;

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct PersistentVolumeSource {
    #[api(tag = 1)]
    pub gce_persistent_disk: Option<Box<GCEPersistentDiskVolumeSource>>,
    #[api(tag = 2)]
    pub aws_elastic_block_store: Option<Box<AWSElasticBlockStoreVolumeSource>>,
    #[api(tag = 3)]
    pub host_path: Option<Box<HostPathVolumeSource>>,
    #[api(tag = 4)]
    pub glusterfs: Option<Box<GlusterfsPersistentVolumeSource>>,
    #[api(tag = 5)]
    pub nfs: Option<Box<NFSVolumeSource>>,
    #[api(tag = 6)]
    pub rbd: Option<Box<RBDPersistentVolumeSource>>,
    #[api(tag = 7)]
    pub iscsi: Option<Box<ISCSIPersistentVolumeSource>>,
    #[api(tag = 8)]
    pub cinder: Option<Box<CinderPersistentVolumeSource>>,
    #[api(tag = 9)]
    pub cephfs: Option<Box<CephFSPersistentVolumeSource>>,
    #[api(tag = 10)]
    pub fc: Option<Box<FCVolumeSource>>,
    #[api(tag = 11)]
    pub flocker: Option<Box<FlockerVolumeSource>>,
    #[api(tag = 12)]
    pub flex_volume: Option<Box<FlexPersistentVolumeSource>>,
    #[api(tag = 13)]
    pub azure_file: Option<Box<AzureFilePersistentVolumeSource>>,
    #[api(tag = 14)]
    pub vsphere_volume: Option<Box<VsphereVirtualDiskVolumeSource>>,
    #[api(tag = 15)]
    pub quobyte: Option<Box<QuobyteVolumeSource>>,
    #[api(tag = 16)]
    pub azure_disk: Option<Box<AzureDiskVolumeSource>>,
    #[api(tag = 17)]
    pub photon_persistent_disk: Option<Box<PhotonPersistentDiskVolumeSource>>,
    #[api(tag = 18)]
    pub portworx_volume: Option<Box<PortworxVolumeSource>>,
    #[api(tag = 19, json = "scaleIO")]
    pub scale_io: Option<Box<ScaleIOPersistentVolumeSource>>,
    #[api(tag = 20)]
    pub local: Option<Box<LocalVolumeSource>>,
    #[api(tag = 21)]
    pub storageos: Option<Box<StorageOSPersistentVolumeSource>>,
    #[api(tag = 22)]
    pub csi: Option<Box<CSIPersistentVolumeSource>>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct GCEPersistentDiskVolumeSource {
    #[api(tag = 1, required)]
    pub pd_name: String,
    #[api(tag = 2, omitempty)]
    pub fs_type: String,
    #[api(tag = 3, omitempty)]
    pub partition: i32,
    #[api(tag = 4, omitempty)]
    pub read_only: bool,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct AWSElasticBlockStoreVolumeSource {
    #[api(tag = 1, json = "volumeID", required)]
    pub volume_id: String,
    #[api(tag = 2, omitempty)]
    pub fs_type: String,
    #[api(tag = 3, omitempty)]
    pub partition: i32,
    #[api(tag = 4, omitempty)]
    pub read_only: bool,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct HostPathVolumeSource {
    #[api(tag = 1, required)]
    pub path: String,
    #[api(tag = 2)]
    pub type_: Option<String>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct GlusterfsPersistentVolumeSource {
    #[api(tag = 1, required)]
    pub endpoints: String,
    #[api(tag = 2, required)]
    pub path: String,
    #[api(tag = 3, omitempty)]
    pub read_only: bool,
    #[api(tag = 4)]
    pub endpoints_namespace: Option<String>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct NFSVolumeSource {
    #[api(tag = 1, required)]
    pub server: String,
    #[api(tag = 2, required)]
    pub path: String,
    #[api(tag = 3, omitempty)]
    pub read_only: bool,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct RBDPersistentVolumeSource {
    #[api(tag = 1, required)]
    pub monitors: Vec<String>,
    #[api(tag = 2, required)]
    pub image: String,
    #[api(tag = 3, omitempty)]
    pub fs_type: String,
    #[api(tag = 4, omitempty, default = "\"rbd\"")]
    pub pool: String,
    #[api(tag = 5, omitempty, default = "\"admin\"")]
    pub user: String,
    #[api(tag = 6, omitempty, default = "\"/etc/ceph/keyring\"")]
    pub keyring: String,
    #[api(tag = 7)]
    pub secret_ref: Option<Box<SecretReference>>,
    #[api(tag = 8, omitempty)]
    pub read_only: bool,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct ISCSIPersistentVolumeSource {
    #[api(tag = 1, required)]
    pub target_portal: String,
    #[api(tag = 2, required)]
    pub iqn: String,
    #[api(tag = 3, required)]
    pub lun: i32,
    #[api(tag = 4, omitempty, default = "\"default\"")]
    pub iscsi_interface: String,
    #[api(tag = 5, omitempty)]
    pub fs_type: String,
    #[api(tag = 6, omitempty)]
    pub read_only: bool,
    #[api(tag = 7, omitempty)]
    pub portals: Vec<String>,
    #[api(tag = 8, omitempty)]
    pub chap_auth_discovery: bool,
    #[api(tag = 11, omitempty)]
    pub chap_auth_session: bool,
    #[api(tag = 10)]
    pub secret_ref: Option<Box<SecretReference>>,
    #[api(tag = 12)]
    pub initiator_name: Option<String>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct CinderPersistentVolumeSource {
    #[api(tag = 1, json = "volumeID", required)]
    pub volume_id: String,
    #[api(tag = 2, omitempty)]
    pub fs_type: String,
    #[api(tag = 3, omitempty)]
    pub read_only: bool,
    #[api(tag = 4)]
    pub secret_ref: Option<Box<SecretReference>>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct CephFSPersistentVolumeSource {
    #[api(tag = 1, required)]
    pub monitors: Vec<String>,
    #[api(tag = 2, omitempty)]
    pub path: String,
    #[api(tag = 3, omitempty)]
    pub user: String,
    #[api(tag = 4, omitempty)]
    pub secret_file: String,
    #[api(tag = 5)]
    pub secret_ref: Option<Box<SecretReference>>,
    #[api(tag = 6, omitempty)]
    pub read_only: bool,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct FCVolumeSource {
    #[api(tag = 1, json = "targetWWNs", omitempty)]
    pub target_wwns: Vec<String>,
    #[api(tag = 2)]
    pub lun: Option<i32>,
    #[api(tag = 3, omitempty)]
    pub fs_type: String,
    #[api(tag = 4, omitempty)]
    pub read_only: bool,
    #[api(tag = 5, omitempty)]
    pub wwids: Vec<String>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct FlockerVolumeSource {
    #[api(tag = 1, omitempty)]
    pub dataset_name: String,
    #[api(tag = 2, json = "datasetUUID", omitempty)]
    pub dataset_uuid: String,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct FlexPersistentVolumeSource {
    #[api(tag = 1, required)]
    pub driver: String,
    #[api(tag = 2, omitempty)]
    pub fs_type: String,
    #[api(tag = 3)]
    pub secret_ref: Option<Box<SecretReference>>,
    #[api(tag = 4, omitempty)]
    pub read_only: bool,
    #[api(tag = 5, omitempty)]
    pub options: BTreeMap<String, String>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct AzureFilePersistentVolumeSource {
    #[api(tag = 1, required)]
    pub secret_name: String,
    #[api(tag = 2, required)]
    pub share_name: String,
    #[api(tag = 3, omitempty)]
    pub read_only: bool,
    #[api(tag = 4)]
    pub secret_namespace: Option<String>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct VsphereVirtualDiskVolumeSource {
    #[api(tag = 1, required)]
    pub volume_path: String,
    #[api(tag = 2, omitempty)]
    pub fs_type: String,
    #[api(tag = 3, omitempty)]
    pub storage_policy_name: String,
    #[api(tag = 4, json = "storagePolicyID", omitempty)]
    pub storage_policy_id: String,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct QuobyteVolumeSource {
    #[api(tag = 1, required)]
    pub registry: String,
    #[api(tag = 2, required)]
    pub volume: String,
    #[api(tag = 3, omitempty)]
    pub read_only: bool,
    #[api(tag = 4, omitempty)]
    pub user: String,
    #[api(tag = 5, omitempty)]
    pub group: String,
    #[api(tag = 6, omitempty)]
    pub tenant: String,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct AzureDiskVolumeSource {
    #[api(tag = 1, required)]
    pub disk_name: String,
    #[api(tag = 2, json = "diskURI", required)]
    pub disk_uri: String,
    #[api(tag = 3)]
    pub caching_mode: Option<String>,
    #[api(tag = 4, default = "\"ext4\"")]
    pub fs_type: Option<String>,
    #[api(tag = 5, default = "false")]
    pub read_only: Option<bool>,
    #[api(tag = 6)]
    pub kind: Option<String>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct PhotonPersistentDiskVolumeSource {
    #[api(tag = 1, json = "pdID", required)]
    pub pd_id: String,
    #[api(tag = 2, omitempty)]
    pub fs_type: String,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct PortworxVolumeSource {
    #[api(tag = 1, json = "volumeID", required)]
    pub volume_id: String,
    #[api(tag = 2, omitempty)]
    pub fs_type: String,
    #[api(tag = 3, omitempty)]
    pub read_only: bool,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct ScaleIOPersistentVolumeSource {
    #[api(tag = 1, required)]
    pub gateway: String,
    #[api(tag = 2, required)]
    pub system: String,
    #[api(tag = 3, required)]
    pub secret_ref: Option<Box<SecretReference>>,
    #[api(tag = 4, omitempty)]
    pub ssl_enabled: bool,
    #[api(tag = 5, omitempty)]
    pub protection_domain: String,
    #[api(tag = 6, omitempty)]
    pub storage_pool: String,
    #[api(tag = 7, omitempty, default = "\"ThinProvisioned\"")]
    pub storage_mode: String,
    #[api(tag = 8, omitempty)]
    pub volume_name: String,
    #[api(tag = 9, omitempty, default = "\"xfs\"")]
    pub fs_type: String,
    #[api(tag = 10, omitempty)]
    pub read_only: bool,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct LocalVolumeSource {
    #[api(tag = 1, required)]
    pub path: String,
    #[api(tag = 2)]
    pub fs_type: Option<String>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct StorageOSPersistentVolumeSource {
    #[api(tag = 1, omitempty)]
    pub volume_name: String,
    #[api(tag = 2, omitempty)]
    pub volume_namespace: String,
    #[api(tag = 3, omitempty)]
    pub fs_type: String,
    #[api(tag = 4, omitempty)]
    pub read_only: bool,
    #[api(tag = 5)]
    pub secret_ref: Option<Box<ObjectReference>>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct CSIPersistentVolumeSource {
    #[api(tag = 1, required)]
    pub driver: String,
    #[api(tag = 2, required)]
    pub volume_handle: String,
    #[api(tag = 3, omitempty)]
    pub read_only: bool,
    #[api(tag = 4, omitempty)]
    pub fs_type: String,
    #[api(tag = 5, omitempty)]
    pub volume_attributes: BTreeMap<String, String>,
    #[api(tag = 6)]
    pub controller_publish_secret_ref: Option<Box<SecretReference>>,
    #[api(tag = 7)]
    pub node_stage_secret_ref: Option<Box<SecretReference>>,
    #[api(tag = 8)]
    pub node_publish_secret_ref: Option<Box<SecretReference>>,
    #[api(tag = 9)]
    pub controller_expand_secret_ref: Option<Box<SecretReference>>,
    #[api(tag = 10)]
    pub node_expand_secret_ref: Option<Box<SecretReference>>,
}
