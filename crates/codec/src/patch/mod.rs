//! The three patches that change a JSON document: JSON patch (RFC 6902), merge patch (RFC 7386) and
//! strategic merge patch, which reads lists' merge keys from the schema.

mod json;
mod merge;
mod strategic;

pub use json::{apply_json_patch, try_json_patch};
pub use merge::apply_merge_patch;
pub use strategic::apply_strategic_merge_patch;

/// Why a patch was not applied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatchError {
    /// The patch itself is not well-formed (400).
    #[error("{0}")]
    Malformed(String),
    /// The patch does not fit the document (422).
    #[error("{0}")]
    Unprocessable(String),
    /// Upstream's server reports it as a fault of its own (500).
    #[error("{0}")]
    Internal(String),
}
