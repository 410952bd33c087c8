//! What values are encrypted with: a key of its own for each, derived from the seed and 32 random bytes that
//! stand before the value. Values whose source is a key itself are only read.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hkdf::{HKDF_SHA256, Prk};
use aws_lc_rs::rand;

use super::super::key::{Cipher, Key};

/// The bytes of a seed, of a derived key, and of what tells derived keys apart.
pub const SIZE: usize = 32;

/// A seed, or a key itself.
pub enum Source {
    Seed(Prk),
    Key(Box<Key>),
}

impl Source {
    /// A new seed, and its bytes.
    pub fn random() -> Result<(Source, [u8; SIZE]), Unspecified> {
        let mut bytes = [0; SIZE];
        rand::fill(&mut bytes)?;
        Ok((Source::Seed(Prk::new_less_safe(HKDF_SHA256, &bytes)), bytes))
    }

    /// What a plugin decrypted.
    ///
    /// # Errors
    /// When it is too short, or no key.
    pub fn new(bytes: &[u8], is_seed: bool) -> Result<Source, String> {
        match (is_seed, bytes.len()) {
            (true, SIZE..) => Ok(Source::Seed(Prk::new_less_safe(HKDF_SHA256, bytes))),
            (true, n) => Err(format!("invalid seed length {n} used for key generation")),
            (false, n @ (16 | 24 | 32)) => {
                let key = Key::new(Cipher::AesGcm, bytes).map_err(|_| format!("invalid key of size {n}"))?;
                Ok(Source::Key(Box::new(key)))
            }
            (false, n) => Err(format!("crypto/aes: invalid key size {n}")),
        }
    }

    /// `value`, to be kept at `place`.
    pub fn seal(&self, place: &str, value: &[u8]) -> Result<Vec<u8>, Unspecified> {
        let Source::Seed(seed) = self else { return Err(Unspecified) };
        let mut sealed = vec![0; SIZE + NONCE_LEN];
        rand::fill(&mut sealed)?;
        let (info, nonce) = sealed.split_at(SIZE);
        let key = derived(seed, info)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce)?;
        let start = sealed.len();
        sealed.extend_from_slice(value);
        let tag = key.seal_in_place_separate_tag(nonce, Aad::from(place.as_bytes()), &mut sealed[start..])?;
        sealed.extend_from_slice(tag.as_ref());
        Ok(sealed)
    }

    /// The value that was kept at `place`.
    pub fn open(&self, place: &str, sealed: &[u8]) -> Result<Vec<u8>, Unspecified> {
        let seed = match self {
            Source::Key(key) => return key.open(place, sealed),
            Source::Seed(seed) => seed,
        };
        let (info, rest) = sealed.split_at_checked(SIZE).ok_or(Unspecified)?;
        let (nonce, text) = rest.split_at_checked(NONCE_LEN).ok_or(Unspecified)?;
        let mut text = text.to_vec();
        let nonce = Nonce::try_assume_unique_for_key(nonce)?;
        let length = derived(seed, info)?.open_in_place(nonce, Aad::from(place.as_bytes()), &mut text)?.len();
        text.truncate(length);
        Ok(text)
    }
}

fn derived(seed: &Prk, info: &[u8]) -> Result<LessSafeKey, Unspecified> {
    let mut bytes = [0; SIZE];
    seed.expand(&[info], &AES_256_GCM)?.fill(&mut bytes)?;
    Ok(LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &bytes)?))
}
