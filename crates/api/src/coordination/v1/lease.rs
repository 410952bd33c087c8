use crate::Api;
use crate::MicroTime;
use crate::meta::v1::ObjectMeta;

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "coordination.v1")]
#[kind(group = "coordination.k8s.io", version = "v1", plural = "leases")]
pub struct Lease {
    #[api(tag = 1, omitempty)]
    pub metadata: ObjectMeta,
    #[api(tag = 2, omitempty)]
    pub spec: LeaseSpec,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "coordination.v1")]
pub struct LeaseSpec {
    #[api(tag = 1)]
    pub holder_identity: Option<String>,
    #[api(tag = 2)]
    pub lease_duration_seconds: Option<i32>,
    #[api(tag = 3)]
    pub acquire_time: Option<MicroTime>,
    #[api(tag = 4)]
    pub renew_time: Option<MicroTime>,
    #[api(tag = 5)]
    pub lease_transitions: Option<i32>,
    #[api(tag = 6)]
    pub strategy: Option<String>,
    #[api(tag = 7)]
    pub preferred_holder: Option<String>,
}
