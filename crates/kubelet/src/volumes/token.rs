//! Tokens of service accounts, bound to the pod, asked for anew before they end.

use super::Place;
use corten_api::authentication::v1::{BoundObjectReference, TokenRequest};
use corten_api::core::v1::{ServiceAccount, ServiceAccountTokenProjection};
use corten_rt::Timestamp;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The life that is asked for when the pod names none.
const DEFAULT_LIFE: i64 = 3600;
/// No token is kept longer, as upstream.
const MOST_KEPT: Duration = Duration::from_secs(24 * 3600);

/// The tokens in use, by the file that they are in.
#[derive(Default)]
pub struct Tokens(Mutex<HashMap<PathBuf, Token>>);

#[derive(Clone)]
struct Token {
    text: String,
    refresh: Timestamp,
    end: Timestamp,
}

impl Tokens {
    /// The token for a projection: the one at hand, or a fresh one after four fifths of its life. When none
    /// can be had, the old one serves to its end.
    pub async fn get(
        &self,
        place: &Place<'_>,
        source: &ServiceAccountTokenProjection,
    ) -> Result<String, String> {
        self.get_with_end(place, source).await.map(|(text, _)| text)
    }

    /// As [`Tokens::get`], with the time when the token ends.
    pub async fn get_with_end(
        &self,
        place: &Place<'_>,
        source: &ServiceAccountTokenProjection,
    ) -> Result<(String, Timestamp), String> {
        let file = place.dir.join(&source.path);
        let now = place.volumes.clock.now();
        let old = self.0.lock().get(&file).cloned();
        if let Some(token) = old.as_ref().filter(|t| now < t.refresh) {
            return Ok((token.text.clone(), token.end));
        }
        match request(place, source, now).await {
            Ok(token) => {
                let shown = (token.text.clone(), token.end);
                self.0.lock().insert(file, token);
                Ok(shown)
            }
            Err(error) => match old.filter(|t| now < t.end) {
                Some(token) => {
                    tracing::warn!(
                        pod = place.pod.metadata.name,
                        volume = place.name,
                        error,
                        "token kept on"
                    );
                    Ok((token.text, token.end))
                }
                None => Err(format!("failed to fetch token: {error}")),
            },
        }
    }

    /// Drops the tokens of files below `dir`.
    pub fn forget(&self, dir: &Path) {
        self.0.lock().retain(|file, _| !file.starts_with(dir));
    }
}

async fn request(
    place: &Place<'_>,
    source: &ServiceAccountTokenProjection,
    now: Timestamp,
) -> Result<Token, String> {
    let meta = &place.pod.metadata;
    let account = match place.pod.spec.service_account_name.as_str() {
        "" => "default",
        name => name,
    };
    let life = source.expiration_seconds.unwrap_or(DEFAULT_LIFE);
    let mut body = TokenRequest::default();
    body.spec.audiences = [source.audience.clone()].into_iter().filter(|a| !a.is_empty()).collect();
    body.spec.expiration_seconds = Some(life);
    body.spec.bound_object_ref = Some(Box::new(BoundObjectReference {
        kind: "Pod".into(),
        api_version: "v1".into(),
        name: meta.name.clone(),
        uid: meta.uid.clone(),
    }));
    let api = place.volumes.client.namespaced::<ServiceAccount>(&meta.namespace);
    let answer = api.create_sub::<TokenRequest>(account, "token", body).await.map_err(|e| e.to_string())?;
    let status = &answer.ok_or("the server answered without a token")?.status;
    let life = Duration::from_secs(u64::try_from(life).unwrap_or_default());
    let end = status.expiration_timestamp.map_or_else(|| now + life, |t| t.0);
    Ok(Token { text: status.token.clone(), refresh: refresh(now, end), end })
}

/// When to ask again for a token that lasts from `now` to `end`.
fn refresh(now: Timestamp, end: Timestamp) -> Timestamp {
    let life = Duration::try_from(end.duration_since(now)).unwrap_or_default();
    now + life.mul_f64(0.8).min(MOST_KEPT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_renewed_after_four_fifths_of_their_life() {
        let at = |s: i64| Timestamp::from_second(s).expect("in range");
        for (end, want) in [(3600, 2880), (1_000_000, 86_400), (0, 0)] {
            assert_eq!(refresh(at(0), at(end)), at(want));
        }
    }
}
