use crate::Api;
use crate::meta::v1::ObjectMeta;

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "autoscaling.v1")]
#[kind(group = "autoscaling", version = "v1")]
pub struct Scale {
    #[api(tag = 1, omitempty)]
    pub metadata: ObjectMeta,
    #[api(tag = 2, omitempty)]
    pub spec: ScaleSpec,
    #[api(tag = 3, omitempty)]
    pub status: ScaleStatus,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "autoscaling.v1")]
pub struct ScaleSpec {
    #[api(tag = 1, omitempty, default = "0")]
    pub replicas: i32,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "autoscaling.v1")]
pub struct ScaleStatus {
    #[api(tag = 1, required)]
    pub replicas: i32,
    #[api(tag = 2, omitempty)]
    pub selector: String,
}
