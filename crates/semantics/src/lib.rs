//! Pure rules that several parts of the system share, so that they agree: how errors look on the wire
//! ([`status`], [`field`]), when a pod is ready, what resources add up to, who owns what. No input or
//! output, no state.

pub mod field;
pub mod hash;
pub mod owner;
pub mod pod;
pub mod status;

pub use status::{ApiError, ApiResult};
