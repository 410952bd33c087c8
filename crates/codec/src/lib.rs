//! Interpreters over the schema of `corten-api`: JSON, YAML, CBOR, protobuf, lists and watch frames, patches,
//! tables, OpenAPI. Each format is one walk over [`corten_api::Reflect`] and its [`corten_api::Schema`], so a
//! new kind or field needs nothing here. This crate is pure: bytes in, objects out, and back; no input or
//! output.
//!
//! Texts that clients see (errors, findings of strict reading) are upstream's.

pub mod apply;
mod budget;
pub mod cbor;
mod error;
pub mod json;
pub mod list;
mod locate;
pub mod openapi;
pub mod patch;
mod problems;
pub mod protobuf;
mod quote;
mod shown;
pub mod watch;
pub mod yaml;

use budget::Budget;
pub use error::DecodeError;
pub use problems::{Problems, warnings};
pub use shown::{go_float, go_type};
