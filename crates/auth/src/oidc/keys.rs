//! A provider's public keys.

use jsonwebtoken::jwk::{Jwk, JwkSet, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Map, Value};

/// The most keys of a provider.
const MOST: usize = 128;

/// The keys by which a provider's tokens are checked.
#[derive(Clone, Default)]
pub struct KeySet(Vec<(Option<String>, Jwk, DecodingKey)>);

impl KeySet {
    /// Reads a JSON Web Key Set; keys of kinds that are not known are left out.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(json: &[u8]) -> Result<Self, String> {
        #[derive(serde::Deserialize)]
        struct Raw {
            keys: Vec<Value>,
        }
        let raw: Raw =
            serde_json::from_slice(json).map_err(|e| format!("oidc: failed to decode keys: {e}"))?;
        let readable = raw.keys.into_iter().take(MOST).filter_map(|key| serde_json::from_value(key).ok());
        let set = JwkSet { keys: readable.collect() };
        let signs = |key: &Jwk| !matches!(key.common.public_key_use, Some(PublicKeyUse::Encryption));
        let keys = set.keys.into_iter().filter(signs).filter_map(|key| {
            let decoding = DecodingKey::from_jwk(&key).ok()?;
            Some((key.common.key_id.clone(), key, decoding))
        });
        Ok(KeySet(keys.collect()))
    }

    /// Whether a token may have been signed by one of these, by the name of its key.
    pub fn may_know(&self, token: &str) -> bool {
        let Ok(header) = jsonwebtoken::decode_header(token) else { return true };
        self.0.iter().any(|(id, ..)| header.kid.is_none() || *id == header.kid)
    }

    /// The claims of a token that one of the keys signed by one of the algorithms.
    ///
    /// # Errors
    /// In go-oidc's words.
    pub(super) fn verify(&self, token: &str, algorithms: &[Algorithm]) -> Result<Map<String, Value>, String> {
        let header = jsonwebtoken::decode_header(token).map_err(|e| format!("oidc: malformed jwt: {e}"))?;
        if !algorithms.contains(&header.alg) {
            return Err(format!(
                "oidc: id token signed with unsupported algorithm, expected {algorithms:?} got {:?}",
                header.alg
            ));
        }
        let mut validation = Validation::new(header.alg);
        validation.required_spec_claims.clear();
        // Issuer, audience and times are judged apart, by our own clock.
        (validation.validate_exp, validation.validate_nbf, validation.validate_aud) = (false, false, false);
        let named = |id: &Option<String>| header.kid.is_none() || id.is_none() || *id == header.kid;
        for (_, _, key) in self.0.iter().filter(|(id, ..)| named(id)) {
            if let Ok(decoded) = jsonwebtoken::decode::<Map<String, Value>>(token, key, &validation) {
                return Ok(decoded.claims);
            }
        }
        Err("failed to verify signature: failed to verify id token signature".into())
    }
}
