//! A changed configuration is taken over while the server runs, if everything stored stays readable by it.

use std::sync::Arc;

use corten_rt::Tasks;
use corten_store::ListOptions;

use super::rules::Rules;
use super::{EncryptedStore, PATIENCE, config};
use crate::cache::ROOT;

/// Records looked at in one go.
const PAGE: usize = 1000;

impl EncryptedStore {
    /// Encrypts and reads by another configuration from now on.
    ///
    /// # Errors
    /// What is wrong with it, or what is stored that it could not read; nothing has changed then.
    pub async fn take_over(&self, configuration: &[u8], tasks: &Tasks) -> Result<(), String> {
        let rules = config::parse(configuration)?;
        for plugin in &rules.plugins {
            plugin.begin(PATIENCE, tasks).await?;
        }
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
