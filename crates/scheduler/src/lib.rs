//! The scheduler: gives every pod that has no node the node that suits it best. It keeps a model of the
//! cluster of its own ([`Cluster`], dense sums per node, changed event by event), a queue of the pods that
//! wait ([`Queue`]), and asks plugins at upstream's extension points ([`framework`]; one file per plugin).
//! The decision for one pod is pure ([`Algorithm`]); [`start`] runs the loop around it, and binds through
//! the API as anybody would, many pods at a time.
//!
//! Talks to the API through `client` alone.

mod algorithm;
mod amounts;
mod cluster;
mod config;
mod diagnosis;
pub mod framework;
mod inbox;
mod outcome;
pub mod plugins;
mod pod_info;
mod ports;
mod queue;
mod run;

pub use algorithm::{Algorithm, Help, NoFit, Placement};
pub use amounts::Amounts;
pub use cluster::{Cluster, NodeIndex, NodeInfo};
pub use config::Config;
pub use diagnosis::Unfit;
pub use pod_info::PodInfo;
pub use queue::Queue;
pub use run::start;
