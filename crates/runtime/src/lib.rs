//! The embedded container runtime. It serves CRI v1 ([`corten_node_api::cri`]) to the kubelet in the same
//! process and, on a socket, to others: images are pulled and unpacked to overlayfs ([`images`]), a
//! container's configuration becomes a launch plan ([`spec`]), and each pod's supervisor ([`corten_pod`])
//! carries the plan out.
//!
//! [`Runtime`] is the runtime service. What runs is recorded in files (`record.rs`); a runtime that starts
//! again finds its pods by them and by their supervisors' sockets (`recovery.rs`), and a supervisor's end is
//! noticed by the end of its connection (`watch.rs`).

pub mod cni;
mod container;
mod events;
mod exec;
mod filter;
pub mod images;
mod metrics;
pub mod network;
mod record;
mod recovery;
mod resources;
mod runtime;
mod sandbox;
mod service;
pub mod spec;
mod state;
mod stats;
mod status;
mod streams;
mod supervisor;
pub mod supervisor_binary;
mod table;
mod terminal;
mod watch;

pub use recovery::remove_pods;
pub use runtime::{OpenError, Runtime, RuntimeConfig};

/// A new id: 64 hexadecimal digits, as all runtimes have them.
fn new_id() -> String {
    let digits = |bytes: [u8; 16]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    digits(corten_rt::random::bytes16()) + &digits(corten_rt::random::bytes16())
}
