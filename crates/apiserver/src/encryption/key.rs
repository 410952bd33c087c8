//! Keys, and how they turn values into what lies in the store: laid out as upstream has it, so that a store's
//! values can be read by either.

use aws_lc_rs::aead::{self, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::cipher::{
    self, DecryptionContext, EncryptionContext, PaddedBlockDecryptingKey, PaddedBlockEncryptingKey,
    UnboundCipherKey,
};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand;
use crypto_secretbox::aead::{AeadInPlace, KeyInit};
use crypto_secretbox::{Tag, XSalsa20Poly1305};

const IV: usize = 16;
const SECRETBOX_NONCE: usize = 24;
const SECRETBOX_TAG: usize = 16;

/// How a provider encrypts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cipher {
    AesCbc,
    AesGcm,
    Secretbox,
}

impl Cipher {
    /// What stands before every value that it wrote, up to the key's name.
    pub fn prefix(self) -> &'static str {
        match self {
            Cipher::AesCbc => "k8s:enc:aescbc:v1:",
            Cipher::AesGcm => "k8s:enc:aesgcm:v1:",
            Cipher::Secretbox => "k8s:enc:secretbox:v1:",
        }
    }

    /// Its field in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Cipher::AesCbc => "aescbc",
            Cipher::AesGcm => "aesgcm",
            Cipher::Secretbox => "secretbox",
        }
    }

    /// The sizes that its keys may have, in bytes.
    pub fn key_sizes(self) -> &'static [usize] {
        match self {
            Cipher::AesCbc | Cipher::AesGcm => &[16, 24, 32],
            Cipher::Secretbox => &[32],
        }
    }
}

/// A key that is ready for use.
pub enum Key {
    AesCbc(Box<(PaddedBlockEncryptingKey, PaddedBlockDecryptingKey)>),
    AesGcm(Box<LessSafeKey>),
    Secretbox(Box<XSalsa20Poly1305>),
}

impl Key {
    /// A key of one of the cipher's sizes.
    pub fn new(cipher: Cipher, secret: &[u8]) -> Result<Key, Unspecified> {
        Ok(match cipher {
            Cipher::AesCbc => {
                let algorithm = match secret.len() {
                    16 => &cipher::AES_128,
                    24 => &cipher::AES_192,
                    _ => &cipher::AES_256,
                };
                let key = || UnboundCipherKey::new(algorithm, secret);
                let seals = PaddedBlockEncryptingKey::cbc_pkcs7(key()?)?;
                Key::AesCbc(Box::new((seals, PaddedBlockDecryptingKey::cbc_pkcs7(key()?)?)))
            }
            Cipher::AesGcm => {
                let algorithm = match secret.len() {
                    16 => &aead::AES_128_GCM,
                    24 => &aead::AES_192_GCM,
                    _ => &aead::AES_256_GCM,
                };
                Key::AesGcm(Box::new(LessSafeKey::new(UnboundKey::new(algorithm, secret)?)))
            }
            Cipher::Secretbox => {
                let key = XSalsa20Poly1305::new_from_slice(secret).map_err(|_| Unspecified)?;
                Key::Secretbox(Box::new(key))
            }
        })
    }

    /// `prefix`, then the encrypted `value`; `place`, where it is kept, is vouched for where the cipher can.
    pub fn seal(&self, prefix: &[u8], place: &str, value: &[u8]) -> Result<Vec<u8>, Unspecified> {
        let mut sealed = Vec::with_capacity(prefix.len() + value.len() + SECRETBOX_NONCE + SECRETBOX_TAG);
        sealed.extend_from_slice(prefix);
        match self {
            Key::AesCbc(keys) => {
                let iv = random::<IV>()?;
                let mut text = value.to_vec();
                keys.0.less_safe_encrypt(&mut text, EncryptionContext::Iv128((&iv).into()))?;
                sealed.extend_from_slice(&iv);
                sealed.extend_from_slice(&text);
            }
            Key::AesGcm(key) => {
                let nonce = random::<NONCE_LEN>()?;
                sealed.extend_from_slice(&nonce);
                let start = sealed.len();
                sealed.extend_from_slice(value);
                let nonce = Nonce::assume_unique_for_key(nonce);
                let tag =
                    key.seal_in_place_separate_tag(nonce, Aad::from(place.as_bytes()), &mut sealed[start..])?;
                sealed.extend_from_slice(tag.as_ref());
            }
            Key::Secretbox(key) => {
                let nonce = random::<SECRETBOX_NONCE>()?;
                sealed.extend_from_slice(&nonce);
                let tag_at = sealed.len();
                sealed.extend_from_slice(&[0; SECRETBOX_TAG]);
                sealed.extend_from_slice(value);
                let (head, text) = sealed.split_at_mut(tag_at + SECRETBOX_TAG);
                let tag =
                    key.encrypt_in_place_detached((&nonce).into(), b"", text).map_err(|_| Unspecified)?;
                head[tag_at..].copy_from_slice(&tag);
            }
        }
        Ok(sealed)
    }

    /// The value behind what follows the prefix.
    pub fn open(&self, place: &str, sealed: &[u8]) -> Result<Vec<u8>, Unspecified> {
        match self {
            Key::AesCbc(keys) => {
                let (iv, text) = sealed.split_first_chunk::<IV>().ok_or(Unspecified)?;
                let mut text = text.to_vec();
                let length = keys.1.decrypt(&mut text, DecryptionContext::Iv128(iv.into()))?.len();
                text.truncate(length);
                Ok(text)
            }
            Key::AesGcm(key) => {
                let (nonce, text) = sealed.split_first_chunk::<NONCE_LEN>().ok_or(Unspecified)?;
                let mut text = text.to_vec();
                let nonce = Nonce::assume_unique_for_key(*nonce);
                let length = key.open_in_place(nonce, Aad::from(place.as_bytes()), &mut text)?.len();
                text.truncate(length);
                Ok(text)
            }
            Key::Secretbox(key) => {
                let (nonce, rest) = sealed.split_first_chunk::<SECRETBOX_NONCE>().ok_or(Unspecified)?;
                let (tag, text) = rest.split_first_chunk::<SECRETBOX_TAG>().ok_or(Unspecified)?;
                let mut text = text.to_vec();
                key.decrypt_in_place_detached(nonce.into(), b"", &mut text, Tag::from_slice(tag))
                    .map_err(|_| Unspecified)?;
                Ok(text)
            }
        }
    }
}

fn random<const N: usize>() -> Result<[u8; N], Unspecified> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    const CIPHERS: [Cipher; 3] = [Cipher::AesCbc, Cipher::AesGcm, Cipher::Secretbox];

    #[test]
    fn what_is_sealed_opens_with_the_same_key_alone() {
        for cipher in CIPHERS {
            for size in cipher.key_sizes() {
                let key = Key::new(cipher, &vec![7; *size]).expect("a key");
                let other = Key::new(cipher, &vec![8; *size]).expect("a key");
                for value in [b"".as_slice(), b"{}", &[b'x'; 5000]] {
                    let sealed = key.seal(b"p:", "/a", value).expect("sealed");
                    assert!(sealed.starts_with(b"p:"), "{cipher:?}");
                    assert!(value.is_empty() || !sealed.windows(value.len()).any(|w| w == value));
                    assert_eq!(key.open("/a", &sealed[2..]).expect("opens"), value, "{cipher:?}");
                    assert!(other.open("/a", &sealed[2..]).map_or(true, |v| v != value), "{cipher:?}");
                    assert_ne!(key.seal(b"p:", "/a", value).expect("sealed"), sealed, "{cipher:?}");
                }
            }
        }
    }

    #[test]
    fn damage_is_noticed() {
        for cipher in [Cipher::AesGcm, Cipher::Secretbox] {
            let key = Key::new(cipher, &[7; 32]).expect("a key");
            let sealed = key.seal(b"", "/a", b"value").expect("sealed");
            for at in 0..sealed.len() {
                let mut damaged = sealed.clone();
                damaged[at] ^= 1;
                assert!(key.open("/a", &damaged).is_err(), "{cipher:?} byte {at}");
                assert!(key.open("/a", &sealed[..at]).is_err(), "{cipher:?} cut at {at}");
            }
        }
        let key = Key::new(Cipher::AesGcm, &[7; 32]).expect("a key");
        let sealed = key.seal(b"", "/a", b"value").expect("sealed");
        assert!(key.open("/b", &sealed).is_err(), "moved to another key of the store");
    }

    #[test]
    fn values_that_upstream_wrote_are_read() {
        for (cipher, secret, sealed) in WRITTEN {
            let key = Key::new(*cipher, secret.as_bytes()).expect("a key");
            let sealed = STANDARD.decode(sealed).expect("base64");
            let value = key.open("/registry/secrets/a/b", &sealed).expect("opens");
            assert_eq!(value, br#"{"kind":"Secret"}"#, "{cipher:?} {}", secret.len());
        }
    }

    /// Cipher, key, and what upstream's transformers make of a value.
    const WRITTEN: &[(Cipher, &str, &str)] = &[
        (Cipher::AesGcm, "0123456789abcdef", "oxBTQ+mrOWYnSqQQAxr5IpFd1qeNLcIejddIl0+gQm60AoGYF4KyinMjWtaf"),
        (
            Cipher::AesCbc,
            "0123456789abcdef",
            "AOdRP4xcPYvW18+3XH83rvWKHx79V/tzDzzpTdIFUX416X7G73HU1oeZ1aNqmagN",
        ),
        (
            Cipher::AesGcm,
            "0123456789abcdef01234567",
            "//TOhaJZN85us3c6OhChssSsV0x1lEreZnIaY1fx+I/vuIUrn6Qa4hVdz086",
        ),
        (
            Cipher::AesCbc,
            "0123456789abcdef01234567",
            "z/5xziiAEJ2tzBMZwDGca+t8vWqDTAF19+FHY8dUP+Zk1HXUuZyFBdkp7qhtc5DF",
        ),
        (
            Cipher::AesGcm,
            "0123456789abcdef0123456789abcdef",
            "q2egr9/OZ9PuBGJap1Nwiaqyup7JsspknunrAav7ecSSr4JaGy5Y11B2/cZD",
        ),
        (
            Cipher::AesCbc,
            "0123456789abcdef0123456789abcdef",
            "AxoeCLgkbJqaSijZU558GMHPP5J1hMErNhTFE8+f77TiP/JNJ1rXQnsogQ+A2X7i",
        ),
        (
            Cipher::Secretbox,
            "0123456789abcdef0123456789abcdef",
            "Otz0s5OThU7RSpwiTMNQGWHw0P4BbauLSEfEaSMrOI+4D3C7qCwtereX0piqevN/GGD9B3/e8sO1",
        ),
    ];
}
