//! A webhook that knows tokens: it is sent TokenReviews (`--authentication-token-webhook-config-file`).

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use corten_api::Items;
use corten_api::authentication::v1::UserInfo;
use corten_auth::authenticate::{TokenAccepted, TokenAuthenticator, TokenRefused};
use corten_rt::Instant;
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::Remote;

/// How long an answer is waited for, as upstream's hard limit.
const WITHIN: Duration = Duration::from_secs(30);
/// The most answers that are remembered.
const KEPT: usize = 4096;

/// The webhook, and what it said lately.
pub struct TokenWebhook {
    remote: Remote,
    version: String,
    /// The names of the API server.
    audiences: Vec<String>,
    ttl: Duration,
    known: Mutex<HashMap<[u8; 32], Known>>,
}

/// An answer, and until when it holds.
type Known = (Instant, Option<TokenAccepted>);

#[derive(Default, Deserialize)]
#[serde(default)]
struct Status {
    authenticated: bool,
    user: User,
    audiences: Vec<String>,
    error: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct User {
    username: String,
    uid: String,
    groups: Vec<String>,
    extra: std::collections::BTreeMap<String, Vec<String>>,
}

impl TokenWebhook {
    /// Asks `remote` by reviews of a version, `v1` or `v1beta1`, and remembers answers for `ttl`.
    ///
    /// # Errors
    /// For other versions.
    pub fn new(remote: Remote, version: &str, audiences: Vec<String>, ttl: Duration) -> Result<Self, String> {
        if !matches!(version, "v1" | "v1beta1") {
            return Err(format!(
                "unsupported authentication webhook version {version:?}, supported versions are \"v1\", \"v1beta1\""
            ));
        }
        Ok(TokenWebhook { remote, version: version.into(), audiences, ttl, known: Mutex::default() })
    }

    async fn ask(&self, token: &str, wanted: &[String]) -> Result<Option<TokenAccepted>, TokenRefused> {
        let refuse = |why: String| TokenRefused::Other(why);
        let question = json!({
            "kind": "TokenReview",
            "apiVersion": format!("authentication.k8s.io/{}", self.version),
            "metadata": {},
            "spec": {"token": token, "audiences": wanted},
            "status": {"user": {}},
        });
        let answer = self.remote.post(question.to_string().into_bytes(), WITHIN).await.map_err(refuse)?;
        let mut answer: Value = serde_json::from_slice(&answer).map_err(|e| refuse(e.to_string()))?;
        let status: Status =
            serde_json::from_value(answer["status"].take()).map_err(|e| refuse(e.to_string()))?;
        if !status.authenticated {
            return if status.error.is_empty() { Ok(None) } else { Err(refuse(status.error)) };
        }
        // A webhook that names no audience does not know of them: then it speaks for this server.
        let have = if status.audiences.is_empty() { &self.audiences } else { &status.audiences };
        let audiences: Vec<String> = wanted.iter().filter(|a| have.contains(a)).cloned().collect();
        if audiences.is_empty() {
            return Ok(None);
        }
        let User { username, uid, groups, extra } = status.user;
        let extra = extra.into_iter().map(|(key, values)| (key, Items(values))).collect();
        Ok(Some(TokenAccepted { user: UserInfo { username, uid, groups, extra }, audiences }))
    }
}

#[async_trait]
impl TokenAuthenticator for TokenWebhook {
    async fn authenticate(
        &self,
        token: &str,
        audiences: &[String],
    ) -> Result<Option<TokenAccepted>, TokenRefused> {
        let wanted = if audiences.is_empty() { &self.audiences } else { audiences };
        let mut hash = Sha256::new();
        for part in wanted.iter().map(String::as_str).chain([token]) {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        let key: [u8; 32] = hash.finalize().into();
        let now = Instant::now();
        if let Some((until, known)) = self.known.lock().get(&key)
            && *until > now
        {
            return Ok(known.clone());
        }
        let answer = self.ask(token, wanted).await?;
        let mut known = self.known.lock();
        if known.len() >= KEPT {
            known.retain(|_, (until, _)| *until > now);
        }
        if !self.ttl.is_zero() && known.len() < KEPT {
            known.insert(key, (Instant::now() + self.ttl, answer.clone()));
        }
        Ok(answer)
    }
}
