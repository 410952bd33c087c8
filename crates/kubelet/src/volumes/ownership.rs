//! Modes and owners of what lies in volumes.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, lchown};
use std::path::Path;

/// What the group may do with files of a volume that is only read.
pub const READ: u32 = 0o440;
/// What the group may do with files of a volume that is written to.
pub const WRITE: u32 = 0o660;

/// Sets the mode, whatever the umask.
pub fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    fs::set_permissions(path, Permissions::from_mode(mode))
}

/// Gives one file away, as far as an owner is named.
pub fn give_file(path: &Path, owner: Option<u32>, group: Option<u32>) -> io::Result<()> {
    if owner.is_none() && group.is_none() { Ok(()) } else { lchown(path, owner, group) }
}

/// Gives a directory to `group`, with the rights `rights`; what is made in it belongs to the group too
/// (upstream's `fsGroup`).
pub fn give(dir: &Path, group: u32, rights: u32) -> io::Result<()> {
    chown(dir, None, Some(group))?;
    set_mode(dir, fs::metadata(dir)?.mode() & 0o7777 | rights | 0o2110)
}
