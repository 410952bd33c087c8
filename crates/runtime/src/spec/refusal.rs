//! Why a configuration cannot be carried out.

/// A refusal, in CRI's terms: each is a gRPC code, its text the message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The configuration contradicts itself, or names something that does not exist (`INVALID_ARGUMENT`).
    #[error("{0}")]
    InvalidArgument(String),
    /// A file or image that it names is missing (`NOT_FOUND`).
    #[error("{0}")]
    NotFound(String),
    /// This machine cannot do it (`FAILED_PRECONDITION`).
    #[error("{0}")]
    FailedPrecondition(String),
    /// The machine failed where it should not (`INTERNAL`).
    #[error("{0}")]
    Internal(String),
}

/// The configuration is wrong.
pub(super) fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::InvalidArgument(message.into())
}

/// The machine cannot.
pub(super) fn unsupported(message: impl Into<String>) -> Refusal {
    Refusal::FailedPrecondition(message.into())
}

/// Something named is not there.
pub(super) fn missing(message: impl Into<String>) -> Refusal {
    Refusal::NotFound(message.into())
}
