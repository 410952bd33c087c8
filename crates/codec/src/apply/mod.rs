//! Server-side apply and the owners of fields (upstream's structured-merge-diff and
//! `apimachinery/pkg/util/managedfields`).
//!
//! A write of a built-in object is compared by its tables ([`compare_objects`]), any other value by its type
//! ([`compare()`], [`TypeRef`]); [`update()`] turns what changed into the owners after it. [`Application`] merges
//! a configuration into an object. Types of custom resources implement [`ApplyTypes`].

mod compare;
mod element;
mod fields_v1;
mod last_applied;
mod managed;
mod overlay;
mod reflect;
mod scale;
mod set;
mod types;
mod update;
mod validate;
mod value;

pub use compare::{Comparison, compare};
pub use element::{Element, Name};
pub use fields_v1::{read as read_fields, write as write_fields};
pub use last_applied::ANNOTATION as LAST_APPLIED;
pub use managed::{Conflict, Conflicts, Identity, Managed, Manager, check};
pub use overlay::overlay;
pub use reflect::{compare_objects, same_objects};
pub use scale::{Replicas, owners_after_scale, owners_of_scale};
pub use set::{Node, Set};
pub use types::{ApplyTypes, Dynamic, Keys, List, Map, Scalar, TypeRef};
pub use update::{Application, Applied, ApplyError, AtVersion, Reset, Versions, Write, compare_at, update};

#[cfg(test)]
mod tests;
