//! A container's log file. A full disk loses lines, and never the container.

use crate::kernel::files;
use std::io;
use std::os::fd::OwnedFd;

/// The file, which another may replace after a rotation.
#[derive(Default)]
pub struct Log {
    path: Option<String>,
    file: Option<OwnedFd>,
    /// Bytes that could not be written.
    pub lost: u64,
}

impl Log {
    /// Opens the file, or nothing.
    pub fn open(path: Option<&String>) -> io::Result<Log> {
        let mut log = Log { path: path.cloned(), ..Log::default() };
        log.reopen()?;
        Ok(log)
    }

    /// Opens what has the path now. The old file is kept if that fails.
    pub fn reopen(&mut self) -> io::Result<()> {
        if let Some(path) = &self.path {
            let flags = libc::O_WRONLY | libc::O_APPEND | libc::O_CREAT | libc::O_NONBLOCK | libc::O_NOCTTY;
            self.file = Some(files::open(path, flags, 0o640)?);
        }
        Ok(())
    }

    /// Whether lines go anywhere.
    pub fn is_open(&self) -> bool {
        self.file.is_some()
    }

    /// Writes whole lines.
    pub fn write(&mut self, lines: &[u8]) {
        let Some(file) = &self.file else { return };
        let mut written = 0;
        while written < lines.len() {
            match files::write(file, &lines[written..]) {
                Ok(0) => break,
                Ok(count) => written += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        if written < lines.len() {
            self.lost += (lines.len() - written) as u64;
            // The line that was cut goes too, so that the next begins at a line's start.
            let whole = lines[..written].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            if let Ok(status) = files::status(file) {
                let _ = files::truncate(file, status.size - (written - whole) as i64);
            }
        }
    }
}
