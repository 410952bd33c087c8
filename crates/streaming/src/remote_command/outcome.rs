//! How a command ended, as the error channel tells it.

use serde::{Deserialize, Serialize};

/// How a remote command ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Exit code 0, or an attach that ended.
    Success,
    /// The command's own exit code.
    Exit {
        /// Not 0.
        code: i32,
        /// Words about it.
        message: String,
    },
    /// The command could not be run or the connection to it was lost.
    Failure {
        /// A reason of the API (`InternalError`); may be empty.
        reason: String,
        /// Words about it.
        message: String,
        /// The HTTP code of the failure; 0 for none.
        code: u16,
    },
}

/// The part of `metav1.Status` that the error channel uses.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Status {
    metadata: Metadata,
    #[serde(skip_serializing_if = "String::is_empty")]
    status: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    message: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    reason: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<Details>,
    #[serde(skip_serializing_if = "is_zero")]
    code: u16,
}

#[derive(Default, Serialize, Deserialize)]
struct Metadata {}

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Details {
    causes: Vec<Cause>,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Cause {
    #[serde(skip_serializing_if = "String::is_empty")]
    reason: String,
    message: String,
}

fn is_zero(code: &u16) -> bool {
    *code == 0
}

const NON_ZERO: &str = "NonZeroExitCode";
const EXIT_CODE: &str = "ExitCode";

impl Outcome {
    /// The outcome for an exit code.
    pub fn exit(code: i32) -> Self {
        match code {
            0 => Outcome::Success,
            code => Outcome::Exit {
                code,
                message: format!("command terminated with non-zero exit code: exit code {code}"),
            },
        }
    }

    /// A failure of ours, as upstream's `InternalError`.
    pub fn internal_error(message: impl std::fmt::Display) -> Self {
        Outcome::Failure {
            reason: "InternalError".into(),
            message: format!("Internal error occurred: {message}"),
            code: 500,
        }
    }

    /// The `metav1.Status` of protocols v4 and v5.
    pub fn to_status(&self) -> Vec<u8> {
        let failure = |reason: &str, message: &str| Status {
            status: "Failure".into(),
            reason: reason.into(),
            message: message.into(),
            ..Status::default()
        };
        let status = match self {
            Outcome::Success => Status { status: "Success".into(), ..Status::default() },
            Outcome::Exit { code, message } => {
                let causes = vec![Cause { reason: EXIT_CODE.into(), message: code.to_string() }];
                Status { details: Some(Details { causes }), ..failure(NON_ZERO, message) }
            }
            Outcome::Failure { reason, message, code } => {
                let cause = message.strip_prefix("Internal error occurred: ").unwrap_or(message);
                let causes = vec![Cause { reason: String::new(), message: cause.into() }];
                Status { details: Some(Details { causes }), code: *code, ..failure(reason, message) }
            }
        };
        serde_json::to_vec(&status).unwrap_or_default()
    }

    /// The text of protocols before v4: nothing for a success.
    pub fn to_text(&self) -> Vec<u8> {
        match self {
            Outcome::Success => Vec::new(),
            Outcome::Exit { message, .. } | Outcome::Failure { message, .. } => message.clone().into_bytes(),
        }
    }

    /// Reads what an error channel carried. Nothing at all means that the other side ended early.
    pub(crate) fn parse(bytes: &[u8]) -> Outcome {
        if bytes.is_empty() {
            return Outcome::internal_error("the stream ended before the command's outcome was known");
        }
        let Ok(status) = serde_json::from_slice::<Status>(bytes) else {
            let message = String::from_utf8_lossy(bytes).into_owned();
            return Outcome::Failure { reason: String::new(), message, code: 0 };
        };
        if status.status == "Success" {
            return Outcome::Success;
        }
        let causes = status.details.unwrap_or_default().causes;
        let code = causes.iter().find(|c| c.reason == EXIT_CODE).and_then(|c| c.message.parse().ok());
        match code {
            Some(code) if status.reason == NON_ZERO => Outcome::Exit { code, message: status.message },
            _ => Outcome::Failure { reason: status.reason, message: status.message, code: status.code },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn statuses_are_upstreams() {
        let text = |outcome: &Outcome| String::from_utf8(outcome.to_status()).expect("UTF-8");
        assert_eq!(text(&Outcome::Success), r#"{"metadata":{},"status":"Success"}"#);
        assert_eq!(
            text(&Outcome::exit(7)),
            r#"{"metadata":{},"status":"Failure","message":"command terminated with non-zero exit code: exit code 7","reason":"NonZeroExitCode","details":{"causes":[{"reason":"ExitCode","message":"7"}]}}"#
        );
        assert_eq!(
            text(&Outcome::internal_error("no such container")),
            r#"{"metadata":{},"status":"Failure","message":"Internal error occurred: no such container","reason":"InternalError","details":{"causes":[{"message":"no such container"}]},"code":500}"#
        );
    }

    #[test]
    fn outcomes_round_trip() {
        for outcome in [Outcome::Success, Outcome::exit(137), Outcome::internal_error("x")] {
            assert_eq!(Outcome::parse(&outcome.to_status()), outcome);
        }
        assert!(matches!(Outcome::parse(b""), Outcome::Failure { .. }));
        assert!(
            matches!(Outcome::parse(b"not json"), Outcome::Failure { message, .. } if message == "not json")
        );
    }

    proptest! {
        #[test]
        fn noise_never_panics(noise in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = Outcome::parse(&noise);
        }
    }
}
