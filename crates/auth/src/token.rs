//! Service-account tokens: signed JWTs (upstream's `pkg/serviceaccount`, KEP-1205, KEP-4193).

mod keys;
mod legacy;
mod signing;

pub use keys::PublicKey;
pub use signing::SigningKey;

use crate::pki::PkiError;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use corten_rt::Timestamp;
use corten_semantics::identity;
use rcgen::KeyPair;
use serde::{Deserialize, Serialize};

/// Who issues tokens, and for whom they are when nothing else is said.
pub const ISSUER: &str = "https://kubernetes.default.svc.cluster.local";
/// The life in seconds of the token that admission mounts into pods.
pub const MOUNTED_TOKEN_SECONDS: i64 = 3607;
/// The life in seconds that such a token is given where that may be extended.
pub const EXTENDED_TOKEN_SECONDS: i64 = 365 * 24 * 3600;

/// A name with the UID it had.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reference {
    /// The object's name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The object's UID.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub uid: String,
}

/// Whose token it is, and what it dies with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// The service account's namespace.
    #[serde(default)]
    pub namespace: String,
    /// The node the pod runs on, or the node the token is bound to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<Reference>,
    /// The pod the token is bound to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod: Option<Reference>,
    /// The secret the token is bound to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<Reference>,
    /// The service account.
    #[serde(default)]
    pub serviceaccount: Reference,
    /// From when on its bearer should have a newer one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warnafter: Option<i64>,
}

/// One audience or several: a JWT may say either.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
enum Audiences {
    Many(Vec<String>),
    One(String),
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Payload {
    aud: Option<Audiences>,
    exp: Option<i64>,
    iat: Option<i64>,
    iss: String,
    #[serde(default)]
    jti: String,
    #[serde(rename = "kubernetes.io", default)]
    kubernetes: Subject,
    nbf: Option<i64>,
    #[serde(default)]
    sub: String,
}

/// What a token with a good signature says. Times are seconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// For whom the token is.
    pub audiences: Vec<String>,
    /// The token's own identifier.
    pub id: String,
    /// Whose it is.
    pub subject: Subject,
    /// When it ends.
    pub expires: Option<i64>,
    /// When it begins.
    pub not_before: Option<i64>,
    /// When it was made.
    pub issued: Option<i64>,
    /// Whether it is the token of a Secret, which lives as long as that.
    pub legacy: bool,
}

/// A new token.
#[derive(Clone, PartialEq, Eq)]
pub struct Issued {
    /// The token.
    pub token: String,
    /// Its own identifier.
    pub id: String,
    /// When it ends.
    pub expires: Timestamp,
}

/// Why a text is no token of this cluster.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not a JWT of this issuer; another authenticator may know it.
    #[error("not a service account token of this cluster")]
    Foreign,
    /// A key this cluster does not have.
    #[error("invalid signature, no keys found")]
    UnknownKey,
    /// Forged or damaged.
    #[error("invalid signature")]
    Signature,
    /// The claims cannot be read.
    #[error("service account token claims could not be validated due to unexpected validation error")]
    Malformed,
    /// Signing failed.
    #[error("signing the token failed")]
    Signing,
}

/// What an operator sets about tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenSettings {
    /// Who issues: the first makes tokens, all are believed.
    pub issuers: Vec<String>,
    /// The names of the API server; the issuers when empty.
    pub audiences: Vec<String>,
    /// Where others find the keys; below the issuer when empty.
    pub jwks_uri: String,
    /// The longest life of a token in seconds.
    pub longest: Option<i64>,
    /// Whether the tokens that admission mounts into pods live longer than they say, so that programs that do
    /// not read them again go on working.
    pub extend: bool,
    /// Keys that check tokens beside the one that signs them.
    pub keys: Vec<PublicKey>,
    /// The key that signs, where it is not the cluster's own, which goes on checking.
    pub signing: Option<SigningKey>,
}

impl Default for TokenSettings {
    fn default() -> Self {
        TokenSettings {
            issuers: vec![ISSUER.to_string()],
            audiences: Vec::new(),
            jwks_uri: String::new(),
            longest: None,
            extend: true,
            keys: Vec::new(),
            signing: None,
        }
    }
}

/// Signs tokens and checks its own signature.
#[derive(Clone)]
pub struct TokenSigner {
    settings: TokenSettings,
    own: SigningKey,
    /// That of its own signatures first.
    keys: Vec<PublicKey>,
}

impl TokenSigner {
    /// A signer with a key of the cluster's own.
    ///
    /// # Errors
    /// When the key is neither of RSA nor of one of NIST's curves.
    pub fn new(issuer: &str, key: &KeyPair) -> Result<Self, PkiError> {
        let own = SigningKey::of(key)?;
        Ok(TokenSigner {
            settings: TokenSettings { issuers: vec![issuer.into()], ..TokenSettings::default() },
            keys: vec![own.public().clone()],
            own,
        })
    }

    /// The same key under other settings, of which at least one issuer is expected.
    #[must_use]
    pub fn with(mut self, mut settings: TokenSettings) -> Self {
        self.keys.clear();
        let first = settings.signing.as_ref().map(|key| key.public().clone());
        let own = self.own.public().clone();
        for key in first.into_iter().chain([own]).chain(std::mem::take(&mut settings.keys)) {
            if !self.keys.contains(&key) {
                self.keys.push(key);
            }
        }
        self.settings = settings;
        self
    }

    /// Whether tokens for pods live longer than they say.
    pub fn extends(&self) -> bool {
        self.settings.extend
    }

    /// The names of the API server: for whom tokens are when nothing else is said.
    pub fn audiences(&self) -> &[String] {
        let TokenSettings { issuers, audiences, .. } = &self.settings;
        if audiences.is_empty() { issuers } else { audiences }
    }

    /// The longest life of a token in seconds, where an operator limits it.
    pub fn longest(&self) -> Option<i64> {
        self.settings.longest
    }

    /// Who issues new tokens.
    pub fn issuer(&self) -> &str {
        self.settings.issuers.first().map_or(ISSUER, String::as_str)
    }

    /// A token for `subject`, good for `seconds` from now.
    ///
    /// # Errors
    /// When signing fails.
    pub fn issue(
        &self,
        subject: Subject,
        audiences: Vec<String>,
        seconds: i64,
        now: Timestamp,
    ) -> Result<Issued, TokenError> {
        let expires = now.as_second().saturating_add(seconds);
        let payload = Payload {
            aud: Some(Audiences::Many(audiences)),
            exp: Some(expires),
            iat: Some(now.as_second()),
            iss: self.issuer().to_string(),
            jti: random_uuid()?,
            sub: identity::service_account_user(&subject.namespace, &subject.serviceaccount.name),
            kubernetes: subject,
            nbf: Some(now.as_second()),
        };
        let token = self.sign(&payload)?;
        let expires = Timestamp::from_second(expires).map_err(|_| TokenError::Signing)?;
        Ok(Issued { token, id: payload.jti, expires })
    }

    fn sign(&self, payload: &impl Serialize) -> Result<String, TokenError> {
        self.settings.signing.as_ref().unwrap_or(&self.own).sign(payload)
    }

    /// Checks issuer and signature and reads the claims; times, audience and objects are still to be judged.
    ///
    /// # Errors
    /// [`TokenError::Foreign`] if another authenticator may know the token; the others refuse it.
    pub fn verify(&self, token: &str) -> Result<Claims, TokenError> {
        let issuer = unverified_issuer(token).ok_or(TokenError::Foreign)?;
        if issuer == legacy::ISSUER {
            return self.verify_legacy(token);
        }
        if !self.settings.issuers.contains(&issuer) {
            return Err(TokenError::Foreign);
        }
        let payload = self.decode::<Payload>(token)?;
        Ok(Claims {
            audiences: match payload.aud {
                Some(Audiences::Many(list)) => list,
                Some(Audiences::One(one)) => vec![one],
                None => Vec::new(),
            },
            id: payload.jti,
            subject: payload.kubernetes,
            expires: payload.exp,
            not_before: payload.nbf,
            issued: payload.iat,
            legacy: false,
        })
    }

    fn decode<P: serde::de::DeserializeOwned>(&self, token: &str) -> Result<P, TokenError> {
        keys::read(token, &self.keys)
    }

    /// The public keys as `/openid/v1/jwks` shows them; JSON.
    pub fn key_set(&self) -> String {
        let keys: Vec<_> = self.keys.iter().map(PublicKey::shown).collect();
        serde_json::json!({ "keys": keys }).to_string()
    }

    /// What `/.well-known/openid-configuration` shows; JSON.
    pub fn discovery(&self) -> String {
        let issuer = self.issuer();
        let jwks = match self.settings.jwks_uri.as_str() {
            "" => format!("{}/openid/v1/jwks", issuer.trim_end_matches('/')),
            set => set.to_string(),
        };
        let mut algorithms: Vec<&str> = self.keys.iter().map(PublicKey::algorithm).collect();
        algorithms.sort_unstable();
        algorithms.dedup();
        serde_json::json!({
            "issuer": issuer,
            "jwks_uri": jwks,
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": algorithms,
        })
        .to_string()
    }
}

/// Whose token a text claims to be, if it is a token at all; nothing of it is proved.
pub(crate) fn unverified_issuer(token: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct IssuerOnly {
        iss: String,
    }
    let mut parts = token.split('.');
    let (_, payload, _) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let bytes = URL_SAFE_NO_PAD.decode(payload).ok()?;
    serde_json::from_slice::<IssuerOnly>(&bytes).ok().map(|p| p.iss)
}

fn random_uuid() -> Result<String, TokenError> {
    let mut b = [0u8; 16];
    aws_lc_rs::rand::fill(&mut b).map_err(|_| TokenError::Signing)?;
    b[6] = (b[6] & 0x0f) | 0x40;
    b[8] = (b[8] & 0x3f) | 0x80;
    let hex: String = b.iter().map(|x| format!("{x:02x}")).collect();
    Ok(format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]))
}
