//! Small files that only their owner reads, replaced whole or not at all.

use super::PkiError;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// Makes the folder with mode 0700, and takes others' rights from one that is there.
pub fn make_dir(dir: &Path) -> Result<(), PkiError> {
    let make = || -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        fs::set_permissions(dir, fs::Permissions::from_mode(0o700))
    };
    make().map_err(|source| PkiError::File { path: dir.into(), source })
}

/// The file's text; `None` if it does not exist.
pub fn read(path: &Path) -> Result<Option<String>, PkiError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(PkiError::File { path: path.into(), source }),
    }
}

/// Writes the file with mode 0600 through a new one beside it, so that a crash leaves the old or the new.
pub fn write(path: &Path, text: &str) -> Result<(), PkiError> {
    let beside = path.with_extension("new");
    let put = || -> io::Result<()> {
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
        file.set_permissions(fs::Permissions::from_mode(0o600))?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&beside, path)?;
        match path.parent() {
            Some(dir) => fs::File::open(dir)?.sync_all(),
            None => Ok(()),
        }
    };
    put().map_err(|source| PkiError::File { path: path.into(), source })
}

/// The error for a file whose content is wrong.
pub fn broken(path: &Path, what: impl std::fmt::Display) -> PkiError {
    PkiError::Broken { path: path.into(), what: what.to_string() }
}
