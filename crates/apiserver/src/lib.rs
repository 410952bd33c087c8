//! The API server. From the bottom up: [`cache`] holds every object of the store once, as bytes and as
//! typed object, and serves reads and watches; [`registry`] is the verbs on objects, each from a kind's
//! declaration and strategy, with admission and one transaction per write; [`LocalTransport`] lets the
//! components of this process call the registry without a network; [`http`] lets everybody else.

pub mod audit;
pub mod aggregation;
mod bootstrap;
pub mod cache;
pub mod custom;
pub mod encryption;
pub mod flow;
pub mod http;
mod local;
mod metrics;
pub mod outbound;
pub mod registry;

pub use bootstrap::bootstrap;
pub use local::LocalTransport;
pub use registry::{Config, Registry};
