//! Layers on disk: staged out of sight, then moved into place under a short name.

use super::Store;
use super::files;
use crate::images::Layer;
use crate::images::digest::Digest;
use crate::images::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What `layers/<n>/layer.json` holds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct LayerFile {
    /// The stack that ends with this layer.
    pub chain: Digest,
    /// Bytes on disk.
    pub bytes: u64,
    /// Inodes.
    pub inodes: u64,
    /// The boot in which it was written, until its files are surely on the disk. A layer of another boot may
    /// have lost some of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot: Option<String>,
}

/// A layer that is here.
#[derive(Debug)]
pub(super) struct Present {
    pub number: u64,
    pub file: LayerFile,
    /// How many pulls rely on it.
    pub holds: usize,
}

/// Keeps a layer from being collected until the image that needs it has its record.
#[derive(Debug)]
pub(in crate::images) struct Hold {
    store: Arc<Store>,
    chain: Digest,
    path: PathBuf,
}

impl Hold {
    /// The directory with the layer's files.
    pub(in crate::images) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if let Some(layer) = self.store.state.lock().layers.get_mut(&self.chain) {
            layer.holds = layer.holds.saturating_sub(1);
        }
    }
}

/// A layer in the making: `tmp/<n>`, removed unless it is committed.
#[derive(Debug)]
pub(in crate::images) struct Staging {
    path: PathBuf,
}

impl Staging {
    /// Where its files go. It is there, and empty.
    pub(in crate::images) fn files(&self) -> PathBuf {
        self.path.join("fs")
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if self.path.as_os_str().is_empty() {
            return;
        }
        if let Err(error) = files::remove_all(&self.path) {
            tracing::warn!(%error, "what was left of a layer stays until the next start");
        }
    }
}

impl Store {
    /// Holds the layer that ends this stack, if it is here.
    pub(in crate::images) fn hold(self: &Arc<Self>, chain: &Digest) -> Option<Hold> {
        let mut state = self.state.lock();
        let layer = state.layers.get_mut(chain)?;
        layer.holds += 1;
        Some(Hold { store: self.clone(), chain: chain.clone(), path: self.layer_files(layer.number) })
    }

    /// Begins a layer.
    pub(in crate::images) fn stage(&self) -> Result<Staging> {
        let staging = Staging { path: self.temporary() };
        files::private_directory(&staging.path)?;
        let inside = staging.files();
        std::fs::create_dir(&inside)
            .map_err(|error| Error::file("cannot make the directory", &inside, error))?;
        Ok(staging)
    }

    /// Moves a finished layer among the others and holds it. If another pull was faster, its layer counts.
    pub(in crate::images) fn commit_layer(
        self: &Arc<Self>,
        mut staging: Staging,
        chain: &Digest,
        usage: super::Usage,
    ) -> Result<Hold> {
        let file = LayerFile {
            chain: chain.clone(),
            bytes: usage.bytes,
            inodes: usage.inodes,
            boot: Some(self.boot.clone()),
        };
        let description = staging.path.join("layer.json");
        std::fs::write(&description, json(&file)?)
            .map_err(|error| Error::file("cannot write", &description, error))?;
        let mut state = self.state.lock();
        if !state.layers.contains_key(chain) {
            state.last_layer += 1;
            let number = state.last_layer;
            let place = self.layer_directory(number);
            std::fs::rename(&staging.path, &place)
                .map_err(|error| Error::file("cannot move into place", &place, error))?;
            staging.path = PathBuf::new(); // nothing left to remove
            state.layers.insert(chain.clone(), Present { number, file, holds: 0 });
        }
        drop(state);
        self.hold(chain).ok_or(Error::Cancelled)
    }

    /// Sees to it that layers are on the disk. Nobody waits: until then they carry a mark, by which the next start
    /// knows after a crash of the machine that some of their files may be lost.
    pub(in crate::images) fn make_durable_later(self: &Arc<Self>) {
        let store = self.clone();
        drop(tokio::task::spawn_blocking(move || {
            if let Err(error) = store.make_durable() {
                tracing::warn!(%error, "layers are not on the disk yet");
            }
        }));
    }

    /// Waits until everything is on the disk, and notes it for the layers that were in place before.
    fn make_durable(&self) -> Result<()> {
        let _syncing = self.syncing.lock();
        let waiting: Vec<(u64, LayerFile)> = {
            let state = self.state.lock();
            let waiting = state.layers.values().filter(|layer| layer.file.boot.is_some());
            waiting.map(|layer| (layer.number, layer.file.clone())).collect()
        };
        if waiting.is_empty() {
            return Ok(());
        }
        let root =
            std::fs::File::open(&self.root).map_err(|error| Error::file("cannot open", &self.root, error))?;
        rustix::fs::syncfs(&root).map_err(|error| Error::file("cannot sync", &self.root, error.into()))?;
        for (number, mut file) in waiting {
            file.boot = None;
            let place = self.layer_directory(number).join("layer.json");
            match files::write_whole(&self.temporary(), &place, &json(&file)?) {
                Err(_) if !place.exists() => continue, // collected meanwhile
                written => written?,
            }
            if let Some(layer) = self.state.lock().layers.get_mut(&file.chain) {
                layer.file.boot = None;
            }
        }
        Ok(())
    }

    pub(super) fn layer_directory(&self, number: u64) -> PathBuf {
        self.root.join("layers").join(number.to_string())
    }

    fn layer_files(&self, number: u64) -> PathBuf {
        self.layer_directory(number).join("fs")
    }

    pub(super) fn layer(&self, number: u64) -> Layer {
        Layer { id: number.to_string(), path: self.layer_files(number) }
    }
}

pub(super) fn json(value: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(|error| Error::invalid(format!("a record cannot be written: {error}")))
}
