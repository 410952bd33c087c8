use super::*;
use crate::Api;
use crate::Time;
use crate::meta::v1::ObjectMeta;

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "apiextensions.v1")]
#[kind(
    group = "apiextensions.k8s.io",
    version = "v1",
    plural = "customresourcedefinitions",
    storage = "apiextensions.k8s.io/customresourcedefinitions",
    short = "crd,crds",
    categories = "api-extensions",
    cluster,
    subresources = "status"
)]
pub struct CustomResourceDefinition {
    #[api(tag = 1, omitempty)]
    pub metadata: ObjectMeta,
    #[api(tag = 2, required)]
    pub spec: CustomResourceDefinitionSpec,
    #[api(tag = 3, omitempty)]
    pub status: CustomResourceDefinitionStatus,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "apiextensions.v1")]
pub struct CustomResourceDefinitionSpec {
    #[api(tag = 1, required)]
    pub group: String,
    #[api(tag = 3, required)]
    pub names: CustomResourceDefinitionNames,
    #[api(tag = 4, required)]
    pub scope: String,
    #[api(tag = 7, required)]
    pub versions: Vec<CustomResourceDefinitionVersion>,
    #[api(tag = 9)]
    pub conversion: Option<Box<CustomResourceConversion>>,
    #[api(tag = 10, omitempty)]
    pub preserve_unknown_fields: bool,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "apiextensions.v1")]
pub struct CustomResourceDefinitionNames {
    #[api(tag = 1, required)]
    pub plural: String,
    #[api(tag = 2, omitempty)]
    pub singular: String,
    #[api(tag = 3, omitempty)]
    pub short_names: Vec<String>,
    #[api(tag = 4, required)]
    pub kind: String,
    #[api(tag = 5, omitempty)]
    pub list_kind: String,
    #[api(tag = 6, omitempty)]
    pub categories: Vec<String>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "apiextensions.v1")]
pub struct CustomResourceDefinitionVersion {
    #[api(tag = 1, required)]
    pub name: String,
    #[api(tag = 2, required)]
    pub served: bool,
    #[api(tag = 3, required)]
    pub storage: bool,
    #[api(tag = 7, omitempty)]
    pub deprecated: bool,
    #[api(tag = 8)]
    pub deprecation_warning: Option<String>,
    #[api(tag = 4)]
    pub schema: Option<Box<CustomResourceValidation>>,
    #[api(tag = 5)]
    pub subresources: Option<Box<CustomResourceSubresources>>,
    #[api(tag = 6, omitempty)]
    pub additional_printer_columns: Vec<CustomResourceColumnDefinition>,
    #[api(tag = 9, omitempty)]
    pub selectable_fields: Vec<SelectableField>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "apiextensions.v1")]
pub struct CustomResourceValidation {
    #[api(tag = 1, json = "openAPIV3Schema")]
    pub open_apiv3_schema: Option<Box<JSONSchemaProps>>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "apiextensions.v1")]
pub struct CustomResourceSubresources {
    #[api(tag = 1)]
    pub status: Option<Box<CustomResourceSubresourceStatus>>,
    #[api(tag = 2)]
    pub scale: Option<Box<CustomResourceSubresourceScale>>,
}

/// Its presence alone says that the status is a subresource.
#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "apiextensions.v1")]
pub struct CustomResourceSubresourceStatus {}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "apiextensions.v1")]
pub struct CustomResourceSubresourceScale {
    #[api(tag = 1, required)]
    pub spec_replicas_path: String,
    #[api(tag = 2, required)]
    pub status_replicas_path: String,
    #[api(tag = 3)]
    pub label_selector_path: Option<String>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "apiextensions.v1")]
pub struct CustomResourceColumnDefinition {
    #[api(tag = 1, required)]
    pub name: String,
    #[api(tag = 2, required)]
    pub type_: String,
    #[api(tag = 3, omitempty)]
    pub format: String,
    #[api(tag = 4, omitempty)]
    pub description: String,
    #[api(tag = 5, omitempty)]
    pub priority: i32,
    #[api(tag = 6, required)]
    pub json_path: String,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "apiextensions.v1")]
pub struct SelectableField {
    #[api(tag = 1, required)]
    pub json_path: String,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "apiextensions.v1")]
pub struct CustomResourceConversion {
    #[api(tag = 1, required)]
    pub strategy: String,
    #[api(tag = 2)]
    pub webhook: Option<Box<WebhookConversion>>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "apiextensions.v1")]
pub struct WebhookConversion {
    #[api(tag = 2)]
    pub client_config: Option<Box<WebhookClientConfig>>,
    #[api(tag = 3, required)]
    pub conversion_review_versions: Vec<String>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "apiextensions.v1")]
pub struct WebhookClientConfig {
    #[api(tag = 3)]
    pub url: Option<String>,
    #[api(tag = 1)]
    pub service: Option<Box<ServiceReference>>,
    #[api(tag = 2, omitempty)]
    pub ca_bundle: Vec<u8>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "apiextensions.v1")]
pub struct ServiceReference {
    #[api(tag = 1, required)]
    pub namespace: String,
    #[api(tag = 2, required)]
    pub name: String,
    #[api(tag = 3)]
    pub path: Option<String>,
    #[api(tag = 4)]
    pub port: Option<i32>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "apiextensions.v1")]
pub struct CustomResourceDefinitionStatus {
    #[api(tag = 1, list = "map", keys = "type")]
    pub conditions: Vec<CustomResourceDefinitionCondition>,
    #[api(tag = 2)]
    pub accepted_names: CustomResourceDefinitionNames,
    #[api(tag = 3)]
    pub stored_versions: Vec<String>,
    #[api(tag = 4, omitempty)]
    pub observed_generation: i64,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "apiextensions.v1")]
pub struct CustomResourceDefinitionCondition {
    #[api(tag = 1, required)]
    pub type_: String,
    #[api(tag = 2, required)]
    pub status: String,
    #[api(tag = 3, omitempty, nullable)]
    pub last_transition_time: Option<Time>,
    #[api(tag = 4, omitempty)]
    pub reason: String,
    #[api(tag = 5, omitempty)]
    pub message: String,
    #[api(tag = 6, omitempty)]
    pub observed_generation: i64,
}
