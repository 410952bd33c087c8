//! One object at one revision, in each form that was asked for.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock, Weak};

use bytes::Bytes;
use corten_api::meta::v1::ObjectMeta;
use corten_api::{KindInfo, Object};
use corten_codec::json;
use corten_store::Revision;
use parking_lot::Mutex;

use super::form;
use super::packed::Packed;
use super::warm;

/// An object as the cache holds it, or as a write without a record (dry run, scale) answers it. A stored entry is
/// its JSON; other forms are made on first use, shared, and let go of when they were not asked for lately.
#[derive(Debug)]
pub struct Entry {
    kind: &'static KindInfo,
    key: Arc<str>,
    revision: Revision,
    json: OnceLock<Text>,
    forms: Mutex<Option<Box<Forms>>>,
    /// Stored entries only: what they tell the list of warm entries.
    me: Weak<Entry>,
}

/// What was made of an entry's JSON, or it of.
#[derive(Debug, Default)]
struct Forms {
    object: Option<Arc<dyn Object>>,
    protobuf: Option<Bytes>,
    /// The same object in another version of its kind.
    converted: Option<Arc<Entry>>,
    /// Whether it is among the warm ones, and was asked for since that list last looked.
    warm: bool,
    used: bool,
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
    fn new(
        kind: &'static KindInfo,
        key: Arc<str>,
        revision: Revision,
        json: OnceLock<Text>,
        forms: Option<Box<Forms>>,
    ) -> Self {
        Entry { kind, key, revision, json, forms: Mutex::new(forms), me: Weak::new() }
    }

    /// An entry of an object that is in no store.
    pub fn made(object: Arc<dyn Object>) -> Arc<Self> {
        let revision = object.meta().resource_version.parse().unwrap_or(0);
        Self::of(Arc::from(""), revision, object)
    }

    fn of(key: Arc<str>, revision: Revision, object: Arc<dyn Object>) -> Arc<Self> {
        let kind = object.info();
        let forms = Forms { object: Some(object), ..Forms::default() };
        Arc::new(Entry::new(kind, key, revision, OnceLock::new(), Some(Box::new(forms))))
    }

    /// An entry that can be made of its text again.
    fn of_text(kind: &'static KindInfo, key: Arc<str>, revision: Revision, json: Bytes) -> Arc<Self> {
        let text = if form::is_large(kind) { Text::Packed(Packed::of(&json)) } else { Text::Plain(json) };
        let text = OnceLock::from(text);
        Arc::new_cyclic(|me| Entry { me: me.clone(), ..Entry::new(kind, key, revision, text, None) })
    }

    /// An entry of a record's value, and of the object that was encoded into it when that is at hand.
    pub(crate) fn stored(
        kind: &'static KindInfo,
        key: Arc<str>,
        revision: Revision,
        value: &Bytes,
        object: Option<Box<dyn Object>>,
    ) -> Arc<Self> {
        let entry = Entry::of_text(kind, key, revision, form::with_revision(value, revision));
        if let Some(mut object) = object.filter(|_| !entry.is_packed()) {
            object.meta_mut().resource_version = revision.to_string();
            entry.keep(|forms| forms.object = Some(Arc::from(object)));
        }
        entry
    }

    /// The same record, read as another version of its kind.
    pub(crate) fn as_kind(&self, kind: &'static KindInfo) -> Arc<Self> {
        let json = OnceLock::from(Text::Plain(self.json()));
        let key = self.key.clone();
        Arc::new_cyclic(|me| Entry { me: me.clone(), ..Entry::new(kind, key, self.revision, json, None) })
    }

    /// The same place and revision with another object.
    pub(crate) fn with_object(&self, object: Arc<dyn Object>) -> Arc<Self> {
        Self::of(self.key.clone(), self.revision, object)
    }

    /// A conversion that is kept. Each keeps the one into the next version.
    pub(crate) fn known_conversion(&self, kind: &KindInfo) -> Option<Arc<Self>> {
        let kept = self.forms.lock().as_ref()?.converted.clone()?;
        if kept.kind == kind { Some(kept) } else { kept.known_conversion(kind) }
    }

    /// Keeps a conversion that was made elsewhere, if none into its version is kept yet.
    pub(crate) fn keep_conversion(&self, converted: &Arc<Self>) {
        let kept = self
            .forms
            .lock()
            .get_or_insert_default()
            .converted
            .get_or_insert_with(|| converted.clone())
            .clone();
        if kept.kind != converted.kind {
            kept.keep_conversion(converted);
        }
    }

    /// The same object with the revision of its deletion.
    pub(crate) fn deleted_at(&self, revision: Revision) -> Arc<Self> {
        if let Ok(json) = json::replace_resource_version(&self.json(), revision) {
            return Self::of_text(self.kind, self.key.clone(), revision, json);
        }
        let mut object = self.object().clone_object();
        object.meta_mut().resource_version = revision.to_string();
        Self::of(self.key.clone(), revision, Arc::from(object))
    }

    /// The same object as `convert` makes it for another version; kept, so that this is seldom done twice.
    pub(crate) fn converted(
        self: &Arc<Self>,
        convert: impl FnOnce(&dyn Object) -> Arc<dyn Object>,
    ) -> Arc<Self> {
        if let Some(converted) = self.forms.lock().as_ref().and_then(|forms| forms.converted.clone()) {
            return converted;
        }
        let made = Self::of(self.key.clone(), self.revision, convert(&*self.object_in_passing()));
        let mut forms = self.forms.lock();
        forms.get_or_insert_default().converted.get_or_insert(made).clone()
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
        self.text().get()
    }

    fn text(&self) -> &Text {
        // Without a text there is an object, which is not let go of.
        self.json.get_or_init(|| {
            let object = self.forms.lock().as_ref().and_then(|forms| forms.object.clone());
            Text::Plain(object.map(|object| form::encode(&*object)).unwrap_or_default())
        })
    }

    /// Hands out the JSON without a share in it.
    pub(crate) fn read_json<R>(&self, read: impl FnOnce(&[u8]) -> R) -> R {
        match self.text() {
            Text::Plain(text) => read(text),
            Text::Packed(packed) => read(&packed.unpacked()),
        }
    }

    /// The typed object, shared with everyone in the process.
    pub fn object(&self) -> Arc<dyn Object> {
        if let Some(object) = self.known_object() {
            return object;
        }
        let object = self.decoded();
        if self.is_packed() {
            return object;
        }
        self.keep(|forms| forms.object.get_or_insert(object).clone())
    }

    /// The typed object for one look: made anew where it is not at hand, and not kept. For walks over many.
    pub fn object_in_passing(&self) -> Arc<dyn Object> {
        self.known_object().unwrap_or_else(|| self.decoded())
    }

    /// The same with nothing but metadata (without managed fields) for certain.
    pub fn metadata_in_passing(&self) -> Arc<dyn Object> {
        if let Some(object) = self.known_object() {
            return object;
        }
        match self.read_json(json::decode_metadata) {
            Ok(metadata) => self.blank_with(metadata),
            Err(_) => self.decoded(),
        }
    }

    fn blank_with(&self, metadata: ObjectMeta) -> Arc<dyn Object> {
        let mut object = form::blank(self.kind);
        *object.meta_mut() = metadata;
        object.into()
    }

    /// Hands the object's labels to `look`, without making the object.
    pub(crate) fn has_labels(&self, look: impl FnOnce(&BTreeMap<String, String>) -> bool) -> bool {
        if let Some(object) = self.known_object() {
            return look(&object.meta().labels);
        }
        match self.read_json(json::decode_labels) {
            Ok(labels) => look(&labels),
            Err(_) => look(&self.decoded().meta().labels),
        }
    }

    fn decoded(&self) -> Arc<dyn Object> {
        self.read_json(|json| Arc::from(form::decode_or_blank(self.kind, &self.key, json)))
    }

    fn known_object(&self) -> Option<Arc<dyn Object>> {
        let mut forms = self.forms.lock();
        let forms = forms.as_mut()?;
        forms.used |= forms.object.is_some();
        forms.object.clone()
    }

    fn is_packed(&self) -> bool {
        matches!(self.json.get(), Some(Text::Packed(_)))
    }

    /// The object as protobuf (with upstream's envelope); `encode` is called once while it is warm, but for
    /// large kinds.
    pub fn protobuf(&self, encode: impl FnOnce(&dyn Object) -> Bytes) -> Bytes {
        if let Some(protobuf) = self.known_protobuf() {
            return protobuf;
        }
        let protobuf = encode(&*self.object_in_passing());
        if self.is_packed() {
            return protobuf;
        }
        self.keep(|forms| forms.protobuf.get_or_insert(protobuf).clone())
    }

    /// The object as protobuf where that is at hand.
    pub(crate) fn known_protobuf(&self) -> Option<Bytes> {
        let mut forms = self.forms.lock();
        let forms = forms.as_mut()?;
        forms.used |= forms.protobuf.is_some();
        forms.protobuf.clone()
    }

    /// Adds a form, and the entry to those that are warm.
    fn keep<R>(&self, add: impl FnOnce(&mut Forms) -> R) -> R {
        let mut forms = self.forms.lock();
        let forms_now = forms.get_or_insert_default();
        let added = add(forms_now);
        let new = !std::mem::replace(&mut forms_now.warm, true);
        drop(forms);
        if new && self.me.strong_count() > 0 {
            warm::add(&self.me, self.bytes());
        }
        added
    }

    /// Lets go of the forms that can be made again and nobody else holds or has asked for since the last
    /// call; whether they are gone.
    pub(super) fn cool(&self) -> bool {
        let mut held = self.forms.lock();
        let Some(forms) = held.as_mut() else { return true };
        if std::mem::take(&mut forms.used) {
            return false;
        }
        forms.protobuf = None;
        if forms.object.as_ref().is_some_and(|object| Arc::strong_count(object) > 1) {
            return false;
        }
        forms.object = None;
        forms.warm = false;
        if forms.converted.is_none() {
            *held = None;
        }
        true
    }

    /// Bytes that the entry keeps alive, near enough for bounds.
    pub(crate) fn bytes(&self) -> usize {
        self.key.len() + self.json.get().map_or(0, Text::len)
    }
}

#[cfg(test)]
mod tests {
    use corten_api::Kind;
    use corten_api::core::v1::ConfigMap;

    use super::*;

    fn stored(label: &str) -> Arc<Entry> {
        let mut map = ConfigMap::default();
        map.metadata.name = "m".into();
        map.metadata.labels.insert("a".into(), label.into());
        map.metadata.finalizers.push("f".into());
        map.data.insert("text".into(), "x".into());
        Entry::stored(ConfigMap::INFO, "/registry/configmaps/n/m".into(), 7, &form::stored(&map), None)
    }

    fn is_kept(entry: &Entry) -> bool {
        entry.forms.lock().is_some()
    }

    #[test]
    fn looks_in_passing_keep_no_object() {
        let entry = stored("b");
        assert!(entry.has_labels(|labels| labels["a"] == "b"));
        let metadata = entry.metadata_in_passing();
        assert_eq!((metadata.meta().finalizers.len(), &*metadata.meta().resource_version), (1, "7"));
        assert_eq!(metadata.downcast_ref::<ConfigMap>().map(|map| map.data.len()), Some(0));
        assert_eq!(entry.object_in_passing().downcast_ref::<ConfigMap>().map(|map| map.data.len()), Some(1));
        assert!(!is_kept(&entry));
        assert!(Arc::ptr_eq(&entry.object(), &entry.object()));
        assert!(is_kept(&entry));
    }

    #[test]
    fn what_nobody_holds_or_asks_for_is_let_go_of() {
        let entry = stored("b");
        let object = entry.object();
        entry.protobuf(|_| Bytes::from_static(b"p"));
        assert!(!entry.cool(), "somebody asked");
        assert!(!entry.cool(), "somebody holds the object");
        assert!(entry.known_protobuf().is_none(), "but not this");
        drop(object);
        entry.object();
        assert!(!entry.cool(), "somebody asked again");
        assert!(entry.cool());
        assert!(!is_kept(&entry));
        assert_eq!(entry.object().meta().name, "m");
    }

    #[test]
    fn an_object_of_no_store_stays() {
        let mut map = ConfigMap::default();
        map.metadata.name = "m".into();
        let entry = Entry::made(Arc::new(map));
        assert_eq!(entry.protobuf(|object| object.meta().name.clone().into()), "m");
        assert!(Arc::ptr_eq(&entry.object(), &entry.object_in_passing()));
        assert!(entry.json().windows(8).any(|window| window == br#""name":""#));
    }

    #[test]
    fn a_deletion_is_the_object_at_another_revision() {
        let gone = stored("b").deleted_at(12);
        assert_eq!((gone.revision(), &*gone.object().meta().resource_version), (12, "12"));
        assert_eq!(gone.object().meta().labels["a"], "b");
    }
}
