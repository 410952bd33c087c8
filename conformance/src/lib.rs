//! Conformance: one test per spec of upstream's conformance suite, run against a real cluster through a real
//! client. The tests stand in `tests/`, one folder per rung, one file per SIG; a test is named
//! `GROUP_LABEL` as the spec is in `specs-v1.35.tsv`, so that each is found (`cargo xtask conformance`).
//!
//! This library is what they share: a namespace of their own on the cluster of
//! `CORTEN_CONFORMANCE_KUBECONFIG` ([`Cluster`]), pods of the demonstration image ([`pods`]), `kubectl`, and
//! WebSockets. The image `corten.local/demo:1` (busybox) must be present on every node.

mod cluster;
pub mod definitions;
pub mod helper;
pub mod hooks;
mod kubectl;
mod objects;
pub mod pods;
pub mod rest;
mod socket;
mod streams;

pub use cluster::{Cluster, object, spec, spec_alone, spec_within, value, wait};
pub use objects::Life;
pub use streams::Ran;
