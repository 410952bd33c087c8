mod device_class;
mod resource_claim;
mod resource_claim_template;
mod resource_slice;

pub use device_class::*;
pub use resource_claim::*;
pub use resource_claim_template::*;
pub use resource_slice::*;
