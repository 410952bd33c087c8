//! The API server. From the bottom up: [`cache`] holds every object of the store once, as bytes and as
//! typed object, and serves reads and watches; [`registry`] is the verbs on objects, each from a kind's
//! declaration and strategy, with admission and one transaction per write; [`LocalTransport`] lets the
//! components of this process call the registry without a network; [`http`] lets everybody else.

pub mod aggregation;
pub mod audit;
mod bootstrap;
pub mod cache;
pub mod custom;
pub mod encryption;
pub mod flow;
pub mod http;
pub mod identity;
mod local;
mod metrics;
pub mod outbound;
mod policies;
pub mod registry;

/// What the server's own requests would call themselves over HTTP: the owner of the fields that it writes.
pub(crate) const AGENT: &str = "kube-apiserver";

pub use bootstrap::bootstrap;
pub use local::LocalTransport;
pub use registry::{Config, Registry};
