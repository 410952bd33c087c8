//! What goes wrong with images, in words for whoever reads the pod's events: what failed, and what to do.

use std::path::PathBuf;

/// Shorthand for results of this module.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an image could not be had. Cheap to clone, as several waiters may share one failed pull.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The name of the image cannot be read.
    #[error("invalid reference format: {name:?}: {problem}")]
    Reference {
        /// What was given.
        name: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// No such image, here or in the registry.
    #[error("{what}: not found")]
    NotFound {
        /// What was looked for, and where.
        what: String,
    },
    /// The registry refuses these credentials, or demands some.
    #[error("{what}")]
    Denied {
        /// Who refused what, and what to do.
        what: String,
    },
    /// The registry cannot be reached, is busy or failing; a later attempt may succeed.
    #[error("{what}")]
    Unavailable {
        /// What was tried, and how it ended.
        what: String,
    },
    /// The image, the archive or the registry's answer is wrong in itself, and stays so.
    #[error("{what}")]
    Invalid {
        /// What is wrong with which part.
        what: String,
    },
    /// The disk is full.
    #[error("no space left on device while writing {}: free some space or make the disk larger", path.display())]
    DiskFull {
        /// What was being written.
        path: PathBuf,
    },
    /// The kernel refused a file operation.
    #[error("{what} {}: {error}", path.display())]
    File {
        /// What was tried.
        what: &'static str,
        /// On which file.
        path: PathBuf,
        /// The kernel's answer.
        error: std::sync::Arc<std::io::Error>,
    },
    /// Nobody waits for the image any more.
    #[error("the pull was cancelled")]
    Cancelled,
}

impl Error {
    /// The error of a file operation, with a full disk told apart.
    pub fn file(what: &'static str, path: impl Into<PathBuf>, error: std::io::Error) -> Self {
        let path = path.into();
        match error.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Error::DiskFull { path },
            _ => Error::File { what, path, error: std::sync::Arc::new(error) },
        }
    }

    /// Something that is wrong in itself.
    pub fn invalid(what: impl Into<String>) -> Self {
        Error::Invalid { what: what.into() }
    }

    /// Something that may work later.
    pub fn unavailable(what: impl Into<String>) -> Self {
        Error::Unavailable { what: what.into() }
    }

    /// The same error, with what was being done put before it. Kinds whose text is complete stay.
    pub fn during(self, context: impl std::fmt::Display) -> Self {
        match self {
            Error::NotFound { what } => Error::NotFound { what: format!("{context}: {what}") },
            Error::Denied { what } => Error::Denied { what: format!("{context}: {what}") },
            Error::Unavailable { what } => Error::Unavailable { what: format!("{context}: {what}") },
            Error::Invalid { what } => Error::Invalid { what: format!("{context}: {what}") },
            complete => complete,
        }
    }
}
