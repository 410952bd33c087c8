//! The stored form of objects: JSON without a `resourceVersion`, which is known only once it is committed.

use bytes::Bytes;
use corten_api::apiextensions::v1::CustomResourceDefinition;
use corten_api::{Kind, KindInfo, Object};
use corten_codec::{Problems, json};
use corten_store::Revision;

/// The object as JSON, as it is.
pub(crate) fn encode(object: &dyn Object) -> Bytes {
    json::encode(object).into()
}

/// The value that is stored: without `resourceVersion`.
pub(crate) fn stored(object: &dyn Object) -> Bytes {
    json::encode_stored(object).into()
}

/// A stored value with its revision put in; as it is when it is no JSON object.
pub(crate) fn with_revision(value: &Bytes, revision: Revision) -> Bytes {
    json::splice_resource_version(value, revision).unwrap_or_else(|_| value.clone())
}

/// The object of a stored value; should it be damaged, a blank one of its name, and a word in the log.
pub(crate) fn decode_or_blank(kind: &'static KindInfo, key: &str, value: &[u8]) -> Box<dyn Object> {
    let mut object = blank(kind);
    if let Err(error) = json::decode(value, &mut *object, &mut Problems::ignore()) {
        tracing::error!(key, %error, "a stored object cannot be read");
        object = blank(kind);
        let mut parts = key.rsplit('/');
        let meta = object.meta_mut();
        meta.name = parts.next().unwrap_or_default().into();
        if kind.namespaced {
            meta.namespace = parts.next().unwrap_or_default().into();
        }
    }
    object
}

/// Whether typed objects of the kind are so much larger than their text, and so seldom looked at, that they
/// are made anew each time.
pub(crate) fn is_large(kind: &KindInfo) -> bool {
    kind == CustomResourceDefinition::INFO
}

/// An empty object of a kind. Kinds without object metadata are not stored; an empty ConfigMap stands in.
pub(crate) fn blank(kind: &'static KindInfo) -> Box<dyn Object> {
    kind.blank().unwrap_or_else(|| Box::new(corten_api::core::v1::ConfigMap::default()))
}
