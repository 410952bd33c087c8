//! The watch cache: what the store holds, once per process, ready to be read and watched.

mod entry;
mod watch;

pub use entry::Entry;
pub use watch::{Watch, WatchEvent};
