//! The private key that signs tokens: RSA or one of NIST's curves, as upstream takes them.

use super::TokenError;
use super::keys::PublicKey;
use crate::pki::PkiError;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED_SIGNING,
    EcdsaKeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rcgen::{KeyPair, PublicKeyData};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use serde::Serialize;
use std::sync::Arc;

/// A key that signs tokens, and by which they are checked.
#[derive(Clone)]
pub struct SigningKey {
    key: Arc<Key>,
    public: PublicKey,
}

enum Key {
    Rsa(RsaKeyPair),
    Curve(EcdsaKeyPair),
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningKey").field("public", &self.public).finish_non_exhaustive()
    }
}

impl PartialEq for SigningKey {
    fn eq(&self, other: &Self) -> bool {
        self.public == other.public
    }
}

impl Eq for SigningKey {}

#[derive(Serialize)]
struct Header<'a> {
    alg: &'a str,
    kid: &'a str,
}

impl SigningKey {
    /// The first private key of a PEM text.
    ///
    /// # Errors
    /// When there is none, or it is neither of RSA nor of one of NIST's curves.
    pub fn from_pem(pem: &str) -> Result<Self, PkiError> {
        let der = PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(malformed)?;
        Self::of(&KeyPair::try_from(&der).map_err(malformed)?)
    }

    /// That of a pair of keys.
    ///
    /// # Errors
    /// When it is neither of RSA nor of one of NIST's curves.
    pub fn of(pair: &KeyPair) -> Result<Self, PkiError> {
        let (public, der) = (PublicKey::from_der(&pair.subject_public_key_info())?, pair.serialized_der());
        let curve = match public.algorithm() {
            "ES256" => Some(&ECDSA_P256_SHA256_FIXED_SIGNING),
            "ES384" => Some(&ECDSA_P384_SHA384_FIXED_SIGNING),
            "ES512" => Some(&ECDSA_P521_SHA512_FIXED_SIGNING),
            _ => None,
        };
        let key = match curve {
            Some(curve) => Key::Curve(EcdsaKeyPair::from_private_key_der(curve, der).map_err(malformed)?),
            None => {
                let key = RsaKeyPair::from_pkcs8(der).or_else(|_| RsaKeyPair::from_der(der));
                Key::Rsa(key.map_err(malformed)?)
            }
        };
        Ok(SigningKey { key: Arc::new(key), public })
    }

    /// The key that checks what this one signs.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// The payload as a token.
    ///
    /// # Errors
    /// When signing fails.
    pub fn sign(&self, payload: &impl Serialize) -> Result<String, TokenError> {
        let header = Header { alg: self.public.algorithm(), kid: self.public.id() };
        let header = serde_json::to_vec(&header).map_err(|_| TokenError::Signing)?;
        let payload = serde_json::to_vec(payload).map_err(|_| TokenError::Signing)?;
        let mut token = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
        let signature = self.signature(token.as_bytes()).map_err(|_| TokenError::Signing)?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(token)
    }

    fn signature(&self, message: &[u8]) -> Result<Vec<u8>, aws_lc_rs::error::Unspecified> {
        let random = SystemRandom::new();
        match &*self.key {
            Key::Curve(key) => key.sign(&random, message).map(|signature| signature.as_ref().to_vec()),
            Key::Rsa(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)?;
                Ok(signature)
            }
        }
    }
}

fn malformed(why: impl std::fmt::Display) -> PkiError {
    PkiError::Malformed(why.to_string())
}

#[cfg(test)]
mod tests {
    use super::super::keys::read;
    use super::super::{TokenSettings, TokenSigner};
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn keys_of_every_kind_sign() {
        for (algorithm, name) in [
            (&rcgen::PKCS_ECDSA_P256_SHA256, "ES256"),
            (&rcgen::PKCS_ECDSA_P384_SHA384, "ES384"),
            (&rcgen::PKCS_ECDSA_P521_SHA512, "ES512"),
            (&rcgen::PKCS_RSA_SHA256, "RS256"),
        ] {
            let pem = KeyPair::generate_for(algorithm).expect("a key").serialize_pem();
            let key = SigningKey::from_pem(&pem).expect("a key that signs");
            assert_eq!(key.public().algorithm(), name);
            let token = key.sign(&json!({"a": 1})).expect("a token");
            assert_eq!(read::<Value>(&token, &[key.public().clone()]), Ok(json!({"a": 1})), "{name}");
            let other = SigningKey::of(&KeyPair::generate().expect("a key")).expect("another");
            assert_eq!(read::<Value>(&token, &[other.public().clone()]), Err(TokenError::UnknownKey));
        }
        let public = KeyPair::generate().expect("a key").public_key_pem();
        assert!(SigningKey::from_pem(&public).is_err() && SigningKey::from_pem("").is_err());
    }

    #[test]
    fn another_key_signs_and_the_own_goes_on_checking() {
        let pair = || KeyPair::generate().expect("a key");
        let signer = TokenSigner::new("https://i", &pair()).expect("a signer");
        let token = |signer: &TokenSigner| {
            let now = corten_rt::Timestamp::UNIX_EPOCH;
            signer.issue(Default::default(), Vec::new(), 600, now).expect("a token").token
        };
        let before = token(&signer);
        let signing = Some(SigningKey::of(&pair()).expect("a key"));
        let issuers = vec!["https://i".to_string()];
        let after = signer.clone().with(TokenSettings { signing, issuers, ..Default::default() });
        let own = token(&after);
        assert!(after.verify(&before).is_ok() && after.verify(&own).is_ok());
        assert_eq!(signer.verify(&own), Err(TokenError::UnknownKey));
    }
}
