//! Objects, lists and watch events as clients want them: as stored, as a table, as metadata alone; in JSON,
//! YAML, protobuf or CBOR.

use std::sync::Arc;

use bytes::Bytes;
use corten_api::meta::v1::ListMeta;
use corten_api::{KindInfo, Schema, View};
use corten_codec::cbor::Shape;
use corten_codec::{json, list as lists, watch as frames};
use corten_kinds::{StrategyRef, TableColumn};
use corten_rt::Timestamp;
use corten_semantics::{ApiError, ApiResult};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::formats;
use super::negotiate::{Accepted, Form, Format};
use super::pieces::Pieces;
use super::query::Query;
use crate::cache::{Entry, WatchEvent};
use crate::registry::List;

/// What of its object a table row carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Include {
    #[default]
    Metadata,
    Object,
    None,
}

/// Writes answers of one request.
#[derive(Clone)]
pub struct Encoder {
    accepted: Accepted,
    include: Include,
    strategy: StrategyRef,
    now: Timestamp,
    /// Whether the next table shows its columns; a watch does so once.
    columns: bool,
}

impl Encoder {
    /// For answers about a kind of this strategy.
    pub fn new(
        accepted: Accepted,
        strategy: StrategyRef,
        query: &Query,
        now: Timestamp,
    ) -> ApiResult<Encoder> {
        let include = match query.get("includeObject").unwrap_or_default() {
            "" | "Metadata" => Include::Metadata,
            "Object" => Include::Object,
            "None" => Include::None,
            other if matches!(accepted.form, Form::Table(_)) => {
                return Err(ApiError::bad_request(format!(
                    "Unable to convert to Table as requested: includeObject: Invalid value: {other:?}: must be 'Metadata', 'Object', 'None', or empty"
                )));
            }
            _ => Include::Metadata,
        };
        Ok(Encoder { accepted, include, strategy, now, columns: true })
    }

    /// What the client wants.
    pub fn accepted(&self) -> Accepted {
        self.accepted
    }

    /// The same in compact JSON, as the audit log has it.
    pub fn in_json(&self) -> Encoder {
        let accepted = Accepted { format: Format::Json, pretty: false, ..self.accepted };
        Encoder { accepted, ..self.clone() }
    }

    /// The media type of the answer.
    pub fn media_type(&self) -> &'static str {
        self.accepted.format.media_type()
    }

    /// One object.
    pub fn object(&mut self, entry: &Entry) -> ApiResult<Bytes> {
        match self.accepted.form {
            Form::Plain | Form::Discovery(_) if self.accepted.format == Format::Protobuf => {
                Ok(formats::entry_protobuf(entry))
            }
            Form::Plain | Form::Discovery(_) => {
                formats::from_json(entry.json(), self.accepted, shape(entry.kind(), Shape::Struct))
            }
            Form::Metadata(version) if self.accepted.format == Format::Protobuf => {
                Ok(formats::metadata_protobuf(entry, version))
            }
            Form::Metadata(version) => {
                let mut out = Vec::new();
                write_metadata(&mut out, entry, version)?;
                formats::from_json(out.into(), self.accepted, Shape::Any)
            }
            Form::Table(version) => {
                let revision = entry.object().meta().resource_version.clone();
                let head = ListMeta { resource_version: revision, ..ListMeta::default() };
                let out = self.table(version, &head, &[entry])?;
                formats::from_json(out.into(), self.accepted, shape(entry.kind(), Shape::Table))
            }
            Form::MetadataList(_) => Err(not_acceptable(&format!(
                "you requested PartialObjectMetadataList, but the requested object is not a list (*{}.{})",
                go_package(entry.kind()),
                entry.kind().kind
            ))),
        }
    }

    /// A list that is to be sent piece by piece: a large one in JSON or protobuf.
    pub fn pieces(&self, list: &List) -> Option<Pieces> {
        let Accepted { form, format, pretty, .. } = self.accepted;
        if pretty || !matches!(format, Format::Json | Format::Protobuf) || !Pieces::are_worth_it(list) {
            return None;
        }
        let head = formats::list_meta(list);
        match (form, format) {
            (Form::Plain | Form::Discovery(_), Format::Json) => Some(Pieces::of_json(list)),
            (Form::Plain | Form::Discovery(_), _) => {
                let write = |entry: &Entry| formats::item_message(entry);
                Some(Pieces::of_protobuf(list, lists::type_meta(list.kind), head, write))
            }
            (Form::MetadataList(version), Format::Json) => {
                let mut start = Vec::new();
                open_metadata_list(&mut start, version, &head);
                let write = move |out: &mut Vec<u8>, entry: &Entry| write_metadata(out, entry, version);
                Some(Pieces::of_text(list, start, write))
            }
            (Form::MetadataList(version), _) => {
                let list_kind = formats::partial("PartialObjectMetadataList", version);
                let write = |entry: &Entry| Ok(formats::metadata_message(entry).into());
                Some(Pieces::of_protobuf(list, list_kind, head, write))
            }
            (Form::Table(version), Format::Json) => {
                let mut start = Vec::new();
                self.open_table(&mut start, version, &head);
                let rows = self.clone();
                let write = move |out: &mut Vec<u8>, entry: &Entry| rows.row(out, version, entry);
                Some(Pieces::of_text(list, start, write))
            }
            (Form::Table(_) | Form::Metadata(_), _) => None,
        }
    }

    /// A list.
    pub fn list(&mut self, list: &List) -> ApiResult<Bytes> {
        let head = formats::list_meta(list);
        let entries: Vec<&Entry> = list.items.iter().map(Arc::as_ref).collect();
        let out = match self.accepted.form {
            Form::Plain | Form::Discovery(_) if self.accepted.format == Format::Protobuf => {
                return formats::list_protobuf(list);
            }
            Form::Plain | Form::Discovery(_) => {
                let items: Vec<Bytes> = entries.iter().map(|entry| entry.json()).collect();
                // As upstream does, each custom object says what it is, though the list does.
                let repeated = Some(list.kind).filter(|kind| !kind.custom);
                lists::encode_json(&lists::type_meta(list.kind), &head, repeated, items)
            }
            Form::MetadataList(version) if self.accepted.format == Format::Protobuf => {
                return Ok(formats::metadata_list_protobuf(list, version));
            }
            Form::MetadataList(version) => metadata_list(version, &head, &entries)?,
            Form::Table(version) => self.table(version, &head, &entries)?,
            Form::Metadata(_) => {
                return Err(not_acceptable(&format!(
                    "you requested PartialObjectMetadata, but the requested object is a list (*{}.{}List)",
                    go_package(list.kind),
                    list.kind.kind
                )));
            }
        };
        let of: fn(&'static Schema) -> Shape = match self.accepted.form {
            Form::Table(_) => Shape::Table,
            _ => Shape::List,
        };
        formats::from_json(out.into(), self.accepted, shape(list.kind, of))
    }

    /// One event of a watch on `kind`, framed.
    pub fn event(&mut self, kind: &'static KindInfo, event: &WatchEvent) -> ApiResult<Bytes> {
        let (name, object) = match event {
            WatchEvent::Added(entry) => ("ADDED", self.object(entry)?),
            WatchEvent::Modified(entry) => ("MODIFIED", self.object(entry)?),
            WatchEvent::Deleted(entry) => ("DELETED", self.object(entry)?),
            WatchEvent::Bookmark { revision, initial_end } => {
                ("BOOKMARK", self.bookmark(kind, *revision, *initial_end)?)
            }
            WatchEvent::Error(error) => ("ERROR", formats::structure(error.status(), self.accepted)?),
        };
        self.columns = false;
        Ok(match self.accepted.format {
            Format::Protobuf => frames::encode_protobuf(name, &object),
            Format::Cbor => frames::encode_cbor(name, &object),
            Format::Json | Format::Yaml => frames::encode_json(name, &object),
        }
        .into())
    }

    /// An empty object of the kind with a resource version.
    fn bookmark(&mut self, kind: &'static KindInfo, revision: u64, initial_end: bool) -> ApiResult<Bytes> {
        let mut object = kind.blank().ok_or_else(|| ApiError::internal("the kind has no objects"))?;
        object.meta_mut().resource_version = revision.to_string();
        if initial_end {
            object.meta_mut().annotations.insert("k8s.io/initial-events-end".into(), "true".into());
        }
        self.object(&Entry::made(object.into()))
    }

    fn table(&self, version: &str, head: &ListMeta, entries: &[&Entry]) -> ApiResult<Vec<u8>> {
        let mut out = Vec::with_capacity(256 + entries.len() * 512);
        self.open_table(&mut out, version, head);
        for (at, entry) in entries.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            self.row(&mut out, version, entry)?;
        }
        out.extend_from_slice(b"]}");
        Ok(out)
    }

    fn open_table(&self, out: &mut Vec<u8>, version: &str, head: &ListMeta) {
        out.extend_from_slice(b"{\"kind\":\"Table\",\"apiVersion\":\"meta.k8s.io/");
        out.extend_from_slice(version.as_bytes());
        out.extend_from_slice(b"\",");
        write_list_meta(out, head);
        out.extend_from_slice(b",\"columnDefinitions\":");
        if self.columns {
            write_columns(out, &self.strategy.table_columns());
        } else {
            out.extend_from_slice(b"null");
        }
        out.extend_from_slice(b",\"rows\":[");
    }

    fn row(&self, out: &mut Vec<u8>, version: &str, entry: &Entry) -> ApiResult<()> {
        out.extend_from_slice(b"{\"cells\":");
        let cells = self.strategy.row(&*entry.object_in_passing(), self.now);
        out.extend_from_slice(serde_json::Value::Array(cells).to_string().as_bytes());
        out.extend_from_slice(b",\"object\":");
        match self.include {
            Include::None => out.extend_from_slice(b"null"),
            Include::Object => entry.read_json(|json| out.extend_from_slice(json)),
            Include::Metadata => write_metadata(out, entry, version)?,
        }
        out.push(b'}');
        Ok(())
    }
}

/// What an answer about a kind is made of; what definitions declare has no table.
fn shape(kind: &'static KindInfo, of: fn(&'static Schema) -> Shape) -> Shape {
    if kind.custom { Shape::Any } else { of((kind.schema)()) }
}

fn write_list_meta(out: &mut Vec<u8>, head: &ListMeta) {
    out.extend_from_slice(b"\"metadata\":");
    json::encode_value(out, View::Struct(head));
}

fn metadata_list(version: &str, head: &ListMeta, entries: &[&Entry]) -> ApiResult<Vec<u8>> {
    let mut out = Vec::with_capacity(entries.len() * 512 + 128);
    open_metadata_list(&mut out, version, head);
    for (at, entry) in entries.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write_metadata(&mut out, entry, version)?;
    }
    out.extend_from_slice(b"]}");
    Ok(out)
}

fn open_metadata_list(out: &mut Vec<u8>, version: &str, head: &ListMeta) {
    out.extend_from_slice(b"{\"kind\":\"PartialObjectMetadataList\",\"apiVersion\":\"meta.k8s.io/");
    out.extend_from_slice(version.as_bytes());
    out.extend_from_slice(b"\",");
    write_list_meta(out, head);
    out.extend_from_slice(b",\"items\":[");
}

#[derive(Deserialize)]
struct MetadataOnly<'a> {
    #[serde(borrow, default)]
    metadata: Option<&'a RawValue>,
}

/// A `PartialObjectMetadata`, its metadata cut out of the stored text.
fn write_metadata(out: &mut Vec<u8>, entry: &Entry, version: &str) -> ApiResult<()> {
    let json = entry.json();
    let metadata: MetadataOnly<'_> = serde_json::from_slice(&json).map_err(ApiError::internal)?;
    out.extend_from_slice(b"{\"kind\":\"PartialObjectMetadata\",\"apiVersion\":\"meta.k8s.io/");
    out.extend_from_slice(version.as_bytes());
    out.extend_from_slice(b"\",\"metadata\":");
    out.extend_from_slice(metadata.metadata.map_or("{}", RawValue::get).as_bytes());
    out.push(b'}');
    Ok(())
}

fn write_columns(out: &mut Vec<u8>, columns: &[TableColumn<'_>]) {
    let list: Vec<String> = columns
        .iter()
        .map(|c| {
            let text = |t: &str| serde_json::Value::from(t).to_string();
            format!(
                "{{\"name\":{},\"type\":{},\"format\":{},\"description\":{},\"priority\":{}}}",
                text(c.name),
                text(c.type_),
                text(c.format),
                text(c.description),
                c.priority
            )
        })
        .collect();
    out.push(b'[');
    out.extend_from_slice(list.join(",").as_bytes());
    out.push(b']');
}

fn not_acceptable(message: &str) -> ApiError {
    ApiError::new(406, "NotAcceptable", message)
}

/// The package of upstream's internal type of a kind, as its messages show it: `core`, `apps`, `rbac`.
pub fn go_package(kind: &KindInfo) -> &'static str {
    match kind.group.split('.').next() {
        None | Some("") => "core",
        Some(first) => first,
    }
}
