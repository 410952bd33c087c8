use super::*;
use crate::Api;
use crate::Quantity;
use crate::meta::v1::ObjectMeta;
use std::collections::BTreeMap;

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct PersistentVolumeClaimTemplate {
    #[api(tag = 1, omitempty)]
    pub metadata: ObjectMeta,
    #[api(tag = 2, required)]
    pub spec: PersistentVolumeClaimSpec,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct Volume {
    #[api(tag = 1, required)]
    pub name: String,
    #[api(tag = 2, inline)]
    pub volume_source: VolumeSource,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct VolumeSource {
    #[api(tag = 1)]
    pub host_path: Option<Box<HostPathVolumeSource>>,
    #[api(tag = 2)]
    pub empty_dir: Option<Box<EmptyDirVolumeSource>>,
    #[api(tag = 3)]
    pub gce_persistent_disk: Option<Box<GCEPersistentDiskVolumeSource>>,
    #[api(tag = 4)]
    pub aws_elastic_block_store: Option<Box<AWSElasticBlockStoreVolumeSource>>,
    #[api(tag = 5)]
    pub git_repo: Option<Box<GitRepoVolumeSource>>,
    #[api(tag = 6)]
    pub secret: Option<Box<SecretVolumeSource>>,
    #[api(tag = 7)]
    pub nfs: Option<Box<NFSVolumeSource>>,
    #[api(tag = 8)]
    pub iscsi: Option<Box<ISCSIVolumeSource>>,
    #[api(tag = 9)]
    pub glusterfs: Option<Box<GlusterfsVolumeSource>>,
    #[api(tag = 10)]
    pub persistent_volume_claim: Option<Box<PersistentVolumeClaimVolumeSource>>,
    #[api(tag = 11)]
    pub rbd: Option<Box<RBDVolumeSource>>,
    #[api(tag = 12)]
    pub flex_volume: Option<Box<FlexVolumeSource>>,
    #[api(tag = 13)]
    pub cinder: Option<Box<CinderVolumeSource>>,
    #[api(tag = 14)]
    pub cephfs: Option<Box<CephFSVolumeSource>>,
    #[api(tag = 15)]
    pub flocker: Option<Box<FlockerVolumeSource>>,
    #[api(tag = 16, json = "downwardAPI")]
    pub downward_api: Option<Box<DownwardAPIVolumeSource>>,
    #[api(tag = 17)]
    pub fc: Option<Box<FCVolumeSource>>,
    #[api(tag = 18)]
    pub azure_file: Option<Box<AzureFileVolumeSource>>,
    #[api(tag = 19)]
    pub config_map: Option<Box<ConfigMapVolumeSource>>,
    #[api(tag = 20)]
    pub vsphere_volume: Option<Box<VsphereVirtualDiskVolumeSource>>,
    #[api(tag = 21)]
    pub quobyte: Option<Box<QuobyteVolumeSource>>,
    #[api(tag = 22)]
    pub azure_disk: Option<Box<AzureDiskVolumeSource>>,
    #[api(tag = 23)]
    pub photon_persistent_disk: Option<Box<PhotonPersistentDiskVolumeSource>>,
    #[api(tag = 26)]
    pub projected: Option<Box<ProjectedVolumeSource>>,
    #[api(tag = 24)]
    pub portworx_volume: Option<Box<PortworxVolumeSource>>,
    #[api(tag = 25, json = "scaleIO")]
    pub scale_io: Option<Box<ScaleIOVolumeSource>>,
    #[api(tag = 27)]
    pub storageos: Option<Box<StorageOSVolumeSource>>,
    #[api(tag = 28)]
    pub csi: Option<Box<CSIVolumeSource>>,
    #[api(tag = 29)]
    pub ephemeral: Option<Box<EphemeralVolumeSource>>,
    #[api(tag = 30)]
    pub image: Option<Box<ImageVolumeSource>>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct EmptyDirVolumeSource {
    #[api(tag = 1, omitempty)]
    pub medium: String,
    #[api(tag = 2)]
    pub size_limit: Option<Quantity>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct GitRepoVolumeSource {
    #[api(tag = 1, required)]
    pub repository: String,
    #[api(tag = 2, omitempty)]
    pub revision: String,
    #[api(tag = 3, omitempty)]
    pub directory: String,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct SecretVolumeSource {
    #[api(tag = 1, omitempty)]
    pub secret_name: String,
    #[api(tag = 2, omitempty)]
    pub items: Vec<KeyToPath>,
    #[api(tag = 3)]
    pub default_mode: Option<i32>,
    #[api(tag = 4)]
    pub optional: Option<bool>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct ISCSIVolumeSource {
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
    pub secret_ref: Option<Box<LocalObjectReference>>,
    #[api(tag = 12)]
    pub initiator_name: Option<String>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct GlusterfsVolumeSource {
    #[api(tag = 1, required)]
    pub endpoints: String,
    #[api(tag = 2, required)]
    pub path: String,
    #[api(tag = 3, omitempty)]
    pub read_only: bool,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct PersistentVolumeClaimVolumeSource {
    #[api(tag = 1, required)]
    pub claim_name: String,
    #[api(tag = 2, omitempty)]
    pub read_only: bool,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct RBDVolumeSource {
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
    pub secret_ref: Option<Box<LocalObjectReference>>,
    #[api(tag = 8, omitempty)]
    pub read_only: bool,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct FlexVolumeSource {
    #[api(tag = 1, required)]
    pub driver: String,
    #[api(tag = 2, omitempty)]
    pub fs_type: String,
    #[api(tag = 3)]
    pub secret_ref: Option<Box<LocalObjectReference>>,
    #[api(tag = 4, omitempty)]
    pub read_only: bool,
    #[api(tag = 5, omitempty)]
    pub options: BTreeMap<String, String>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct CinderVolumeSource {
    #[api(tag = 1, json = "volumeID", required)]
    pub volume_id: String,
    #[api(tag = 2, omitempty)]
    pub fs_type: String,
    #[api(tag = 3, omitempty)]
    pub read_only: bool,
    #[api(tag = 4)]
    pub secret_ref: Option<Box<LocalObjectReference>>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct CephFSVolumeSource {
    #[api(tag = 1, required)]
    pub monitors: Vec<String>,
    #[api(tag = 2, omitempty)]
    pub path: String,
    #[api(tag = 3, omitempty)]
    pub user: String,
    #[api(tag = 4, omitempty)]
    pub secret_file: String,
    #[api(tag = 5)]
    pub secret_ref: Option<Box<LocalObjectReference>>,
    #[api(tag = 6, omitempty)]
    pub read_only: bool,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct DownwardAPIVolumeSource {
    #[api(tag = 1, omitempty)]
    pub items: Vec<DownwardAPIVolumeFile>,
    #[api(tag = 2)]
    pub default_mode: Option<i32>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct AzureFileVolumeSource {
    #[api(tag = 1, required)]
    pub secret_name: String,
    #[api(tag = 2, required)]
    pub share_name: String,
    #[api(tag = 3, omitempty)]
    pub read_only: bool,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct ConfigMapVolumeSource {
    #[api(tag = 1, inline)]
    pub local_object_reference: LocalObjectReference,
    #[api(tag = 2, omitempty)]
    pub items: Vec<KeyToPath>,
    #[api(tag = 3)]
    pub default_mode: Option<i32>,
    #[api(tag = 4)]
    pub optional: Option<bool>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct ScaleIOVolumeSource {
    #[api(tag = 1, required)]
    pub gateway: String,
    #[api(tag = 2, required)]
    pub system: String,
    #[api(tag = 3, required)]
    pub secret_ref: Option<Box<LocalObjectReference>>,
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
pub struct StorageOSVolumeSource {
    #[api(tag = 1, omitempty)]
    pub volume_name: String,
    #[api(tag = 2, omitempty)]
    pub volume_namespace: String,
    #[api(tag = 3, omitempty)]
    pub fs_type: String,
    #[api(tag = 4, omitempty)]
    pub read_only: bool,
    #[api(tag = 5)]
    pub secret_ref: Option<Box<LocalObjectReference>>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct CSIVolumeSource {
    #[api(tag = 1, required)]
    pub driver: String,
    #[api(tag = 2)]
    pub read_only: Option<bool>,
    #[api(tag = 3)]
    pub fs_type: Option<String>,
    #[api(tag = 4, omitempty)]
    pub volume_attributes: BTreeMap<String, String>,
    #[api(tag = 5)]
    pub node_publish_secret_ref: Option<Box<LocalObjectReference>>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct EphemeralVolumeSource {
    #[api(tag = 1)]
    pub volume_claim_template: Option<Box<PersistentVolumeClaimTemplate>>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct ImageVolumeSource {
    #[api(tag = 1, omitempty)]
    pub reference: String,
    #[api(tag = 2, omitempty)]
    pub pull_policy: String,
}
