//! System-call filters: profiles in the format that Docker began and OCI has, compiled to the kernel's BPF.
//!
//! A compiled filter asks for the architecture first. The machine's own and those that the profile names are
//! looked up in their tables ([`numbers`]); a call of any other ends the thread, as with runc. Calls of x32
//! are refused with `ENOSYS` where the profile names x32, since hardly a kernel has it, and end the thread
//! otherwise. A call newer than all that the profile names gets `ENOSYS` instead of the default, so that C
//! libraries fall back to an older one; this too is runc's way.

mod assembler;
mod compile;
mod default;
mod numbers;
mod profile;

pub use profile::{Arch, Context, Profile};

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use sha2::{Digest, Sha256};

/// Filters that are kept; a node has a handful of profiles and sets of capabilities.
const KEPT: usize = 64;

/// Why there is no filter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SeccompError {
    /// The profile cannot be read.
    #[error("decoding seccomp profile failed: {0}")]
    Decode(String),
    /// It names an action, operator or flag that there is not.
    #[error("seccomp profile: {0}")]
    Invalid(String),
    /// It needs a listener, which only a runtime's own agent could be.
    #[error(
        "seccomp profile: SCMP_ACT_NOTIFY needs a listener, which this runtime does not have; use another action"
    )]
    Notify,
    /// The kernel takes no filter of this length.
    #[error("seccomp profile: its filter has {0} instructions, and the kernel takes 4096; name fewer rules")]
    TooLong(usize),
}

/// A filter for the kernel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Instructions of eight bytes each.
    pub program: Vec<u8>,
    /// `SECCOMP_FILTER_FLAG_*`.
    pub flags: u32,
}

/// Which profile.
#[derive(Clone, Copy, Debug)]
pub enum Source<'a> {
    /// The runtime's own.
    Default,
    /// A file's content.
    File(&'a [u8]),
}

/// The digest of a profile's file, `None` for the runtime's own, and what its meaning depends on.
type Key = (Option<[u8; 32]>, Context);

/// Compiled filters by profile and by what it depends on.
#[derive(Debug, Default)]
pub struct Filters {
    kept: Mutex<HashMap<Key, Arc<Filter>>>,
}

impl Filters {
    /// The filter of a profile.
    pub fn get(&self, source: Source<'_>, context: Context) -> Result<Arc<Filter>, SeccompError> {
        let digest = match source {
            Source::Default => None,
            Source::File(bytes) => Some(Sha256::digest(bytes).into()),
        };
        if let Some(filter) = self.kept.lock().get(&(digest, context)) {
            return Ok(filter.clone());
        }
        let profile = match source {
            Source::Default => default::profile(context),
            Source::File(bytes) => Profile::parse(bytes, context)?,
        };
        let filter = Arc::new(compile::compile(&profile, context)?);
        let mut kept = self.kept.lock();
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert((digest, context), filter.clone());
        Ok(filter)
    }
}

#[cfg(test)]
mod tests;
