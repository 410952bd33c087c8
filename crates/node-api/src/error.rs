//! What a call to the runtime can end in.

use tonic::{Code, Status};

/// The outcome of a CRI call.
pub type CriResult<T> = Result<T, CriError>;

/// Why a CRI call failed; one variant for each cause that a caller handles in its own way.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CriError {
    /// The sandbox, container or image does not exist.
    #[error("{0}")]
    NotFound(String),
    /// Something of that name exists already.
    #[error("{0}")]
    AlreadyExists(String),
    /// The runtime did not answer in time. The work may still be going on there.
    #[error("the container runtime did not finish in time: {0}")]
    DeadlineExceeded(String),
    /// The runtime cannot be reached: check that it runs and that its socket is the configured one.
    #[error("the container runtime is unavailable: {0}")]
    Unavailable(String),
    /// The runtime does not know this call (an older version).
    #[error("the container runtime does not implement this call: {0}")]
    Unimplemented(String),
    /// Any other status.
    #[error("rpc error: code = {code:?} desc = {message}")]
    Other {
        /// The gRPC code.
        code: Code,
        /// The runtime's words.
        message: String,
    },
}

impl CriError {
    /// Whether the object that the call names is gone.
    pub fn is_not_found(&self) -> bool {
        matches!(self, CriError::NotFound(_))
    }

    /// Whether the call ran out of time.
    pub fn is_deadline_exceeded(&self) -> bool {
        matches!(self, CriError::DeadlineExceeded(_))
    }

    /// Whether the runtime is down or restarting.
    pub fn is_unavailable(&self) -> bool {
        matches!(self, CriError::Unavailable(_))
    }

    /// Whether the runtime lacks the call.
    pub fn is_unimplemented(&self) -> bool {
        matches!(self, CriError::Unimplemented(_))
    }

    /// The gRPC code this error stands for.
    pub fn code(&self) -> Code {
        match self {
            CriError::NotFound(_) => Code::NotFound,
            CriError::AlreadyExists(_) => Code::AlreadyExists,
            CriError::DeadlineExceeded(_) => Code::DeadlineExceeded,
            CriError::Unavailable(_) => Code::Unavailable,
            CriError::Unimplemented(_) => Code::Unimplemented,
            CriError::Other { code, .. } => *code,
        }
    }
}

impl From<Status> for CriError {
    fn from(status: Status) -> Self {
        let message = match std::error::Error::source(&status) {
            // The transport's message ("transport error") says nothing; its cause does.
            Some(cause) => root_cause(cause),
            None => status.message().to_owned(),
        };
        match status.code() {
            Code::NotFound => CriError::NotFound(message),
            Code::AlreadyExists => CriError::AlreadyExists(message),
            Code::DeadlineExceeded => CriError::DeadlineExceeded(message),
            // How tonic, on either side, says that the request's own limit passed.
            Code::Cancelled if message == tonic::TimeoutExpired(()).to_string() => {
                CriError::DeadlineExceeded(message)
            }
            Code::Unavailable => CriError::Unavailable(message),
            Code::Unimplemented => CriError::Unimplemented(message),
            code => CriError::Other { code, message },
        }
    }
}

fn root_cause(mut error: &(dyn std::error::Error + 'static)) -> String {
    while let Some(cause) = error.source() {
        error = cause;
    }
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_survives_the_mapping() {
        for code in (0..17).map(Code::from_i32) {
            let error = CriError::from(Status::new(code, "words of the runtime"));
            assert_eq!(error.code(), code);
            assert!(error.to_string().contains("words of the runtime"), "{error}");
        }
    }
}
