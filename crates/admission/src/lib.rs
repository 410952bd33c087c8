//! What a write must pass between its decoding and its commit, apart from validation: [`Chain`] runs an
//! ordered table of [`Check`]s, first those that may change the object, then those that only judge it. Each
//! check is one file and one line in [`Chain::standard`]; checks read other objects through
//! [`corten_semantics::Lookup`] and so know nothing of the API server.

mod certificate_subject_restriction;
mod chain;
mod check;
mod default_ingress_class;
mod default_storage_class;
mod default_toleration_seconds;
mod limit_ranger;
mod namespace_lifecycle;
mod node_restriction;
mod notes;
mod persistent_volume_claim_resize;
mod priority;
mod runtime_class;
mod service_account;
mod taint_nodes;

pub use chain::Chain;
pub use check::{Check, Context, Operation};
pub use notes::Notes;
pub use priority::system_classes;

#[cfg(test)]
mod sample;
