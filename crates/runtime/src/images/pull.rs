//! Pulls: who wants the same image shares one, and layers are fetched side by side.

use super::digest::{Digest, chain_ids};
use super::error::{Error, Result};
use super::manifest::{Descriptor, Document, Manifest, Platform};
use super::progress::{Counters, Progress};
use super::reference::{Reference, Version};
use super::registry::Registries;
use super::registry::auth::{self, Credentials};
use super::registry::source::{Sink, Source};
use super::store::{Hold, NewImage, Staging, Store, parse_document};
use super::unpack::{self, Promise};
use super::{Image, manifest};
use bytes::Bytes;
use corten_node_api::cri::AuthConfig;
use futures::future::{BoxFuture, FutureExt, Shared, WeakShared};
use futures::stream::{FuturesUnordered, StreamExt};
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap};
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::{OwnedMutexGuard, Semaphore, mpsc};

/// How many pieces of a download wait for the unpacker. Pieces are as the network brings them, 400 KiB at most.
const PIECES: usize = 8;
/// An index within an index within an index is enough.
const MOST_INDEXES: usize = 3;

/// Pulls images into a store.
pub(super) struct Puller {
    work: Arc<Work>,
    running: Mutex<HashMap<Key, Running>>,
}

/// Pulls with other credentials are other pulls: what one may see, another may not.
type Key = (Reference, Credentials);
type Pull = BoxFuture<'static, Result<Arc<Image>>>;

struct Running {
    /// Lives as long as somebody waits for it.
    pull: WeakShared<Pull>,
    counters: Arc<Counters>,
}

/// What all pulls share.
struct Work {
    store: Arc<Store>,
    registries: Registries,
    downloads: Arc<Semaphore>,
    /// Who unpacks a stack's last layer holds its lock; others wait and find it there.
    chains: Mutex<HashMap<Digest, Arc<tokio::sync::Mutex<()>>>>,
}

impl Puller {
    pub(super) fn new(store: Arc<Store>, registries: Registries) -> Self {
        let downloads = Arc::new(Semaphore::new(registries.patience.parallel.max(1)));
        let work = Work { store, registries, downloads, chains: Mutex::default() };
        Self { work: Arc::new(work), running: Mutex::default() }
    }

    pub(super) async fn pull(&self, image: &str, auth: Option<AuthConfig>) -> Result<Arc<Image>> {
        let reference = Reference::parse(image)?;
        let auth = auth.filter(|auth| auth::are_for(&auth.server_address, reference.registry()));
        let credentials = auth.as_ref().map_or(Ok(Credentials::None), Credentials::of_pull)?;
        let context = format!("failed to pull and unpack image \"{reference}\"");
        let key = (reference, credentials);
        let (pull, counters) = self.join(&key);
        let result = pull.await;
        let mut running = self.running.lock();
        if running.get(&key).is_some_and(|own| Arc::ptr_eq(&own.counters, &counters)) {
            running.remove(&key);
        }
        result.map_err(|error| error.during(context))
    }

    /// The pull of this kind that is under way, or a new one.
    fn join(&self, key: &Key) -> (Shared<Pull>, Arc<Counters>) {
        let mut running = self.running.lock();
        running.retain(|_, running| running.pull.upgrade().is_some()); // the others were given up
        if let Some((pull, counters)) =
            running.get(key).and_then(|r| Some((r.pull.upgrade()?, r.counters.clone())))
        {
            return (pull, counters);
        }
        let counters = Arc::new(Counters::default());
        let (work, (reference, credentials)) = (self.work.clone(), key.clone());
        let progress = counters.clone();
        let pull: Pull = async move { work.pull(&reference, &credentials, &progress).await }.boxed();
        let pull = pull.shared();
        if let Some(weak) = pull.downgrade() {
            running.insert(key.clone(), Running { pull: weak, counters: counters.clone() });
        }
        (pull, counters)
    }

    pub(super) fn progress(&self, image: &str) -> Option<Progress> {
        let reference = Reference::parse(image).ok()?;
        let running = self.running.lock();
        let mut alive = running.iter().filter(|(_, running)| running.pull.upgrade().is_some());
        alive.find(|((of, _), _)| *of == reference).map(|(_, running)| running.counters.now())
    }
}

impl Work {
    async fn pull(
        &self,
        reference: &Reference,
        credentials: &Credentials,
        counters: &Counters,
    ) -> Result<Arc<Image>> {
        let source = Source::new(&self.registries.now()?, reference, credentials)?;
        // Also an image that is here is asked for: the name may mean another by now, and these credentials may
        // not be good for it.
        if let Some(here) = self.store.resolve(&reference.to_string())
            && let Some(digest) = source.confirm(reference.version()).await
            && here.digests.contains(&reference.at(&digest).to_string())
        {
            return Ok(here);
        }
        let resolve =
            |error: Error| error.during(format_args!("failed to resolve reference \"{reference}\""));
        let (bytes, digest) = source.manifest(reference.version()).await.map_err(resolve)?;
        let (manifest, raw_manifest) = choose(&source, bytes).await?;
        let raw_config = source.document(&manifest.config).await?;
        let diff_ids = diff_ids(&raw_config, manifest.layers.len())?;
        let holds = self.layers(&source, &manifest.layers, &diff_ids, counters).await?;
        let tags = match reference.version() {
            Version::Tag(_) => vec![reference.to_string()],
            Version::Digest(_) => Vec::new(),
        };
        let new = NewImage {
            raw_config: raw_config.into(),
            manifest: Some(raw_manifest.into()),
            tags,
            digests: vec![reference.at(&digest).to_string()],
        };
        let store = self.store.clone();
        let image = blocking(move || store.put(new)).await?;
        drop(holds); // now the record keeps them
        self.store.make_durable_later();
        Ok(image)
    }

    /// Fetches the layers that are not here, and holds all.
    async fn layers(
        &self,
        source: &Source,
        layers: &[Descriptor],
        diff_ids: &[Digest],
        counters: &Counters,
    ) -> Result<Vec<Hold>> {
        let chains = chain_ids(diff_ids);
        let present: Vec<Option<Hold>> = chains.iter().map(|chain| self.store.hold(chain)).collect();
        let missing = || layers.iter().zip(&present).filter(|(_, hold)| hold.is_none());
        counters.plan(missing().count() as u64, missing().map(|(layer, _)| layer.size).sum());
        let mut fetches: FuturesUnordered<_> = present
            .into_iter()
            .enumerate()
            .map(|(index, hold)| {
                let (chain, layer) = (&chains[index], &layers[index]);
                let promise = Promise {
                    compressed: Some((layer.digest.clone(), layer.size)),
                    diff_id: diff_ids[index].clone(),
                };
                async move {
                    let fetched = match hold {
                        Some(hold) => Fetched::Here(hold),
                        None => self.layer(source, layer, chain, promise, counters).await?,
                    };
                    Ok::<_, Error>((index, fetched))
                }
            })
            .collect();
        // They come in any order, and go into place from the lowest up.
        let mut ready = BTreeMap::new();
        let mut holds: Vec<Hold> = Vec::new();
        while let Some(fetched) = fetches.next().await {
            let (index, fetched) = fetched?;
            ready.insert(index, fetched);
            while let Some(fetched) = ready.remove(&holds.len()) {
                let hold = self.place(fetched, &chains[holds.len()], &holds, counters).await?;
                holds.push(hold);
            }
        }
        Ok(holds)
    }

    async fn layer(
        &self,
        source: &Source,
        layer: &Descriptor,
        chain: &Digest,
        promise: Promise,
        counters: &Counters,
    ) -> Result<Fetched> {
        let lock = self.chain(chain).lock_owned().await;
        if let Some(hold) = self.store.hold(chain) {
            counters.fetched(layer.size);
            counters.layer_done();
            return Ok(Fetched::Here(hold));
        }
        let _permit = self.downloads.acquire().await.map_err(|_| Error::Cancelled)?;
        let (sender, receiver) = mpsc::channel(PIECES);
        let store = self.store.clone();
        let unpacked = tokio::task::spawn_blocking(move || {
            let staging = store.stage()?;
            let layer = unpack::unpack(Feed::new(receiver), &promise, &staging.files())?;
            Ok((staging, layer))
        });
        let mut pipe = Pipe { sender, counters };
        let downloaded = source.blob(layer, &mut pipe).await;
        let last = match downloaded {
            Ok(()) => Piece::End,
            Err(error) => Piece::Broken(error),
        };
        pipe.sender.send(last).await.ok(); // an unpacker that is gone tells why itself
        let (staging, unpacked) =
            unpacked.await.map_err(|error| Error::unavailable(format!("unpacking failed: {error}")))??;
        Ok(Fetched::Unpacked { staging, layer: unpacked, _lock: lock })
    }

    /// Puts an unpacked layer into its place, above those that are there.
    async fn place(
        &self,
        fetched: Fetched,
        chain: &Digest,
        below: &[Hold],
        counters: &Counters,
    ) -> Result<Hold> {
        let (staging, layer, _lock) = match fetched {
            Fetched::Here(hold) => return Ok(hold),
            Fetched::Unpacked { staging, layer, _lock } => (staging, layer, _lock),
        };
        let below: Vec<PathBuf> = below.iter().map(|hold| hold.path().to_owned()).collect();
        let (store, chain) = (self.store.clone(), chain.clone());
        let hold = blocking(move || {
            let usage = layer.settle(&below)?;
            store.commit_layer(staging, &chain, usage)
        })
        .await?;
        counters.layer_done();
        Ok(hold)
    }

    fn chain(&self, chain: &Digest) -> Arc<tokio::sync::Mutex<()>> {
        let mut chains = self.chains.lock();
        chains.retain(|_, lock| Arc::strong_count(lock) > 1);
        chains.entry(chain.clone()).or_default().clone()
    }
}

enum Fetched {
    Here(Hold),
    Unpacked { staging: Staging, layer: unpack::Layer, _lock: OwnedMutexGuard<()> },
}

/// Follows indexes to the manifest for this machine.
async fn choose(source: &Source, mut bytes: Bytes) -> Result<(Manifest, Bytes)> {
    for _ in 0..MOST_INDEXES {
        match manifest::parse(&bytes)? {
            Document::Manifest(manifest) => return Ok((manifest, bytes)),
            Document::Index(manifests) => {
                let chosen = Platform::of_this_machine().choose(&manifests)?;
                (bytes, _) = source.manifest(&Version::Digest(chosen.digest.clone())).await?;
            }
        }
    }
    Err(Error::invalid("its indexes are nested too deeply"))
}

/// The layers' uncompressed digests, of which there must be as many as layers.
pub(super) fn diff_ids(raw_config: &[u8], layers: usize) -> Result<Vec<Digest>> {
    let document = parse_document(raw_config)?;
    if !document.os.is_empty() && document.os != "linux" {
        return Err(Error::NotFound {
            what: format!("no match for platform in manifest: the image is for {}", document.os),
        });
    }
    let diff_ids = document.rootfs.diff_ids;
    match diff_ids.len() == layers {
        true => Ok(diff_ids),
        false => Err(Error::invalid(format!(
            "its manifest has {layers} layers, its configuration {}",
            diff_ids.len()
        ))),
    }
}

/// Does work that blocks where it may.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Error::unavailable(format!("work on the disk failed: {error}")))?
}

/// What goes from a download to its unpacker.
enum Piece {
    Data(Bytes),
    Broken(Error),
    End,
}

struct Pipe<'a> {
    sender: mpsc::Sender<Piece>,
    counters: &'a Counters,
}

impl Sink for Pipe<'_> {
    async fn take(&mut self, bytes: Bytes) -> Result<()> {
        self.counters.fetched(bytes.len() as u64);
        self.sender.send(Piece::Data(bytes)).await.map_err(|_| Error::Cancelled)
    }
}

/// The unpacker's end. A download that was dropped is told apart from one that ended.
struct Feed {
    pieces: mpsc::Receiver<Piece>,
    current: Bytes,
    over: Option<Result<()>>,
}

impl Feed {
    fn new(pieces: mpsc::Receiver<Piece>) -> Self {
        Self { pieces, current: Bytes::new(), over: None }
    }
}

impl Read for Feed {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            match &self.over {
                Some(Ok(())) => return Ok(0),
                Some(Err(error)) => return Err(io::Error::other(error.clone())),
                None => {}
            }
            match self.pieces.blocking_recv() {
                Some(Piece::Data(bytes)) => self.current = bytes,
                Some(Piece::Broken(error)) => self.over = Some(Err(error)),
                Some(Piece::End) => self.over = Some(Ok(())),
                None => self.over = Some(Err(Error::Cancelled)),
            }
        }
        let bytes = self.current.len().min(into.len());
        into[..bytes].copy_from_slice(&self.current.split_to(bytes));
        Ok(bytes)
    }
}
