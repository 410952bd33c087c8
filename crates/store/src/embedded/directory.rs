//! The data directory: private to its owner, and to one process at a time.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::{Error, Result};

const LOCK: &str = "lock";
const DATA: &str = "store.redb";

/// A data directory that this process holds until the value is dropped.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    _lock: File,
}

impl Directory {
    /// Makes the directory if need be (mode 0700) and takes its lock.
    pub fn hold(path: &Path) -> Result<Self> {
        let at =
            |what: &str, e: std::io::Error| Error::Open(format!("cannot {what} {}: {e}", path.display()));
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|e| at("create", e))?;
        fs::set_permissions(path, Permissions::from_mode(0o700)).map_err(|e| at("make private", e))?;
        let mut lock = open_private(&path.join(LOCK)).map_err(|e| at("open the lock file in", e))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(in_use(path, &mut lock)),
            Err(TryLockError::Error(e)) => return Err(at("lock", e)),
        }
        let named = lock.set_len(0).and_then(|()| writeln!(lock, "{}", std::process::id()));
        named.map_err(|e| at("write the lock file in", e))?;
        Ok(Directory { path: path.to_owned(), _lock: lock })
    }

    /// The data file, made if need be (mode 0600).
    pub fn data_file(&self) -> std::io::Result<File> {
        open_private(&self.data_path())
    }

    /// Length of the data file in bytes.
    pub fn data_bytes(&self) -> std::io::Result<u64> {
        Ok(fs::metadata(self.data_path())?.len())
    }

    /// Where the directory is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn data_path(&self) -> PathBuf {
        self.path.join(DATA)
    }
}

fn open_private(path: &Path) -> std::io::Result<File> {
    let file =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
    file.set_permissions(Permissions::from_mode(0o600))?;
    Ok(file)
}

fn in_use(path: &Path, lock: &mut File) -> Error {
    let mut holder = String::new();
    let known = lock.read_to_string(&mut holder).is_ok() && !holder.trim().is_empty();
    let holder = if known { format!("process {}", holder.trim()) } else { "another process".into() };
    let path = path.display();
    Error::Open(format!("the data directory {path} is in use by {holder}; stop it, or use another directory"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_private_and_held_once() {
        let parent = tempfile::tempdir().expect("temporary directory");
        let path = parent.path().join("a/b");
        let held = Directory::hold(&path).expect("free");
        held.data_file().expect("made");
        let mode = |p: &Path| fs::metadata(p).expect("exists").permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o700);
        assert_eq!(mode(&path.join(LOCK)), 0o600);
        assert_eq!(mode(&path.join(DATA)), 0o600);
        let refused = Directory::hold(&path).expect_err("held").to_string();
        assert!(refused.contains(&format!("in use by process {};", std::process::id())), "{refused}");
        drop(held);
        Directory::hold(&path).expect("free again");
    }
}
