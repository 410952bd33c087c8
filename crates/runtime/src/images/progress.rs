//! How far a pull is.

use std::sync::atomic::{AtomicU64, Ordering};

/// Of one pull, at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Compressed bytes of the layers that must be fetched; 0 until the manifest is here.
    pub total: u64,
    /// Compressed bytes that have come.
    pub fetched: u64,
    /// Layers that must be fetched.
    pub layers: u64,
    /// Layers that are unpacked and verified.
    pub layers_done: u64,
}

/// The counters behind it.
#[derive(Debug, Default)]
pub(super) struct Counters {
    total: AtomicU64,
    fetched: AtomicU64,
    layers: AtomicU64,
    layers_done: AtomicU64,
}

impl Counters {
    pub(super) fn plan(&self, layers: u64, total: u64) {
        self.layers.store(layers, Ordering::Relaxed);
        self.total.store(total, Ordering::Relaxed);
    }

    pub(super) fn fetched(&self, bytes: u64) {
        self.fetched.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn layer_done(&self) {
        self.layers_done.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn now(&self) -> Progress {
        Progress {
            total: self.total.load(Ordering::Relaxed),
            fetched: self.fetched.load(Ordering::Relaxed),
            layers: self.layers.load(Ordering::Relaxed),
            layers_done: self.layers_done.load(Ordering::Relaxed),
        }
    }
}
