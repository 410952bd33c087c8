//! An HTTPS server: HTTP/1.1, a thread for each connection.

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use serde_json::Value;
use std::io::{BufRead, BufReader, Error, Read, Result, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

/// More than this is not read, in bytes.
const MOST: usize = 32 << 20;

/// What a client asks.
pub struct Request {
    pub method: String,
    /// Without a query.
    pub path: String,
    headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Whether the client has shown a certificate of the authority that was asked for.
    pub proven: bool,
}

impl Request {
    /// All values of a header.
    pub fn headers<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers
            .iter()
            .filter(move |(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }
}

/// What it is told: a code and JSON.
pub type Answer = (u16, Value);

/// The server's TLS. With `clients`, certificates of these authorities are asked for.
pub fn tls(certificate: &str, key: &str, clients: Option<&str>) -> Result<Arc<ServerConfig>> {
    let chain = CertificateDer::pem_file_iter(certificate).map_err(Error::other)?;
    let chain = chain.collect::<std::result::Result<Vec<_>, _>>().map_err(Error::other)?;
    let key = PrivateKeyDer::from_pem_file(key).map_err(Error::other)?;
    let builder = match clients {
        None => ServerConfig::builder().with_no_client_auth(),
        Some(authorities) => {
            let mut roots = RootCertStore::empty();
            for authority in CertificateDer::pem_slice_iter(authorities.as_bytes()) {
                roots.add(authority.map_err(Error::other)?).map_err(Error::other)?;
            }
            let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).allow_unauthenticated();
            ServerConfig::builder().with_client_cert_verifier(verifier.build().map_err(Error::other)?)
        }
    };
    builder.with_single_cert(chain, key).map(Arc::new).map_err(Error::other)
}

/// Serves until the process ends.
pub fn serve(
    port: &str,
    tls: Arc<ServerConfig>,
    handle: impl Fn(&Request) -> Answer + Send + Sync + 'static,
) -> Result<()> {
    let listener = TcpListener::bind(format!("0.0.0.0:{port}"))?;
    let handle = Arc::new(handle);
    println!("serving on port {port}");
    for connection in listener.incoming() {
        let (tls, handle, connection) = (tls.clone(), handle.clone(), connection?);
        std::thread::spawn(move || {
            if let Err(e) = converse(connection, tls, &*handle) {
                eprintln!("connection: {e}");
            }
        });
    }
    Ok(())
}

fn converse(
    connection: TcpStream,
    tls: Arc<ServerConfig>,
    handle: &(dyn Fn(&Request) -> Answer + Send + Sync),
) -> Result<()> {
    connection.set_nodelay(true)?;
    let session = ServerConnection::new(tls).map_err(Error::other)?;
    let mut stream = BufReader::new(StreamOwned::new(session, connection));
    while let Some(request) = read(&mut stream)? {
        let (code, body) = handle(&request);
        println!("{} {} {code}", request.method, request.path);
        let body = body.to_string();
        let last = request.headers("connection").any(|word| word.eq_ignore_ascii_case("close"));
        let connection = if last { "close" } else { "keep-alive" };
        let head = format!(
            "HTTP/1.1 {code} Said\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
             Connection: {connection}\r\n\r\n",
            body.len()
        );
        stream.get_mut().write_all(format!("{head}{body}").as_bytes())?;
        if last {
            stream.get_mut().conn.send_close_notify();
        }
        stream.get_mut().flush()?;
        if last {
            break;
        }
    }
    Ok(())
}

/// The next request, if there is one.
fn read(stream: &mut BufReader<StreamOwned<ServerConnection, TcpStream>>) -> Result<Option<Request>> {
    let mut line = String::new();
    if stream.by_ref().take(1 << 16).read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace().map(str::to_string);
    let (Some(method), Some(target)) = (words.next(), words.next()) else {
        return Err(Error::other("this is no request"));
    };
    let (path, _) = target.split_once('?').unwrap_or((&target, ""));
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        stream.by_ref().take(1 << 16).read_line(&mut line)?;
        match line.trim_end().split_once(':') {
            Some((name, value)) => headers.push((name.to_string(), value.trim().to_string())),
            None => break,
        }
    }
    let proven = stream.get_ref().conn.peer_certificates().is_some();
    let path = path.to_string();
    let mut request = Request { method, path, headers, body: Vec::new(), proven };
    let length = request.headers("content-length").next().and_then(|length| length.parse().ok()).unwrap_or(0);
    if length > MOST || request.headers("transfer-encoding").next().is_some() {
        return Err(Error::other("the body has no length, or is too long"));
    }
    request.body = vec![0; length];
    stream.read_exact(&mut request.body)?;
    Ok(Some(request))
}
