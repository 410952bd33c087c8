//! The file of the audit log: written in batches, rotated by size, bounded in number and age.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use corten_rt::{Tasks, Timestamp, sleep};

use super::{Audit, Mode, Waiting};

/// How long lines are gathered before they are written.
const GATHER: Duration = Duration::from_millis(200);

/// Where the log is, and how much of it is kept; the names are kube-apiserver's flags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogOptions {
    /// The file; `-` for standard output.
    pub path: PathBuf,
    /// The size at which a file is rotated, in bytes.
    pub max_size: u64,
    /// How many rotated files are kept; 0 for all.
    pub max_backup: usize,
    /// How many days rotated files are kept; 0 for ever.
    pub max_age: u64,
}

impl Audit {
    /// Writes to the log in a task, until it is told to stop; then what waits is written.
    pub fn keep_log(self: &Arc<Self>, options: LogOptions, tasks: &Tasks) {
        let (audit, stop) = (Arc::clone(self), tasks.stop().clone());
        // What is waited for is not gathered.
        let gather = if self.log.is_some_and(Mode::blocks) { Duration::ZERO } else { GATHER };
        tasks.spawn("audit log", async move {
            let mut log = Some(Log { options, open: None });
            let mut ends = false;
            while !ends {
                tokio::select! {
                    () = audit.filled.notified() => {
                        // The lines of a burst are written together.
                        ends = stop.run(sleep(gather)).await.is_none();
                    }
                    () = stop.stopped() => {
                        // Requests that are still answered are recorded, too.
                        sleep(GATHER).await;
                        ends = true;
                    }
                }
                let Waiting { lines, told } = audit.take();
                if lines.is_empty() {
                    continue;
                }
                let Some(mut file) = log.take() else { return };
                let now = audit.clock.now();
                let written = tokio::task::spawn_blocking(move || {
                    let outcome = file.write(&lines, now);
                    (file, lines, outcome)
                });
                let Ok((file, lines, outcome)) = written.await else { return };
                for waits in told {
                    let _ = waits.send(outcome.is_ok());
                }
                if let Err(error) = outcome {
                    let lost = lines.iter().filter(|b| **b == b'\n').count() as u64;
                    if audit.failed.fetch_add(lost, Ordering::Relaxed) == 0 {
                        tracing::warn!(%error, path = %file.options.path.display(), "audit events are lost: the log cannot be written");
                    }
                }
                log = Some(file);
                audit.reuse(lines);
            }
        });
    }
}

/// The file as it is open.
struct Log {
    options: LogOptions,
    open: Option<(File, u64)>,
}

impl Log {
    fn write(&mut self, lines: &[u8], now: Timestamp) -> io::Result<()> {
        if self.options.path == Path::new("-") {
            return io::stdout().lock().write_all(lines);
        }
        let (max, at) = (self.options.max_size, self.options.path.clone());
        // A batch is written in pieces of whole lines, so that no file grows beyond its size.
        let mut rest = lines;
        while !rest.is_empty() {
            let (mut file, size) = match self.open.take() {
                Some(open) => open,
                None => open(&at)?,
            };
            let fits = whole_lines(rest, max.saturating_sub(size), size == 0);
            if fits == 0 {
                drop(file);
                self.rotate(now)?;
                continue;
            }
            if let Err(error) = file.write_all(&rest[..fits]) {
                // What of the lines is there is cut off: a reader finds whole lines only.
                let _ = file.set_len(size);
                return Err(error);
            }
            self.open = Some((file, size + fits as u64));
            rest = &rest[fits..];
        }
        Ok(())
    }

    /// Puts the file aside under the time, and removes those that are too many or too old.
    fn rotate(&self, now: Timestamp) -> io::Result<()> {
        let path = &self.options.path;
        let (stem, extension) = parts(path);
        let mut now_name = now.strftime("%Y-%m-%dT%H-%M-%S%.3f").to_string();
        while path.with_file_name(format!("{stem}-{now_name}{extension}")).exists() {
            now_name.push('0');
        }
        fs::rename(path, path.with_file_name(format!("{stem}-{now_name}{extension}")))?;
        let mut old = backups(path)?;
        old.sort();
        let too_many = match self.options.max_backup {
            0 => 0,
            most => old.len().saturating_sub(most),
        };
        let days = i64::try_from(self.options.max_age).unwrap_or(i64::MAX);
        for (i, backup) in old.iter().enumerate() {
            let modified = || Timestamp::try_from(fs::metadata(backup).ok()?.modified().ok()?).ok();
            let aged = || {
                modified().is_some_and(|at| now.as_second() - at.as_second() > days.saturating_mul(86_400))
            };
            if i < too_many || days > 0 && aged() {
                fs::remove_file(backup)?;
            }
        }
        Ok(())
    }
}

/// How many bytes of `lines` are whole lines of at most `room` bytes; at least one when `any`.
fn whole_lines(lines: &[u8], room: u64, any: bool) -> usize {
    let room = usize::try_from(room).unwrap_or(usize::MAX).min(lines.len());
    let last = lines[..room].iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
    if last > 0 || !any {
        return last;
    }
    lines.iter().position(|b| *b == b'\n').map_or(lines.len(), |at| at + 1)
}

fn open(path: &Path) -> io::Result<(File, u64)> {
    let mut options = OpenOptions::new();
    options.append(true).create(true).mode(0o600);
    let file = options.open(path).or_else(|error| {
        let Some(directory) = path.parent().filter(|_| error.kind() == io::ErrorKind::NotFound) else {
            return Err(error);
        };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        options.open(path)
    })?;
    let size = file.metadata()?.len();
    Ok((file, size))
}

fn parts(path: &Path) -> (String, String) {
    let text =
        |part: Option<&std::ffi::OsStr>| part.map(|p| p.to_string_lossy().into_owned()).unwrap_or_default();
    let extension = text(path.extension());
    let dot = if extension.is_empty() { "" } else { "." };
    (text(path.file_stem()), format!("{dot}{extension}"))
}

/// The files that were put aside.
fn backups(path: &Path) -> io::Result<Vec<PathBuf>> {
    let (stem, extension) = parts(path);
    let directory = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let at = entry?.path();
        let name = at.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let middle = name.strip_prefix(&format!("{stem}-")).and_then(|n| n.strip_suffix(&extension));
        if middle.is_some_and(|m| m.starts_with(|c: char| c.is_ascii_digit()) && m.contains('T')) {
            found.push(at);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::Policy;
    use corten_rt::{Clock, Stop};

    fn options(directory: &Path, max_size: u64, max_backup: usize) -> LogOptions {
        LogOptions { path: directory.join("audit/audit.log"), max_size, max_backup, max_age: 0 }
    }

    #[test]
    fn files_are_rotated_in_whole_lines_and_few_are_kept() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut log = Log { options: options(directory.path(), 10, 2), open: None };
        let now: Timestamp = "2026-01-02T03:04:05Z".parse().expect("a time");
        log.write(b"aaaa\nbbbb\ncccc\n", now).expect("written");
        log.write(b"a line of its own\ndddd\n", now).expect("written");
        let mut all = backups(&log.options.path).expect("listed");
        all.sort();
        let texts: Vec<String> = all.iter().map(|p| fs::read_to_string(p).expect("read")).collect();
        assert_eq!(texts, ["cccc\n", "a line of its own\n"]);
        assert_eq!(fs::read_to_string(&log.options.path).expect("read"), "dddd\n");
        assert!(all[0].to_string_lossy().contains("audit-2026-01-02T03-04-05"), "{all:?}");
        let mode = std::os::unix::fs::PermissionsExt::mode(
            &fs::metadata(&log.options.path).expect("there").permissions(),
        );
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn old_files_go() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut log =
            Log { options: LogOptions { max_age: 1, ..options(directory.path(), 5, 0) }, open: None };
        let now = Timestamp::now();
        log.write(b"aaaa\nbbbb\n", now).expect("written");
        assert_eq!(backups(&log.options.path).expect("listed").len(), 1);
        let later = now + Duration::from_secs(3 * 86_400);
        log.write(b"cccc\n", later).expect("written");
        assert_eq!(backups(&log.options.path).expect("listed").len(), 0);
    }

    #[tokio::test]
    async fn a_log_that_cannot_be_written_is_counted_and_holds_nobody_up() {
        let directory = tempfile::tempdir().expect("a directory");
        fs::write(directory.path().join("audit"), "a file where a directory should be").expect("written");
        let audit = Arc::new(Audit::new(Policy::standard(), Clock::system()));
        let tasks = Tasks::new(Stop::new());
        audit.keep_log(options(directory.path(), 100, 1), &tasks);
        audit.write(|out, _| out.extend_from_slice(b"{}"));
        assert!(tasks.shutdown(Duration::from_secs(10)).await);
        assert_eq!((audit.counts().events, audit.counts().failed), (1, 1));
        // Nobody takes them any more: the buffer fills, and the rest is dropped.
        for _ in 0..6 {
            audit.write(|out, _| out.resize(out.len() + (1 << 20), b'x'));
        }
        assert!(audit.counts().dropped >= 1);
    }

    #[tokio::test]
    async fn the_end_writes_what_waits() {
        let directory = tempfile::tempdir().expect("a directory");
        let audit = Arc::new(Audit::new(Policy::standard(), Clock::system()));
        let tasks = Tasks::new(Stop::new());
        let options = options(directory.path(), 1000, 1);
        audit.keep_log(options.clone(), &tasks);
        audit.write(|out, _| out.extend_from_slice(b"{}"));
        assert!(tasks.shutdown(Duration::from_secs(10)).await);
        assert_eq!(fs::read_to_string(options.path).expect("read"), "{}\n");
    }
}
