//! The interfaces between a node and what runs on it: the Container Runtime Interface, CRI v1 ([`cri`]), with a
//! [`CriClient`] for a runtime behind a unix socket or in the same process; storage drivers ([`csi`]), device plugins ([`device_plugin`]), and
//! how both make themselves known ([`plugin_registration`]). Each has messages, clients (over a [`channel`]) and
//! the server traits that a runtime or driver (ours, or a test's) implements.
//!
//! The kubelet knows runtimes and plugins through this crate alone. Nothing here knows Kubernetes objects.

mod client;
pub mod cri;
pub mod csi;
pub mod device_plugin;
mod error;
pub mod plugin_registration;
mod socket;

pub use client::{CallObserver, CriClient, CriConfig, EventStream, LocalRuntime};
pub use error::{CriError, CriResult};
pub use socket::{channel, socket_path};
