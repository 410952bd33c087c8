//! A changed configuration is taken over while the server runs, if everything stored stays readable by it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use corten_rt::sleep;
use corten_store::ListOptions;

use super::rules::Rules;
use super::{EncryptedStore, config};
use crate::cache::ROOT;

/// Records looked at in one go.
const PAGE: usize = 1000;
/// The largest file that is read, in bytes.
const MOST_BYTES: u64 = 1 << 20;

impl EncryptedStore {
    /// Looks at the configuration's file `every` so often, `known` being what it held last, and takes over
    /// what is changed and right.
    pub async fn follow(self: Arc<Self>, file: PathBuf, mut known: Vec<u8>, every: Duration) {
        loop {
            sleep(every).await;
            let text = match read(&file) {
                Ok(text) => text,
                Err(error) => {
                    tracing::warn!(file = %file.display(), %error, "the encryption configuration cannot be read; the last one stays");
                    continue;
                }
            };
            if text == known {
                continue;
            }
            match self.take_over(&text).await {
                Ok(()) => tracing::info!(file = %file.display(), "the encryption configuration has changed"),
                Err(why) => {
                    tracing::warn!(file = %file.display(), %why, "the changed encryption configuration was refused; the last one stays");
                }
            }
            known = text;
        }
    }

    /// Encrypts and reads by another configuration from now on.
    ///
    /// # Errors
    /// What is wrong with it, or what is stored that it could not read; nothing has changed then.
    pub async fn take_over(&self, configuration: &[u8]) -> Result<(), String> {
        let rules = config::parse(configuration)?;
        self.reads_everything(&rules).await?;
        self.rules.store(Arc::new(rules));
        Ok(())
    }

    async fn reads_everything(&self, rules: &Rules) -> Result<(), String> {
        let mut options = ListOptions { limit: PAGE, ..ListOptions::default() };
        loop {
            let page = self.below.list(ROOT, options.clone()).await.map_err(|e| e.to_string())?;
            options.at = Some(page.revision);
            for record in &page.records {
                let known = match rules.of(&record.key) {
                    Some(chain) => chain.knows(&record.value),
                    None => !record.value.starts_with(super::chain::ENCRYPTED),
                };
                if !known {
                    let why = super::chain::unknown(&record.value);
                    return Err(format!("unable to transform key {:?}: {why}", record.key));
                }
            }
            match page.records.last() {
                Some(last) if page.more => options.start = format!("{}\0", last.key),
                _ => return Ok(()),
            }
        }
    }
}

fn read(file: &PathBuf) -> std::io::Result<Vec<u8>> {
    if std::fs::metadata(file)?.len() > MOST_BYTES {
        return Err(std::io::Error::other(format!("it is larger than {MOST_BYTES} bytes")));
    }
    std::fs::read(file)
}
