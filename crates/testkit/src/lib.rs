//! A cluster in one process for tests: the real store in memory, API server, controllers and scheduler, and
//! nodes that only pretend ([`HollowNode`]). On a paused tokio clock hours pass in milliseconds.
//!
//! Crates of tests alone use it; it is never shipped.

mod cluster;
mod hollow;

pub use cluster::TestCluster;
pub use hollow::{HollowNode, Size};
