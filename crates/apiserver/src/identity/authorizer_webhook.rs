//! A webhook that authorizes: it is sent SubjectAccessReviews (`--authorization-webhook-config-file`,
//! `--authorization-config`).
//!
//! Authorizers are asked in the midst of work that does not wait, so the thread waits here, and the runtime
//! replaces it meanwhile. Who may wait at once is limited.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use corten_auth::Attributes;
use corten_auth::authorize::{Answer, MatchConditions, Verdict, Webhook, WebhookConfiguration, review};
use corten_rt::Instant;
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::Semaphore;

use super::{Asked, Remote};

/// The most answers that are remembered.
const KEPT: usize = 8192;
/// What is longer is not remembered, as upstream: who calls chooses names and paths.
const LONGEST: usize = 10_000;
/// How many calls are under way at once.
const AT_ONCE: usize = 256;

/// The webhook, and what it said lately.
pub struct AuthorizerWebhook {
    remote: Remote,
    version: String,
    timeout: Duration,
    authorized: Duration,
    unauthorized: Duration,
    /// When it cannot be asked.
    failing: Answer,
    conditions: MatchConditions,
    known: Mutex<HashMap<String, (Instant, Verdict)>>,
    calls: Semaphore,
    asked: Arc<Asked>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Status {
    allowed: bool,
    denied: bool,
    reason: String,
    evaluation_error: String,
}

impl AuthorizerWebhook {
    /// Asks `remote` as the configuration says.
    ///
    /// # Errors
    /// What is wrong with its conditions.
    pub fn new(remote: Remote, configuration: &WebhookConfiguration) -> Result<Self, String> {
        let conditions = configuration
            .conditions("")
            .map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))?;
        Ok(AuthorizerWebhook {
            remote,
            version: configuration.subject_access_review_version.clone(),
            timeout: configuration.timeout(),
            authorized: configuration.authorized_ttl(),
            unauthorized: configuration.unauthorized_ttl(),
            failing: if configuration.failure_policy == "Deny" { Answer::Deny } else { Answer::NoOpinion },
            conditions,
            known: Mutex::default(),
            calls: Semaphore::new(AT_ONCE),
            asked: Arc::default(),
        })
    }

    /// Has its calls counted by `asked`.
    #[must_use]
    pub fn counted(self, asked: Arc<Asked>) -> Self {
        AuthorizerWebhook { asked, ..self }
    }

    fn failed(&self, why: String) -> Verdict {
        tracing::warn!(%why, "the authorization webhook gave no answer");
        Verdict { answer: self.failing, reason: String::new(), error: why }
    }

    async fn ask(&self, spec: Value) -> Result<Verdict, String> {
        let question = json!({
            "kind": "SubjectAccessReview",
            "apiVersion": format!("authorization.k8s.io/{}", self.version),
            "metadata": {},
            "spec": spec,
            "status": {"allowed": false},
        });
        let answer = self.remote.post(question.to_string().into_bytes(), self.timeout).await?;
        let mut answer: Value = serde_json::from_slice(&answer).map_err(|e| e.to_string())?;
        let status: Status = serde_json::from_value(answer["status"].take()).map_err(|e| e.to_string())?;
        let (answer, error) = match (status.denied, status.allowed) {
            (true, true) => {
                let why = "webhook subject access review returned both allow and deny response";
                (Answer::Deny, why.to_string())
            }
            (true, false) => (Answer::Deny, String::new()),
            (false, true) => (Answer::Allow, String::new()),
            (false, false) => (Answer::NoOpinion, status.evaluation_error),
        };
        Ok(Verdict { answer, reason: status.reason, error })
    }

    fn remember(&self, key: String, verdict: &Verdict) {
        let ttl = if verdict.answer == Answer::Allow { self.authorized } else { self.unauthorized };
        if ttl.is_zero() || key.len() > LONGEST {
            return;
        }
        let (now, mut known) = (Instant::now(), self.known.lock());
        if known.len() >= KEPT {
            known.retain(|_, (until, _)| *until > now);
        }
        if known.len() < KEPT {
            known.insert(key, (now + ttl, verdict.clone()));
        }
    }
}

impl Webhook for AuthorizerWebhook {
    fn decide(&self, attributes: &Attributes<'_>) -> Verdict {
        let full = review(attributes);
        if !self.conditions.is_empty() {
            match self.conditions.hold(&full) {
                Ok(true) => {}
                Ok(false) => {
                    self.asked.excluded();
                    let (reason, error) = (String::new(), String::new());
                    return Verdict { answer: Answer::NoOpinion, reason, error };
                }
                Err(why) => {
                    self.asked.mistaken();
                    return self.failed(why);
                }
            }
        }
        let spec = sent(full, &self.version);
        let key = spec.to_string();
        if let Some((until, verdict)) = self.known.lock().get(&key)
            && *until > Instant::now()
        {
            return verdict.clone();
        }
        let Ok(_place) = self.calls.try_acquire() else {
            return self.failed(format!("{AT_ONCE} calls of the webhook are under way already"));
        };
        let handle = match Handle::try_current() {
            Ok(handle) if handle.runtime_flavor() == RuntimeFlavor::MultiThread => handle,
            _ => return self.failed("a webhook can be asked by a runtime of several threads alone".into()),
        };
        let begun = Instant::now();
        let answer = tokio::task::block_in_place(|| handle.block_on(self.ask(spec)));
        let failed = answer.as_ref().err().map(String::as_str);
        self.asked.answered(begun.elapsed(), failed, self.failing == Answer::NoOpinion);
        match answer {
            Ok(verdict) => {
                self.remember(key, &verdict);
                verdict
            }
            Err(why) => self.failed(why),
        }
    }
}

/// The spec as it is sent: without what is empty, and with the older version's name of groups.
fn sent(mut spec: Value, version: &str) -> Value {
    let filled = |value: &Value| match value {
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(map) => !map.is_empty(),
        other => !other.is_null(),
    };
    if let Some(attributes) = spec["resourceAttributes"].as_object_mut() {
        attributes.retain(|_, value| filled(value));
    }
    if let Some(spec) = spec.as_object_mut() {
        spec.retain(|_, value| filled(value));
        if version == "v1beta1"
            && let Some(groups) = spec.remove("groups")
        {
            spec.insert("group".into(), groups);
        }
    }
    spec
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_empty_is_not_sent() {
        let full = json!({
            "user": "jane", "uid": "", "groups": ["a"], "extra": {},
            "resourceAttributes": {"verb": "get", "group": "", "resource": "pods"},
        });
        let spec = json!({"user": "jane", "groups": ["a"], "resourceAttributes": {"verb": "get", "resource": "pods"}});
        assert_eq!(sent(full.clone(), "v1"), spec);
        assert_eq!(sent(full, "v1beta1")["group"], json!(["a"]));
        let path = json!({"user": "jane", "nonResourceAttributes": {"path": "/x", "verb": "get"}});
        assert_eq!(sent(path.clone(), "v1"), path);
    }
}
