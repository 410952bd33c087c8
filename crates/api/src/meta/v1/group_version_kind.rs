use crate::Api;

/// A kind, fully named.
#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "meta.v1")]
pub struct GroupVersionKind {
    #[api(tag = 1, required)]
    pub group: String,
    #[api(tag = 2, required)]
    pub version: String,
    #[api(tag = 3, required)]
    pub kind: String,
}

/// A resource, fully named.
#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "meta.v1")]
pub struct GroupVersionResource {
    #[api(tag = 1, required)]
    pub group: String,
    #[api(tag = 2, required)]
    pub version: String,
    #[api(tag = 3, required)]
    pub resource: String,
}
