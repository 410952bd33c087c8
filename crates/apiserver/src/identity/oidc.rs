//! Providers of OpenID Connect: their keys are found by discovery, and looked for again when a token is signed by
//! one that is not known.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use async_trait::async_trait;
use bytes::Bytes;
use corten_auth::authenticate::{TokenAccepted, TokenAuthenticator, TokenRefused};
use corten_auth::oidc::{KeySet, Provider};
use corten_rt::{Clock, Instant, Tasks};
use http::header::{ACCEPT, HOST, USER_AGENT};
use http::{Method, Request};
use http_body_util::{Either, Full};
use serde::Deserialize;
use tokio::sync::Mutex;

use crate::outbound::{Hook, Outbound};

/// How long one request to a provider may take.
const WITHIN: Duration = Duration::from_secs(30);
/// The most bytes of a provider's document.
const MOST: usize = 1 << 20;
/// How often a provider is tried until its keys are there.
const EVERY: Duration = Duration::from_secs(10);
/// Keys are not fetched more often, whatever tokens come.
const PAUSE: Duration = Duration::from_secs(1);
const AGENT: &str = concat!("corten-apiserver/", env!("CARGO_PKG_VERSION"));

/// Knows the tokens of one provider.
pub struct OidcAuthenticator {
    provider: Provider,
    outbound: Arc<Outbound>,
    clock: Clock,
    /// The names of the API server.
    audiences: Vec<String>,
    keys: ArcSwapOption<KeySet>,
    /// When keys were looked for last; held while they are.
    looked: Mutex<Option<Instant>>,
}

#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}

impl OidcAuthenticator {
    /// Knows the tokens of `provider`, for an API server of these names; the keys are fetched by a task.
    pub fn start(
        provider: Provider,
        outbound: Arc<Outbound>,
        clock: Clock,
        audiences: Vec<String>,
        tasks: &Tasks,
    ) -> Arc<Self> {
        let this = Arc::new(OidcAuthenticator {
            provider,
            outbound,
            clock,
            audiences,
            keys: ArcSwapOption::empty(),
            looked: Mutex::new(None),
        });
        let fetching = Arc::downgrade(&this);
        tasks.spawn_until_stopped("oidc keys", async move {
            // Whoever is replaced by another configuration is not held here.
            while let Some(this) = fetching.upgrade() {
                this.look().await;
                if this.keys.load().is_some() {
                    return;
                }
                drop(this);
                corten_rt::sleep(EVERY).await;
            }
        });
        this
    }

    /// Waits until the keys are there.
    ///
    /// # Errors
    /// When they are not there in time.
    pub async fn ready(&self, within: Duration) -> Result<(), String> {
        let fetched = async {
            while self.keys.load().is_none() {
                self.look().await;
                if self.keys.load().is_none() {
                    corten_rt::sleep(PAUSE).await;
                }
            }
        };
        let issuer = &self.provider.issuer().url;
        let ready = corten_rt::timeout(within, fetched).await;
        ready.ok_or_else(|| format!("the keys of the provider {issuer} cannot be fetched"))
    }

    /// Fetches the keys, unless that was done just now.
    async fn look(&self) {
        let mut looked = self.looked.lock().await;
        if looked.is_some_and(|last| last.elapsed() < PAUSE) {
            return;
        }
        match self.fetch().await {
            Ok(keys) => self.keys.store(Some(Arc::new(keys))),
            Err(why) => {
                let issuer = &self.provider.issuer().url;
                tracing::warn!(%issuer, %why, "the keys of a provider of OpenID Connect cannot be fetched");
            }
        }
        *looked = Some(Instant::now());
    }

    async fn fetch(&self) -> Result<KeySet, String> {
        let issuer = self.provider.issuer();
        let place = match issuer.discovery_url.as_str() {
            "" => format!("{}/.well-known/openid-configuration", issuer.url.trim_end_matches('/')),
            set => set.to_string(),
        };
        let document = self.get(&place).await?;
        let found: Discovery = serde_json::from_slice(&document)
            .map_err(|e| format!("oidc: failed to decode provider discovery object: {e}"))?;
        if found.issuer != issuer.url {
            return Err(format!(
                "oidc: issuer did not match the issuer returned by provider, expected {:?} got {:?}",
                issuer.url, found.issuer
            ));
        }
        KeySet::parse(&self.get(&found.jwks_uri).await?)
    }

    async fn get(&self, url: &str) -> Result<Bytes, String> {
        let hook = Hook::url(url, self.provider.issuer().certificate_authority.as_bytes())?;
        let query = url.split_once('?').map(|(_, query)| format!("?{query}")).unwrap_or_default();
        let peer = self.outbound.peer(&hook.destination, &hook.trust, None)?;
        let request = Request::builder()
            .method(Method::GET)
            .uri(format!("{}{query}", hook.path))
            .header(HOST, peer.destination().authority())
            .header(USER_AGENT, AGENT)
            .header(ACCEPT, "application/json")
            .body(Either::Left(Full::default()))
            .map_err(|e| e.to_string())?;
        let answer = self.outbound.exchange(&peer, request, WITHIN, MOST).await;
        let answer = answer.map_err(|failure| format!("Get {url:?}: {failure}"))?;
        match answer.code.as_u16() {
            200 => Ok(answer.body),
            code => Err(format!("Get {url:?}: answered {code}")),
        }
    }
}

#[async_trait]
impl TokenAuthenticator for OidcAuthenticator {
    async fn authenticate(
        &self,
        token: &str,
        audiences: &[String],
    ) -> Result<Option<TokenAccepted>, TokenRefused> {
        if !self.provider.knows(token) {
            return Ok(None);
        }
        let ours = |name: &&String| audiences.is_empty() || audiences.contains(name);
        let audiences: Vec<String> = self.audiences.iter().filter(ours).cloned().collect();
        if audiences.is_empty() {
            return Ok(None);
        }
        if self.keys.load().as_ref().is_none_or(|keys| !keys.may_know(token)) {
            self.look().await;
        }
        let keys = self.keys.load_full();
        let keys = keys.ok_or_else(|| TokenRefused::Other("oidc: authenticator not initialized".into()))?;
        let user = self.provider.authenticate(token, &keys, self.clock.now())?;
        Ok(Some(TokenAccepted { user, audiences }))
    }
}
