//! The embedded container runtime. It serves CRI v1 ([`corten_node_api::cri`]) to the kubelet in the same
//! process and, on a socket, to others: images are pulled and unpacked to overlayfs ([`images`]), a
//! container's configuration becomes a launch plan ([`spec`]), and each pod's supervisor ([`corten_pod`])
//! carries the plan out.
//!
//! What runs is recorded in files; a runtime that starts again finds its pods by them and by their
//! supervisors' sockets.

pub mod images;
pub mod spec;
