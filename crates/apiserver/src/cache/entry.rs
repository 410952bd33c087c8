//! One object at one revision, in each form that was asked for.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use corten_api::{KindInfo, Object};
use corten_store::Revision;

use super::form;
use super::packed::Packed;

/// An object as the cache holds it, or as a write without a record (dry run, scale) answers it. Every form
/// is made once, on first use, and shared.
#[derive(Debug)]
pub struct Entry {
    kind: &'static KindInfo,
    key: Arc<str>,
    revision: Revision,
    json: OnceLock<Text>,
    object: OnceLock<Arc<dyn Object>>,
    protobuf: OnceLock<Bytes>,
    row: OnceLock<Bytes>,
    /// The same object in another version of its kind.
    converted: OnceLock<Arc<Entry>>,
}

/// JSON as it is kept.
#[derive(Debug)]
enum Text {
    Plain(Bytes),
    /// Of a kind that is large and seldom read; of its entries no other form is kept.
    Packed(Packed),
}

impl Text {
    fn get(&self) -> Bytes {
        match self {
            Text::Plain(text) => text.clone(),
            Text::Packed(packed) => packed.unpacked(),
        }
    }

    fn len(&self) -> usize {
        match self {
            Text::Plain(text) => text.len(),
            Text::Packed(packed) => packed.len(),
        }
    }
}

impl Entry {
    fn empty(kind: &'static KindInfo, key: Arc<str>, revision: Revision) -> Self {
        Entry {
            kind,
            key,
            revision,
            json: OnceLock::new(),
            object: OnceLock::new(),
            protobuf: OnceLock::new(),
            row: OnceLock::new(),
            converted: OnceLock::new(),
        }
    }

    /// An entry of an object that is in no store.
    pub fn made(object: Arc<dyn Object>) -> Arc<Self> {
        let revision = object.meta().resource_version.parse().unwrap_or(0);
        Self::of(Arc::from(""), revision, object)
    }

    fn of(key: Arc<str>, revision: Revision, object: Arc<dyn Object>) -> Arc<Self> {
        let entry = Entry::empty(object.info(), key, revision);
        let _ = entry.object.set(object);
        Arc::new(entry)
    }

    /// An entry of a record's value, and of the object that was encoded into it when that is at hand.
    pub(crate) fn stored(
        kind: &'static KindInfo,
        key: Arc<str>,
        revision: Revision,
        value: &Bytes,
        object: Option<Box<dyn Object>>,
    ) -> Arc<Self> {
        let entry = Entry::empty(kind, key, revision);
        let json = form::with_revision(value, revision);
        if form::is_large(kind) {
            let _ = entry.json.set(Text::Packed(Packed::of(&json)));
            return Arc::new(entry);
        }
        let _ = entry.json.set(Text::Plain(json));
        if let Some(mut object) = object {
            object.meta_mut().resource_version = revision.to_string();
            let _ = entry.object.set(Arc::from(object));
        }
        Arc::new(entry)
    }

    /// The same record, read as another version of its kind.
    pub(crate) fn as_kind(&self, kind: &'static KindInfo) -> Arc<Self> {
        let entry = Entry::empty(kind, self.key.clone(), self.revision);
        let _ = entry.json.set(Text::Plain(self.json()));
        Arc::new(entry)
    }

    /// The same place and revision with another object.
    pub(crate) fn with_object(&self, object: Arc<dyn Object>) -> Arc<Self> {
        Self::of(self.key.clone(), self.revision, object)
    }

    /// What [`Entry::converted`] was called for before, if it was.
    pub(crate) fn known_conversion(&self, kind: &KindInfo) -> Option<Arc<Self>> {
        self.converted.get().filter(|entry| entry.kind == kind).cloned()
    }

    /// Keeps a conversion that was made elsewhere, if none is kept yet.
    pub(crate) fn keep_conversion(&self, converted: &Arc<Self>) {
        let _ = self.converted.set(converted.clone());
    }

    /// The same object with the revision of its deletion.
    pub(crate) fn deleted_at(&self, revision: Revision) -> Arc<Self> {
        let mut object = self.object().clone_object();
        object.meta_mut().resource_version = revision.to_string();
        Self::of(self.key.clone(), revision, Arc::from(object))
    }

    /// The same object as `convert` makes it for another version; called at most once per entry.
    pub(crate) fn converted(
        self: &Arc<Self>,
        convert: impl FnOnce(&dyn Object) -> Arc<dyn Object>,
    ) -> Arc<Self> {
        let make = || Self::of(self.key.clone(), self.revision, convert(&*self.object()));
        self.converted.get_or_init(make).clone()
    }

    /// The kind (and version) that the forms are of.
    pub fn kind(&self) -> &'static KindInfo {
        self.kind
    }

    /// The key in the store; empty for what is in no store.
    pub fn key(&self) -> &Arc<str> {
        &self.key
    }

    /// The object's `resourceVersion` as a number; 0 when it has none.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// The object as JSON, with its `resourceVersion`, without a line's end.
    pub fn json(&self) -> Bytes {
        self.json.get_or_init(|| Text::Plain(form::encode(&*self.object()))).get()
    }

    /// The typed object, shared with everyone in the process.
    pub fn object(&self) -> Arc<dyn Object> {
        let make = || {
            let json = self.json.get().map(Text::get).unwrap_or_default();
            Arc::from(form::decode_or_blank(self.kind, &self.key, &json))
        };
        match self.object.get() {
            Some(object) => object.clone(),
            None if self.is_packed() => make(),
            None => self.object.get_or_init(make).clone(),
        }
    }

    fn is_packed(&self) -> bool {
        matches!(self.json.get(), Some(Text::Packed(_)))
    }

    /// The object as protobuf (with upstream's envelope); `encode` is called at most once per entry, but for
    /// large kinds.
    pub fn protobuf(&self, encode: impl FnOnce(&dyn Object) -> Bytes) -> Bytes {
        if self.is_packed() {
            return encode(&*self.object());
        }
        self.protobuf.get_or_init(|| encode(&*self.object())).clone()
    }

    /// The cells of the object's table row as a JSON array; `make` is called at most once per entry.
    pub fn row(&self, make: impl FnOnce(&dyn Object) -> Bytes) -> Bytes {
        self.row.get_or_init(|| make(&*self.object())).clone()
    }

    /// Bytes that the entry keeps alive, near enough for bounds.
    pub(crate) fn bytes(&self) -> usize {
        self.key.len() + self.json.get().map_or(0, Text::len)
    }
}
