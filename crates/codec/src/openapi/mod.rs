//! OpenAPI documents of the built-in API, versions 2 and 3, built from the schema tables: what clients
//! explain, validate and merge by. [`paths`] plans which paths the API has, [`definitions`] describes the
//! structs they reach, [`v2`] and [`v3`] put both into a document's form, [`gnostic`] writes version 2 as
//! protobuf.
//!
//! Each document is built when it is first asked for and kept from then on; the index of version 3 keeps only
//! hashes.

mod custom;
mod definitions;
mod descriptions;
mod gnostic;
pub(crate) mod markers;
mod parameters;
mod paths;
mod resolved;
#[cfg(test)]
mod tests;
mod v2;
mod v3;

pub use custom::{Custom, v2_json_with, v2_protobuf_with, v3_of, v3_of_optional};
pub use resolved::{resolved, resolved_custom};

use bytes::Bytes;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, OnceLock};

/// A document as it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    pub bytes: Bytes,
    /// Changes with the content: upper-case hexadecimal, fit for an `ETag` and for `?hash=`.
    pub hash: Arc<str>,
}

impl Document {
    /// A document of these bytes.
    pub fn new(bytes: Vec<u8>) -> Self {
        let hash = Sha256::digest(&bytes).iter().map(|b| format!("{b:02X}")).collect::<String>();
        Document { bytes: bytes.into(), hash: hash.into() }
    }
}

/// The document of version 2, and where its definitions and its paths end, for what is put in there.
struct Whole {
    document: Document,
    definitions_end: usize,
    paths_end: usize,
}

fn v2_whole() -> &'static Whole {
    static KEPT: OnceLock<Whole> = OnceLock::new();
    KEPT.get_or_init(|| {
        let mut document = v2::document();
        let mut part = |name: &str| document.as_object_mut().and_then(|d| d.remove(name)).unwrap_or_default();
        let (definitions, paths) = (part("definitions").to_string(), part("paths").to_string());
        let mut text = format!("{{\"definitions\":{definitions}");
        let definitions_end = text.len() - 1;
        text += &format!(",\"paths\":{paths}");
        let paths_end = text.len() - 1;
        // What is left is an object that is not empty.
        text += &document.to_string().replacen('{', ",", 1);
        Whole { document: Document::new(text.into_bytes()), definitions_end, paths_end }
    })
}

/// Whether the document of version 2 has a definition of this name.
fn is_defined(name: &str) -> bool {
    let Whole { document, definitions_end, .. } = v2_whole();
    String::from_utf8_lossy(&document.bytes[..*definitions_end]).contains(&format!("\"{name}\":{{"))
}

/// The whole API in version 2, as JSON.
pub fn v2_json() -> Document {
    v2_whole().document.clone()
}

/// The whole API in version 2, as protobuf (gnostic's `openapi.v2.Document`).
pub fn v2_protobuf() -> Document {
    static KEPT: OnceLock<Document> = OnceLock::new();
    KEPT.get_or_init(|| Document::new(gnostic::encode(&v2::document()))).clone()
}

/// A document of version 2, given as JSON, as protobuf.
pub fn v2_to_protobuf(document: &serde_json::Value) -> Document {
    Document::new(gnostic::encode(document))
}

/// One document of version 3 that was not asked for yet has a hash at most.
#[derive(Default)]
struct Slot {
    hash: OnceLock<Arc<str>>,
    document: OnceLock<Document>,
}

impl Slot {
    fn document(&self, path: &str) -> Document {
        self.document.get_or_init(|| build_v3(path)).clone()
    }

    fn hash(&self, path: &str) -> Arc<str> {
        match self.document.get() {
            Some(document) => document.hash.clone(),
            None => self.hash.get_or_init(|| build_v3(path).hash).clone(),
        }
    }
}

static V3: LazyLock<BTreeMap<String, Slot>> =
    LazyLock::new(|| paths::areas().into_iter().map(|area| (area.name(), Slot::default())).collect());

fn build_v3(path: &str) -> Document {
    let paths = paths::areas().into_iter().find(|a| a.name() == path).map(|a| a.paths()).unwrap_or_default();
    Document::new(v3::document(&paths).to_string().into_bytes())
}

/// The documents of version 3: their paths (`api/v1`, `apis/apps/v1`, ...) and hashes.
pub fn v3_hashes() -> impl Iterator<Item = (&'static str, Arc<str>)> {
    V3.iter().map(|(path, slot)| (path.as_str(), slot.hash(path)))
}

/// The index of version 3: where each document is.
pub fn v3_index() -> Document {
    static KEPT: OnceLock<Document> = OnceLock::new();
    KEPT.get_or_init(|| Document::new(v3::index(v3_hashes()).to_string().into_bytes())).clone()
}

/// The document of version 3 at `path`: `api/v1`, `apis/apps/v1`, `apis/apps`, `version`, ...
pub fn v3_at(path: &str) -> Option<Document> {
    V3.get(path).map(|slot| slot.document(path))
}

/// The document of version 3 of a group's version; the core group's name is empty.
pub fn v3_document(group: &str, version: &str) -> Option<Document> {
    v3_at(&match group {
        "" => format!("api/{version}"),
        _ => format!("apis/{group}/{version}"),
    })
}
