//! Encryption at rest: its flags, which are kube-apiserver's, and how it begins.

use super::files::{self, Followed, Outcome};
use anyhow::{Context, Result};
use clap::Args;
use corten_apiserver::encryption::EncryptedStore;
use corten_apiserver::http::{Api, Reloads};
use corten_rt::{Clock, Tasks};
use corten_store::Store;
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[derive(Args, Clone, Debug)]
pub struct EncryptionFlags {
    /// Which resources are encrypted at rest and how, a file apiserver.config.k8s.io/v1
    /// EncryptionConfiguration; nothing is when absent.
    #[arg(long, env = "CORTEN_ENCRYPTION_PROVIDER_CONFIG", value_name = "FILE")]
    pub encryption_provider_config: Option<PathBuf>,
    /// Take over changes of that file without a restart.
    #[arg(
        long,
        env = "CORTEN_ENCRYPTION_PROVIDER_CONFIG_AUTOMATIC_RELOAD",
        requires = "encryption_provider_config"
    )]
    pub encryption_provider_config_automatic_reload: bool,
}

/// The store that encrypts, and how often its configuration was reloaded.
pub struct Encryption {
    pub store: Arc<EncryptedStore>,
    reloads: Option<Arc<Reloads>>,
}

impl EncryptionFlags {
    /// The store that encrypts above `below`; none when it is not asked for.
    pub async fn begin(&self, below: &Arc<dyn Store>, tasks: &Tasks) -> Result<Option<Encryption>> {
        let Some(file) = &self.encryption_provider_config else { return Ok(None) };
        let about = || format!("the encryption configuration {}", file.display());
        let text = files::read(file)?;
        let store = EncryptedStore::new(below.clone(), &text);
        let store = Arc::new(store.map_err(anyhow::Error::msg).with_context(about)?);
        store.begin(&crate::process::host_name(), tasks).await;
        let mut encryption = Encryption { store, reloads: None };
        if self.encryption_provider_config_automatic_reload {
            encryption.follow(file, &text, tasks);
        }
        Ok(Some(encryption))
    }
}

impl Encryption {
    fn follow(&mut self, file: &Path, text: &[u8], tasks: &Tasks) {
        let server = crate::process::host_name();
        let reloads = Arc::new(Reloads::new("encryption", &server, Clock::system(), text));
        self.reloads = Some(Arc::clone(&reloads));
        let (store, path, asking) = (Arc::clone(&self.store), file.to_path_buf(), tasks.clone());
        Followed::new([file.to_path_buf()]).follow("encryption configuration", tasks, move || {
            let (store, path, tasks) = (Arc::clone(&store), path.clone(), asking.clone());
            let reloads = Arc::clone(&reloads);
            async move {
                let text = match files::read(&path) {
                    Ok(text) => text,
                    Err(error) => {
                        tracing::error!("{error:#}: the last encryption configuration stays");
                        reloads.failed();
                        return Outcome::Again;
                    }
                };
                match store.take_over(&text, &tasks).await {
                    Ok(()) => {
                        tracing::info!("the encryption configuration has changed, and holds");
                        reloads.succeeded(&text);
                    }
                    Err(why) => {
                        tracing::error!(
                            why,
                            "the changed encryption configuration was refused; the last one stays"
                        );
                        reloads.failed();
                    }
                }
                Outcome::Done
            }
        });
    }

    /// Has the API show how the plugins are, and what was reloaded.
    pub fn show(&self, api: &mut Api) {
        api.metrics.reloads.lock().extend(self.reloads.clone());
        if self.reloads.is_some() || self.store.has_plugins() {
            let store = Arc::clone(&self.store);
            let health = std::mem::take(&mut api.health);
            api.health = health.live("kms-providers", move || {
                let store = Arc::clone(&store);
                async move { store.check_plugins().await }
            });
        }
    }
}
