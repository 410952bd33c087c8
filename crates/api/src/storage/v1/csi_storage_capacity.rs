use crate::Api;
use crate::Quantity;
use crate::meta::v1::LabelSelector;
use crate::meta::v1::ObjectMeta;

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "storage.v1")]
#[kind(group = "storage.k8s.io", version = "v1", plural = "csistoragecapacities")]
pub struct CSIStorageCapacity {
    #[api(tag = 1, omitempty)]
    pub metadata: ObjectMeta,
    #[api(tag = 2)]
    pub node_topology: Option<Box<LabelSelector>>,
    #[api(tag = 3, required)]
    pub storage_class_name: String,
    #[api(tag = 4)]
    pub capacity: Option<Quantity>,
    #[api(tag = 5)]
    pub maximum_volume_size: Option<Quantity>,
}
