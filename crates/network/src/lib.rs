//! The node's network: pod interfaces ([`PodNetwork`]), routes to the pods of other nodes ([`node_routes`])
//! and Services ([`Services`]).
//!
//! Everything takes plain values and changes the kernel through the traits of `corten-sys`; nothing here
//! calls the API. Calls block for milliseconds at most ([`Services::start`] in a large cluster takes
//! longer), so async callers use a blocking thread.
//!
//! What a node has of it: the bridge, a cable per pod, the tables [`pods::TABLE`] and [`services::TABLE`],
//! and routes marked with [`ROUTE_PROTOCOL`]. [`remove_all`] leaves none of these.

mod addresses;
mod error;
mod expressions;
pub mod node_routes;
pub mod pods;
mod remove;
pub mod services;

pub use addresses::Addresses;
pub use error::{Error, Result};
pub use pods::{PodNetwork, PodNetworkConfig};
pub use remove::remove_all;
pub use services::{
    Claim, Endpoint, HostPort, Protocol, ServicePort, Services, ServicesConfig, TrafficPolicy,
};

/// The mark of our routes in the kernel's table.
pub const ROUTE_PROTOCOL: u8 = 75;

/// The bridge that pods hang on, unless configured otherwise.
pub const BRIDGE: &str = "corten0";
