use crate::Api;
use crate::Raw;
use std::collections::BTreeMap;

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "apiextensions.v1")]
pub struct JSONSchemaProps {
    #[api(tag = 1, omitempty)]
    pub id: String,
    #[api(tag = 2, json = "$schema", omitempty)]
    pub schema: String,
    #[api(tag = 3, json = "$ref")]
    pub ref_: Option<String>,
    #[api(tag = 4, omitempty)]
    pub description: String,
    #[api(tag = 5, omitempty)]
    pub type_: String,
    #[api(tag = 6, omitempty)]
    pub format: String,
    #[api(tag = 7, omitempty)]
    pub title: String,
    #[api(tag = 8)]
    pub default_: Option<Raw>,
    #[api(tag = 9)]
    pub maximum: Option<f64>,
    #[api(tag = 10, omitempty)]
    pub exclusive_maximum: bool,
    #[api(tag = 11)]
    pub minimum: Option<f64>,
    #[api(tag = 12, omitempty)]
    pub exclusive_minimum: bool,
    #[api(tag = 13)]
    pub max_length: Option<i64>,
    #[api(tag = 14)]
    pub min_length: Option<i64>,
    #[api(tag = 15, omitempty)]
    pub pattern: String,
    #[api(tag = 16)]
    pub max_items: Option<i64>,
    #[api(tag = 17)]
    pub min_items: Option<i64>,
    #[api(tag = 18, omitempty)]
    pub unique_items: bool,
    #[api(tag = 19)]
    pub multiple_of: Option<f64>,
    #[api(tag = 20, omitempty)]
    pub enum_: Vec<Raw>,
    #[api(tag = 21)]
    pub max_properties: Option<i64>,
    #[api(tag = 22)]
    pub min_properties: Option<i64>,
    #[api(tag = 23, omitempty)]
    pub required: Vec<String>,
    #[api(tag = 24)]
    pub items: Option<Box<JSONSchemaPropsOrArray>>,
    #[api(tag = 25, omitempty)]
    pub all_of: Vec<JSONSchemaProps>,
    #[api(tag = 26, omitempty)]
    pub one_of: Vec<JSONSchemaProps>,
    #[api(tag = 27, omitempty)]
    pub any_of: Vec<JSONSchemaProps>,
    #[api(tag = 28)]
    pub not: Option<Box<JSONSchemaProps>>,
    #[api(tag = 29, omitempty)]
    pub properties: BTreeMap<String, JSONSchemaProps>,
    #[api(tag = 30)]
    pub additional_properties: Option<Box<JSONSchemaPropsOrBool>>,
    #[api(tag = 31, omitempty)]
    pub pattern_properties: BTreeMap<String, JSONSchemaProps>,
    #[api(tag = 32, omitempty)]
    pub dependencies: BTreeMap<String, JSONSchemaPropsOrStringArray>,
    #[api(tag = 33)]
    pub additional_items: Option<Box<JSONSchemaPropsOrBool>>,
    #[api(tag = 34, omitempty)]
    pub definitions: BTreeMap<String, JSONSchemaProps>,
    #[api(tag = 35)]
    pub external_docs: Option<Box<ExternalDocumentation>>,
    #[api(tag = 36)]
    pub example: Option<Raw>,
    #[api(tag = 37, omitempty)]
    pub nullable: bool,
    #[api(tag = 38, json = "x-kubernetes-preserve-unknown-fields")]
    pub x_kubernetes_preserve_unknown_fields: Option<bool>,
    #[api(tag = 39, json = "x-kubernetes-embedded-resource", omitempty)]
    pub x_kubernetes_embedded_resource: bool,
    #[api(tag = 40, json = "x-kubernetes-int-or-string", omitempty)]
    pub x_kubernetes_int_or_string: bool,
    #[api(tag = 41, json = "x-kubernetes-list-map-keys", omitempty)]
    pub x_kubernetes_list_map_keys: Vec<String>,
    #[api(tag = 42, json = "x-kubernetes-list-type")]
    pub x_kubernetes_list_type: Option<String>,
    #[api(tag = 43, json = "x-kubernetes-map-type")]
    pub x_kubernetes_map_type: Option<String>,
    #[api(
        tag = 44,
        json = "x-kubernetes-validations",
        omitempty,
        list = "map",
        keys = "rule",
        patch = "merge",
        key = "rule"
    )]
    pub x_kubernetes_validations: Vec<ValidationRule>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "apiextensions.v1", form = "schema-or-list")]
pub struct JSONSchemaPropsOrArray {
    #[api(tag = 1, json = "", required)]
    pub schema: Option<Box<JSONSchemaProps>>,
    #[api(tag = 2, json = "", required)]
    pub json_schemas: Vec<JSONSchemaProps>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "apiextensions.v1", form = "schema-or-bool")]
pub struct JSONSchemaPropsOrBool {
    #[api(tag = 1, json = "", required)]
    pub allows: bool,
    #[api(tag = 2, json = "", required)]
    pub schema: Option<Box<JSONSchemaProps>>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "apiextensions.v1", form = "schema-or-strings")]
pub struct JSONSchemaPropsOrStringArray {
    #[api(tag = 1, json = "", required)]
    pub schema: Option<Box<JSONSchemaProps>>,
    #[api(tag = 2, json = "", required)]
    pub property: Vec<String>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "apiextensions.v1")]
pub struct ExternalDocumentation {
    #[api(tag = 1, omitempty)]
    pub description: String,
    #[api(tag = 2, omitempty)]
    pub url: String,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "apiextensions.v1")]
pub struct ValidationRule {
    #[api(tag = 1, required)]
    pub rule: String,
    #[api(tag = 2, omitempty)]
    pub message: String,
    #[api(tag = 3, omitempty)]
    pub message_expression: String,
    #[api(tag = 4)]
    pub reason: Option<String>,
    #[api(tag = 5, omitempty)]
    pub field_path: String,
    #[api(tag = 6)]
    pub optional_old_self: Option<bool>,
}
