mod horizontal_pod_autoscaler;
mod metrics;

pub use horizontal_pod_autoscaler::*;
pub use metrics::*;
