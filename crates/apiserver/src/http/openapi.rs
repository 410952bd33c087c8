//! `/openapi/v2` and `/openapi/v3`: documents that others make, with their caching.

use std::sync::Arc;

use bytes::Bytes;
use corten_codec::openapi::{self as builtin, Document};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderValue, IF_NONE_MATCH, VARY};
use http::{HeaderMap, StatusCode};

use super::query::Query;
use super::response::{self, Response, text};

/// Where OpenAPI documents come from. They may change while the server runs, and must be cheap to ask for.
pub trait Documents: Send + Sync {
    /// The whole API in version 2, as JSON; `None` when there is none.
    fn v2(&self) -> Option<Document>;

    /// The same as protobuf; `None` when only JSON is offered.
    fn v2_protobuf(&self) -> Option<Document>;

    /// The documents in version 3: the path (`api/v1`, `apis/apps/v1`, ...) and hash of each.
    fn v3_hashes(&self) -> Vec<(String, Arc<str>)>;

    /// One of them, as JSON.
    fn v3(&self, path: &str) -> Option<Document>;
}

/// No documents at all: clients then validate nothing.
pub struct NoDocuments;

impl Documents for NoDocuments {
    fn v2(&self) -> Option<Document> {
        None
    }

    fn v2_protobuf(&self) -> Option<Document> {
        None
    }

    fn v3_hashes(&self) -> Vec<(String, Arc<str>)> {
        Vec::new()
    }

    fn v3(&self, _path: &str) -> Option<Document> {
        None
    }
}

/// The documents of the built-in kinds.
pub struct BuiltinDocuments;

impl Documents for BuiltinDocuments {
    fn v2(&self) -> Option<Document> {
        Some(builtin::v2_json())
    }

    fn v2_protobuf(&self) -> Option<Document> {
        Some(builtin::v2_protobuf())
    }

    fn v3_hashes(&self) -> Vec<(String, Arc<str>)> {
        builtin::v3_hashes().map(|(path, hash)| (path.to_string(), hash)).collect()
    }

    fn v3(&self, path: &str) -> Option<Document> {
        builtin::v3_at(path)
    }
}

const JSON: &str = "application/json";
/// Clients ask for `v2@v1.0`; as a content type that is malformed, so the answer has a dot.
const V2_PROTOBUF: &str = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

/// Answers a path below `/openapi`; `None` when it is none of them.
pub fn answer(documents: &dyn Documents, path: &str, request: &HeaderMap, query: &Query) -> Option<Response> {
    let missing = || text(StatusCode::NOT_FOUND, "404 page not found\n");
    match path.trim_matches('/').split_once("openapi/")?.1 {
        "v2" => {
            let protobuf = if wants_protobuf(request) { documents.v2_protobuf() } else { None };
            let found = match protobuf {
                Some(found) => Some((found, V2_PROTOBUF)),
                None => documents.v2().map(|found| (found, JSON)),
            };
            Some(found.map_or_else(missing, |(found, form)| document(&found, form, request, None)))
        }
        "v3" => Some(document(&index(documents), JSON, request, None)),
        other => {
            let name = other.strip_prefix("v3/")?;
            let Some(found) = documents.v3(name) else { return Some(missing()) };
            Some(document(&found, JSON, request, query.get("hash")))
        }
    }
}

/// Whether the first form that the client accepts, of those there are, is protobuf.
fn wants_protobuf(request: &HeaderMap) -> bool {
    let accept = request.get(http::header::ACCEPT).and_then(|h| h.to_str().ok()).unwrap_or_default();
    accept
        .split(',')
        .map(|form| form.split(';').next().unwrap_or_default().trim())
        .find_map(|form| match form {
            "application/com.github.proto-openapi.spec.v2@v1.0+protobuf" | V2_PROTOBUF => Some(true),
            JSON | "*/*" | "application/*" => Some(false),
            _ => None,
        })
        .unwrap_or(false)
}

fn index(documents: &dyn Documents) -> Document {
    let paths: serde_json::Map<String, serde_json::Value> = documents
        .v3_hashes()
        .into_iter()
        .map(|(path, hash)| {
            let url = format!("/openapi/v3/{path}?hash={hash}");
            (path, serde_json::json!({ "serverRelativeURL": url }))
        })
        .collect();
    Document::new(serde_json::json!({ "paths": paths }).to_string().into_bytes())
}

fn document(
    document: &Document,
    content_type: &'static str,
    request: &HeaderMap,
    asked: Option<&str>,
) -> Response {
    let tag = format!("\"{}\"", document.hash);
    let known = request.get(IF_NONE_MATCH).is_some_and(|v| v.as_bytes() == tag.as_bytes());
    let mut response = if known {
        response::with_body(StatusCode::NOT_MODIFIED, "", response::full(Bytes::new()))
    } else {
        response::object_answer(request, StatusCode::OK, content_type, document.bytes.clone())
    };
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.append(VARY, HeaderValue::from_static("Accept"));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(ETAG, tag);
    }
    // A document that is asked for by its hash never changes.
    let cache = if asked == Some(&*document.hash) { "public, immutable" } else { "no-cache, private" };
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(cache));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    struct One;
    impl Documents for One {
        fn v2(&self) -> Option<Document> {
            Some(Document::new("{}".into()))
        }
        fn v2_protobuf(&self) -> Option<Document> {
            Some(Document::new("pb".into()))
        }
        fn v3_hashes(&self) -> Vec<(String, Arc<str>)> {
            vec![("api/v1".into(), Document::new("{}".into()).hash)]
        }
        fn v3(&self, path: &str) -> Option<Document> {
            (path == "api/v1").then(|| Document::new("{}".into()))
        }
    }

    #[test]
    fn documents_have_tags_and_types() {
        let ask = |path: &str, query: &str, headers: &[(http::HeaderName, &str)]| {
            let headers =
                headers.iter().map(|(k, v)| (k.clone(), v.parse().expect("a header"))).collect::<HeaderMap>();
            answer(&One, path, &headers, &Query::parse(query)).expect("a path of ours")
        };
        let json = ask("/openapi/v2", "", &[]);
        assert_eq!(
            (json.status().as_u16(), &json.headers()[CONTENT_TYPE]),
            (200, &HeaderValue::from_static("application/json"))
        );
        let accept = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";
        let proto = ask("/openapi/v2", "", &[(http::header::ACCEPT, accept)]);
        assert_eq!(proto.headers()[CONTENT_TYPE], V2_PROTOBUF);
        let tag = json.headers()[ETAG].to_str().expect("text").to_string();
        assert_eq!(ask("/openapi/v2", "", &[(IF_NONE_MATCH, &tag)]).status(), StatusCode::NOT_MODIFIED);
        let hash = tag.trim_matches('"').to_string();
        let by_hash = ask("/openapi/v3/api/v1", &format!("hash={hash}"), &[]);
        assert_eq!(by_hash.headers()[CACHE_CONTROL], "public, immutable");
        assert_eq!(ask("/openapi/v3/apis/x/v1", "", &[]).status(), StatusCode::NOT_FOUND);
    }
}
