//! What is on disk, and the picture of it in memory. See [`crate::images`] for the layout.

pub(in crate::images) mod files;
mod layers;
mod load;
mod record;

pub(in crate::images) use layers::{Hold, Staging};
pub(in crate::images) use record::parse_document;

use super::digest::Digest;
use super::error::{Error, Result};
use super::reference::Reference;
use super::{Collected, Image};
use layers::Present;
use parking_lot::Mutex;
use record::Record;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

/// What images take on disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Bytes, in whole blocks.
    pub bytes: u64,
    /// Inodes.
    pub inodes: u64,
}

#[derive(Debug)]
pub(super) struct Store {
    root: PathBuf,
    boot: String,
    pinned: Vec<String>,
    last_temporary: AtomicU64,
    /// Held while records change on disk, so that `state` need not be: readers never wait for the disk.
    writer: Mutex<()>,
    state: Mutex<State>,
    /// Held while all is brought to the disk; who comes second finds it done.
    syncing: Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    images: BTreeMap<String, (Record, Arc<Image>)>,
    /// Complete names, with a tag or a digest, to IDs.
    names: HashMap<String, String>,
    layers: HashMap<Digest, Present>,
    /// Removed images that somebody may still hold.
    removed: Vec<Weak<Image>>,
    last_layer: u64,
    last_sequence: u64,
}

/// An image whose layers are all in place.
pub(super) struct NewImage {
    pub raw_config: Vec<u8>,
    pub manifest: Option<Vec<u8>>,
    pub tags: Vec<String>,
    pub digests: Vec<String>,
}

impl Store {
    /// Finds again what is there.
    pub(super) fn open(root: &Path, pinned: &[String]) -> Result<Self> {
        for part in ["images", "blobs/sha256", "blobs/sha512", "layers", "tmp"] {
            files::private_directory(&root.join(part))?;
        }
        let complete = |name: &String| Reference::parse(name).map(|reference| reference.to_string());
        let store = Self {
            root: root.to_owned(),
            boot: load::boot_id()?,
            pinned: pinned.iter().map(complete).collect::<Result<_>>()?,
            last_temporary: AtomicU64::new(0),
            writer: Mutex::default(),
            state: Mutex::default(),
            syncing: Mutex::default(),
        };
        store.empty_temporary()?;
        store.load()?;
        Ok(store)
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// A path for something half done, which nobody else uses.
    pub(super) fn temporary(&self) -> PathBuf {
        let number = self.last_temporary.fetch_add(1, Ordering::Relaxed);
        self.root.join("tmp").join(number.to_string())
    }

    fn blob(&self, digest: &Digest) -> PathBuf {
        self.root.join("blobs").join(digest.algorithm().name()).join(digest.hex())
    }

    fn record_path(&self, id: &Digest) -> PathBuf {
        self.root.join("images").join(format!("{}.json", id.hex()))
    }

    pub(super) fn resolve(&self, image: &str) -> Option<Arc<Image>> {
        let state = self.state.lock();
        let by_name = || {
            let name = Reference::parse(image).ok()?.to_string();
            state.images.get(state.names.get(&name)?)
        };
        let by_id = || {
            let prefix = image.strip_prefix("sha256:").unwrap_or(image);
            if prefix.is_empty() || !prefix.bytes().all(super::reference::is_lower_hex) {
                return None;
            }
            let prefix = format!("sha256:{prefix}");
            let mut found =
                state.images.range(prefix.clone()..).take_while(|(id, _)| id.starts_with(&prefix));
            let (_, first) = found.next()?;
            found.next().is_none().then_some(first)
        };
        by_name().or_else(by_id).map(|(_, image)| image.clone())
    }

    pub(super) fn list(&self) -> Vec<Arc<Image>> {
        self.state.lock().images.values().map(|(_, image)| image.clone()).collect()
    }

    /// Adds an image, or names to one that is here; names move from the images that had them.
    pub(super) fn put(&self, new: NewImage) -> Result<Arc<Image>> {
        let id = Digest::of(&new.raw_config);
        let manifest = new.manifest.as_deref().map(Digest::of);
        let _writer = self.writer.lock();
        self.write_blob(&id, &new.raw_config)?;
        if let (Some(digest), Some(bytes)) = (&manifest, &new.manifest) {
            self.write_blob(digest, bytes)?;
        }
        let known = self.state.lock().images.get(&id.to_string()).map(|(record, _)| record.clone());
        let mut record = known.unwrap_or(Record {
            id,
            manifest: None,
            tags: Vec::new(),
            digests: Vec::new(),
            sequence: 0,
        });
        record.manifest = manifest.or(record.manifest);
        add(&mut record.tags, &new.tags);
        add(&mut record.digests, &new.digests);
        let image = self.write_record(record, &new.raw_config)?;
        self.take_names_from_others(&image)?;
        Ok(image)
    }

    fn write_blob(&self, digest: &Digest, bytes: &[u8]) -> Result<()> {
        let path = self.blob(digest);
        if path.exists() { Ok(()) } else { files::write_whole(&self.temporary(), &path, bytes) }
    }

    /// Writes a record and puts its image into the picture, in this order. The caller holds `writer`.
    fn write_record(&self, mut record: Record, raw_config: &[u8]) -> Result<Arc<Image>> {
        let image = {
            let mut state = self.state.lock();
            state.last_sequence += 1;
            record.sequence = state.last_sequence;
            Arc::new(self.image(&state, &record, raw_config)?)
        };
        files::write_whole(&self.temporary(), &self.record_path(&record.id), &layers::json(&record)?)?;
        self.state.lock().insert(record, image.clone());
        Ok(image)
    }

    fn image(&self, state: &State, record: &Record, raw_config: &[u8]) -> Result<Image> {
        record::image(record, raw_config, &self.pinned, |chain| {
            let present = state.layers.get(chain)?;
            Some((self.layer(present.number), present.file.bytes))
        })
    }

    /// The new owner's record is written already; that it is later settles a crash in between.
    fn take_names_from_others(&self, owner: &Image) -> Result<()> {
        let lost = |names: &[String], of: &[String]| names.iter().any(|name| of.contains(name));
        let others: Vec<(Record, Arc<Image>)> = self
            .state
            .lock()
            .images
            .values()
            .filter(|(record, image)| {
                image.id != owner.id
                    && (lost(&record.tags, &owner.tags) || lost(&record.digests, &owner.digests))
            })
            .cloned()
            .collect();
        for (mut record, image) in others {
            record.tags.retain(|tag| !owner.tags.contains(tag));
            record.digests.retain(|digest| !owner.digests.contains(digest));
            // Its sequence number is the higher one now, and does no harm: it no longer claims what it lost.
            self.write_record(record, image.raw_config.as_bytes())?;
        }
        Ok(())
    }

    pub(super) fn remove(&self, image: &str) -> Result<bool> {
        let _writer = self.writer.lock();
        let Some(image) = self.resolve(image) else { return Ok(false) };
        let id = Digest::parse(&image.id)?;
        files::remove_all(&self.record_path(&id))?;
        self.state.lock().forget(&image.id);
        Ok(true)
    }

    pub(super) fn collect(&self, in_use: impl FnOnce() -> BTreeSet<String>) -> Result<Collected> {
        let (doomed, bytes) = self.take_unneeded(in_use)?;
        let mut collected = Collected { bytes, ..Default::default() };
        let mut first_error = None;
        for path in doomed {
            match files::remove_all(&path) {
                Ok(()) => collected.layers += 1,
                Err(error) => first_error = first_error.or(Some(error)),
            }
        }
        self.remove_unneeded_blobs()?;
        first_error.map_or(Ok(collected), Err)
    }

    /// Moves layers that nobody needs out of the way, which is quick; what remains to do is slow and harms nobody.
    ///
    /// Who makes a container holds its image first, then says what it uses, then lets go of the image. So what is
    /// held is looked at before what is in use, and nothing falls between the two.
    fn take_unneeded(&self, in_use: impl FnOnce() -> BTreeSet<String>) -> Result<(Vec<PathBuf>, u64)> {
        let mut needed = self.needed();
        needed.extend(in_use());
        let mut state = self.state.lock();
        needed.extend(state.needed()); // what has come meanwhile
        let unneeded = |layer: &&Present| layer.holds == 0 && !needed.contains(&layer.number.to_string());
        let unneeded: Vec<(Digest, u64, u64)> = state
            .layers
            .values()
            .filter(unneeded)
            .map(|layer| (layer.file.chain.clone(), layer.number, layer.file.bytes))
            .collect();
        let mut doomed = Vec::new();
        let mut freed = 0;
        for (chain, number, bytes) in unneeded {
            let (from, to) = (self.layer_directory(number), self.temporary());
            std::fs::rename(&from, &to).map_err(|error| Error::file("cannot move away", &from, error))?;
            state.layers.remove(&chain);
            doomed.push(to);
            freed += bytes;
        }
        Ok((doomed, freed))
    }

    fn needed(&self) -> BTreeSet<String> {
        self.state.lock().needed()
    }

    fn remove_unneeded_blobs(&self) -> Result<()> {
        let _writer = self.writer.lock(); // no image may come while we look
        let mut needed = BTreeSet::new();
        for (record, _) in self.state.lock().images.values() {
            needed.insert(self.blob(&record.id));
            needed.extend(record.manifest.as_ref().map(|digest| self.blob(digest)));
        }
        for directory in ["blobs/sha256", "blobs/sha512"].map(|name| self.root.join(name)) {
            for path in files::names(&directory)?.into_iter().map(|name| directory.join(name)) {
                if !needed.contains(&path) {
                    files::remove_all(&path)?;
                }
            }
        }
        Ok(())
    }

    pub(super) fn usage(&self) -> Usage {
        let state = self.state.lock();
        state.layers.values().fold(Usage::default(), |sum, layer| Usage {
            bytes: sum.bytes + layer.file.bytes,
            inodes: sum.inodes + layer.file.inodes,
        })
    }
}

impl State {
    /// The layers of images that are here, and of those that are removed but held.
    fn needed(&mut self) -> BTreeSet<String> {
        self.removed.retain(|image| image.strong_count() > 0);
        let held: Vec<Arc<Image>> = self.removed.iter().filter_map(Weak::upgrade).collect();
        let here = self.images.values().map(|(_, image)| image);
        here.chain(&held).flat_map(|image| image.layers.iter().map(|layer| layer.id.clone())).collect()
    }

    fn insert(&mut self, record: Record, image: Arc<Image>) {
        for name in record.tags.iter().chain(&record.digests) {
            self.names.insert(name.clone(), image.id.clone());
        }
        if let Some((_, old)) = self.images.insert(image.id.clone(), (record, image)) {
            self.removed.retain(|image| image.strong_count() > 0);
            self.removed.push(Arc::downgrade(&old));
        }
    }

    fn forget(&mut self, id: &str) {
        if let Some((_, image)) = self.images.remove(id) {
            self.names.retain(|_, owner| owner != id);
            self.removed.push(Arc::downgrade(&image));
        }
    }
}

fn add(names: &mut Vec<String>, new: &[String]) {
    for name in new {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
}
