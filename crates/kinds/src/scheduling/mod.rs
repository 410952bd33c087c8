//! The group `scheduling.k8s.io`.

mod priority_class;

pub use priority_class::PriorityClassStrategy;
