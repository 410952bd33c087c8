//! Pure rules that several parts of the system share, so that they agree: how errors look on the wire
//! ([`status`], [`field`]), when a pod is ready, what resources add up to, who owns what, what users are
//! called ([`identity`]), and how a rule reads other objects ([`Lookup`]). No input or output, no state.

pub mod address;
pub mod field;
pub mod gates;
pub mod hash;
pub mod identity;
mod lookup;
pub mod node_affinity;
pub mod owner;
pub mod pod;
pub mod pod_references;
pub mod quota;
pub mod resources;
pub mod status;
pub mod storage_class;
pub mod taint;

pub use lookup::Lookup;
pub use status::{ApiError, ApiResult};
