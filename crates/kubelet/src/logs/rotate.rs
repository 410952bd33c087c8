//! Keeping logs small, as upstream's container log manager: a log that has grown too large is renamed and
//! the runtime told to begin a new one; of the renamed ones all but the newest are compressed, and the oldest
//! removed.

use corten_rt::Timestamp;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// How large and how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// Bytes of a log above which it is rotated.
    pub max_size: u64,
    /// Files of one log, the one being written included; at least 2.
    pub max_files: usize,
}

impl Default for Rotation {
    /// Upstream's: 5 files of 10 MiB.
    fn default() -> Self {
        Rotation { max_size: 10 << 20, max_files: 5 }
    }
}

impl Rotation {
    /// Whether the log is too large.
    pub fn is_due(&self, log: &Path) -> bool {
        fs::metadata(log).is_ok_and(|m| m.len() > self.max_size)
    }

    /// Rotates the log. `reopen` tells the runtime to open it anew; when that fails, the log keeps its name.
    ///
    /// # Errors
    /// The disk or `reopen` failed; what was rotated before is kept.
    pub async fn rotate<F>(&self, log: &Path, now: Timestamp, reopen: F) -> io::Result<()>
    where
        F: Future<Output = Result<(), String>>,
    {
        let (rotation, path) = (*self, log.to_path_buf());
        let tidying = tokio::task::spawn_blocking(move || rotation.tidy(&path));
        tidying.await.map_err(io::Error::other)??;
        let renamed = suffixed(log, &now.strftime(".%Y%m%d-%H%M%S").to_string());
        fs::rename(log, &renamed)?;
        if let Err(error) = reopen.await {
            fs::rename(&renamed, log)?;
            return Err(io::Error::other(error));
        }
        Ok(())
    }

    /// Compresses what the log was renamed to, before its time.
    ///
    /// # Errors
    /// The disk failed.
    pub async fn shrink(&self, log: &Path) -> io::Result<()> {
        let path = log.to_path_buf();
        let shrinking = tokio::task::spawn_blocking(move || compress_all(&rotated(&path)?));
        shrinking.await.map_err(io::Error::other)?
    }

    /// Makes room for one more file, and compresses what is left.
    fn tidy(&self, log: &Path) -> io::Result<()> {
        let mut old = rotated(log)?;
        // One place is the new log's, one that of the log about to be renamed.
        let excess = old.len().saturating_sub(self.max_files.saturating_sub(2));
        for path in old.drain(..excess) {
            fs::remove_file(path)?;
        }
        compress_all(&old)
    }
}

fn compress_all(old: &[PathBuf]) -> io::Result<()> {
    let mut plain = old.iter().filter(|path| path.extension().is_none_or(|e| e != "gz"));
    plain.try_for_each(|path| compress(path).or_else(|error| give_up(path, error)))
}

fn suffixed(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// The files that the log was renamed to, oldest first.
fn rotated(log: &Path) -> io::Result<Vec<PathBuf>> {
    let (Some(dir), Some(name)) = (log.parent(), log.file_name().and_then(|n| n.to_str())) else {
        return Ok(Vec::new());
    };
    let prefix = format!("{name}.");
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let ours = path.file_name().and_then(|n| n.to_str()).is_some_and(|n| n.starts_with(&prefix));
        if ours && path.extension().is_some_and(|e| e == "tmp") {
            // Of a compression that did not end.
            fs::remove_file(path)?;
        } else if ours {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// On a full disk an old log goes: otherwise no log could be rotated any more, and the disk would stay full.
fn give_up(path: &Path, error: io::Error) -> io::Result<()> {
    if !matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
        return Err(error);
    }
    tracing::warn!(log = %path.display(), "no space left to compress an old log; it is removed");
    fs::remove_file(suffixed(path, ".tmp")).or_else(|e| match e.kind() {
        io::ErrorKind::NotFound => Ok(()),
        _ => Err(e),
    })?;
    fs::remove_file(path)
}

fn compress(path: &Path) -> io::Result<()> {
    let unfinished = suffixed(path, ".tmp");
    let mut out = GzEncoder::new(File::create(&unfinished)?, Compression::default());
    io::copy(&mut File::open(path)?, &mut out)?;
    out.finish()?.sync_all()?;
    fs::rename(unfinished, suffixed(path, ".gz"))?;
    fs::remove_file(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn names(dir: &Path) -> Vec<String> {
        let entries = fs::read_dir(dir).expect("directory").flatten();
        let mut names: Vec<String> = entries.filter_map(|e| e.file_name().into_string().ok()).collect();
        names.sort();
        names
    }

    #[tokio::test]
    async fn old_logs_are_compressed_and_the_oldest_removed() {
        let dir = tempfile::tempdir().expect("directory");
        let log = dir.path().join("0.log");
        let rotation = Rotation { max_size: 3, max_files: 3 };
        assert!(!rotation.is_due(&log));
        fs::write(dir.path().join("0.log.x.tmp"), "left").expect("written");
        for second in 0..4 {
            fs::write(&log, format!("text {second}")).expect("written");
            assert!(rotation.is_due(&log));
            let now = Timestamp::from_second(second).expect("in range");
            rotation.rotate(&log, now, async { Ok(()) }).await.expect("rotated");
        }
        assert_eq!(names(dir.path()), ["0.log.19700101-000002.gz", "0.log.19700101-000003"]);
        let mut text = String::new();
        let file = File::open(dir.path().join("0.log.19700101-000002.gz")).expect("file");
        flate2::read::GzDecoder::new(file).read_to_string(&mut text).expect("compressed");
        assert_eq!(text, "text 2");
    }

    #[tokio::test]
    async fn a_log_that_was_far_too_large_is_compressed_before_its_time() {
        let dir = tempfile::tempdir().expect("directory");
        let log = dir.path().join("0.log");
        fs::write(&log, "a text that is too long").expect("written");
        let rotation = Rotation { max_size: 3, max_files: 3 };
        rotation.rotate(&log, Timestamp::UNIX_EPOCH, async { Ok(()) }).await.expect("rotated");
        assert_eq!(names(dir.path()), ["0.log.19700101-000000"]);
        rotation.shrink(&log).await.expect("compressed");
        assert_eq!(names(dir.path()), ["0.log.19700101-000000.gz"]);
    }

    #[test]
    fn on_a_full_disk_old_logs_go() {
        let dir = tempfile::tempdir().expect("directory");
        let old = dir.path().join("0.log.1");
        for (kind, left) in [(io::ErrorKind::PermissionDenied, 2), (io::ErrorKind::StorageFull, 0)] {
            fs::write(&old, "text").expect("written");
            fs::write(suffixed(&old, ".tmp"), "half").expect("written");
            assert_eq!(give_up(&old, kind.into()).is_err(), left > 0);
            assert_eq!(names(dir.path()).len(), left);
        }
    }

    #[tokio::test]
    async fn a_runtime_that_fails_keeps_its_log() {
        let dir = tempfile::tempdir().expect("directory");
        let log = dir.path().join("0.log");
        fs::write(&log, "text").expect("written");
        let failed =
            Rotation::default().rotate(&log, Timestamp::UNIX_EPOCH, async { Err("down".into()) }).await;
        assert_eq!(failed.expect_err("down").to_string(), "down");
        assert_eq!(names(dir.path()), ["0.log"]);
    }
}
