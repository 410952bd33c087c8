//! What the server serves, told to clients: group by group in the older documents, all at once in the newer
//! (KEP-3352). Everything follows from the kinds' declarations.

mod aggregated;
mod legacy;
mod resources;

use std::sync::Arc;

use bytes::Bytes;
use corten_semantics::ApiResult;
use corten_semantics::gates::Gates;
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, HOST, HeaderValue, IF_NONE_MATCH, VARY};
use sha2::{Digest, Sha512};

use super::chain::Exchange;
use super::formats;
use super::negotiate::{self, Form, Format, Offer};
use super::response::{self, Response};
use crate::aggregation::{Remote, merge_groups, merge_older};

/// What this server itself serves, and the aggregated servers beside it.
fn served(exchange: &Exchange) -> (Vec<resources::Group>, Arc<Vec<Arc<Remote>>>) {
    let remotes = exchange.api.aggregation.remotes();
    let mut groups = resources::of(&exchange.api.registry);
    if !remotes.is_empty() {
        for group in &mut groups {
            group.versions.retain(|v| exchange.api.aggregation.remote(group.name, v.name).is_none());
        }
        groups.retain(|group| !group.versions.is_empty());
    }
    (groups, remotes)
}

/// The paths of all groups and their versions.
pub fn paths(exchange: &Exchange) -> Vec<String> {
    let (groups, remotes) = served(exchange);
    let mut list = legacy::groups(&groups);
    merge_older(&mut list.groups, &remotes);
    let core = groups.iter().filter(|group| group.name.is_empty()).flat_map(|group| &group.versions);
    let core: Vec<String> = core.map(|version| format!("/api/{}", version.name)).collect();
    let named = list.groups.into_iter().flat_map(|group| {
        let versions = group.versions.into_iter().map(|version| format!("/apis/{}", version.group_version));
        std::iter::once(format!("/apis/{}", group.name)).chain(versions)
    });
    named.chain(core).collect()
}

/// Answers a discovery path; `None` when it is none.
pub fn answer(exchange: &Exchange, path: &str) -> ApiResult<Option<Response>> {
    let (groups, remotes) = served(exchange);
    let accepted =
        negotiate::answer(exchange.headers(), &exchange.query, Offer::Discovery, Gates::default())?;
    if let ("/api" | "/apis", Form::Discovery(version)) = (path, accepted.form) {
        let core = path == "/api";
        let mut items = aggregated::groups(&groups, core);
        merge_groups(&mut items, &remotes, core);
        let body = aggregated::document(items, version, accepted)?;
        return Ok(Some(tagged(exchange, accepted.format, version, body)));
    }
    let host = exchange.headers().get(HOST).and_then(|h| h.to_str().ok()).unwrap_or_default();
    let host = exchange.request.uri().authority().map_or(host, |a| a.as_str());
    let document = match path.trim_matches('/').split('/').collect::<Vec<_>>().as_slice() {
        ["api"] => formats::structure(&legacy::versions(host), accepted)?,
        ["apis"] => {
            let mut list = legacy::groups(&groups);
            merge_older(&mut list.groups, &remotes);
            formats::structure(&list, accepted)?
        }
        ["api", version] => match resources::find(&groups, "", version) {
            Some(found) => formats::structure(&legacy::resources("", found), accepted)?,
            None => return Ok(None),
        },
        ["apis", group] if !group.is_empty() => {
            let own = groups.iter().filter(|g| g.name == *group);
            let mut found: Vec<_> = own.map(legacy::group).collect();
            merge_older(&mut found, &remotes);
            match found.iter().find(|g| g.name == *group) {
                Some(found) => formats::structure(found, accepted)?,
                None => return Ok(None),
            }
        }
        ["apis", group, version] if !group.is_empty() => match resources::find(&groups, group, version) {
            Some(found) => formats::structure(&legacy::resources(group, found), accepted)?,
            None => return Ok(None),
        },
        _ => return Ok(None),
    };
    let mut answer =
        response::object_answer(exchange.headers(), StatusCode::OK, accepted.format.media_type(), document);
    if matches!(path, "/api" | "/apis") {
        answer.headers_mut().append(VARY, HeaderValue::from_static("Accept"));
    }
    Ok(Some(answer))
}

/// The aggregated document with its tag; 304 for a client that has it.
fn tagged(exchange: &Exchange, format: Format, version: &str, body: Bytes) -> Response {
    let hash: String = Sha512::digest(&body).iter().map(|b| format!("{b:02X}")).collect();
    let tag = format!("\"{hash}\"");
    let known = exchange.headers().get(IF_NONE_MATCH).is_some_and(|value| value.as_bytes() == tag.as_bytes());
    let mut answer = if known {
        response::with_body(StatusCode::NOT_MODIFIED, "", response::full(Bytes::new()))
    } else {
        response::object_answer(exchange.headers(), StatusCode::OK, format.media_type(), body)
    };
    let headers = answer.headers_mut();
    let content_type =
        format!("{};g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList", format.media_type());
    for (name, value) in [(CONTENT_TYPE, content_type), (ETAG, tag)] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    }
    headers.append(VARY, HeaderValue::from_static("Accept"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("public"));
    answer
}
