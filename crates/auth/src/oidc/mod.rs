//! Users of OpenID Connect providers: `--oidc-*` and `--authentication-config`. [`config`] is what an operator
//! writes, [`Provider`] checks a token against a provider's keys and makes a user of its claims. Fetching keys
//! is for whoever has a network.

mod claims;
mod config;
mod expressions;
mod keys;
mod validate;

pub use config::{
    AnonymousConfiguration, AuthenticationConfiguration, ClaimMappings, ClaimOrExpression,
    ClaimValidationRule, ExtraMapping, Issuer, JwtAuthenticator, PrefixedClaimOrExpression,
    UserValidationRule,
};
pub use keys::KeySet;

use crate::authenticate::TokenRefused;
use crate::token::unverified_issuer;
use claims::{Claims, Mapper};
use corten_api::authentication::v1::UserInfo;
use corten_rt::Timestamp;
use std::collections::BTreeSet;

/// The algorithms that providers of a configuration file may sign with.
pub const ALGORITHMS: [&str; 9] =
    ["ES256", "ES384", "ES512", "PS256", "PS384", "PS512", "RS256", "RS384", "RS512"];

/// Seconds by which clocks may differ at a token's begin, as go-oidc's.
const LEEWAY: i64 = 300;

/// One provider, compiled.
#[derive(Debug)]
pub struct Provider {
    issuer: Issuer,
    mapper: Mapper,
    algorithms: Vec<String>,
}

impl Provider {
    /// Compiles what was checked by [`AuthenticationConfiguration::parse`] or made of flags; tokens may be signed
    /// by `algorithms`.
    ///
    /// # Errors
    /// What is wrong with it, or with an algorithm's name.
    pub fn new(authenticator: &JwtAuthenticator, algorithms: &[String]) -> Result<Self, String> {
        let mut errors = Vec::new();
        let mapper = validate::authenticator(authenticator, "", &BTreeSet::new(), &mut errors);
        if let Some(error) = errors.first() {
            return Err(error.to_string());
        }
        let named = |name: &String| {
            let known = ALGORITHMS.contains(&name.as_str()).then(|| name.clone());
            known.ok_or_else(|| format!("oidc: unsupported signing alg: {name:?}"))
        };
        let algorithms = algorithms.iter().map(named).collect::<Result<_, _>>()?;
        Ok(Provider { issuer: authenticator.issuer.clone(), mapper, algorithms })
    }

    /// Where the provider is, and by what it is judged.
    pub fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// Whether the token claims to be of this provider.
    pub fn knows(&self, token: &str) -> bool {
        unverified_issuer(token).as_deref() == Some(self.issuer.url.as_str())
    }

    /// The user of a token that one of `keys` signed.
    ///
    /// # Errors
    /// In upstream's words, when it is not good.
    pub fn authenticate(&self, token: &str, keys: &KeySet, now: Timestamp) -> Result<UserInfo, TokenRefused> {
        let refuse = |why: String| TokenRefused::Other(format!("oidc: {why}"));
        let verified = keys.verify(token, &self.algorithms);
        let claims = Claims(verified.map_err(|why| refuse(format!("verify token: {why}")))?);
        self.check(&claims, now).map_err(|why| refuse(format!("verify token: {why}")))?;
        self.mapper.user(&claims).map_err(refuse)
    }

    /// Issuer, audience and times.
    fn check(&self, claims: &Claims, now: Timestamp) -> Result<(), String> {
        let issuer = claims.text("iss")?;
        if issuer != self.issuer.url {
            return Err(format!(
                "oidc: id token issued by a different provider, expected {:?} got {issuer:?}",
                self.issuer.url
            ));
        }
        let have = claims.texts("aud")?;
        if !have.iter().any(|audience| self.issuer.audiences.contains(audience)) {
            return Err(format!("oidc: expected audience in {:?} got {have:?}", self.issuer.audiences));
        }
        let now = now.as_second();
        let expires = claims.seconds("exp")?.unwrap_or(0);
        if expires < now {
            return Err(format!("oidc: token is expired (Token Expiry: {expires})"));
        }
        match claims.seconds("nbf")? {
            Some(begin) if now + LEEWAY < begin => {
                Err(format!("oidc: current time {now} before the nbf (not before) time: {begin}"))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
