//! The cluster's DNS: a small server, part of every node's process. It answers for the cluster's zone
//! straight from the informers of Services and EndpointSlices (upstream's DNS specification 1.1.0, with
//! CoreDNS's answers where that is silent), and passes every other name on to the machine's resolvers,
//! with a small cache.
//!
//! What a name means is decided by pure functions over a [`Zone`]; [`serve`] puts sockets around them.

mod answer;
mod cache;
mod config;
mod forward;
mod index;
mod message;
mod server;
mod zone;

pub use answer::{Answer, answer};
pub use config::{Config, nameservers};
pub use server::{Error, serve};
pub use zone::Zone;
