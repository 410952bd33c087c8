//! Small files that are there whole or not at all.

use crate::images::error::{Error, Result};
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

/// Largest record that is read back.
const MOST_RECORD: u64 = 16 << 20;

/// Makes a directory for root alone, unless it is there.
pub(in crate::images) fn private_directory(path: &Path) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|error| Error::file("cannot make the directory", path, error))
}

/// Writes a file beside its place and moves it there; both it and its name are on the disk afterwards.
pub(in crate::images) fn write_whole(temporary: &Path, path: &Path, bytes: &[u8]) -> Result<()> {
    let result = write_synced(temporary, bytes)
        .and_then(|()| {
            fs::rename(temporary, path).map_err(|error| Error::file("cannot move into place", path, error))
        })
        .and_then(|()| sync_directory(path.parent().unwrap_or(path)));
    if result.is_err() {
        fs::remove_file(temporary).ok(); // what is half written is worth nothing
    }
    result
}

fn write_synced(path: &Path, bytes: &[u8]) -> Result<()> {
    let write = || {
        let mut file = File::create(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(|error| Error::file("cannot write", path, error))
}

fn sync_directory(path: &Path) -> Result<()> {
    let synced = File::open(path).and_then(|directory| directory.sync_all());
    synced.map_err(|error| Error::file("cannot sync the directory", path, error))
}

/// Reads a file of bounded size.
pub(in crate::images) fn read_bounded(path: &Path) -> Result<Vec<u8>> {
    use std::io::Read;
    let read = || {
        let mut bytes = Vec::new();
        File::open(path)?.take(MOST_RECORD).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    read().map_err(|error| Error::file("cannot read", path, error))
}

/// The names in a directory that are UTF-8; ours all are.
pub(in crate::images) fn names(path: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(path).map_err(|error| Error::file("cannot list", path, error))?;
    Ok(entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect())
}

/// Removes a file or a directory with all it holds; what is not there is no error.
pub(in crate::images) fn remove_all(path: &Path) -> Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::file("cannot remove", path, error))
        }
        _ => Ok(()),
    }
}
