//! The executable of the pods' supervisors, which this one carries: it is written to a directory of the
//! runtime's before the first is started.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

const EXECUTABLE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/corten-pod"));

/// The file's name says what is in it, so that an upgrade never writes to one that is running.
const NAME: &str = concat!("corten-pod-", env!("CORTEN_POD_HASH"));

/// Makes sure that the executable is in `dir`'s subdirectory `bin`, and removes those of other versions, which
/// run on for as long as their pods do. Where it is.
pub fn install(dir: &Path) -> io::Result<PathBuf> {
    let bin = dir.join("bin");
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&bin)?;
    let path = bin.join(NAME);
    if fs::read(&path).is_ok_and(|bytes| bytes == EXECUTABLE) {
        return Ok(path);
    }
    let new = bin.join(format!(".{NAME}.{}", std::process::id()));
    let written = write(&new).and_then(|()| fs::rename(&new, &path));
    if let Err(error) = written {
        let _ = fs::remove_file(&new);
        return Err(error);
    }
    for entry in fs::read_dir(&bin)?.flatten() {
        let name = entry.file_name();
        if name != NAME && name.to_string_lossy().starts_with("corten-pod-") {
            let _ = fs::remove_file(entry.path());
        }
    }
    Ok(path)
}

fn write(path: &Path) -> io::Result<()> {
    let _ = fs::remove_file(path);
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o500).open(path)?;
    file.write_all(EXECUTABLE)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_executable_is_there_once_and_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = install(dir.path()).unwrap();
        let old = path.with_file_name("corten-pod-0");
        fs::write(&old, "old").unwrap();
        fs::remove_file(&path).unwrap();
        fs::write(&path, "broken").unwrap();
        assert_eq!(install(dir.path()).unwrap(), path);
        assert!(fs::read(&path).unwrap() == EXECUTABLE);
        assert_eq!(fs::read_dir(dir.path().join("bin")).unwrap().count(), 1);
        assert_eq!(install(dir.path()).unwrap(), path);
        // Without a first request there is nothing for it to do.
        let status = std::process::Command::new(&path).stdin(std::process::Stdio::null()).status();
        assert!(status.is_ok());
    }
}
