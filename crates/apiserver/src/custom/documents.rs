//! OpenAPI documents of custom kinds beside those of the built-in ones: made when they are asked for, and let go
//! of when nobody has asked for a while.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use corten_api::KindInfo;
use corten_codec::openapi::{self, Document};
use corten_rt::Instant;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};

use super::{CustomKinds, Served};
use crate::http::Documents;

/// How long a document that nobody asks for is kept.
const KEPT: Duration = Duration::from_secs(60);

/// The forms of the document of version 2, beside the names of those of version 3.
const JSON: &str = "v2 as JSON";
const PROTOBUF: &str = "v2 as protobuf";

/// Documents that were made of late.
#[derive(Default)]
pub(super) struct Made(Mutex<HashMap<String, (Document, Instant)>>);

impl Made {
    /// The document of this name and hash, made if it is not there.
    fn get(&self, name: &str, hash: Arc<str>, make: impl FnOnce() -> Vec<u8>) -> Document {
        let now = Instant::now();
        let known =
            self.0.lock().get_mut(name).filter(|(known, _)| known.hash == hash).map(|(known, used)| {
                *used = now;
                known.clone()
            });
        known.unwrap_or_else(|| {
            let document = Document { bytes: make().into(), hash };
            self.0.lock().insert(name.to_string(), (document.clone(), now));
            document
        })
    }

    /// Lets go of what was not asked for lately.
    pub(super) fn sweep(&self) {
        self.0.lock().retain(|_, (_, used)| used.elapsed() < KEPT);
    }
}

/// The documents of the built-in kinds and the custom ones.
pub(crate) struct AllDocuments {
    pub custom: Arc<CustomKinds>,
    pub own: Arc<dyn Documents>,
    /// Built-in kinds that are served because somebody turned them on.
    pub optional: Vec<&'static KindInfo>,
}

/// A hash of the definitions as they are, which tells as much as one of the documents made of them.
fn hash<'a>(own: Option<&str>, all: impl Iterator<Item = &'a Arc<Served>>) -> Arc<str> {
    let mut hash = Sha256::new();
    hash.update(env!("CARGO_PKG_VERSION"));
    hash.update(own.unwrap_or_default());
    for served in all {
        let resource = &served.resource;
        for text in [&resource.name, &resource.uid] {
            hash.update(text);
            hash.update([0]);
        }
        hash.update(resource.generation.to_be_bytes());
        // Names are accepted without a new generation.
        for kind in resource.versions.iter().filter(|v| v.served).map(|v| v.info) {
            for text in [kind.version, kind.kind, &kind.list_kind(), kind.plural] {
                hash.update(text);
                hash.update([0]);
            }
        }
    }
    hash.finalize().iter().map(|b| format!("{b:02X}")).collect::<String>().into()
}

/// Custom resources by the paths of their documents.
fn by_path(all: &[Arc<Served>]) -> BTreeMap<String, Vec<&Arc<Served>>> {
    let mut paths: BTreeMap<String, Vec<&Arc<Served>>> = BTreeMap::new();
    for served in all {
        for kind in served.resource.versions.iter().filter(|v| v.served).map(|v| v.info) {
            paths.entry(format!("apis/{}", kind.api_version())).or_default().push(served);
        }
    }
    paths
}

impl AllDocuments {
    fn v2_with(&self, own: Document, name: &str, protobuf: bool) -> Document {
        let all = self.custom.all();
        let optional = &self.optional[..];
        if all.is_empty() && optional.is_empty() {
            return own;
        }
        // What is turned on stays so as long as the process lives.
        let hash = hash(Some(&format!("{}{}", own.hash, optional.len())), all.iter());
        self.custom.documents.get(name, hash, || {
            let kinds = all.iter().flat_map(|served| served.resource.published(None, true));
            match protobuf {
                true => openapi::v2_protobuf_with(optional, kinds),
                false => openapi::v2_json_with(optional, kinds),
            }
        })
    }

    /// The document of a version that is turned on, and its hash.
    fn optional(&self, path: &str) -> Option<Document> {
        let api_version = path.strip_prefix("apis/")?;
        let kind = self.optional.iter().find(|kind| kind.api_version() == api_version)?;
        let hash = hash(Some(path), std::iter::empty());
        let make = || openapi::v3_of_optional(kind.group, kind.version);
        Some(self.custom.documents.get(path, hash, make))
    }
}

impl Documents for AllDocuments {
    fn v2(&self) -> Option<Document> {
        Some(self.v2_with(self.own.v2()?, JSON, false))
    }

    fn v2_protobuf(&self) -> Option<Document> {
        Some(self.v2_with(self.own.v2_protobuf()?, PROTOBUF, true))
    }

    fn v3_hashes(&self) -> Vec<(String, Arc<str>)> {
        let mut hashes = self.own.v3_hashes();
        if !self.optional.is_empty() {
            let versions = self.optional.iter().map(|kind| format!("apis/{}", kind.api_version()));
            hashes.extend(versions.map(|path| {
                let hash = hash(Some(&path), std::iter::empty());
                (path, hash)
            }));
            hashes.sort();
            hashes.dedup_by(|later, first| later.0 == first.0);
        }
        let all = self.custom.all();
        if !all.is_empty() {
            let custom = by_path(&all);
            hashes.extend(custom.into_iter().map(|(path, of)| (path, hash(None, of.into_iter()))));
            hashes.sort();
            hashes.dedup_by(|later, first| later.0 == first.0);
        }
        hashes
    }

    fn v3(&self, path: &str) -> Option<Document> {
        if let Some(own) = self.own.v3(path).or_else(|| self.optional(path)) {
            return Some(own);
        }
        let all = self.custom.all();
        let of = by_path(&all).remove(path)?;
        let (_, version) = path.rsplit_once('/')?;
        let hash = hash(None, of.iter().copied());
        Some(self.custom.documents.get(path, hash, || {
            openapi::v3_of(of.iter().flat_map(|served| served.resource.published(Some(version), false)))
        }))
    }
}
