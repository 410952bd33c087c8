use crate::Api;

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct ObjectReference {
    #[api(tag = 1, omitempty)]
    pub kind: String,
    #[api(tag = 2, omitempty)]
    pub namespace: String,
    #[api(tag = 3, omitempty)]
    pub name: String,
    #[api(tag = 4, omitempty)]
    pub uid: String,
    #[api(tag = 5, omitempty)]
    pub api_version: String,
    #[api(tag = 6, omitempty)]
    pub resource_version: String,
    #[api(tag = 7, omitempty)]
    pub field_path: String,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct LocalObjectReference {
    #[api(tag = 1, omitempty, default = "\"\"")]
    pub name: String,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct TypedLocalObjectReference {
    #[api(tag = 1)]
    pub api_group: Option<String>,
    #[api(tag = 2, required)]
    pub kind: String,
    #[api(tag = 3, required)]
    pub name: String,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct TypedObjectReference {
    #[api(tag = 1)]
    pub api_group: Option<String>,
    #[api(tag = 2, required)]
    pub kind: String,
    #[api(tag = 3, required)]
    pub name: String,
    #[api(tag = 4)]
    pub namespace: Option<String>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct SecretReference {
    #[api(tag = 1, omitempty)]
    pub name: String,
    #[api(tag = 2, omitempty)]
    pub namespace: String,
}
