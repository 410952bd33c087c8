//! The group `resource.k8s.io`.

mod device_class;
mod resource_claim;
mod resource_slice;
mod slice_validate;

pub use device_class::DeviceClassStrategy;
pub use resource_claim::{ResourceClaimStrategy, ResourceClaimTemplateStrategy};
pub use resource_slice::ResourceSliceStrategy;
