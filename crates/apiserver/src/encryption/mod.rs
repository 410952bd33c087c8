//! Encryption at rest: a store between the registry and the engine, which sees plain values on one side and
//! keeps ciphertext on the other. It is there only when a configuration asks for it.
//!
//! A server whose store holds what it cannot read does not start: serving without those objects would look as
//! if they had been deleted.

mod chain;
mod config;
mod key;
mod kms;
mod reload;
mod rules;

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use corten_metrics::Text;
use corten_rt::Tasks;
use corten_store::{
    Batch, Error, Got, ListOptions, Op, Page, Record, Result, Revision, Size, Store, Txn, TxnOutcome, Watch,
};

use rules::Rules;

/// How long a plugin for key management has to be well at first, as upstream's.
const PATIENCE: Duration = Duration::from_secs(60);

/// A store whose values are encrypted as a configuration says.
pub struct EncryptedStore {
    below: Arc<dyn Store>,
    rules: Arc<ArcSwap<Rules>>,
    /// The hash of this server's name.
    server: OnceLock<String>,
}

impl fmt::Debug for EncryptedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EncryptedStore").field("below", &self.below).finish_non_exhaustive()
    }
}

impl EncryptedStore {
    /// The store above `below` that a configuration (YAML or JSON) describes.
    ///
    /// # Errors
    /// What is wrong with the configuration, a line each.
    pub fn new(below: Arc<dyn Store>, configuration: &[u8]) -> std::result::Result<Self, String> {
        let rules = config::parse(configuration)?;
        if !rules.encrypts() {
            tracing::info!("the encryption configuration encrypts nothing");
        }
        Ok(EncryptedStore { below, rules: Arc::new(ArcSwap::from_pointee(rules)), server: OnceLock::new() })
    }

    /// Asks the plugins for key management in a server of this name, and has `tasks` ask them from then on. One that is not well may be
    /// later; what it encrypted cannot be read until then.
    pub async fn begin(&self, server: &str, tasks: &Tasks) {
        let _ = self.server.set(kms::hash(server));
        let rules = self.rules.load_full();
        for plugin in &rules.plugins {
            if let Err(why) = plugin.begin(PATIENCE, tasks).await {
                tracing::warn!(plugin = plugin.name(), why, "a plugin for key management is not well");
            }
        }
    }

    /// Whether there are plugins for key management.
    pub fn has_plugins(&self) -> bool {
        !self.rules.load().plugins.is_empty()
    }

    /// Whether the plugins for key management are well.
    ///
    /// # Errors
    /// Those that are not, and why.
    pub async fn check_plugins(&self) -> std::result::Result<(), String> {
        let (rules, mut wrong) = (self.rules.load_full(), Vec::new());
        for (i, plugin) in rules.plugins.iter().enumerate() {
            wrong.extend(plugin.check().await.err().map(|why| format!("kms-provider-{i}: {why}")));
        }
        match wrong.as_slice() {
            [] => Ok(()),
            [one] => Err(one.clone()),
            several => Err(format!("[{}]", several.join(", "))),
        }
    }

    /// Appends what `/metrics` shows of plugins.
    pub(crate) fn write_metrics(&self, out: &mut Text) {
        let rules = self.rules.load_full();
        let plugins: Vec<_> = rules
            .plugins
            .iter()
            .map(|plugin| {
                let (counts, seeds) = plugin.counts();
                (plugin.name(), counts, seeds)
            })
            .collect();
        if !plugins.is_empty() {
            kms::write_metrics(out, &plugins, self.server.get().map_or("", String::as_str));
        }
    }

    /// Whether what is stored at `key` would be written otherwise today: by another key, encrypted, or plain.
    pub async fn is_stale(&self, key: &str) -> Result<bool> {
        let rules = self.rules.load_full();
        let Some(chain) = rules.of(key) else { return Ok(false) };
        let record = self.below.get(key).await?.record;
        Ok(record.is_some_and(|record| chain.is_stale(&record.value)))
    }
}

/// Refuses a value that is still encrypted where plain ones are expected.
pub(crate) fn refuse_encrypted(record: &Record) -> Result<()> {
    if !record.value.starts_with(chain::ENCRYPTED) {
        return Ok(());
    }
    Err(unreadable(&record.key, &chain::unknown(&record.value)))
}

fn unreadable(key: &str, why: &str) -> Error {
    Error::Unreadable(format!("unable to transform key {key:?}: {why}"))
}

fn opened(rules: &Rules, record: &mut Record) -> Result<()> {
    match rules.of(&record.key) {
        None => refuse_encrypted(record),
        Some(chain) => {
            let plain = chain.open(&record.key, &record.value);
            record.value = plain.map_err(|why| unreadable(&record.key, &why))?;
            Ok(())
        }
    }
}

fn opened_batch(rules: &Rules, mut batch: Batch) -> Result<Batch> {
    for event in &mut batch.events {
        for record in [&mut event.current, &mut event.previous].into_iter().flatten() {
            opened(rules, record)?;
        }
    }
    Ok(batch)
}

#[async_trait]
impl Store for EncryptedStore {
    async fn get(&self, key: &str) -> Result<Got> {
        let mut got = self.below.get(key).await?;
        got.record.as_mut().map_or(Ok(()), |record| opened(&self.rules.load(), record))?;
        Ok(got)
    }

    async fn list(&self, prefix: &str, options: ListOptions) -> Result<Page> {
        let mut page = self.below.list(prefix, options).await?;
        let rules = self.rules.load_full();
        page.records.iter_mut().try_for_each(|record| opened(&rules, record))?;
        Ok(page)
    }

    async fn txn(&self, mut txn: Txn) -> Result<TxnOutcome> {
        {
            let rules = self.rules.load();
            for op in &mut txn.ops {
                let Op::Put(key, value) = op else { continue };
                let Some(chain) = rules.of(key) else { continue };
                let sealed = chain.seal(key, value);
                *value = sealed
                    .map_err(|why| Error::Storage(format!("{key} was not encrypted, nor written: {why}")))?;
            }
        }
        let mut outcome = self.below.txn(txn).await?;
        if let TxnOutcome::Failed { current, .. } = &mut outcome {
            let rules = self.rules.load();
            current.iter_mut().flatten().try_for_each(|record| opened(&rules, record))?;
        }
        Ok(outcome)
    }

    async fn watch(&self, prefix: &str, after: Revision) -> Result<Watch> {
        let rules = Arc::clone(&self.rules);
        let watch = self.below.watch(prefix, after).await?;
        Ok(watch.map(move |batch| opened_batch(&rules.load(), batch)))
    }

    async fn compact(&self, revision: Revision) -> Result<()> {
        self.below.compact(revision).await
    }

    async fn current_revision(&self) -> Result<Revision> {
        self.below.current_revision().await
    }

    async fn oldest_revision(&self) -> Result<Revision> {
        self.below.oldest_revision().await
    }

    async fn size(&self) -> Result<Size> {
        self.below.size().await
    }

    async fn close(&self) -> Result<()> {
        self.below.close().await
    }
}
