//! Plugins for key management, version 2 (upstream's `kms.v2`): a plugin encrypts a seed once, and values are
//! encrypted by keys that are derived from the seed. What lies in the store is upstream's `EncryptedObject`.

mod call;
mod metrics;
mod plugin;
mod seed;
mod wire;

pub use metrics::{hash, write as write_metrics};
pub use plugin::{Plugin, Settings};

/// What stands before every value, up to the plugin's name.
pub const PREFIX: &str = "k8s:enc:kms:v2:";

#[cfg(test)]
mod tests;
