//! Requests for another server's version are passed on to it, in the name of who made them (upstream's
//! `handler_proxy.go`).

use std::sync::Arc;
use std::time::Duration;

use corten_api::authentication::v1::UserInfo;
use corten_semantics::{ApiResult, identity};
use corten_streaming::upgrade::wants_upgrade;
use http::header::{HeaderMap, HeaderName, HeaderValue, LOCATION};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Either, Full};

use super::Remote;
use crate::http::Exchange;
use crate::http::forwarding::{Backend, onward, remove_hops, upgrade};
use crate::http::response::{BodyError, Response, text};
use crate::outbound::Failure;

/// How long a server may take to say what it serves.
const DISCOVERY: Duration = Duration::from_secs(5);
const USER: &str = "x-remote-user";
const UID: &str = "x-remote-uid";
const GROUP: &str = "x-remote-group";
const EXTRA: &str = "x-remote-extra-";

/// Passes the request on.
pub(crate) async fn answer(mut exchange: Exchange, remote: Arc<Remote>) -> ApiResult<Response> {
    let aggregation = Arc::clone(&exchange.api.aggregation);
    if !remote.available {
        return Ok(unavailable());
    }
    let peer = match aggregation.peer(&remote.destination, &remote.trust) {
        Ok(peer) => peer,
        Err(why) => return Ok(text(StatusCode::INTERNAL_SERVER_ERROR, &format!("{why}\n"))),
    };
    if remote.destination.resolve(&*aggregation.registry.lookup()).is_err() {
        return Ok(unavailable());
    }
    let user = Arc::clone(&exchange.context.user);
    identify(exchange.request.headers_mut(), &user);
    let path = exchange.request.uri().path_and_query().map_or("/", |p| p.as_str()).to_string();
    let authority = remote.destination.authority();
    if wants_upgrade(exchange.headers()) {
        return match peer.dial().await {
            Ok(stream) => upgrade(exchange, Backend::new(Box::new(stream), authority), &path).await,
            Err(failure) => Ok(unreachable(&failure)),
        };
    }
    let body = match exchange.body.take() {
        Some(body) => Either::Right(body),
        None => Either::Left(Full::default()),
    };
    let mut request = Request::new(body);
    *request.method_mut() = exchange.request.method().clone();
    *request.uri_mut() = match path.parse() {
        Ok(uri) => uri,
        Err(e) => return Ok(text(StatusCode::BAD_REQUEST, &format!("{e}\n"))),
    };
    *request.headers_mut() = onward(exchange.headers(), &authority, false);
    let sent = if path.trim_matches('/').split(['/', '?']).count() == 3 {
        let sent = corten_rt::timeout(DISCOVERY, peer.send(request)).await;
        sent.unwrap_or_else(|| Err(Failure::deadline()))
    } else {
        peer.send(request).await
    };
    Ok(match sent {
        Ok(response) => through(response),
        Err(failure) => unreachable(&failure),
    })
}

fn through(mut response: http::Response<hyper::body::Incoming>) -> Response {
    if response.status().is_redirection() && response.headers().contains_key(LOCATION) {
        let why = "the backend attempted to redirect this request, which is not permitted\n";
        return text(StatusCode::BAD_GATEWAY, why);
    }
    remove_hops(response.headers_mut());
    response.map(|body| body.map_err(BodyError::from).boxed_unsync())
}

fn unavailable() -> Response {
    text(StatusCode::SERVICE_UNAVAILABLE, "service unavailable\n")
}

fn unreachable(failure: &Failure) -> Response {
    text(StatusCode::SERVICE_UNAVAILABLE, &format!("error trying to reach service: {failure}\n"))
}

/// As whom this server asks for itself.
pub(super) fn aggregator() -> UserInfo {
    UserInfo {
        username: "system:kube-aggregator".into(),
        groups: vec![identity::MASTERS.into()],
        ..UserInfo::default()
    }
}

/// Says in whose name a request is made; whatever the request said about that itself goes.
pub(super) fn identify(headers: &mut HeaderMap, user: &UserInfo) {
    let said: Vec<HeaderName> = headers
        .keys()
        .filter(|name| matches!(name.as_str(), USER | UID | GROUP) || name.as_str().starts_with(EXTRA))
        .cloned()
        .collect();
    for name in said {
        headers.remove(name);
    }
    let mut add = |name: &str, value: &str| {
        let name = HeaderName::from_bytes(name.to_ascii_lowercase().as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(value.as_bytes())) {
            headers.append(name, value);
        }
    };
    add(USER, &user.username);
    if !user.uid.is_empty() {
        add(UID, &user.uid);
    }
    for group in &user.groups {
        add(GROUP, group);
    }
    for (key, values) in &user.extra {
        for value in values.0.iter() {
            add(&format!("{EXTRA}{}", escaped(key)), value);
        }
    }
}

/// A key as a part of a header's name: what may not stand there is in percent signs.
fn escaped(key: &str) -> String {
    let mut out = String::new();
    for byte in key.bytes() {
        if byte.is_ascii_alphanumeric() || b"!#$&'*+-.^_`|~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_api::Items;

    #[test]
    fn the_requester_is_named_and_nobody_else() {
        let mut headers = HeaderMap::new();
        headers.insert("x-remote-user", HeaderValue::from_static("root"));
        headers.insert("x-remote-extra-scopes", HeaderValue::from_static("all"));
        let user = UserInfo {
            username: "jane".into(),
            groups: vec!["a".into(), "b".into()],
            extra: [("example.com/key".to_string(), Items(vec!["v".to_string()]))].into(),
            ..UserInfo::default()
        };
        identify(&mut headers, &user);
        assert_eq!(headers.get_all(USER).iter().count(), 1);
        assert_eq!(headers[USER], "jane");
        let groups: Vec<_> = headers.get_all(GROUP).iter().collect();
        assert_eq!(groups, ["a", "b"]);
        assert!(!headers.contains_key("x-remote-extra-scopes"));
        assert_eq!(headers["x-remote-extra-example.com%2fkey"], "v");
    }
}
