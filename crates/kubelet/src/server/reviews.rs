//! Asks the API server who somebody is and what they may, and remembers it for a while (upstream's webhooks
//! of the kubelet, with their lifetimes).

use corten_api::authentication::v1::{TokenReview, UserInfo};
use corten_api::authorization::v1::{ResourceAttributes, SubjectAccessReview};
use corten_client::Client;
use corten_rt::Instant;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

/// How long answers hold: tokens, what is allowed, what is not.
const TOKENS: Duration = Duration::from_secs(120);
const ALLOWED: Duration = Duration::from_secs(300);
const REFUSED: Duration = Duration::from_secs(30);
/// The most answers that are remembered.
const MOST: usize = 1000;

/// Answers that hold until a time.
#[derive(Debug)]
struct Memory<K, V>(Mutex<HashMap<K, (Instant, V)>>);

impl<K, V> Default for Memory<K, V> {
    fn default() -> Self {
        Memory(Mutex::default())
    }
}

impl<K: Eq + Hash, V: Clone> Memory<K, V> {
    fn get(&self, key: &K) -> Option<V> {
        self.0.lock().get(key).filter(|(until, _)| *until > Instant::now()).map(|(_, v)| v.clone())
    }

    fn put(&self, key: K, value: V, hold: Duration) {
        let mut all = self.0.lock();
        let now = Instant::now();
        if all.len() >= MOST {
            all.retain(|_, (until, _)| *until > now);
        }
        if all.len() < MOST {
            all.insert(key, (now + hold, value));
        }
    }
}

/// User, groups, verb, subresource.
type Question = (String, Vec<String>, String, String);

/// What the API server has said.
#[derive(Debug, Default)]
pub struct Reviews {
    tokens: Memory<String, Option<UserInfo>>,
    answers: Memory<Question, bool>,
}

impl Reviews {
    /// Whose token this is.
    ///
    /// # Errors
    /// When the API server does not answer.
    pub async fn who(&self, client: &Client, token: &str) -> Result<Option<UserInfo>, String> {
        if let Some(known) = self.tokens.get(&token.to_string()) {
            return Ok(known);
        }
        let mut review = TokenReview::default();
        review.spec.token = token.to_string();
        let answer = client.all::<TokenReview>().create(review).await.map_err(|e| e.to_string())?;
        let user = answer.status.authenticated.then(|| answer.status.user.clone());
        let hold = if user.is_some() { TOKENS } else { REFUSED };
        self.tokens.put(token.to_string(), user.clone(), hold);
        Ok(user)
    }

    /// Whether the user may do that with this part of the node.
    ///
    /// # Errors
    /// When the API server does not answer.
    pub async fn may(
        &self,
        client: &Client,
        node: &str,
        user: &UserInfo,
        verb: &str,
        subresource: &str,
    ) -> Result<bool, String> {
        let question =
            (user.username.clone(), user.groups.clone(), verb.to_string(), subresource.to_string());
        if let Some(known) = self.answers.get(&question) {
            return Ok(known);
        }
        let mut review = SubjectAccessReview::default();
        review.spec.user.clone_from(&user.username);
        review.spec.groups.clone_from(&user.groups);
        review.spec.uid.clone_from(&user.uid);
        review.spec.extra = user.extra.iter().map(|(k, v)| (k.clone(), v.clone())).collect();
        review.spec.resource_attributes = Some(Box::new(ResourceAttributes {
            verb: verb.into(),
            version: "v1".into(),
            resource: "nodes".into(),
            subresource: subresource.into(),
            name: node.into(),
            ..ResourceAttributes::default()
        }));
        let answer = client.all::<SubjectAccessReview>().create(review).await.map_err(|e| e.to_string())?;
        let allowed = answer.status.allowed;
        self.answers.put(question, allowed, if allowed { ALLOWED } else { REFUSED });
        Ok(allowed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn answers_hold_for_their_time() {
        let memory = Memory::default();
        memory.put("a", true, REFUSED);
        assert_eq!(memory.get(&"a"), Some(true));
        corten_rt::sleep(REFUSED).await;
        assert_eq!(memory.get(&"a"), None);
        for i in 0..MOST + 5 {
            memory.put(Box::leak(i.to_string().into_boxed_str()), true, REFUSED);
        }
        assert!(memory.0.lock().len() <= MOST);
    }
}
