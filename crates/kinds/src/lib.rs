//! What is particular to each kind: its defaults, what create and update may change, validation, columns,
//! selectable fields. The API server runs every write through [`before_create`] and [`before_update`], and
//! asks [`strategy_for`] for the kind's [`Strategy`]; a kind without behaviour has the plain one. Nothing
//! here does input or output, and no cluster state is seen: what needs other objects is admission's.
//!
//! A kind with behaviour lives in `<group>/<kind>.rs` and stands in the list of `table.rs`.

mod addresses;
pub mod admissionregistration;
pub mod apiextensions;
pub mod apiregistration;
pub mod apps;
pub mod autoscaling;
pub mod batch;
pub mod certificates;
pub mod columns;
mod conditions;
pub mod coordination;
pub mod core;
pub mod discovery;
mod errors;
pub mod events;
pub mod flowcontrol;
mod lifecycle;
pub mod metadata;
pub mod metrics;
pub mod names;
pub mod networking;
pub mod node;
mod plain;
pub mod policy;
pub mod rbac;
mod reflection;
pub mod resource;
mod rules;
pub mod scheduling;
pub mod selectors;
pub mod storage;
mod strategy;
mod table;
mod webhook_client;

pub use columns::{Column, TableColumn};
pub use lifecycle::{before_create, before_update};
pub use plain::Plain;
pub use rules::{Rules, StatusMetadata};
pub use strategy::{KindStrategy, Strategy, StrategyRef, metadata_field};
pub use table::{check_field_label, strategy_for};
