//! Reading a log from its file, and waiting for more.

use super::line::Formatter;
use super::options::LogOptions;
use super::tail;
use bytes::Bytes;
use corten_rt::Instant;
use futures::future::BoxFuture;
use futures::stream::{BoxStream, StreamExt, unfold};
use std::io::{self, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::fs::{self, File};
use tokio::io::{AsyncReadExt, AsyncSeekExt};

const CHUNK: usize = 64 * 1024;
/// A longer line cannot be of the format: runtimes part them at 16 KiB.
const LONGEST: usize = 1024 * 1024;
/// How often a log that is followed is looked at.
const PAUSE: Duration = Duration::from_millis(100);
/// How often the container of a log that is followed is asked after.
const ASK: Duration = Duration::from_millis(500);

/// Tells whether the container may still write.
pub type Running = Box<dyn Fn() -> BoxFuture<'static, bool> + Send + Sync>;

/// The log at `path` as `options` want it. Following ends when `running` says no and all is read.
///
/// # Errors
/// The file cannot be opened; later failures are items of the stream, which they end.
pub async fn open(
    path: PathBuf,
    options: LogOptions,
    running: Running,
) -> io::Result<BoxStream<'static, io::Result<Bytes>>> {
    let mut source = Source::open(&path).await?;
    if let Some(lines) = options.tail_lines {
        source.skip_to_tail(lines).await?;
    }
    let follow = options.follow.then(|| Follow { running, over: false, asked: None });
    let left = options.tail_lines.filter(|_| !options.follow);
    let reader = Reader { path, source, formatter: Formatter::new(&options), follow, left, over: false };
    let stream = unfold(Some(reader), |reader| async {
        let mut reader = reader?;
        match reader.next().await {
            Ok(Some(bytes)) => Some((Ok(bytes), Some(reader))),
            Ok(None) => None,
            Err(error) => Some((Err(error), None)),
        }
    });
    Ok(stream.boxed())
}

/// A file, and what of it is read but not yet a whole line.
struct Source {
    file: File,
    inode: u64,
    position: u64,
    rest: Vec<u8>,
}

impl Source {
    async fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path).await?;
        let inode = file.metadata().await?.ino();
        Ok(Source { file, inode, position: 0, rest: Vec::new() })
    }

    async fn skip_to_tail(&mut self, lines: u64) -> io::Result<()> {
        let mut file = self.file.try_clone().await?.into_std().await;
        let found = tokio::task::spawn_blocking(move || tail::start(&mut file, lines)).await;
        self.seek(found.map_err(io::Error::other)??).await
    }

    async fn seek(&mut self, position: u64) -> io::Result<()> {
        self.position = self.file.seek(SeekFrom::Start(position)).await?;
        self.rest.clear();
        Ok(())
    }

    /// Reads on; false at the end.
    async fn fill(&mut self) -> io::Result<bool> {
        let before = self.rest.len();
        self.rest.reserve(CHUNK);
        (&mut self.file).take(CHUNK as u64).read_buf(&mut self.rest).await?;
        self.position += (self.rest.len() - before) as u64;
        Ok(self.rest.len() > before)
    }

    /// Takes the whole lines that were read.
    fn lines(&mut self) -> Vec<u8> {
        let end = self.rest.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
        let rest = self.rest.split_off(end);
        let lines = std::mem::replace(&mut self.rest, rest);
        if self.rest.len() > LONGEST {
            self.rest.clear();
        }
        lines
    }
}

struct Follow {
    running: Running,
    /// The container ended before the last look at the file.
    over: bool,
    asked: Option<Instant>,
}

struct Reader {
    path: PathBuf,
    source: Source,
    formatter: Formatter,
    follow: Option<Follow>,
    /// How many whole lines may still be shown: what is written while the last ones are read is too late.
    left: Option<u64>,
    over: bool,
}

impl Reader {
    /// The next bytes to show; `None` at the end.
    async fn next(&mut self) -> io::Result<Option<Bytes>> {
        while !self.over && !self.formatter.is_full() {
            let (lines, last) = if self.source.fill().await? {
                (self.source.lines(), false)
            } else if self.more().await? {
                continue;
            } else {
                // What the container left unfinished.
                (std::mem::take(&mut self.source.rest), true)
            };
            let mut out = Vec::new();
            for line in lines.split_inclusive(|b| *b == b'\n') {
                if let Some(left) = self.left.as_mut().filter(|_| line.ends_with(b"\n")) {
                    self.over = *left == 0;
                    if self.over {
                        break;
                    }
                    *left -= 1;
                }
                self.formatter.write(line, &mut out);
            }
            if !out.is_empty() {
                return Ok(Some(out.into()));
            }
            if last {
                return Ok(None);
            }
        }
        Ok(None)
    }

    /// At the end of the file: whether it is worth reading on, perhaps after a while.
    async fn more(&mut self) -> io::Result<bool> {
        let Some(follow) = &mut self.follow else { return Ok(false) };
        if let Ok(now) = fs::metadata(&self.path).await {
            if now.ino() != self.source.inode {
                // Rotated. What was left of the old file is read.
                self.source = Source::open(&self.path).await?;
                return Ok(true);
            }
            if now.len() < self.source.position {
                self.source.seek(0).await?;
                return Ok(true);
            }
        }
        if follow.over {
            return Ok(false);
        }
        if follow.asked.is_none_or(|asked| asked.elapsed() >= ASK) {
            follow.asked = Some(Instant::now());
            // It may have written between our look and its end: look once more.
            follow.over = !(follow.running)().await;
            if follow.over {
                return Ok(true);
            }
        }
        corten_rt::sleep(PAUSE).await;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    fn append(path: &Path, text: &str) {
        let file = std::fs::OpenOptions::new().append(true).create(true).open(path);
        file.and_then(|mut f| f.write_all(text.as_bytes())).expect("written");
    }

    fn line(text: &str) -> String {
        format!("2026-01-01T00:00:00Z stdout F {text}\n")
    }

    async fn all(path: &Path, options: LogOptions) -> String {
        let running: Running = Box::new(|| Box::pin(async { false }));
        let stream = open(path.into(), options, running).await.expect("opened");
        let chunks: Vec<Bytes> = stream.map(|c| c.expect("read")).collect().await;
        String::from_utf8(chunks.concat()).expect("text")
    }

    #[tokio::test]
    async fn a_log_is_read_to_its_end() {
        let dir = tempfile::tempdir().expect("directory");
        let path = dir.path().join("0.log");
        let running: Running = Box::new(|| Box::pin(async { false }));
        assert!(open(path.clone(), LogOptions::default(), running).await.is_err());
        append(&path, &(0..20_000).map(|i| line(&i.to_string())).collect::<String>());
        append(&path, line("cut").trim_end());
        let text = all(&path, LogOptions::default()).await;
        assert_eq!((text.lines().count(), text.lines().last()), (20_001, Some("cut")));
        let tail = LogOptions { tail_lines: Some(2), ..LogOptions::default() };
        assert_eq!(all(&path, tail).await, "19998\n19999\ncut\n");
        let tail = LogOptions { tail_lines: Some(1), ..LogOptions::default() };
        let running: Running = Box::new(|| Box::pin(async { false }));
        let opened = open(path.clone(), tail, running).await.expect("opened");
        append(&path, &format!("\n{}", line("late")));
        let chunks: Vec<Bytes> = opened.map(|c| c.expect("read")).collect().await;
        assert_eq!(chunks.concat(), b"19999\n");
        let few = LogOptions { limit_bytes: Some(3), follow: true, ..LogOptions::default() };
        assert_eq!(all(&path, few).await, "0\n1");
    }

    #[tokio::test]
    async fn following_survives_rotation_and_ends_with_the_container() {
        let dir = tempfile::tempdir().expect("directory");
        let path = dir.path().join("0.log");
        append(&path, &line("a"));
        let alive = Arc::new(AtomicBool::new(true));
        let seen = alive.clone();
        let running: Running = Box::new(move || {
            let alive = seen.load(Ordering::SeqCst);
            Box::pin(async move { alive })
        });
        let options = LogOptions { follow: true, tail_lines: Some(0), ..LogOptions::default() };
        let mut stream = open(path.clone(), options, running).await.expect("opened");
        let mut next = async || stream.next().await.map(|c| c.expect("read"));
        append(&path, "2026-01-01T00:00:00Z stdout F b");
        append(&path, "c\n");
        assert_eq!(next().await.as_deref(), Some(b"bc\n".as_slice()));
        std::fs::rename(&path, dir.path().join("0.log.1")).expect("rotated");
        append(&dir.path().join("0.log.1"), &line("d"));
        append(&path, &line("e"));
        assert_eq!(next().await.as_deref(), Some(b"d\n".as_slice()));
        assert_eq!(next().await.as_deref(), Some(b"e\n".as_slice()));
        append(&path, &line("f"));
        alive.store(false, Ordering::SeqCst);
        assert_eq!(next().await.as_deref(), Some(b"f\n".as_slice()));
        assert_eq!(next().await, None);
    }
}
