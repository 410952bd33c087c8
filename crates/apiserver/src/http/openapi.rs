//! `/openapi/v2` and `/openapi/v3`: documents that others make, with their caching.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderValue, IF_NONE_MATCH, VARY};
use http::{HeaderMap, StatusCode};
use sha2::{Digest, Sha256};

use super::query::Query;
use super::response::{self, Response, text};

/// One document in the form it is sent in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Document {
    pub json: Bytes,
    /// The same in protobuf; empty when only JSON is offered.
    pub protobuf: Bytes,
}

/// Where OpenAPI documents come from. They may change while the server runs, and must be cheap to ask for.
pub trait Documents: Send + Sync {
    /// The whole API in version 2; `None` when there is none.
    fn v2(&self) -> Option<Document>;

    /// The paths of the documents in version 3: `api/v1`, `apis/apps/v1`, ...
    fn v3_paths(&self) -> Vec<String>;

    /// One of them.
    fn v3(&self, path: &str) -> Option<Document>;
}

/// No documents at all: clients then validate nothing.
pub struct NoDocuments;

impl Documents for NoDocuments {
    fn v2(&self) -> Option<Document> {
        None
    }

    fn v3_paths(&self) -> Vec<String> {
        Vec::new()
    }

    fn v3(&self, _path: &str) -> Option<Document> {
        None
    }
}

const V2_PROTOBUF: &str = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";
const V3_PROTOBUF: &str = "application/com.github.proto-openapi.spec.v3.v1.0+protobuf";

/// Answers a path below `/openapi`; `None` when it is none of them.
pub fn answer(documents: &dyn Documents, path: &str, request: &HeaderMap, query: &Query) -> Option<Response> {
    let missing = || text(StatusCode::NOT_FOUND, "404 page not found\n");
    match path.trim_matches('/').split_once("openapi/")?.1 {
        "v2" => Some(documents.v2().map_or_else(missing, |d| document(&d, V2_PROTOBUF, request, None))),
        "v3" => Some(document(&index(documents), "", request, None)),
        other => {
            let name = other.strip_prefix("v3/")?;
            let Some(found) = documents.v3(name) else { return Some(missing()) };
            Some(document(&found, V3_PROTOBUF, request, query.get("hash")))
        }
    }
}

fn index(documents: &dyn Documents) -> Document {
    let paths: serde_json::Map<String, serde_json::Value> = documents
        .v3_paths()
        .into_iter()
        .filter_map(|path| {
            let hash = hash(&documents.v3(&path)?.json);
            let url = format!("/openapi/v3/{path}?hash={hash}");
            Some((path, serde_json::json!({ "serverRelativeURL": url })))
        })
        .collect();
    Document { json: serde_json::json!({ "paths": paths }).to_string().into(), ..Document::default() }
}

fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|b| format!("{b:02X}")).collect()
}

fn document(
    document: &Document,
    protobuf_type: &'static str,
    request: &HeaderMap,
    asked: Option<&str>,
) -> Response {
    let accept = request.get(http::header::ACCEPT).and_then(|h| h.to_str().ok()).unwrap_or_default();
    let protobuf = !document.protobuf.is_empty() && accept.contains("proto-openapi.spec");
    let (content_type, bytes) =
        if protobuf { (protobuf_type, &document.protobuf) } else { ("application/json", &document.json) };
    let hash = hash(bytes);
    let tag = format!("\"{hash}\"");
    let known = request.get(IF_NONE_MATCH).is_some_and(|v| v.as_bytes() == tag.as_bytes());
    let mut response = if known {
        response::with_body(StatusCode::NOT_MODIFIED, "", response::full(Bytes::new()))
    } else {
        response::object_answer(request, StatusCode::OK, content_type, bytes.clone())
    };
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.append(VARY, HeaderValue::from_static("Accept"));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(ETAG, tag);
    }
    // A document that is asked for by its hash never changes.
    let cache = if asked == Some(hash.as_str()) { "public, immutable" } else { "no-cache, private" };
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(cache));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    struct One;
    impl Documents for One {
        fn v2(&self) -> Option<Document> {
            Some(Document { json: "{}".into(), protobuf: "pb".into() })
        }
        fn v3_paths(&self) -> Vec<String> {
            vec!["api/v1".into()]
        }
        fn v3(&self, path: &str) -> Option<Document> {
            (path == "api/v1").then(|| Document { json: "{}".into(), ..Document::default() })
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
