//! Continue tokens, in upstream's form: URL-safe base64 of `{"v":"meta.k8s.io/v1","rv":N,"start":"..."}`.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use corten_semantics::{ApiError, ApiResult};
use corten_store::Revision;
use serde::{Deserialize, Serialize};

const FORM: &str = "meta.k8s.io/v1";

#[derive(Serialize, Deserialize)]
struct Wire {
    #[serde(default)]
    v: String,
    #[serde(default)]
    rv: i64,
    #[serde(default)]
    start: String,
}

/// Where a list goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    /// The first page's revision; `None` to go on with the present state, inconsistent with earlier pages.
    pub revision: Option<Revision>,
    /// The key to start with, itself included.
    pub start: String,
}

impl Token {
    /// The token of a list over keys that begin with `prefix`.
    pub fn encode(&self, prefix: &str) -> String {
        let wire = Wire {
            v: FORM.into(),
            rv: self.revision.map_or(-1, |r| i64::try_from(r).unwrap_or(-1)),
            start: self.start.strip_prefix(prefix).unwrap_or_default().into(),
        };
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(&wire).unwrap_or_default())
    }

    /// Reads a token of a list over keys that begin with `prefix`; 400 for any other text.
    pub fn decode(text: &str, prefix: &str) -> ApiResult<Self> {
        let bad = |why: &str| {
            ApiError::bad_request(format!("invalid continue token: continue key is not valid: {why}"))
        };
        let bytes = URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).map_err(|e| bad(&e.to_string()))?;
        let wire: Wire = serde_json::from_slice(&bytes).map_err(|e| bad(&e.to_string()))?;
        if wire.v != FORM {
            return Err(bad(&format!("server does not recognize this encoded version {}", wire.v)));
        }
        if wire.rv == 0 {
            return Err(bad("incorrect encoded start resourceVersion (version meta.k8s.io/v1)"));
        }
        if wire.start.is_empty() {
            return Err(bad("encoded start key empty (version meta.k8s.io/v1)"));
        }
        if wire.start.trim_start_matches('/').split('/').any(|part| matches!(part, "" | "." | "..")) {
            return Err(bad(&wire.start));
        }
        let start = format!("{prefix}{}", wire.start.trim_start_matches('/'));
        Ok(Token { revision: u64::try_from(wire.rv).ok(), start })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_come_back_and_others_are_refused() {
        let prefix = "/registry/pods/";
        for revision in [Some(7), None] {
            let token = Token { revision, start: "/registry/pods/default/a\0".into() };
            assert_eq!(Token::decode(&token.encode(prefix), prefix), Ok(token));
        }
        let of = |json: &str| URL_SAFE_NO_PAD.encode(json);
        for text in [
            "%%".to_string(),
            of("nonsense"),
            of("{\"v\":\"other\",\"rv\":1,\"start\":\"a\"}"),
            of("{\"v\":\"meta.k8s.io/v1\",\"rv\":0,\"start\":\"a\"}"),
            of("{\"v\":\"meta.k8s.io/v1\",\"rv\":1,\"start\":\"\"}"),
            of("{\"v\":\"meta.k8s.io/v1\",\"rv\":1,\"start\":\"../services\"}"),
        ] {
            let error = Token::decode(&text, prefix).expect_err(&text);
            assert_eq!(error.code(), 400);
            assert!(
                error.to_string().starts_with("invalid continue token: continue key is not valid: "),
                "{error}"
            );
        }
    }
}
