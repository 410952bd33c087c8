//! The messages: upstream's `apis/v2` of kms, and what is kept of a value.

use std::collections::BTreeMap;

/// The plugin's calls, below the service's name.
pub const SERVICE: &str = "/v2.KeyManagementService/";

/// The kind of [`EncryptedObject`] whose source is a seed; zero is a key itself.
pub const SEED: i32 = 1;

#[derive(Clone, PartialEq, prost::Message)]
pub struct StatusRequest {}

#[derive(Clone, PartialEq, prost::Message)]
pub struct StatusResponse {
    #[prost(string, tag = "1")]
    pub version: String,
    #[prost(string, tag = "2")]
    pub healthz: String,
    #[prost(string, tag = "3")]
    pub key_id: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct DecryptRequest {
    #[prost(bytes = "vec", tag = "1")]
    pub ciphertext: Vec<u8>,
    #[prost(string, tag = "2")]
    pub uid: String,
    #[prost(string, tag = "3")]
    pub key_id: String,
    #[prost(btree_map = "string, bytes", tag = "4")]
    pub annotations: BTreeMap<String, Vec<u8>>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct DecryptResponse {
    #[prost(bytes = "vec", tag = "1")]
    pub plaintext: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct EncryptRequest {
    #[prost(bytes = "vec", tag = "1")]
    pub plaintext: Vec<u8>,
    #[prost(string, tag = "2")]
    pub uid: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct EncryptResponse {
    #[prost(bytes = "vec", tag = "1")]
    pub ciphertext: Vec<u8>,
    #[prost(string, tag = "2")]
    pub key_id: String,
    #[prost(btree_map = "string, bytes", tag = "3")]
    pub annotations: BTreeMap<String, Vec<u8>>,
}

/// A value as it lies in the store, after the prefix.
#[derive(Clone, PartialEq, prost::Message)]
pub struct EncryptedObject {
    #[prost(bytes = "bytes", tag = "1")]
    pub encrypted_data: bytes::Bytes,
    #[prost(string, tag = "2")]
    pub key_id: String,
    /// The seed or key, as the plugin encrypted it.
    #[prost(bytes = "vec", tag = "3")]
    pub source: Vec<u8>,
    #[prost(btree_map = "string, bytes", tag = "4")]
    pub annotations: BTreeMap<String, Vec<u8>>,
    #[prost(int32, tag = "5")]
    pub source_type: i32,
}

/// The longest name of a key, and the longest encrypted seed, in bytes.
const MOST: usize = 1024;
/// The most that annotations take, in bytes.
const MOST_ANNOTATIONS: usize = 32 * 1024;

/// Why a key's name is none.
pub fn key_id_wrong(id: &str) -> Option<(&'static str, String)> {
    match id.len() {
        0 => Some(("empty", "keyID is empty".into())),
        n if n > MOST => {
            Some(("too_long", format!("keyID is {n} bytes, which exceeds the max size of {MOST}")))
        }
        _ => None,
    }
}

impl EncryptedObject {
    /// Checks what a plugin or the store brings.
    ///
    /// # Errors
    /// In upstream's words.
    pub fn validate(&self) -> Result<(), String> {
        if !(0..=SEED).contains(&self.source_type) {
            return Err(format!("unknown encryptedDEKSourceType: {}", self.source_type));
        }
        let source = match self.source.len() {
            0 => Some("encrypted DEK source is empty".to_string()),
            n if n > MOST => {
                Some(format!("encrypted DEK source is {n} bytes, which exceeds the max size of {MOST}"))
            }
            _ => None,
        };
        if let Some(why) = source {
            return Err(format!("failed to validate encrypted DEK source: {why}"));
        }
        if let Some((_, why)) = key_id_wrong(&self.key_id) {
            return Err(format!("failed to validate key id: {why}"));
        }
        let mut wrong = Vec::new();
        for key in self.annotations.keys() {
            let parts: Vec<&str> = key.split('.').collect();
            if parts.len() < 2 || !corten_kinds::names::dns_subdomain(key).is_empty() {
                wrong.push(format!(
                    "annotations: Invalid value: {key:?}: should be a domain with at least two segments separated by dots"
                ));
            }
        }
        let size: usize = self.annotations.iter().map(|(key, value)| key.len() + value.len()).sum();
        if size > MOST_ANNOTATIONS {
            wrong.push(format!(
                "total size of annotations is {size}, which exceeds the max size of {MOST_ANNOTATIONS}"
            ));
        }
        if wrong.is_empty() {
            return Ok(());
        }
        Err(format!("failed to validate annotations: {}", wrong.join(", ")))
    }
}
