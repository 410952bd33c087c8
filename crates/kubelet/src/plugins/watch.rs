//! Which sockets are in a directory, and waiting until it is time to look again. A look costs microseconds and
//! cannot lose an event, so there is no inotify, of which a machine has few.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often to look.
const PAUSE: Duration = Duration::from_millis(500);
/// Directories nested deeper than this are not looked into.
const DEEPEST: usize = 4;

/// What tells a file from another of the same name: inode, and when it was made.
pub type Identity = (u64, i64, i64);

/// The sockets in `dir` and below. Names that begin with a dot are left out, as upstream's watcher does.
pub fn sockets(dir: &Path) -> BTreeMap<PathBuf, Identity> {
    let mut found = BTreeMap::new();
    collect(dir, DEEPEST, &mut found);
    found
}

fn collect(dir: &Path, depth: usize, found: &mut BTreeMap<PathBuf, Identity>) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    for entry in entries.flatten() {
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        let Ok(meta) = fs::symlink_metadata(entry.path()) else { continue };
        if meta.file_type().is_socket() {
            found.insert(entry.path(), (meta.ino(), meta.ctime(), meta.ctime_nsec()));
        } else if meta.is_dir() && depth > 0 {
            collect(&entry.path(), depth - 1, found);
        }
    }
}

/// Waits until it is time to look again.
pub async fn pause() {
    corten_rt::sleep(PAUSE).await;
}
