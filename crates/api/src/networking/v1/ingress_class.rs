use crate::Api;
use crate::meta::v1::ObjectMeta;

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "networking.v1")]
#[kind(group = "networking.k8s.io", version = "v1", plural = "ingressclasses", cluster)]
pub struct IngressClass {
    #[api(tag = 1, omitempty)]
    pub metadata: ObjectMeta,
    #[api(tag = 2, omitempty)]
    pub spec: IngressClassSpec,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "networking.v1")]
pub struct IngressClassSpec {
    #[api(tag = 1, omitempty)]
    pub controller: String,
    #[api(tag = 2)]
    pub parameters: Option<Box<IngressClassParametersReference>>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "networking.v1")]
pub struct IngressClassParametersReference {
    #[api(tag = 1)]
    pub api_group: Option<String>,
    #[api(tag = 2, required)]
    pub kind: String,
    #[api(tag = 3, required)]
    pub name: String,
    #[api(tag = 4)]
    pub scope: Option<String>,
    #[api(tag = 5)]
    pub namespace: Option<String>,
}
