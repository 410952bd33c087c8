//! When to ask again, and when to give up.

use super::Patience;
use crate::images::error::{Error, Result};
use corten_rt::Backoff;
use http::StatusCode;
use std::time::Duration;

/// How an attempt failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// Asking again will not help.
    Final(Error),
    /// It may pass; perhaps the registry said when.
    Passing { error: Error, after: Option<Duration> },
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Final(error)
    }
}

impl Failure {
    pub(super) fn passing(what: impl Into<String>) -> Self {
        Failure::Passing { error: Error::unavailable(what), after: None }
    }
}

/// Counts attempts without progress.
pub(super) struct Attempts {
    patience: Patience,
    made: u32,
    backoff: Backoff,
}

impl Attempts {
    pub(super) fn new(patience: Patience) -> Self {
        Self { patience, made: 0, backoff: Backoff::new(patience.first_wait, patience.most_wait) }
    }

    /// Something came: patience starts anew.
    pub(super) fn progress(&mut self) {
        self.made = 0;
        self.backoff.reset();
    }

    /// Waits as long as it is good to, or gives the error back if that was enough.
    pub(super) async fn after(&mut self, failure: Failure) -> Result<()> {
        let (error, after) = match failure {
            Failure::Final(error) => return Err(error),
            Failure::Passing { error, after } => (error, after),
        };
        self.made += 1;
        if self.made >= self.patience.attempts {
            return Err(error.during(format_args!("gave up after {} attempts", self.made)));
        }
        if let Some(asked) = after.filter(|asked| *asked > self.patience.longest_request) {
            return Err(error.during(format_args!("the registry asks to wait {} s", asked.as_secs())));
        }
        let wait = self.backoff.step().max(after.unwrap_or_default());
        tracing::debug!(%error, ?wait, "the registry is asked again");
        corten_rt::sleep(wait).await;
        Ok(())
    }
}

/// What an answer's status means. `what` is `METHOD URL` for the message, `said` what the body says.
pub(super) fn judge(status: StatusCode, after: Option<&str>, what: &str, said: &str) -> Failure {
    let said = if said.is_empty() { String::new() } else { format!(": {said}") };
    let text = format!("unexpected status from {what}: {status}{said}");
    match status {
        StatusCode::NOT_FOUND | StatusCode::GONE => {
            Error::NotFound { what: format!("{what}: {status}{said}") }.into()
        }
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Error::Denied {
            what: format!(
                "pull access denied, repository does not exist or may require authorization ({text}): \
                 check the image's name, and the credentials in imagePullSecrets"
            ),
        }
        .into(),
        StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => {
            Failure::Passing { error: Error::unavailable(text), after: seconds(after) }
        }
        _ if status.is_server_error() => {
            Failure::Passing { error: Error::unavailable(text), after: seconds(after) }
        }
        _ => Error::invalid(text).into(),
    }
}

/// `Retry-After` in seconds; the form with a date is rare and ignored.
fn seconds(after: Option<&str>) -> Option<Duration> {
    after?.trim().parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses() {
        let passing =
            |status: u16, after| match judge(StatusCode::from_u16(status).unwrap(), after, "GET x", "") {
                Failure::Passing { after, .. } => Some(after),
                Failure::Final(_) => None,
            };
        assert_eq!(passing(429, Some("7")), Some(Some(Duration::from_secs(7))));
        assert_eq!(passing(503, Some("Wed, 21 Oct 2026 07:28:00 GMT")), Some(None));
        assert_eq!(passing(500, None), Some(None));
        for status in [400, 401, 403, 404, 418] {
            assert_eq!(passing(status, Some("7")), None, "{status}");
        }
        let Failure::Final(error) = judge(StatusCode::NOT_FOUND, None, "GET x", "MANIFEST_UNKNOWN") else {
            panic!("it passes")
        };
        assert_eq!(error.to_string(), "GET x: 404 Not Found: MANIFEST_UNKNOWN: not found");
    }

    #[tokio::test(start_paused = true)]
    async fn waits_grow_follow_requests_and_end() {
        let mut attempts = Attempts::new(Patience::default());
        let started = corten_rt::Instant::now();
        attempts.after(Failure::passing("busy")).await.unwrap();
        assert!(started.elapsed() >= Duration::from_millis(500));
        let asked = |seconds| Failure::Passing {
            error: Error::unavailable("busy"),
            after: Some(Duration::from_secs(seconds)),
        };
        attempts.after(asked(20)).await.unwrap();
        assert!(started.elapsed() >= Duration::from_secs(20));
        assert!(attempts.after(asked(31)).await.unwrap_err().to_string().contains("asks to wait 31 s"));
        attempts.progress();
        for _ in 0..4 {
            attempts.after(Failure::passing("busy")).await.unwrap();
        }
        assert!(
            attempts.after(Failure::passing("busy")).await.unwrap_err().to_string().contains("5 attempts")
        );
    }
}
