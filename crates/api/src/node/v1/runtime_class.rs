use crate::Api;
use crate::Quantity;
use crate::core::v1::Toleration;
use crate::meta::v1::ObjectMeta;
use std::collections::BTreeMap;

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "node.v1")]
#[kind(group = "node.k8s.io", version = "v1", plural = "runtimeclasses", cluster)]
pub struct RuntimeClass {
    #[api(tag = 1, omitempty)]
    pub metadata: ObjectMeta,
    #[api(tag = 2, required)]
    pub handler: String,
    #[api(tag = 3)]
    pub overhead: Option<Box<Overhead>>,
    #[api(tag = 4)]
    pub scheduling: Option<Box<Scheduling>>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "node.v1")]
pub struct Overhead {
    #[api(tag = 1, omitempty)]
    pub pod_fixed: BTreeMap<String, Quantity>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "node.v1")]
pub struct Scheduling {
    #[api(tag = 1, omitempty, atomic)]
    pub node_selector: BTreeMap<String, String>,
    #[api(tag = 2, omitempty)]
    pub tolerations: Vec<Toleration>,
}
