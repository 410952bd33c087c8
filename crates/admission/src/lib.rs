//! What a write must pass between its decoding and its commit, apart from validation: [`Chain`] runs an
//! ordered table of [`Check`]s, first those that may change the object, then those that only judge it. Each
//! check is one file and one line in [`Chain::standard`]; checks read other objects through
//! [`corten_semantics::Lookup`] and so know nothing of the API server.

mod always_pull_images;
mod body;
mod certificate_subject_restriction;
mod chain;
mod check;
mod default_ingress_class;
mod default_storage_class;
mod default_toleration_seconds;
mod deny_service_external_ips;
mod durations;
mod event_rate_limit;
mod expressions;
mod extended_resource_toleration;
mod limit_pod_hard_anti_affinity_topology;
mod limit_ranger;
mod match_conditions;
mod namespace_exists;
mod namespace_lifecycle;
mod node_restriction;
mod notes;
mod persistent_volume_claim_resize;
mod plugins;
mod pod_node_selector;
mod pod_security;
mod pod_toleration_restriction;
mod pod_topology_labels;
mod policy;
mod priority;
mod reinvocation;
mod resource_quota;
mod runtime_class;
mod server;
mod service_account;
mod storage_object_in_use_protection;
mod taint_nodes;
mod tolerations;
mod webhook;

pub use chain::Chain;
pub use check::{Check, Context, Operation};
pub use notes::Notes;
pub use plugins::Settings;
pub use pod_security::{Level, LevelVersion, PodSecurity, Policy, Version};
pub use priority::system_classes;
pub use reinvocation::{Reinvocation, Rounds};
pub use server::{Options, Server};

#[cfg(test)]
mod sample;
