//! The Kubernetes API's types: one struct per message of every group, each with the table ([`Schema`])
//! that its derive emits, and the values they are made of ([`Quantity`], [`Time`], [`IntOrString`]). This
//! crate knows no format and does no input or output: `codec` interprets the tables.
//!
//! A reader looks for a kind at `<group>/<version>/<kind>.rs`. Roots (kinds that have a URL) carry their
//! [`KindInfo`]: group, version, plural, scope, subresources, storage path.

// The derive names this crate as `crate`; the structs' fields are upstream's, described in its API reference.
#![allow(missing_docs, clippy::large_enum_variant)]

pub mod admission;
pub mod admissionregistration;
pub mod apidiscovery;
pub mod apiextensions;
pub mod apiregistration;
pub mod apps;
pub mod authentication;
pub mod authorization;
pub mod autoscaling;
pub mod batch;
pub mod certificates;
pub mod coordination;
pub mod core;
pub mod discovery;
pub mod events;
pub mod flowcontrol;
pub mod meta;
pub mod metrics;
pub mod networking;
pub mod node;
pub mod policy;
pub mod rbac;
pub mod resource;
pub mod scheduling;
pub mod storage;

pub mod builtin;
mod debug;
pub mod dynamic;
mod int_or_string;
pub mod names;
pub mod object;
pub mod quantity;
mod raw;
pub mod reflect;
pub mod schema;
pub mod selector;
mod time;
mod values;

pub use corten_api_derive::Api;
pub use dynamic::DynamicObject;
pub use int_or_string::IntOrString;
pub use object::{Kind, KindInfo, Object};
pub use quantity::Quantity;
pub use raw::Raw;
pub use reflect::{Edit, List, Map, Optional, Reflect, Struct, View};
pub use schema::{Field, Form, ListKind, Schema, Type, Typed};
pub use time::{MicroTime, Time};
pub use values::Items;
