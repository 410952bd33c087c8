//! Pods that have to go because the node, or their own limit, is full.

pub mod threshold;

pub use threshold::{Amount, Flags as ThresholdFlags, Signal, Threshold, parse as parse_thresholds};
