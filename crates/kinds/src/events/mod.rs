//! The group `events.k8s.io`: the same events as the core group's, with newer names.

mod event;

pub use event::{EventStrategy, from_core, to_core};
