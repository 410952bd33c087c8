//! Which sockets are in a directory, and waiting until something there has changed. The kernel tells of changes;
//! where it cannot (a machine has few such watches), and now and then in case that one got lost, is looked
//! without being told.

use corten_rt::DirNews;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often to look where the kernel does not tell.
const PAUSE: Duration = Duration::from_millis(500);
/// How often to look where it does.
const SAFETY: Duration = Duration::from_secs(30);
/// Directories nested deeper than this are not looked into.
const DEEPEST: usize = 4;

/// What tells a file from another of the same name: inode, and when it was made.
pub type Identity = (u64, i64, i64);

/// The sockets in a directory and below.
pub struct Watch {
    dir: PathBuf,
    events: Option<DirNews>,
}

impl Watch {
    /// Of `dir`.
    pub fn new(dir: PathBuf) -> Self {
        let events = DirNews::new();
        if let Err(error) = &events {
            tracing::debug!(%error, "the kernel does not tell of new plugins: they are looked for");
        }
        Watch { dir, events: events.ok() }
    }

    /// The sockets that are there now. Names that begin with a dot are left out, as upstream's watcher does.
    pub fn sockets(&mut self) -> BTreeMap<PathBuf, Identity> {
        let mut found = BTreeMap::new();
        if !self.collect(&self.dir, DEEPEST, &mut found) {
            self.events = None;
        }
        found
    }

    /// Watches a directory, and then looks: what comes meanwhile is seen either way. Whether all are watched.
    fn collect(&self, dir: &Path, depth: usize, found: &mut BTreeMap<PathBuf, Identity>) -> bool {
        let mut watched = self.events.as_ref().is_some_and(|events| {
            let added = events.of(dir);
            // One that has just gone is told of by its parent.
            added.is_ok() || added.is_err_and(|e| e.kind() == io::ErrorKind::NotFound) && depth < DEEPEST
        });
        let Ok(entries) = fs::read_dir(dir) else { return watched };
        for entry in entries.flatten() {
            if entry.file_name().as_encoded_bytes().starts_with(b".") {
                continue;
            }
            let Ok(meta) = fs::symlink_metadata(entry.path()) else { continue };
            if meta.file_type().is_socket() {
                found.insert(entry.path(), (meta.ino(), meta.ctime(), meta.ctime_nsec()));
            } else if meta.is_dir() && depth > 0 {
                watched &= self.collect(&entry.path(), depth - 1, found);
            }
        }
        watched
    }

    /// Waits until it is time to look again: something has changed, or `most` is over.
    pub async fn changed(&mut self, most: Option<Duration>) {
        let Some(events) = &self.events else {
            return corten_rt::sleep(most.map_or(PAUSE, |most| most.min(PAUSE))).await;
        };
        let most = most.map_or(SAFETY, |most| most.min(SAFETY));
        corten_rt::timeout(most, told(events)).await;
    }
}

/// Waits for news. Where they can no longer be read is looked now and then.
async fn told(news: &DirNews) {
    if news.come().await.is_err() {
        std::future::pending().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    #[tokio::test]
    async fn sockets_are_seen_when_they_come_and_not_before() {
        let dir = tempfile::tempdir().expect("directory");
        let mut watch = Watch::new(dir.path().to_owned());
        assert!(watch.sockets().is_empty());
        assert!(watch.events.is_some(), "the kernel tells");
        let quiet = corten_rt::timeout(Duration::from_millis(700), watch.changed(None)).await;
        assert!(quiet.is_none(), "nothing has happened");
        let below = dir.path().join("a/b");
        fs::create_dir_all(&below).expect("made");
        watch.changed(None).await;
        assert!(watch.sockets().is_empty());
        let path = below.join("x.sock");
        let _listener = UnixListener::bind(&path).expect("bound");
        let told = corten_rt::timeout(Duration::from_secs(5), watch.changed(None)).await;
        assert!(told.is_some(), "a directory of the second level is watched too");
        assert_eq!(watch.sockets().into_keys().collect::<Vec<_>>(), [path]);
    }

    #[tokio::test]
    async fn without_the_kernels_help_is_looked_all_the_same() {
        let dir = tempfile::tempdir().expect("directory");
        let mut watch = Watch { dir: dir.path().to_owned(), events: None };
        assert!(corten_rt::timeout(Duration::from_secs(5), watch.changed(None)).await.is_some());
        assert!(watch.sockets().is_empty());
    }
}
