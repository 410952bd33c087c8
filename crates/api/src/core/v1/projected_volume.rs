use super::*;
use crate::Api;
use crate::Quantity;
use crate::meta::v1::LabelSelector;
use std::collections::BTreeMap;

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct ProjectedVolumeSource {
    #[api(tag = 1)]
    pub sources: Vec<VolumeProjection>,
    #[api(tag = 2)]
    pub default_mode: Option<i32>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct VolumeProjection {
    #[api(tag = 1)]
    pub secret: Option<Box<SecretProjection>>,
    #[api(tag = 2, json = "downwardAPI")]
    pub downward_api: Option<Box<DownwardAPIProjection>>,
    #[api(tag = 3)]
    pub config_map: Option<Box<ConfigMapProjection>>,
    #[api(tag = 4)]
    pub service_account_token: Option<Box<ServiceAccountTokenProjection>>,
    #[api(tag = 5)]
    pub cluster_trust_bundle: Option<Box<ClusterTrustBundleProjection>>,
    #[api(tag = 6)]
    pub pod_certificate: Option<Box<PodCertificateProjection>>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct SecretProjection {
    #[api(tag = 1, inline)]
    pub local_object_reference: LocalObjectReference,
    #[api(tag = 2, omitempty)]
    pub items: Vec<KeyToPath>,
    #[api(tag = 4)]
    pub optional: Option<bool>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct KeyToPath {
    #[api(tag = 1, required)]
    pub key: String,
    #[api(tag = 2, required)]
    pub path: String,
    #[api(tag = 3)]
    pub mode: Option<i32>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct DownwardAPIProjection {
    #[api(tag = 1, omitempty)]
    pub items: Vec<DownwardAPIVolumeFile>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct DownwardAPIVolumeFile {
    #[api(tag = 1, required)]
    pub path: String,
    #[api(tag = 2)]
    pub field_ref: Option<Box<ObjectFieldSelector>>,
    #[api(tag = 3)]
    pub resource_field_ref: Option<Box<ResourceFieldSelector>>,
    #[api(tag = 4)]
    pub mode: Option<i32>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct ObjectFieldSelector {
    #[api(tag = 1, omitempty)]
    pub api_version: String,
    #[api(tag = 2, required)]
    pub field_path: String,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct ResourceFieldSelector {
    #[api(tag = 1, omitempty)]
    pub container_name: String,
    #[api(tag = 2, required)]
    pub resource: String,
    #[api(tag = 3, omitempty)]
    pub divisor: Quantity,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct ConfigMapProjection {
    #[api(tag = 1, inline)]
    pub local_object_reference: LocalObjectReference,
    #[api(tag = 2, omitempty)]
    pub items: Vec<KeyToPath>,
    #[api(tag = 4)]
    pub optional: Option<bool>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct ServiceAccountTokenProjection {
    #[api(tag = 1, omitempty)]
    pub audience: String,
    #[api(tag = 2)]
    pub expiration_seconds: Option<i64>,
    #[api(tag = 3, required)]
    pub path: String,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct ClusterTrustBundleProjection {
    #[api(tag = 1)]
    pub name: Option<String>,
    #[api(tag = 2)]
    pub signer_name: Option<String>,
    #[api(tag = 3)]
    pub label_selector: Option<Box<LabelSelector>>,
    #[api(tag = 5)]
    pub optional: Option<bool>,
    #[api(tag = 4, required)]
    pub path: String,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct PodCertificateProjection {
    #[api(tag = 1, omitempty)]
    pub signer_name: String,
    #[api(tag = 2, omitempty)]
    pub key_type: String,
    #[api(tag = 3)]
    pub max_expiration_seconds: Option<i32>,
    #[api(tag = 4, omitempty)]
    pub credential_bundle_path: String,
    #[api(tag = 5, omitempty)]
    pub key_path: String,
    #[api(tag = 6, omitempty)]
    pub certificate_chain_path: String,
    #[api(tag = 7, omitempty)]
    pub user_annotations: BTreeMap<String, String>,
}
