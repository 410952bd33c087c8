//! A webhook that a kubeconfig describes.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use corten_client::http::{HttpConfig, Proof};
use corten_rt::{Backoff, Instant};
use http::header::{ACCEPT, CONTENT_TYPE, HOST, USER_AGENT};
use http::{Method, Request};
use http_body_util::{Either, Full};

use crate::outbound::{Credential, Hook, Outbound, Trust};

/// The most bytes of an answer.
const MOST: usize = 1 << 20;
/// The most bytes of a refusal that are told.
const TOLD: usize = 1024;
/// How often a call is tried, as upstream.
const TRIES: usize = 5;
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const AGENT: &str = concat!("corten-apiserver/", env!("CARGO_PKG_VERSION"));

/// A webhook's place, and how the server proves itself to it.
pub struct Remote {
    outbound: Arc<Outbound>,
    hook: Hook,
    credential: Credential,
}

/// Why a call failed.
struct Failed {
    why: String,
    /// Whether another try may help.
    again: bool,
}

impl Remote {
    /// The webhook that a kubeconfig's current context describes.
    ///
    /// # Errors
    /// When its server is no URL.
    pub fn new(outbound: Arc<Outbound>, config: HttpConfig) -> Result<Self, String> {
        let mut hook = Hook::configured(&config.server, &config.authority)?;
        if config.insecure && matches!(hook.trust, Trust::Bundle(_)) {
            hook.trust = Trust::Anyone;
        }
        if let Some(query) = config.server.split_once('?').map(|(_, query)| query) {
            hook.path = format!("{}?{query}", hook.path);
        }
        let (certificate, key, token) = (config.certificate, config.key, config.token);
        let credential = Credential::from(Proof { certificate, key, token, headers: Vec::new() });
        Ok(Remote { outbound, hook, credential })
    }

    /// Posts JSON and gives the answer's body; tries again while that may help.
    ///
    /// # Errors
    /// Why the last try failed.
    pub async fn post(&self, body: Vec<u8>, within: Duration) -> Result<Bytes, String> {
        let deadline = Instant::now() + within;
        let mut backoff = Backoff::new(FIRST_PAUSE, FIRST_PAUSE * 8);
        let body = Bytes::from(body);
        let mut tried = 0;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            tried += 1;
            match self.once(body.clone(), left).await {
                Ok(answer) => return Ok(answer),
                Err(failed) => {
                    let pause = backoff.step();
                    if !failed.again || tried == TRIES || Instant::now() + pause >= deadline {
                        return Err(format!("Post {:?}: {}", self.hook.url, failed.why));
                    }
                    corten_rt::sleep(pause).await;
                }
            }
        }
    }

    /// Posts JSON, and does not try again.
    ///
    /// # Errors
    /// Why it failed.
    pub async fn post_once(&self, body: Bytes, within: Duration) -> Result<Bytes, String> {
        self.once(body, within).await.map_err(|failed| format!("Post {:?}: {}", self.hook.url, failed.why))
    }

    async fn once(&self, body: Bytes, within: Duration) -> Result<Bytes, Failed> {
        let wrong = |why: String| Failed { why, again: false };
        let identity = self.credential.identity();
        let peer = self.outbound.peer(&self.hook.destination, &self.hook.trust, identity);
        let peer = peer.map_err(wrong)?;
        let request = Request::builder()
            .method(Method::POST)
            .uri(&self.hook.path)
            .header(HOST, peer.destination().authority())
            .header(USER_AGENT, AGENT)
            .header(ACCEPT, "application/json, */*")
            .header(CONTENT_TYPE, "application/json");
        let request = self.credential.sign(request).map_err(wrong)?;
        let request = request.body(Either::Left(Full::new(body))).map_err(|e| wrong(e.to_string()))?;
        let answer = self.outbound.exchange(&peer, request, within, MOST).await;
        let answer = answer.map_err(|failure| Failed { why: failure.to_string(), again: true })?;
        let code = answer.code.as_u16();
        if (200..300).contains(&code) {
            return Ok(answer.body);
        }
        let told = String::from_utf8_lossy(&answer.body[..answer.body.len().min(TOLD)]).trim().to_string();
        Err(Failed { why: format!("answered {code}: {told}"), again: matches!(code, 429 | 500 | 504) })
    }
}
