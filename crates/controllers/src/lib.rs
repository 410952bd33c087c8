//! The controllers: each drives one part of the cluster's state towards what its objects ask for. One file
//! per controller, exporting what wakes it and a `reconcile`; the decision in each is a pure plan, tested
//! by tables. [`shell`] runs them: a queue of keys, workers, retries with back-off.
//!
//! Controllers talk to the API through `client` alone.

mod adoption;
mod certificates;
mod choice;
mod cluster_dns;
mod context;
mod custom_kinds;
mod deployment;
mod endpoint_slice;
mod endpoints;
mod expectations;
mod garbage_collector;
mod legacy_token_cleaner;
mod list;
mod namespace;
mod node_ipam;
mod node_lifecycle;
mod pod_control;
mod pod_gc;
mod ranking;
mod replica_set;
mod replicas;
mod replication;
mod resource_quota;
mod root_ca;
mod service_account;
mod service_account_tokens;
mod service_cidrs;
mod service_pods;
mod shell;
mod taint_eviction;

pub use certificates::Signer;
pub use choice::Choice;
pub use cluster_dns::gateway;
pub use context::{Accounts, Context, Settings};
pub use custom_kinds::CustomKinds;
pub use service_account_tokens::TokenIssuer;
pub use shell::start;
