//! What goes wrong, in words for a person: those that users of other runtimes know.

use corten_pod::protocol::{Cause, Failure};
use std::fmt::Display;
use std::io;

/// The error's reason in the kernel's words, as in `no such file or directory`.
pub fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    text.to_lowercase()
}

/// A failure of the kernel or of a file.
pub fn failed(what: impl Display, error: &io::Error) -> Failure {
    Failure {
        cause: Cause::Kernel,
        message: format!("{what}: {}", reason(error)),
        errno: error.raw_os_error().unwrap_or(0),
    }
}

/// A failure that no system call told of.
pub fn refused(cause: Cause, message: impl Into<String>) -> Failure {
    Failure { cause, message: message.into(), errno: 0 }
}

/// Says what was tried when it fails.
pub trait Tell<T> {
    /// The failure names what was tried.
    fn tell<W: Display>(self, what: impl FnOnce() -> W) -> Result<T, Failure>;
}

impl<T> Tell<T> for io::Result<T> {
    fn tell<W: Display>(self, what: impl FnOnce() -> W) -> Result<T, Failure> {
        self.map_err(|error| failed(what(), &error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_those_that_users_know() {
        for (errno, text) in [
            (libc::ENOENT, "no such file or directory"),
            (libc::EACCES, "permission denied"),
            (libc::ENOEXEC, "exec format error"),
        ] {
            assert_eq!(reason(&io::Error::from_raw_os_error(errno)), text);
        }
        assert_eq!(failed("open /x", &io::Error::from_raw_os_error(libc::ENOENT)).errno, libc::ENOENT);
    }
}
