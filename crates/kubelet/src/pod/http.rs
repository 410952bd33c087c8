//! The small HTTP requests that probes and hooks make: one request, the status and the beginning of the
//! body, certificates not verified (as upstream's).

use corten_api::IntOrString;
use corten_api::core::v1::{Container, HTTPGetAction, Pod};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The most of a body that is read.
const MOST: usize = 10 * 1024;

/// The number of a port that may be named.
pub fn port_of(port: &IntOrString, c: &Container) -> Result<u16, String> {
    let number = match port {
        IntOrString::Int(n) => Some(*n),
        IntOrString::String(s) => {
            c.ports.iter().find(|p| p.name == *s).map(|p| p.container_port).or_else(|| s.parse().ok())
        }
    };
    number
        .and_then(|n| u16::try_from(n).ok())
        .filter(|n| *n > 0)
        .ok_or_else(|| format!("invalid port number: {port}"))
}

/// Makes the request of an action and gives the status and the body's beginning.
pub async fn get(
    action: &HTTPGetAction,
    c: &Container,
    pod: &Pod,
    agent: &str,
) -> Result<(u16, String), String> {
    let host = if action.host.is_empty() { &pod.status.pod_ip } else { &action.host };
    let port = port_of(&action.port, c)?;
    let path = if action.path.starts_with('/') { action.path.clone() } else { format!("/{}", action.path) };
    let given = |name: &str| action.http_headers.iter().find(|h| h.name.eq_ignore_ascii_case(name));
    let address = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
    let mut request = format!("GET {path} HTTP/1.1\r\nConnection: close\r\n");
    request += &format!("Host: {}\r\n", given("host").map_or(address.as_str(), |h| h.value.as_str()));
    if given("user-agent").is_none() {
        request += &format!("User-Agent: {agent}\r\n");
    }
    if given("accept").is_none() {
        request += "Accept: */*\r\n";
    }
    for h in action.http_headers.iter().filter(|h| !h.name.eq_ignore_ascii_case("host")) {
        request += &format!("{}: {}\r\n", h.name, h.value);
    }
    request += "\r\n";
    let url = || format!("Get \"{}://{address}{path}\"", action.scheme.to_lowercase());
    let stream = TcpStream::connect(&address)
        .await
        .map_err(|e| format!("{}: dial tcp {address}: {}", url(), plain(&e)))?;
    let answer = if action.scheme == "HTTPS" {
        let tls =
            crate::tls::connect_unverified(stream, host).await.map_err(|e| format!("{}: {e}", url()))?;
        exchange(tls, &request).await
    } else {
        exchange(stream, &request).await
    };
    parse(&answer.map_err(|e| format!("{}: {}", url(), plain(&e)))?)
        .ok_or_else(|| format!("{}: malformed HTTP response", url()))
}

/// An I/O error in the words that Go uses.
pub fn plain(e: &std::io::Error) -> String {
    match e.kind() {
        std::io::ErrorKind::ConnectionRefused => "connect: connection refused".into(),
        std::io::ErrorKind::HostUnreachable => "connect: no route to host".into(),
        std::io::ErrorKind::ConnectionReset => "read: connection reset by peer".into(),
        _ => e.to_string(),
    }
}

async fn exchange(
    mut stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    request: &str,
) -> std::io::Result<Vec<u8>> {
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    let mut chunk = [0; 4096];
    while answer.len() < MOST {
        match stream.read(&mut chunk).await {
            Ok(0) => break,
            Ok(n) => answer.extend_from_slice(&chunk[..n]),
            // What has come before the connection broke is still an answer.
            Err(e) if answer.is_empty() => return Err(e),
            Err(_) => break,
        }
    }
    Ok(answer)
}

fn parse(answer: &[u8]) -> Option<(u16, String)> {
    let text = String::from_utf8_lossy(answer);
    let status = text.strip_prefix("HTTP/1.")?.split_whitespace().nth(1)?.parse().ok()?;
    let body = text.split_once("\r\n\r\n").map_or("", |p| p.1);
    Some((status, body.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read() {
        assert_eq!(parse(b"HTTP/1.1 404 Not Found\r\nA: b\r\n\r\nnope"), Some((404, "nope".into())));
        assert_eq!(parse(b"SSH-2.0"), None);
    }
}
