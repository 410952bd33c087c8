//! The engine that keeps a data directory of its own, on redb.
//!
//! One [`writer`] thread takes all waiting transactions and commits them together; readers see snapshots
//! and hold no values beyond redb's small cache.

mod directory;
mod file;
mod format;
mod purge;
mod read;
mod writer;

#[cfg(test)]
mod faults;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use corten_rt::Tasks;
use futures::StreamExt;
use futures::stream::BoxStream;
use tokio::sync::{mpsc, oneshot};

use crate::hub::{Backlog, Hub};
use crate::{Batch, Error, Got, ListOptions, Page, Result, Revision, Size, Store, Txn, TxnOutcome, Watch};
use directory::Directory;
use file::{FileOptions, Opener, StoreFile};
use format::Head;
use read::Snapshot;
use writer::{Request, Shared, Writer};

/// How many requests may wait for the writer before further callers wait to enter the queue.
const QUEUE: usize = 1024;

/// Settings of the embedded engine; the default suits one cluster on one machine.
#[derive(Clone, Debug)]
pub struct EmbeddedOptions {
    /// Memory for the file's pages, in bytes. The watch cache above serves most reads, so little is enough.
    pub cache_bytes: usize,
    /// How long writes acknowledged early may stay off the disk.
    pub flush_interval: Duration,
    /// Files up to this many bytes are not made smaller after compaction.
    pub shrink_above_bytes: u64,
    /// Makes every commit keep what opening after a crash needs, instead of reading the file then.
    pub quick_repair: bool,
}

impl Default for EmbeddedOptions {
    fn default() -> Self {
        EmbeddedOptions {
            cache_bytes: 2 << 20,
            flush_interval: Duration::from_secs(30),
            shrink_above_bytes: 16 << 20,
            // Measured by examples/store_bench.rs: with it, 1 writer does 614 durable writes/s instead of 894
            // (unoptimized build), and opening after a crash takes 0.8 s instead of 2.0 s for 257 MiB. Every
            // write would pay for what is rare, and short at the sizes of one machine's cluster.
            quick_repair: false,
        }
    }
}

/// A store in a data directory that belongs to this process. Call [`Store::close`] before the process
/// ends; without it the next start treats the end as a crash.
#[derive(Debug)]
pub struct EmbeddedStore {
    shared: Arc<Shared>,
    queue: mpsc::Sender<Request>,
}

impl EmbeddedStore {
    /// Opens the store in `directory`, or makes it there. Refused when another process holds the directory
    /// or a newer program wrote it. The background work ends with `tasks`.
    pub async fn open(directory: &Path, options: EmbeddedOptions, tasks: &Tasks) -> Result<Self> {
        Self::open_with(directory, options, tasks, Arc::new(|builder, file| builder.create_file(file))).await
    }

    async fn open_with(
        directory: &Path,
        options: EmbeddedOptions,
        tasks: &Tasks,
        opener: Opener,
    ) -> Result<Self> {
        let file_options =
            FileOptions { cache_bytes: options.cache_bytes, quick_repair: options.quick_repair, opener };
        let directory = directory.to_owned();
        let (file, head) =
            blocking(move || StoreFile::open(Directory::hold(&directory)?, file_options)).await?;
        let hub = Hub::new(head.revision, Backlog::default());
        let shared = Arc::new(Shared { file, hub });
        let (queue, receiver) = mpsc::channel(QUEUE);
        let writer = Writer::new(shared.clone(), receiver, head, options.shrink_above_bytes);
        std::thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || writer.run())
            .map_err(|e| Error::Open(format!("cannot start the store's writer: {e}")))?;
        tasks.spawn_until_stopped("store flush", flush(queue.downgrade(), options.flush_interval));
        Ok(EmbeddedStore { shared, queue })
    }

    async fn ask<T>(&self, request: impl FnOnce(oneshot::Sender<Result<T>>) -> Request) -> Result<T> {
        let (answer, result) = oneshot::channel();
        self.queue.send(request(answer)).await.map_err(|_| Error::Closed)?;
        result.await.map_err(|_| Error::Closed)?
    }

    async fn read<T: Send + 'static>(
        &self,
        look: impl FnOnce(Snapshot) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let shared = self.shared.clone();
        blocking(move || shared.file.with(|database| look(Snapshot::take(database)?))).await
    }
}

/// Reading the file blocks, so it happens beside the tasks.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(|e| Error::Storage(e.to_string()))?
}

/// Asks for a flush now and then, for as long as the store is there.
async fn flush(queue: mpsc::WeakSender<Request>, interval: Duration) {
    loop {
        corten_rt::sleep(interval).await;
        let Some(queue) = queue.upgrade() else { return };
        if queue.send(Request::Flush).await.is_err() {
            return;
        }
    }
}

/// The events of `prefix` above `after` and up to `until`, read from the file step by step.
fn past(
    shared: Arc<Shared>,
    prefix: Arc<str>,
    after: Revision,
    until: Revision,
) -> BoxStream<'static, Result<Batch>> {
    let steps = futures::stream::unfold(after, move |after| {
        let (shared, prefix) = (shared.clone(), prefix.clone());
        async move {
            if after >= until {
                return None;
            }
            let step = blocking(move || {
                shared.file.with(|database| Snapshot::take(database)?.past(&prefix, after, until))
            });
            match step.await {
                Ok(batch) => {
                    let reached = batch.revision;
                    Some((Ok(batch), reached))
                }
                Err(error) => Some((Err(error), until)),
            }
        }
    });
    steps.filter(|step| std::future::ready(!matches!(step, Ok(batch) if batch.events.is_empty()))).boxed()
}

#[async_trait]
impl Store for EmbeddedStore {
    async fn get(&self, key: &str) -> Result<Got> {
        let key = key.to_owned();
        self.read(move |snapshot| snapshot.get(&key)).await
    }

    async fn list(&self, prefix: &str, options: ListOptions) -> Result<Page> {
        let prefix = prefix.to_owned();
        self.read(move |snapshot| snapshot.list(&prefix, &options)).await
    }

    async fn txn(&self, txn: Txn) -> Result<TxnOutcome> {
        txn.check()?;
        self.ask(|answer| Request::Txn(txn, answer)).await
    }

    async fn watch(&self, prefix: &str, after: Revision) -> Result<Watch> {
        // Joined first: what is committed from here on arrives in the queue, the rest is in the file.
        let (live, until) = self.shared.hub.subscribe(prefix, after)?;
        let oldest = self.oldest_revision().await?;
        if after < oldest {
            return Err(Error::Compacted { oldest });
        }
        Ok(Watch::new(past(self.shared.clone(), prefix.into(), after, until), live, after))
    }

    async fn compact(&self, revision: Revision) -> Result<()> {
        self.ask(|answer| Request::Compact(revision, answer)).await
    }

    async fn current_revision(&self) -> Result<Revision> {
        // Asked for by every fresh read, so it must not cost a read of the file. Transactions are handed to
        // watchers before they are acknowledged.
        self.shared.hub.published()
    }

    async fn oldest_revision(&self) -> Result<Revision> {
        self.read(|snapshot| Ok(snapshot.head.oldest)).await
    }

    async fn size(&self) -> Result<Size> {
        let disk_bytes = self.shared.file.bytes()?;
        self.read(move |Snapshot { head, .. }| {
            let Head { records, live_bytes, history_bytes, .. } = head;
            Ok(Size { records, live_bytes, history_bytes, disk_bytes })
        })
        .await
    }

    async fn close(&self) -> Result<()> {
        match self.ask(Request::Close).await {
            Err(Error::Closed) => Ok(()),
            result => result,
        }
    }
}
