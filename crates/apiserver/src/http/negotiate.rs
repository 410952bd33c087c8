//! Content negotiation: which format a body is in, and in which form the client wants the answer
//! (apiserver `endpoints/handlers/negotiation`).

use corten_semantics::gates::{Gate, Gates};
use corten_semantics::{ApiError, ApiResult};
use http::HeaderMap;
use http::header::{ACCEPT, CONTENT_TYPE, USER_AGENT};

use super::query::Query;

/// How objects are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    #[default]
    Json,
    Yaml,
    Protobuf,
    /// Only while its gate is open.
    Cbor,
}

/// In the order of preference, and as messages list them.
const FORMATS: [Format; 4] = [Format::Json, Format::Yaml, Format::Protobuf, Format::Cbor];
/// The media types of [`Format`], as messages list them.
const MEDIA_TYPES: [&str; 4] =
    ["application/json", "application/yaml", "application/vnd.kubernetes.protobuf", "application/cbor"];
const STREAM_TYPES: [&str; 3] =
    ["application/json;stream=watch", "application/vnd.kubernetes.protobuf;stream=watch", CBOR_SEQUENCE];
/// A sequence of CBOR items, as watches are.
pub const CBOR_SEQUENCE: &str = "application/cbor-seq";

/// How many of [`FORMATS`] there are: the last is behind a gate.
fn count(gates: Gates) -> usize {
    if gates.open(Gate::CborServingAndStorage) { FORMATS.len() } else { FORMATS.len() - 1 }
}

/// The media types that are served.
pub fn media_types(gates: Gates) -> &'static [&'static str] {
    &MEDIA_TYPES[..count(gates)]
}

impl Format {
    /// The media type.
    pub fn media_type(self) -> &'static str {
        MEDIA_TYPES[self as usize]
    }

    fn of(media_type: &str, gates: Gates) -> Option<Format> {
        FORMATS.into_iter().take(count(gates)).find(|f| f.media_type() == media_type)
    }

    fn matches(self, type_: &str, subtype: &str) -> bool {
        let (own, sub) = self.media_type().split_once('/').unwrap_or_default();
        (type_ == "*" && subtype == "*") || (type_ == own && (subtype == "*" || subtype == sub))
    }
}

/// What the answer is turned into.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// The object or list itself.
    #[default]
    Plain,
    /// A table, of `meta.k8s.io/v1` or `v1beta1`.
    Table(&'static str),
    /// `PartialObjectMetadata`, of `v1` or `v1beta1`.
    Metadata(&'static str),
    /// `PartialObjectMetadataList`, of `v1` or `v1beta1`.
    MetadataList(&'static str),
    /// `APIGroupDiscoveryList` of `v2` or `v2beta1`; only where the endpoint offers it.
    Discovery(&'static str),
}

/// What the client wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Accepted {
    pub format: Format,
    pub form: Form,
    pub pretty: bool,
}

/// What an endpoint offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offer {
    /// Objects as they are, tables and metadata.
    Resources,
    /// The same without tables (reviews, scale).
    NoTable,
    /// Aggregated discovery and legacy lists.
    Discovery,
    /// Nothing but objects as they are.
    Plain,
}

/// Chooses the answer's format and form; 406 when nothing that is accepted can be had.
pub fn answer(headers: &HeaderMap, query: &Query, offer: Offer, gates: Gates) -> ApiResult<Accepted> {
    let header = headers.get(ACCEPT).and_then(|h| h.to_str().ok()).unwrap_or_default();
    let mut accepted =
        choose(header, offer, gates).ok_or_else(|| ApiError::not_acceptable(media_types(gates)))?;
    accepted.pretty |= wants_pretty(headers, query);
    Ok(accepted)
}

/// The same for a watch, which YAML cannot carry.
pub fn stream(headers: &HeaderMap, query: &Query, offer: Offer, gates: Gates) -> ApiResult<Accepted> {
    let accepted = answer(headers, query, offer, gates)?;
    if accepted.format == Format::Yaml {
        return Err(ApiError::not_acceptable(&STREAM_TYPES[..count(gates) - 1]));
    }
    Ok(accepted)
}

/// The format of a body; 415 when it is none of ours.
pub fn body(headers: &HeaderMap, gates: Gates) -> ApiResult<Format> {
    let header = headers.get(CONTENT_TYPE).and_then(|h| h.to_str().ok()).unwrap_or_default();
    if header.is_empty() {
        return Ok(Format::Json);
    }
    let media_type = header.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    Format::of(&media_type, gates).ok_or_else(|| ApiError::unsupported_media_type(media_types(gates)))
}

struct Clause<'a> {
    type_: &'a str,
    subtype: &'a str,
    parameters: Vec<(&'a str, &'a str)>,
    quality: f32,
}

fn choose(header: &str, offer: Offer, gates: Gates) -> Option<Accepted> {
    if header.trim().is_empty() {
        return Some(Accepted::default());
    }
    let mut clauses: Vec<Clause<'_>> = header.split(',').filter_map(clause).collect();
    clauses.sort_by(|a, b| b.quality.total_cmp(&a.quality));
    clauses.iter().find_map(|c| {
        let served = FORMATS.into_iter().take(count(gates));
        served.filter(|f| f.matches(c.type_, c.subtype)).find_map(|f| accept(f, c, offer))
    })
}

fn clause(text: &str) -> Option<Clause<'_>> {
    let mut pieces = text.split(';').map(str::trim);
    let media = pieces.next()?;
    let (type_, subtype) = if media == "*" { ("*", "*") } else { media.split_once('/')? };
    let mut out = Clause { type_, subtype, parameters: Vec::new(), quality: 1.0 };
    for piece in pieces {
        let (key, value) = piece.split_once('=').unwrap_or((piece, ""));
        let value = value.trim_matches('"');
        if key == "q" {
            out.quality = value.parse().unwrap_or(1.0);
        } else {
            out.parameters.push((key, value));
        }
    }
    Some(out)
}

fn accept(format: Format, clause: &Clause<'_>, offer: Offer) -> Option<Accepted> {
    let parameter = |key| clause.parameters.iter().find(|(k, _)| *k == key).map(|(_, v)| *v);
    if parameter("stream").is_some_and(|s| !s.is_empty() && (s != "watch" || format == Format::Yaml))
        || parameter("sv").is_some_and(|sv| !sv.is_empty() && sv != "v1")
    {
        return None;
    }
    let conversion = [parameter("as"), parameter("g"), parameter("v")];
    let form = match conversion {
        [None, None, None] => Form::Plain,
        [kind, group, version] => {
            form(kind.unwrap_or_default(), group.unwrap_or_default(), version.unwrap_or_default(), offer)?
        }
    };
    if matches!(form, Form::Table(_)) && format == Format::Protobuf {
        return None;
    }
    Some(Accepted { format, form, pretty: parameter("pretty") == Some("1") })
}

fn form(kind: &str, group: &str, version: &str, offer: Offer) -> Option<Form> {
    let meta = ["v1", "v1beta1"].into_iter().find(|v| *v == version && group == "meta.k8s.io");
    let discovery = ["v2", "v2beta1"].into_iter().find(|v| *v == version && group == "apidiscovery.k8s.io");
    match (kind, offer) {
        ("Table", Offer::Resources) => meta.map(Form::Table),
        ("PartialObjectMetadata", Offer::Resources | Offer::NoTable) => meta.map(Form::Metadata),
        ("PartialObjectMetadataList", Offer::Resources | Offer::NoTable) => meta.map(Form::MetadataList),
        ("APIGroupDiscoveryList", Offer::Discovery) => discovery.map(Form::Discovery),
        _ => None,
    }
}

/// People get indented JSON: by `?pretty=`, or because their client is known to be theirs.
fn wants_pretty(headers: &HeaderMap, query: &Query) -> bool {
    if let Some(value) = query.get("pretty").filter(|v| !v.is_empty()) {
        return matches!(value, "1" | "t" | "T" | "true" | "TRUE" | "True");
    }
    let agent = headers.get(USER_AGENT).and_then(|h| h.to_str().ok()).unwrap_or_default();
    ["curl", "Wget", "Mozilla/5.0"].iter().any(|human| agent.starts_with(human))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_that_can_be_had_is_chosen() {
        use Form::*;
        use Format::*;
        let table = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
        let discovery = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json";
        for (header, offer, want) in [
            ("", Offer::Resources, Some((Json, Plain))),
            ("*/*", Offer::Resources, Some((Json, Plain))),
            ("application/*", Offer::Resources, Some((Json, Plain))),
            ("application/yaml", Offer::Resources, Some((Yaml, Plain))),
            ("text/plain", Offer::Resources, None),
            ("text/plain, */*;q=0.1", Offer::Resources, Some((Json, Plain))),
            (
                "application/json;q=0.5,application/vnd.kubernetes.protobuf",
                Offer::Resources,
                Some((Protobuf, Plain)),
            ),
            (table, Offer::Resources, Some((Json, Table("v1")))),
            (table, Offer::NoTable, Some((Json, Plain))),
            ("application/json;as=Table;v=v1;g=meta.k8s.io", Offer::NoTable, None),
            ("application/vnd.kubernetes.protobuf;as=Table;v=v1;g=meta.k8s.io", Offer::Resources, None),
            (
                "application/vnd.kubernetes.protobuf;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io",
                Offer::Resources,
                Some((Protobuf, MetadataList("v1"))),
            ),
            ("application/json;as=Table;v=v1alpha1;g=meta.k8s.io", Offer::Resources, None),
            (discovery, Offer::Discovery, Some((Json, Discovery("v2")))),
            (discovery, Offer::Resources, Some((Json, Plain))),
            ("application/json;stream=watch", Offer::Resources, Some((Json, Plain))),
            ("application/json;stream=other", Offer::Resources, None),
        ] {
            let got = choose(header, offer, Gates::default()).map(|a| (a.format, a.form));
            assert_eq!(got, want, "{header} {offer:?}");
        }
    }

    #[test]
    fn cbor_is_behind_its_gate() {
        let open = Gates::default().with(Gate::CborServingAndStorage, true);
        let accepted = |header, gates| choose(header, Offer::Resources, gates).map(|a| (a.format, a.form));
        let table = "application/cbor;as=Table;v=v1;g=meta.k8s.io";
        for (header, closed, wanted) in [
            ("application/cbor", None, Some((Format::Cbor, Form::Plain))),
            (
                "application/cbor,application/json;q=0.9",
                Some((Format::Json, Form::Plain)),
                Some((Format::Cbor, Form::Plain)),
            ),
            ("*/*", Some((Format::Json, Form::Plain)), Some((Format::Json, Form::Plain))),
            (table, None, Some((Format::Cbor, Form::Table("v1")))),
        ] {
            assert_eq!(accepted(header, Gates::default()), closed, "{header}");
            assert_eq!(accepted(header, open), wanted, "{header}");
        }
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, "application/cbor".parse().expect("a header"));
        assert_eq!(body(&headers, open).expect("served"), Format::Cbor);
        let error = body(&headers, Gates::default()).expect_err("not served");
        assert!(!error.to_string().contains("cbor"), "{error}");
        headers.insert(ACCEPT, "text/plain".parse().expect("a header"));
        let query = Query::parse("");
        let error = answer(&headers, &query, Offer::Resources, open).expect_err("unknown");
        assert!(error.to_string().ends_with(", application/cbor"), "{error}");
    }

    #[test]
    fn unknown_bodies_are_refused() {
        let mut headers = HeaderMap::new();
        let body = |headers: &HeaderMap| body(headers, Gates::default());
        assert_eq!(body(&headers).expect("json is the default"), Format::Json);
        for (value, want) in [
            ("application/json; charset=utf-8", Some(Format::Json)),
            ("application/yaml", Some(Format::Yaml)),
            ("application/vnd.kubernetes.protobuf", Some(Format::Protobuf)),
            ("text/plain", None),
        ] {
            headers.insert(CONTENT_TYPE, value.parse().expect("a header"));
            assert_eq!(body(&headers).ok(), want, "{value}");
        }
        let error = body(&headers).expect_err("unknown");
        assert_eq!(
            error.to_string(),
            "the body of the request was in an unknown format - accepted media types include: application/json, application/yaml, application/vnd.kubernetes.protobuf"
        );
    }
}
