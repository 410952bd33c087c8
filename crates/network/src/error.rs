//! What can go wrong with the node's network.

use corten_sys::Cidr;

/// The result of a change to the node's network.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why the network could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel refused a step.
    #[error(transparent)]
    Kernel(#[from] corten_sys::Error),
    /// Every address of the node's pod range is taken.
    #[error("no free address in the node's pod range {0}; delete pods or give the node a larger range")]
    Exhausted(Cidr),
    /// The record of addresses could not be read or written.
    #[error("cannot keep the record of pod addresses at {path}: {source}")]
    Record {
        /// The file or directory.
        path: String,
        /// The reason.
        source: std::io::Error,
    },
    /// The pod range leaves no room for a gateway and a pod.
    #[error("the pod range {0} is too small; a node needs at least four addresses")]
    TooSmall(Cidr),
}
