use crate::Api;
use crate::Time;
use crate::core::v1::PersistentVolumeSpec;
use crate::meta::v1::ObjectMeta;
use std::collections::BTreeMap;

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "storage.v1")]
#[kind(
    group = "storage.k8s.io",
    version = "v1",
    plural = "volumeattachments",
    cluster,
    subresources = "status"
)]
pub struct VolumeAttachment {
    #[api(tag = 1, omitempty)]
    pub metadata: ObjectMeta,
    #[api(tag = 2, required)]
    pub spec: VolumeAttachmentSpec,
    #[api(tag = 3, omitempty)]
    pub status: VolumeAttachmentStatus,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "storage.v1")]
pub struct VolumeAttachmentSpec {
    #[api(tag = 1, required)]
    pub attacher: String,
    #[api(tag = 2, required)]
    pub source: VolumeAttachmentSource,
    #[api(tag = 3, required)]
    pub node_name: String,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "storage.v1")]
pub struct VolumeAttachmentSource {
    #[api(tag = 1)]
    pub persistent_volume_name: Option<String>,
    #[api(tag = 2)]
    pub inline_volume_spec: Option<Box<PersistentVolumeSpec>>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "storage.v1")]
pub struct VolumeAttachmentStatus {
    #[api(tag = 1, required)]
    pub attached: bool,
    #[api(tag = 2, omitempty)]
    pub attachment_metadata: BTreeMap<String, String>,
    #[api(tag = 3)]
    pub attach_error: Option<Box<VolumeError>>,
    #[api(tag = 4)]
    pub detach_error: Option<Box<VolumeError>>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "storage.v1")]
pub struct VolumeError {
    #[api(tag = 1, omitempty, nullable)]
    pub time: Option<Time>,
    #[api(tag = 2, omitempty)]
    pub message: String,
    #[api(tag = 3)]
    pub error_code: Option<i32>,
}
