mod horizontal_pod_autoscaler;
mod scale;

pub use horizontal_pod_autoscaler::*;
pub use scale::*;
