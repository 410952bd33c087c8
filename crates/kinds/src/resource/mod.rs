//! The group `resource.k8s.io`.

mod claim_validate;
mod device_class;
mod gated;
mod parts;
mod resource_claim;
mod resource_slice;
mod slice_validate;
mod status_validate;
#[cfg(test)]
mod tests;

pub use device_class::DeviceClassStrategy;
pub use resource_claim::{ResourceClaimStrategy, ResourceClaimTemplateStrategy};
pub use resource_slice::ResourceSliceStrategy;
