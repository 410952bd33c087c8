//! The server's side of an HTTP upgrade: from a request's headers to the protocol and the 101 response.
//!
//! Pure. The caller sends the response and takes the upgraded connection from its HTTP library.

use crate::protocol::{EXEC, FORWARD, Protocol, READ, Transport};
use http::header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, UPGRADE};
use http::header::{HeaderMap, HeaderName, HeaderValue, SEC_WEBSOCKET_VERSION};
use http::{Response, StatusCode};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// Names the protocols of an upgrade to SPDY, in request and response.
pub const STREAM_PROTOCOL: HeaderName = HeaderName::from_static("x-stream-protocol-version");
const ACCEPTED_PROTOCOLS: HeaderName = HeaderName::from_static("x-accepted-stream-protocol-versions");

/// An upgrade to grant: send `response`, then speak `protocol` on the connection.
#[derive(Debug)]
pub struct Upgrade {
    /// What was agreed on.
    pub protocol: Protocol,
    /// The 101 response.
    pub response: Response<()>,
}

/// Why an upgrade is not granted; answer with `status`, `headers` and the message as text.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct UpgradeError {
    /// The response's status, as upstream's.
    pub status: StatusCode,
    /// The response's further headers.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    message: String,
}

impl UpgradeError {
    fn new(status: StatusCode, message: impl Into<String>) -> Self {
        UpgradeError { status, headers: Vec::new(), message: message.into() }
    }
}

/// Whether a request asks for a WebSocket.
pub fn wants_websocket(headers: &HeaderMap) -> bool {
    wants(headers, "websocket")
}

/// Whether a request asks for any upgrade.
pub fn wants_upgrade(headers: &HeaderMap) -> bool {
    connection_upgrades(headers) && headers.contains_key(UPGRADE)
}

/// Agrees on a protocol for exec or attach.
///
/// # Errors
/// No upgrade was asked for, or none of the client's protocols is known.
pub fn accept_remote_command(headers: &HeaderMap) -> Result<Upgrade, UpgradeError> {
    accept(headers, EXEC)
}

/// Agrees on a protocol for port-forward.
///
/// # Errors
/// As [`accept_remote_command`].
pub fn accept_port_forward(headers: &HeaderMap) -> Result<Upgrade, UpgradeError> {
    accept(headers, FORWARD)
}

/// Agrees on a WebSocket that is only written to: a log.
///
/// # Errors
/// As [`accept_remote_command`].
pub fn accept_log(headers: &HeaderMap) -> Result<Upgrade, UpgradeError> {
    accept(headers, READ)
}

/// Agrees on a WebSocket for a watch. A single subprotocol that the client names is confirmed, whatever it is,
/// as upstream does.
///
/// # Errors
/// No WebSocket was asked for.
pub fn accept_watch(headers: &HeaderMap) -> Result<Response<()>, UpgradeError> {
    let names = listed(headers, &SEC_WEBSOCKET_PROTOCOL);
    let chosen = if let [name] = names.as_slice() { name } else { "" };
    websocket_response(headers, chosen)
}

fn accept(headers: &HeaderMap, known: &[Protocol]) -> Result<Upgrade, UpgradeError> {
    if wants_websocket(headers) {
        let names = listed(headers, &SEC_WEBSOCKET_PROTOCOL);
        let over_websocket = |p: &&Protocol| p.transport != Transport::Spdy;
        let protocol = choose(&names, known.iter().filter(over_websocket)).ok_or_else(|| {
            UpgradeError::new(
                StatusCode::FORBIDDEN,
                format!("requested protocol(s) are not supported: {names:?}"),
            )
        })?;
        return Ok(Upgrade { protocol, response: websocket_response(headers, protocol.name)? });
    }
    if !wants(headers, "spdy/3.1") {
        return Err(UpgradeError::new(
            StatusCode::BAD_REQUEST,
            "unable to upgrade: missing upgrade headers in request",
        ));
    }
    accept_spdy(headers, known)
}

fn accept_spdy(headers: &HeaderMap, known: &[Protocol]) -> Result<Upgrade, UpgradeError> {
    let names = listed(headers, &STREAM_PROTOCOL);
    if names.is_empty() {
        let message = format!("unable to upgrade: header {STREAM_PROTOCOL} is missing or empty");
        return Err(UpgradeError::new(StatusCode::BAD_REQUEST, message));
    }
    let over_spdy: Vec<&Protocol> = known.iter().filter(|p| p.transport == Transport::Spdy).collect();
    let Some(protocol) = choose(&names, over_spdy.iter().copied()) else {
        let accepted: Vec<&str> = over_spdy.iter().map(|p| p.name).collect();
        let mut error = UpgradeError::new(
            StatusCode::FORBIDDEN,
            format!(
                "unable to upgrade: unable to negotiate protocol: client supports {names:?}, server accepts {accepted:?}"
            ),
        );
        for name in accepted {
            error.headers.push((ACCEPTED_PROTOCOLS, HeaderValue::from_static(name)));
        }
        return Err(error);
    };
    let mut response = switching("SPDY/3.1");
    response.headers_mut().insert(STREAM_PROTOCOL, HeaderValue::from_static(protocol.name));
    Ok(Upgrade { protocol, response })
}

/// The first of the client's names that is known; no name means the empty one.
fn choose<'a>(names: &[String], known: impl Iterator<Item = &'a Protocol> + Clone) -> Option<Protocol> {
    let unnamed = [String::new()];
    let names = if names.is_empty() { &unnamed } else { names };
    names.iter().find_map(|name| known.clone().find(|p| p.name == name).copied())
}

fn websocket_response(headers: &HeaderMap, protocol: &str) -> Result<Response<()>, UpgradeError> {
    let bad = |message: &str| UpgradeError::new(StatusCode::BAD_REQUEST, message);
    if !wants_websocket(headers) {
        return Err(bad("unable to upgrade: missing upgrade headers in request"));
    }
    if headers.get(SEC_WEBSOCKET_VERSION).is_none_or(|v| v.as_bytes() != b"13") {
        let mut error = bad("unable to upgrade: only WebSocket version 13 is supported");
        error.headers.push((SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13")));
        return Err(error);
    }
    let key = headers.get(SEC_WEBSOCKET_KEY).ok_or_else(|| bad("unable to upgrade: no Sec-WebSocket-Key"))?;
    let mut response = switching("websocket");
    let accept = HeaderValue::from_str(&derive_accept_key(key.as_bytes()))
        .map_err(|_| bad("unable to upgrade: invalid Sec-WebSocket-Key"))?;
    response.headers_mut().insert(SEC_WEBSOCKET_ACCEPT, accept);
    if !protocol.is_empty() {
        let name = HeaderValue::from_str(protocol).map_err(|_| bad("unable to upgrade: invalid protocol"))?;
        response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, name);
    }
    Ok(response)
}

fn switching(to: &'static str) -> Response<()> {
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    response.headers_mut().insert(UPGRADE, HeaderValue::from_static(to));
    response
}

fn wants(headers: &HeaderMap, what: &str) -> bool {
    connection_upgrades(headers)
        && listed(headers, &UPGRADE).iter().any(|name| name.eq_ignore_ascii_case(what))
}

fn connection_upgrades(headers: &HeaderMap) -> bool {
    listed(headers, &CONNECTION).iter().any(|word| word.eq_ignore_ascii_case("upgrade"))
}

/// The comma-separated values of a header, over all its lines.
fn listed(headers: &HeaderMap, name: &HeaderName) -> Vec<String> {
    let lines = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    lines
        .flat_map(|line| line.split(','))
        .map(|word| word.trim().to_owned())
        .filter(|w| !w.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    fn websocket(protocols: &'static str) -> HeaderMap {
        // Key and answer are the example of RFC 6455.
        let mut out = headers(&[
            ("connection", "keep-alive, Upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ]);
        if !protocols.is_empty() {
            out.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(protocols));
        }
        out
    }

    fn spdy(protocols: &'static str) -> HeaderMap {
        headers(&[
            ("connection", "Upgrade"),
            ("upgrade", "SPDY/3.1"),
            ("x-stream-protocol-version", protocols),
        ])
    }

    #[test]
    fn the_clients_first_known_protocol_is_chosen() {
        for (request, name, transport) in [
            (websocket("v5.channel.k8s.io,v4.channel.k8s.io"), "v5.channel.k8s.io", Transport::WebSocket),
            (websocket("v9.channel.k8s.io, v4.channel.k8s.io"), "v4.channel.k8s.io", Transport::WebSocket),
            (websocket(""), "", Transport::WebSocket),
            (spdy("v5.channel.k8s.io, v4.channel.k8s.io"), "v4.channel.k8s.io", Transport::Spdy),
            (spdy("v3.channel.k8s.io"), "v3.channel.k8s.io", Transport::Spdy),
        ] {
            let upgrade = accept_remote_command(&request).expect("granted");
            assert_eq!((upgrade.protocol.name, upgrade.protocol.transport), (name, transport));
            assert_eq!(upgrade.response.status(), 101);
        }
    }

    #[test]
    fn the_responses_headers() {
        let upgrade = accept_port_forward(&websocket("SPDY/3.1+portforward.k8s.io")).expect("granted");
        assert_eq!(upgrade.protocol.transport, Transport::TunneledSpdy);
        let got = upgrade.response.headers();
        assert_eq!(got[SEC_WEBSOCKET_ACCEPT], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(got[SEC_WEBSOCKET_PROTOCOL], "SPDY/3.1+portforward.k8s.io");
        assert_eq!(
            (&got[UPGRADE], &got[CONNECTION]),
            (&"websocket".parse().unwrap(), &"Upgrade".parse().unwrap())
        );

        let upgrade = accept_port_forward(&spdy("portforward.k8s.io")).expect("granted");
        assert_eq!(upgrade.response.headers()[STREAM_PROTOCOL], "portforward.k8s.io");
        assert_eq!(upgrade.response.headers()[UPGRADE], "SPDY/3.1");
        let response =
            accept_watch(&websocket("base64url.bearer.authorization.k8s.io.abc")).expect("granted");
        assert!(response.headers().contains_key(SEC_WEBSOCKET_PROTOCOL));
    }

    #[test]
    fn refusals() {
        let mut old = websocket("");
        old.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("8"));
        for (request, status) in [
            (headers(&[]), 400),
            (headers(&[("connection", "Upgrade"), ("upgrade", "h2c")]), 400),
            (headers(&[("connection", "Upgrade"), ("upgrade", "SPDY/3.1")]), 400),
            (spdy("v9.channel.k8s.io"), 403),
            (websocket("v9.channel.k8s.io"), 403),
            (old, 400),
        ] {
            let error = accept_remote_command(&request).expect_err("refused");
            assert_eq!(error.status, status, "{error}");
        }
        let error = accept_remote_command(&spdy("x")).expect_err("refused");
        assert_eq!(error.headers.iter().filter(|(name, _)| *name == ACCEPTED_PROTOCOLS).count(), 4);
    }
}
