//! What nodes and pods use.

mod usage;

pub use usage::{NodeMetricsStrategy, PodMetricsStrategy};
