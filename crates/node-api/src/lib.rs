//! The interfaces between a node and what runs on it. Today that is the Container Runtime Interface, CRI v1
//! ([`cri`]): its messages, a [`CriClient`] for a runtime's unix socket, and the server traits that a runtime
//! (ours, or a fake in a test) implements.
//!
//! The kubelet knows runtimes through this crate alone. Nothing here knows Kubernetes objects.

mod client;
pub mod cri;
mod error;
mod socket;

pub use client::{CriClient, CriConfig};
pub use error::{CriError, CriResult};
pub use socket::socket_path;
