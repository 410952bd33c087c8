use super::*;
use crate::Api;

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct EnvVar {
    #[api(tag = 1, required)]
    pub name: String,
    #[api(tag = 2, omitempty)]
    pub value: String,
    #[api(tag = 3)]
    pub value_from: Option<Box<EnvVarSource>>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct EnvVarSource {
    #[api(tag = 1)]
    pub field_ref: Option<Box<ObjectFieldSelector>>,
    #[api(tag = 2)]
    pub resource_field_ref: Option<Box<ResourceFieldSelector>>,
    #[api(tag = 3)]
    pub config_map_key_ref: Option<Box<ConfigMapKeySelector>>,
    #[api(tag = 4)]
    pub secret_key_ref: Option<Box<SecretKeySelector>>,
    #[api(tag = 5)]
    pub file_key_ref: Option<Box<FileKeySelector>>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct ConfigMapKeySelector {
    #[api(tag = 1, inline)]
    pub local_object_reference: LocalObjectReference,
    #[api(tag = 2, required)]
    pub key: String,
    #[api(tag = 3)]
    pub optional: Option<bool>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct SecretKeySelector {
    #[api(tag = 1, inline)]
    pub local_object_reference: LocalObjectReference,
    #[api(tag = 2, required)]
    pub key: String,
    #[api(tag = 3)]
    pub optional: Option<bool>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct FileKeySelector {
    #[api(tag = 1, required)]
    pub volume_name: String,
    #[api(tag = 2, required)]
    pub path: String,
    #[api(tag = 3, required)]
    pub key: String,
    #[api(tag = 4, default = "false")]
    pub optional: Option<bool>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct EnvFromSource {
    #[api(tag = 1, omitempty)]
    pub prefix: String,
    #[api(tag = 2)]
    pub config_map_ref: Option<Box<ConfigMapEnvSource>>,
    #[api(tag = 3)]
    pub secret_ref: Option<Box<SecretEnvSource>>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct ConfigMapEnvSource {
    #[api(tag = 1, inline)]
    pub local_object_reference: LocalObjectReference,
    #[api(tag = 2)]
    pub optional: Option<bool>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct SecretEnvSource {
    #[api(tag = 1, inline)]
    pub local_object_reference: LocalObjectReference,
    #[api(tag = 2)]
    pub optional: Option<bool>,
}
