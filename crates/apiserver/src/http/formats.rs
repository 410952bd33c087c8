//! The formats objects are written in. JSON is what is stored; the others are made from it or the object.

use bytes::Bytes;
use corten_api::meta::v1::{ListMeta, PartialObjectMetadata};
use corten_api::{KindInfo, Struct};
use corten_codec::cbor::{self, Shape};
use corten_codec::json::TypeMeta;
use corten_codec::{Problems, json, list as lists, protobuf, yaml};
use corten_semantics::{ApiError, ApiResult};

use super::negotiate::{Accepted, Format};
use super::pretty::indented;
use crate::cache::Entry;
use crate::registry::List;

/// A struct (`Status`, a discovery document) in the accepted format.
pub fn structure(value: &dyn Struct, accepted: Accepted) -> ApiResult<Bytes> {
    match accepted.format {
        Format::Protobuf => Ok(protobuf::encode_struct(value).into()),
        _ => from_json(structure_json(value).into(), accepted, Shape::Any),
    }
}

/// A struct in JSON.
pub fn structure_json(value: &dyn Struct) -> Vec<u8> {
    json::encode_struct(value)
}

/// JSON as the client wants to read it; protobuf is made from objects, not from here.
pub fn from_json(json: Bytes, accepted: Accepted, shape: Shape) -> ApiResult<Bytes> {
    match accepted.format {
        Format::Json if accepted.pretty => Ok(indented(&json).into()),
        Format::Json => Ok(json),
        Format::Yaml => yaml::from_json(&json).map(Bytes::from).map_err(ApiError::internal),
        Format::Cbor => cbor::from_json(&json, shape).map(Bytes::from).map_err(ApiError::internal),
        Format::Protobuf => Err(ApiError::internal("protobuf is not made from JSON")),
    }
}

/// An object in protobuf with its envelope, encoded once for all.
pub fn entry_protobuf(entry: &Entry) -> Bytes {
    entry.protobuf(|object| protobuf::encode(object).into())
}

/// A list's metadata.
pub fn list_meta(list: &List) -> ListMeta {
    ListMeta {
        resource_version: if list.revision == 0 { String::new() } else { list.revision.to_string() },
        continue_: list.continue_.clone(),
        remaining_item_count: list.remaining,
        ..ListMeta::default()
    }
}

/// A list in protobuf.
pub fn list_protobuf(list: &List) -> ApiResult<Bytes> {
    let messages = list.items.iter().map(|entry| item_message(entry)).collect::<ApiResult<Vec<Bytes>>>()?;
    Ok(lists::encode_protobuf(&lists::type_meta(list.kind), &list_meta(list), messages).into())
}

/// `apiVersion` and `kind` of metadata alone.
pub fn partial(kind: &'static str, version: &str) -> TypeMeta<'static> {
    TypeMeta { api_version: format!("meta.k8s.io/{version}").into(), kind: kind.into() }
}

/// An object as an item of a list in protobuf; made anew where it is not at hand.
pub fn item_message(entry: &Entry) -> ApiResult<Bytes> {
    match entry.known_protobuf() {
        Some(whole) => {
            let envelope = protobuf::open(&whole).map_err(ApiError::internal)?;
            Ok(whole.slice_ref(envelope.raw))
        }
        None => Ok(protobuf::encode_message(entry.object_in_passing().as_struct()).into()),
    }
}

/// An object's metadata as a message.
pub fn metadata_message(entry: &Entry) -> Vec<u8> {
    let metadata = entry.object_in_passing().meta().clone();
    protobuf::encode_message(&PartialObjectMetadata { metadata })
}

/// An object's metadata in protobuf.
pub fn metadata_protobuf(entry: &Entry, version: &str) -> Bytes {
    protobuf::close(&partial("PartialObjectMetadata", version), &metadata_message(entry)).into()
}

/// The metadata of a list's objects in protobuf.
pub fn metadata_list_protobuf(list: &List, version: &str) -> Bytes {
    let items: Vec<Vec<u8>> = list.items.iter().map(|entry| metadata_message(entry)).collect();
    lists::encode_protobuf(&partial("PartialObjectMetadataList", version), &list_meta(list), items).into()
}

/// What a body says it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    pub api_version: String,
    pub kind: String,
}

impl Head {
    /// Group (empty for the core group) and version.
    pub fn group_version(&self) -> (&str, &str) {
        self.api_version.split_once('/').unwrap_or(("", &self.api_version))
    }

    /// What is missing is what was expected.
    pub fn or(mut self, want: &KindInfo) -> Head {
        if self.kind.is_empty() {
            self.kind = want.kind.into();
        }
        if self.api_version.is_empty() {
            self.api_version = want.api_version();
        }
        self
    }
}

/// A body that can be read.
pub struct Readable<'a> {
    original: &'a [u8],
    content: Content<'a>,
}

enum Content<'a> {
    Json(&'a [u8]),
    /// YAML, and the same as JSON.
    Yaml(&'a [u8], Vec<u8>),
    Protobuf(protobuf::Envelope<'a>),
    /// CBOR, as JSON.
    Cbor(Vec<u8>),
}

/// Looks at a body; the error is upstream's text.
pub fn readable(body: &[u8], format: Format) -> Result<Readable<'_>, String> {
    let content = match format {
        Format::Json => Content::Json(body),
        Format::Protobuf => Content::Protobuf(protobuf::open(body).map_err(|e| e.to_string())?),
        Format::Cbor => Content::Cbor(cbor::to_json(body).map_err(|e| e.to_string())?),
        Format::Yaml => {
            let json = yaml::to_json(body, &mut Problems::ignore()).map_err(|e| e.to_string())?;
            Content::Yaml(body, json)
        }
    };
    Ok(Readable { original: body, content })
}

impl Readable<'_> {
    /// The body as it came.
    pub fn original(&self) -> &[u8] {
        self.original
    }

    /// What it says it is.
    pub fn head(&self) -> Result<Head, String> {
        let own = |meta: &TypeMeta<'_>| Head {
            api_version: meta.api_version.clone().into_owned(),
            kind: meta.kind.clone().into_owned(),
        };
        match &self.content {
            Content::Json(text) => json::type_meta(text).map(|meta| own(&meta)).map_err(|e| e.to_string()),
            Content::Yaml(_, text) | Content::Cbor(text) => {
                json::type_meta(text).map(|meta| own(&meta)).map_err(|e| e.to_string())
            }
            Content::Protobuf(envelope) => Ok(own(&envelope.type_meta)),
        }
    }

    /// Tells keys that stand twice, where no table of the kind's fields does.
    pub fn duplicates(&self, problems: &mut Problems) {
        if let Content::Json(text) = &self.content {
            // A fault in the text comes up when it is read.
            let _ = json::find_duplicates(text, problems);
        }
    }

    /// Fills a struct from it.
    pub fn fill(&self, to: &mut dyn Struct, problems: &mut Problems) -> Result<(), String> {
        match &self.content {
            Content::Json(text) => json::decode_struct(text, to, problems),
            Content::Cbor(text) => json::decode_struct(text, to, problems),
            Content::Yaml(text, _) => yaml::decode_struct(text, to, problems),
            Content::Protobuf(envelope) => protobuf::decode_message(envelope.raw, to),
        }
        .map_err(|e| e.to_string())
    }
}
