mod node_metrics;
mod pod_metrics;

pub use node_metrics::*;
pub use pod_metrics::*;
