//! A client of the API from within a pod: HTTP/1.1 over TLS, with the pod's token.

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::Value;
use std::io::{Error, Read, Result, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

const MOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// Where pods find the API.
pub const API: &str = "https://kubernetes.default.svc";

/// Reads `https://HOST[:PORT]/PATH`.
pub fn get(url: &str) -> Result<Value> {
    ask("GET", url, None)
}

/// Creates an object there.
pub fn post(url: &str, body: &Value) -> Result<Value> {
    ask("POST", url, Some(body))
}

fn ask(method: &str, url: &str, body: Option<&Value>) -> Result<Value> {
    let wrong = || Error::other(format!("{url:?} is no https:// address"));
    let rest = url.strip_prefix("https://").ok_or_else(wrong)?;
    let (place, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (host, port) = place.rsplit_once(':').unwrap_or((place, "443"));
    let mut roots = RootCertStore::empty();
    for authority in CertificateDer::pem_file_iter(format!("{MOUNT}/ca.crt")).map_err(Error::other)? {
        roots.add(authority.map_err(Error::other)?).map_err(Error::other)?;
    }
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let name = ServerName::try_from(host.to_string()).map_err(Error::other)?;
    let session = ClientConnection::new(Arc::new(config), name).map_err(Error::other)?;
    let connection = TcpStream::connect((host, port.parse::<u16>().map_err(Error::other)?))
        .map_err(|e| Error::other(format!("connect to {host}:{port}: {e}")))?;
    connection.set_read_timeout(Some(Duration::from_secs(20)))?;
    let mut stream = StreamOwned::new(session, connection);
    let token = std::fs::read_to_string(format!("{MOUNT}/token"))?;
    let body = body.map(Value::to_string).unwrap_or_default();
    write!(
        stream,
        "{method} /{path} HTTP/1.0\r\nHost: {place}\r\nAuthorization: Bearer {}\r\nAccept: application/json\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        token.trim(),
        body.len()
    )?;
    let mut answer = Vec::new();
    // A server that closes without TLS's goodbye has still said all that its length promises.
    if let Err(e) = stream.read_to_end(&mut answer)
        && e.kind() != std::io::ErrorKind::UnexpectedEof
    {
        return Err(e);
    }
    let end =
        answer.windows(4).position(|four| four == b"\r\n\r\n").ok_or_else(|| Error::other("no answer"))?;
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    let code = head.split_whitespace().nth(1).unwrap_or_default();
    if !code.starts_with('2') {
        let said = String::from_utf8_lossy(&answer[end + 4..]).into_owned();
        return Err(Error::other(format!("{method} {url}: {code}: {said}")));
    }
    serde_json::from_slice(&answer[end + 4..]).map_err(|e| Error::other(format!("{method} {url}: {e}")))
}
