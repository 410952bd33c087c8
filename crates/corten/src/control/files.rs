//! Files that an operator may change while the server runs. The kernel tells of changes in their directories;
//! once a minute is looked without being told, and so where the kernel cannot tell.

use anyhow::{Context, Result, bail};
use aws_lc_rs::digest::{Digest, SHA256, digest};
use corten_rt::{DirNews, Tasks};
use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often to look without being told, as upstream does.
const EVERY: Duration = Duration::from_secs(60);
/// After the first news, until whoever writes is done.
const SETTLE: Duration = Duration::from_millis(100);
/// The largest file that is read, in bytes.
const MOST_BYTES: u64 = 1 << 20;

/// Reads a file that must not be larger than a configuration ever is.
pub fn read(file: &Path) -> Result<Vec<u8>> {
    let about = || format!("read {}", file.display());
    if std::fs::metadata(file).with_context(about)?.len() > MOST_BYTES {
        bail!("{} is larger than {MOST_BYTES} bytes", file.display());
    }
    std::fs::read(file).with_context(about)
}

/// Files that are followed together.
pub struct Followed {
    files: Vec<PathBuf>,
    known: Vec<Option<Vec<u8>>>,
    events: Option<DirNews>,
}

impl Followed {
    /// From what they hold now. What is not there may come.
    pub fn new(files: impl IntoIterator<Item = PathBuf>) -> Self {
        let files: Vec<PathBuf> = files.into_iter().collect();
        let events = watch(&files);
        if let Err(error) = &events {
            tracing::debug!(%error, "the kernel does not tell of changed files: they are looked at every minute");
        }
        let known = files.iter().map(|file| print(file)).collect();
        Followed { files, known, events: events.ok() }
    }

    /// Has `tasks` do `act` after each change.
    pub fn follow<F, R>(mut self, name: &'static str, tasks: &Tasks, mut act: F)
    where
        F: FnMut() -> R + Send + 'static,
        R: Future<Output = Outcome> + Send,
    {
        if self.files.is_empty() {
            return;
        }
        tasks.spawn_until_stopped(name, async move {
            loop {
                self.changed().await;
                if act().await == Outcome::Again {
                    // Nothing is known of them: they count as changed at the next look.
                    self.known.fill(Some(Vec::new()));
                }
            }
        });
    }

    /// Waits until a file holds something else than it did.
    async fn changed(&mut self) {
        loop {
            corten_rt::timeout(EVERY, told(&mut self.events)).await;
            let now: Vec<_> = self.files.iter().map(|file| print(file)).collect();
            if now != self.known {
                self.known = now;
                return;
            }
        }
    }
}

/// What came of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was taken over, or never will be.
    Done,
    /// It may be taken over later.
    Again,
}

/// What tells contents apart; `None` when the file cannot be read.
fn print(file: &Path) -> Option<Vec<u8>> {
    let digest: Digest = digest(&SHA256, &read(file).ok()?);
    Some(digest.as_ref().to_vec())
}

fn watch(files: &[PathBuf]) -> io::Result<DirNews> {
    let news = DirNews::new()?;
    for file in files {
        news.of(file.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new(".")))?;
    }
    Ok(news)
}

/// Waits for news, and until there are no more of them for a moment.
async fn told(events: &mut Option<DirNews>) {
    let Some(news) = events.as_ref() else { return std::future::pending().await };
    if let Err(error) = news.come().await {
        tracing::warn!(%error, "the kernel tells no more of changed files: they are looked at every minute");
        *events = None;
        return std::future::pending().await;
    }
    corten_rt::sleep(SETTLE).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_rt::Stop;
    use tokio::sync::mpsc;

    #[tokio::test]
    async fn changes_are_acted_upon_and_nothing_else_is() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("config");
        std::fs::write(&file, "one").expect("written");
        let tasks = Tasks::new(Stop::new());
        let (tell, mut told) = mpsc::channel(8);
        let path = file.clone();
        Followed::new([file.clone()]).follow("test", &tasks, move || {
            let (tell, text) = (tell.clone(), std::fs::read_to_string(&path).unwrap_or_default());
            async move {
                let _ = tell.send(text).await;
                Outcome::Done
            }
        });
        // The same again is no change; what is put in its place at once is one.
        std::fs::write(&file, "one").expect("written");
        let beside = dir.path().join("beside");
        std::fs::write(&beside, "two").expect("written");
        std::fs::rename(&beside, &file).expect("renamed");
        assert_eq!(told.recv().await.as_deref(), Some("two"));
        std::fs::write(&file, "three").expect("written");
        let mut last = told.recv().await;
        // Between truncation and writing the file may have been seen empty.
        while last.as_deref() == Some("") {
            last = told.recv().await;
        }
        assert_eq!(last.as_deref(), Some("three"));
        assert!(tasks.shutdown(Duration::from_secs(5)).await);
    }
}
