//! A provider's public keys.

use aws_lc_rs::signature::{ECDSA_P521_SHA512_FIXED, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{Jwk, JwkSet, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use serde_json::{Map, Value};

/// The most keys of a provider.
const MOST: usize = 128;

/// The keys by which a provider's tokens are checked.
#[derive(Clone, Default)]
pub struct KeySet {
    keys: Vec<(Option<String>, DecodingKey)>,
    /// Points of the largest curve, which the library for tokens lacks.
    large: Vec<(Option<String>, Vec<u8>)>,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
}

impl Header {
    fn of(token: &str) -> Result<Self, String> {
        let part = token.split('.').next().unwrap_or_default();
        let json = URL_SAFE_NO_PAD.decode(part).map_err(|e| format!("oidc: malformed jwt: {e}"))?;
        serde_json::from_slice(&json).map_err(|e| format!("oidc: malformed jwt: {e}"))
    }

    fn names(&self, id: &Option<String>) -> bool {
        self.kid.is_none() || id.is_none() || *id == self.kid
    }
}

/// A key of the largest curve.
fn large(key: &Value) -> Option<(Option<String>, Vec<u8>)> {
    let text = |name: &str| key[name].as_str();
    if text("crv") != Some("P-521") || text("use").is_some_and(|usage| usage != "sig") {
        return None;
    }
    let mut point = vec![4];
    for name in ["x", "y"] {
        let number = URL_SAFE_NO_PAD.decode(text(name)?).ok().filter(|number| number.len() <= 66)?;
        point.extend(std::iter::repeat_n(0, 66 - number.len()));
        point.extend(number);
    }
    Some((text("kid").map(str::to_string), point))
}

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
        let some = || raw.keys.iter().take(MOST);
        let readable = some().filter_map(|key| serde_json::from_value(key.clone()).ok());
        let set = JwkSet { keys: readable.collect() };
        let signs = |key: &Jwk| !matches!(key.common.public_key_use, Some(PublicKeyUse::Encryption));
        let keys = set.keys.into_iter().filter(signs).filter_map(|key| {
            let decoding = DecodingKey::from_jwk(&key).ok()?;
            Some((key.common.key_id.clone(), decoding))
        });
        Ok(KeySet { keys: keys.collect(), large: some().filter_map(large).collect() })
    }

    /// Whether a token may have been signed by one of these, by the name of its key.
    pub fn may_know(&self, token: &str) -> bool {
        let Ok(header) = Header::of(token) else { return true };
        let mut ids = self.keys.iter().map(|(id, _)| id).chain(self.large.iter().map(|(id, _)| id));
        ids.any(|id| header.kid.is_none() || *id == header.kid)
    }

    /// The claims of a token that one of the keys signed by one of the algorithms.
    ///
    /// # Errors
    /// In go-oidc's words.
    pub(super) fn verify(&self, token: &str, algorithms: &[String]) -> Result<Map<String, Value>, String> {
        let header = Header::of(token)?;
        if !algorithms.contains(&header.alg) {
            return Err(format!(
                "oidc: id token signed with unsupported algorithm, expected {algorithms:?} got {:?}",
                header.alg
            ));
        }
        let unsigned = || "failed to verify signature: failed to verify id token signature".to_string();
        if header.alg == "ES512" {
            return self.verify_large(token, &header).ok_or_else(unsigned);
        }
        let algorithm: Algorithm = header.alg.parse().map_err(|e| format!("oidc: malformed jwt: {e}"))?;
        let mut validation = Validation::new(algorithm);
        validation.required_spec_claims.clear();
        // Issuer, audience and times are judged apart, by our own clock.
        (validation.validate_exp, validation.validate_nbf, validation.validate_aud) = (false, false, false);
        for (_, key) in self.keys.iter().filter(|(id, _)| header.names(id)) {
            if let Ok(decoded) = jsonwebtoken::decode::<Map<String, Value>>(token, key, &validation) {
                return Ok(decoded.claims);
            }
        }
        Err(unsigned())
    }

    fn verify_large(&self, token: &str, header: &Header) -> Option<Map<String, Value>> {
        let (message, signature) = token.rsplit_once('.')?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        let signed = |point: &Vec<u8>| {
            let key = UnparsedPublicKey::new(&ECDSA_P521_SHA512_FIXED, point);
            key.verify(message.as_bytes(), &signature).is_ok()
        };
        self.large.iter().find(|(id, point)| header.names(id) && signed(point))?;
        let claims = URL_SAFE_NO_PAD.decode(message.split('.').nth(1)?).ok()?;
        serde_json::from_slice(&claims).ok()
    }
}
