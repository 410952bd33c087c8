//! Containers' logs, as runtimes write them for CRI: `TIME STREAM TAG TEXT` a line, the tag `F` for a full
//! line and `P` for a part of one. [`open`] streams what a client asks for.

pub(crate) mod keeper;
mod line;
mod options;
mod reader;
mod rotate;
mod tail;

pub use options::{LogOptions, LogStream};
pub use reader::{Running, open};
pub use rotate::Rotation;

use line::Formatter;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// The end of a log: at most `lines` lines and `bytes` bytes. Empty when there is no log.
pub fn last_lines(path: &Path, lines: usize, bytes: usize) -> String {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        let start = tail::start(&mut file, lines as u64)?;
        file.seek(SeekFrom::Start(start))?;
        let mut raw = Vec::new();
        file.read_to_end(&mut raw)?;
        let mut formatter = Formatter::new(&LogOptions::default());
        let mut out = Vec::new();
        for line in raw.split_inclusive(|b| *b == b'\n') {
            formatter.write(line, &mut out);
        }
        Ok(out)
    };
    let text = read().unwrap_or_default();
    String::from_utf8_lossy(&text[text.len().saturating_sub(bytes)..]).into_owned()
}

/// Removes a log with the files that were rotated from it. What cannot be removed goes with its pod.
pub fn remove(path: &Path) {
    let (Some(dir), Some(name)) = (path.parent(), path.file_name()) else { return };
    let rotated = format!("{}.", name.to_string_lossy());
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let is_its = entry.file_name() == name || entry.file_name().to_string_lossy().starts_with(&rotated);
        if is_its && let Err(error) = std::fs::remove_file(entry.path()) {
            tracing::debug!(log = %entry.path().display(), %error, "an old log was not removed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_log() {
        let dir = tempfile::tempdir().expect("directory");
        let path = dir.path().join("0.log");
        assert_eq!(last_lines(&path, 80, 2048), "");
        let lines = ["one", "two", "three"].map(|t| format!("2026-01-01T00:00:00Z stdout F {t}\n"));
        std::fs::write(&path, lines.concat()).expect("written");
        assert_eq!(last_lines(&path, 2, 2048), "two\nthree\n");
        assert_eq!(last_lines(&path, 80, 4), "ree\n");
        for other in ["0.log.20260101-000000", "0.log.20260101-000000.gz", "10.log"] {
            std::fs::write(dir.path().join(other), "").expect("written");
        }
        remove(&path);
        let left: Vec<_> =
            std::fs::read_dir(dir.path()).expect("read").flatten().map(|e| e.file_name()).collect();
        assert_eq!(left, ["10.log"]);
    }
}
