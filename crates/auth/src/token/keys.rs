//! Public keys by which service-account tokens are checked: the cluster's own, and those that
//! `--service-account-key-file` names.

use super::TokenError;
use crate::pki::PkiError;
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED, RSA_PKCS1_2048_8192_SHA256,
    UnparsedPublicKey, VerificationAlgorithm,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rcgen::{KeyPair, PublicKeyData};
use rustls::pki_types::pem::{PemObject, SectionKind};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use x509_parser::prelude::{FromDer, SubjectPublicKeyInfo, X509Certificate};
use x509_parser::public_key::PublicKey as Parsed;

/// The most keys of a file.
const MOST: usize = 256;

/// A key that checks tokens.
#[derive(Clone)]
pub struct PublicKey {
    id: String,
    algorithm: &'static str,
    check: &'static dyn VerificationAlgorithm,
    /// A point of a curve, or an RSAPublicKey.
    key: Vec<u8>,
    shown: Value,
}

impl std::fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PublicKey").field("id", &self.id).finish_non_exhaustive()
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for PublicKey {}

#[derive(Deserialize)]
struct Header {
    #[serde(default)]
    alg: String,
    #[serde(default)]
    kid: String,
}

fn malformed(why: impl std::fmt::Display) -> PkiError {
    PkiError::Malformed(why.to_string())
}

impl PublicKey {
    /// From a SubjectPublicKeyInfo in DER.
    ///
    /// # Errors
    /// When it is no key of RSA or of one of NIST's curves.
    pub fn from_der(der: &[u8]) -> Result<Self, PkiError> {
        let (_, info) = SubjectPublicKeyInfo::from_der(der).map_err(malformed)?;
        let key = info.subject_public_key.data.to_vec();
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let id = text(digest(&SHA256, der).as_ref());
        let (algorithm, check, mut shown): (_, &'static dyn VerificationAlgorithm, _) =
            match info.parsed().map_err(malformed)? {
                Parsed::RSA(rsa) => {
                    let bare = |bytes: &[u8]| text(&bytes[bytes.iter().take_while(|b| **b == 0).count()..]);
                    let shown = json!({"kty": "RSA", "n": bare(rsa.modulus), "e": bare(rsa.exponent)});
                    ("RS256", &RSA_PKCS1_2048_8192_SHA256, shown)
                }
                Parsed::EC(_) => {
                    let (algorithm, curve, check): (_, _, &'static dyn VerificationAlgorithm) =
                        match key.len() {
                            65 => ("ES256", "P-256", &ECDSA_P256_SHA256_FIXED),
                            97 => ("ES384", "P-384", &ECDSA_P384_SHA384_FIXED),
                            133 => ("ES512", "P-521", &ECDSA_P521_SHA512_FIXED),
                            _ => return Err(malformed("unknown public key curve, must be 256, 384, or 521")),
                        };
                    // An uncompressed point: 4, then x and y.
                    let (x, y) = key[1..].split_at(key.len() / 2);
                    (algorithm, check, json!({"kty": "EC", "crv": curve, "x": text(x), "y": text(y)}))
                }
                _ => return Err(malformed("the key that checks tokens must be one of RSA or of a curve")),
            };
        for (name, value) in [("use", "sig"), ("alg", algorithm), ("kid", &id)] {
            shown[name] = value.into();
        }
        Ok(PublicKey { id, algorithm, check, key, shown })
    }

    /// All keys of a PEM text: public keys, and those of certificates and private keys.
    ///
    /// # Errors
    /// When there is none, or one cannot be understood.
    pub fn all_of(pem: &str) -> Result<Vec<Self>, PkiError> {
        let mut keys = Vec::new();
        for section in <(SectionKind, Vec<u8>)>::pem_slice_iter(pem.as_bytes()) {
            let (kind, der) = section.map_err(malformed)?;
            keys.push(match kind {
                SectionKind::PublicKey => Self::from_der(&der)?,
                SectionKind::Certificate => {
                    let (_, certificate) = X509Certificate::from_der(&der).map_err(malformed)?;
                    Self::from_der(certificate.public_key().raw)?
                }
                SectionKind::PrivateKey | SectionKind::EcPrivateKey | SectionKind::RsaPrivateKey => {
                    let key = rustls::pki_types::PrivateKeyDer::try_from(der).map_err(malformed)?;
                    Self::from_der(&KeyPair::try_from(&key).map_err(malformed)?.subject_public_key_info())?
                }
                _ => continue,
            });
            if keys.len() > MOST {
                return Err(malformed(format!("there are more than {MOST} keys")));
            }
        }
        if keys.is_empty() {
            return Err(malformed("data does not contain any valid RSA or ECDSA public keys"));
        }
        Ok(keys)
    }

    /// The name that tokens call it by.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The algorithm of its signatures.
    pub fn algorithm(&self) -> &'static str {
        self.algorithm
    }

    /// Its entry in a JSON Web Key Set.
    pub fn shown(&self) -> &Value {
        &self.shown
    }

    fn signed(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(self.check, &self.key).verify(message, signature).is_ok()
    }
}

/// What a token says that one of `keys` signed.
pub(super) fn read<P: DeserializeOwned>(token: &str, keys: &[PublicKey]) -> Result<P, TokenError> {
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenError::Foreign);
    let (message, signature) = token.rsplit_once('.').ok_or(TokenError::Foreign)?;
    let (header, payload) = message.split_once('.').ok_or(TokenError::Foreign)?;
    let header: Header = serde_json::from_slice(&decode(header)?).map_err(|_| TokenError::Foreign)?;
    let signature = decode(signature)?;
    let mut named = keys.iter().filter(|key| header.kid.is_empty() || key.id == header.kid).peekable();
    if named.peek().is_none() {
        return Err(TokenError::UnknownKey);
    }
    let mut fitting = named.filter(|key| key.algorithm == header.alg);
    if !fitting.any(|key| key.signed(message.as_bytes(), &signature)) {
        return Err(TokenError::Signature);
    }
    serde_json::from_slice(&decode(payload)?).map_err(|_| TokenError::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::{ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair};

    #[test]
    fn keys_of_all_curves_check_tokens() {
        let p256 = KeyPair::generate().expect("a key");
        let p384 = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).expect("a key");
        let p521 = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P521_SHA512).expect("a key");
        let text = [p256.serialize_pem(), p384.public_key_pem(), p521.public_key_pem()].concat();
        let keys = PublicKey::all_of(&text).expect("keys");
        let known: Vec<_> = keys.iter().map(|key| (key.algorithm(), key.shown()["crv"].as_str())).collect();
        assert_eq!(known, [("ES256", Some("P-256")), ("ES384", Some("P-384")), ("ES512", Some("P-521"))]);
        assert!(keys.iter().all(|key| key.shown()["kid"] == key.id()));
        let signing = EcdsaKeyPair::from_pkcs8(&ECDSA_P521_SHA512_FIXED_SIGNING, p521.serialized_der());
        let signing = signing.expect("a key");
        let sign = |header: Value| {
            let part = |json: Value| URL_SAFE_NO_PAD.encode(json.to_string());
            let message = format!("{}.{}", part(header), part(json!({"a": 1})));
            let signature = signing.sign(&SystemRandom::new(), message.as_bytes()).expect("a signature");
            format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
        };
        for (header, want) in [
            (json!({"alg": "ES512", "kid": keys[2].id()}), Ok(json!({"a": 1}))),
            (json!({"alg": "ES512"}), Ok(json!({"a": 1}))),
            (json!({"alg": "ES512", "kid": "other"}), Err(TokenError::UnknownKey)),
            (json!({"alg": "ES512", "kid": keys[0].id()}), Err(TokenError::Signature)),
            (json!({"alg": "none"}), Err(TokenError::Signature)),
        ] {
            assert_eq!(read::<Value>(&sign(header.clone()), &keys), want, "{header}");
        }
    }

    #[test]
    fn what_holds_no_key_is_refused() {
        let certificate = crate::pki::Authority::create("a", corten_rt::Timestamp::UNIX_EPOCH).expect("one");
        assert_eq!(PublicKey::all_of(certificate.pem()).expect("its key").len(), 1);
        for text in ["", "x", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"] {
            assert!(PublicKey::all_of(text).is_err(), "{text:?}");
        }
    }
}
