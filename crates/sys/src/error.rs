//! One error for every call into the kernel.

use std::io;

/// What was tried, on what, and what the kernel said.
#[derive(Debug, thiserror::Error)]
#[error("{action} {subject}: {source}")]
pub struct Error {
    action: &'static str,
    subject: String,
    source: io::Error,
}

/// The result of a call into the kernel.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// `action` is a verb phrase ("mount", "write"), `subject` what it was done to.
    pub fn new(action: &'static str, subject: impl Into<String>, source: impl Into<io::Error>) -> Self {
        Error { action, subject: subject.into(), source: source.into() }
    }

    /// The kernel's error number, when it gave one.
    pub fn errno(&self) -> Option<i32> {
        self.source.raw_os_error()
    }

    /// The kind of the underlying error.
    pub fn kind(&self) -> io::ErrorKind {
        self.source.kind()
    }

    /// Whether the thing did not exist (file, process, device or rule).
    pub fn is_not_found(&self) -> bool {
        matches!(self.errno(), Some(libc::ENOENT | libc::ENODEV | libc::ESRCH | libc::ENXIO))
    }

    /// Whether the thing existed already.
    pub fn is_exists(&self) -> bool {
        self.errno() == Some(libc::EEXIST)
    }
}

/// Adds what was tried to an error of the standard library or of nix.
pub(crate) trait Context<T> {
    fn context(self, action: &'static str, subject: impl ToString) -> Result<T>;
}

impl<T, E: Into<io::Error>> Context<T> for std::result::Result<T, E> {
    fn context(self, action: &'static str, subject: impl ToString) -> Result<T> {
        self.map_err(|source| Error::new(action, subject.to_string(), source))
    }
}
