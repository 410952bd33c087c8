//! Encryption at rest: its flags, which are kube-apiserver's, and how it begins.

use anyhow::{Context, Result};
use clap::Args;
use corten_apiserver::encryption::EncryptedStore;
use corten_rt::Tasks;
use corten_store::Store;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How often a configuration is looked at that is reloaded.
const EVERY: Duration = Duration::from_secs(60);

#[derive(Args, Clone, Debug)]
pub struct EncryptionFlags {
    /// Which resources are encrypted at rest and how, a file apiserver.config.k8s.io/v1
    /// EncryptionConfiguration; nothing is when absent.
    #[arg(long, env = "CORTEN_ENCRYPTION_PROVIDER_CONFIG", value_name = "FILE")]
    pub encryption_provider_config: Option<PathBuf>,
    /// Take over changes of that file without a restart, within a minute.
    #[arg(
        long,
        env = "CORTEN_ENCRYPTION_PROVIDER_CONFIG_AUTOMATIC_RELOAD",
        requires = "encryption_provider_config"
    )]
    pub encryption_provider_config_automatic_reload: bool,
}

impl EncryptionFlags {
    /// The store that encrypts above `below`; none when it is not asked for.
    pub fn begin(&self, below: &Arc<dyn Store>, tasks: &Tasks) -> Result<Option<Arc<EncryptedStore>>> {
        let Some(file) = &self.encryption_provider_config else { return Ok(None) };
        let about = || format!("the encryption configuration {}", file.display());
        let text = std::fs::read(file).with_context(about)?;
        let store = EncryptedStore::new(below.clone(), &text);
        let store = Arc::new(store.map_err(anyhow::Error::msg).with_context(about)?);
        if self.encryption_provider_config_automatic_reload {
            let following = store.clone().follow(file.clone(), text, EVERY);
            tasks.spawn_until_stopped("encryption configuration", following);
        }
        Ok(Some(store))
    }
}
