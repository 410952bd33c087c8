//! The providers of one resource: the first one writes, each of them may have written what is read.

use std::sync::Arc;

use bytes::Bytes;

use super::key::{Cipher, Key};
use super::kms::{self, Plugin};

/// What every encrypted value begins with, whoever wrote it; a value that begins otherwise is plain.
pub const ENCRYPTED: &[u8] = b"k8s:enc:";
/// How much of a value is shown when nobody can read it, in bytes: the provider and the name of the key.
const SHOWN: usize = 120;

/// One key of one provider, or `identity`.
pub enum Way {
    Identity,
    With(Vec<u8>, Key),
    Kms(Vec<u8>, Arc<Plugin>),
}

impl Way {
    /// Values that `key` wrote under its name.
    pub fn new(cipher: Cipher, name: &str, key: Key) -> Way {
        Way::With(format!("{}{name}:", cipher.prefix()).into_bytes(), key)
    }

    /// Values that `plugin` has to do with.
    pub fn kms(plugin: Arc<Plugin>) -> Way {
        Way::Kms(format!("{}{}:", kms::PREFIX, plugin.name()).into_bytes(), plugin)
    }

    fn wrote(&self, value: &[u8]) -> bool {
        match self {
            Way::Identity => !value.starts_with(ENCRYPTED),
            Way::With(prefix, _) | Way::Kms(prefix, _) => value.starts_with(prefix),
        }
    }
}

/// Ways in the order of the configuration; at least one.
pub struct Chain(pub Vec<Arc<Way>>);

impl Chain {
    /// What is stored of `value` at `place`, or why it cannot be.
    pub fn seal(&self, place: &str, value: &Bytes) -> Result<Bytes, String> {
        let first = self.0.first().ok_or("the configuration names no provider")?;
        match &**first {
            Way::Identity => Ok(value.clone()),
            Way::With(prefix, key) => {
                let sealed = key.seal(prefix, place, value);
                sealed.map(Bytes::from).map_err(|_| "the value could not be encrypted".into())
            }
            Way::Kms(prefix, plugin) => plugin.seal(prefix, place, value).map(Bytes::from),
        }
    }

    /// The value behind what is stored at `place`, or why it cannot be read.
    pub fn open(&self, place: &str, stored: &Bytes) -> Result<Bytes, String> {
        let mut failed = false;
        for way in self.0.iter().filter(|way| way.wrote(stored)) {
            match &**way {
                Way::Identity => return Ok(stored.clone()),
                Way::Kms(prefix, plugin) => {
                    return plugin.open(place, &stored.slice(prefix.len()..)).map(Bytes::from);
                }
                // Two providers may have a key of the same name.
                Way::With(prefix, key) => match key.open(place, &stored[prefix.len()..]) {
                    Ok(value) => return Ok(value.into()),
                    Err(_) => failed = true,
                },
            }
        }
        Err(if failed { wrong_key(stored) } else { unknown(stored) })
    }

    /// Whether some way claims the value; it need not open it.
    pub fn knows(&self, stored: &[u8]) -> bool {
        self.0.iter().any(|way| way.wrote(stored))
    }

    /// Whether the value would be written by another way than the one that wrote it.
    pub fn is_stale(&self, stored: &Bytes) -> bool {
        let Some(first) = self.0.first().filter(|way| way.wrote(stored)) else { return true };
        matches!(&**first, Way::Kms(prefix, plugin) if plugin.is_stale(&stored.slice(prefix.len()..)))
    }
}

/// Why nobody reads a value that is claimed by none.
pub fn unknown(stored: &[u8]) -> String {
    if stored.starts_with(ENCRYPTED) {
        let name = name(stored);
        return format!(
            "no matching prefix found: it is encrypted by {name:?}, which the encryption configuration does not have for this resource; add that key to the resource's providers, after the first one"
        );
    }
    "no matching prefix found: it is not encrypted; add \"identity: {}\" as the resource's last provider until all of its objects have been written again".into()
}

fn wrong_key(stored: &[u8]) -> String {
    let name = name(stored);
    format!(
        "it is encrypted by {name:?}, but the secret of that key does not open it: either the encryption configuration gives the name to another secret than the one it was written with, or the value is damaged; restore the secret, or the object from a backup"
    )
}

/// Provider and key that wrote a value, as its beginning tells.
fn name(stored: &[u8]) -> String {
    let colons = stored.iter().take(SHOWN).enumerate().filter(|(_, byte)| **byte == b':');
    let end = colons.map(|(at, _)| at).nth(4).unwrap_or(ENCRYPTED.len());
    String::from_utf8_lossy(&stored[..end]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn way(cipher: Cipher, name: &str, byte: u8) -> Arc<Way> {
        Arc::new(Way::new(cipher, name, Key::new(cipher, &[byte; 32]).expect("a key")))
    }

    fn identity() -> Arc<Way> {
        Arc::new(Way::Identity)
    }

    #[test]
    fn the_first_writes_and_all_read() {
        let plain = Bytes::from_static(b"{\"a\":1}");
        let old = Chain(vec![way(Cipher::AesCbc, "one", 1), identity()]);
        let rotated = Chain(vec![way(Cipher::Secretbox, "two", 2), way(Cipher::AesCbc, "one", 1)]);
        let swapped = Chain(vec![way(Cipher::AesCbc, "one", 9), way(Cipher::AesCbc, "one", 1)]);
        let off = Chain(vec![identity(), way(Cipher::AesCbc, "one", 1)]);
        let sealed = old.seal("/a", &plain).expect("sealed");
        assert!(sealed.starts_with(b"k8s:enc:aescbc:v1:one:"));
        for (chain, value, stale) in [
            (&old, &sealed, false),
            (&old, &plain, true),
            (&rotated, &sealed, true),
            (&swapped, &sealed, false),
            (&off, &sealed, true),
            (&off, &plain, false),
        ] {
            assert_eq!(chain.open("/a", value).expect("opens"), plain);
            assert_eq!(chain.is_stale(value), stale);
        }
        assert_eq!(off.seal("/a", &plain).expect("sealed"), plain);
    }

    #[test]
    fn what_nobody_reads_says_what_to_do() {
        let plain = Bytes::from_static(b"{}");
        let chain = Chain(vec![way(Cipher::AesGcm, "one", 1)]);
        let other = Chain(vec![way(Cipher::AesGcm, "two", 1)]);
        let same_name = Chain(vec![way(Cipher::AesGcm, "one", 2)]);
        let sealed = chain.seal("/a", &plain).expect("sealed");
        for (chain, value, says) in [
            (&other, &sealed, "encrypted by \"k8s:enc:aesgcm:v1:one\", which"),
            (&same_name, &sealed, "the secret of that key does not open it"),
            (&chain, &plain, "add \"identity: {}\""),
            (&chain, &Bytes::from_static(b"k8s:enc:x"), "encrypted by \"k8s:enc:\""),
        ] {
            let why = chain.open("/a", value).expect_err("cannot be read");
            assert!(why.contains(says), "{why}");
        }
    }
}
