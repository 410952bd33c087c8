//! The raw client of the figures: one HTTP/1.1 connection per [`Connection`], kept alive, or one of HTTP/2 that
//! several share, over TLS, with as little of its own work as can be, so that the server is what is measured.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::http::uri::Uri;
use hyper::{Method, Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use corten_rt::{Tasks, timeout};

use crate::kubeconfig::Cluster;

/// The longest that a call may take.
const CALL_TIMEOUT: Duration = Duration::from_secs(60);
/// What a client takes unread over HTTP/2, for a request and for a connection, in bytes: as Go's does.
const STREAM_WINDOW: u32 = 4 << 20;
const CONNECTION_WINDOW: u32 = 1 << 30;
/// The same for a request of a client that is slow.
const SLOW_WINDOW: u32 = 1 << 10;
/// The longest line of a watch: an object of the largest size a server takes, with room.
const MAX_LINE: usize = 16 << 20;

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// An API server to measure. Cheap to clone.
#[derive(Clone)]
pub struct Server(Arc<Inner>);

struct Inner {
    host: String,
    port: u16,
    authority: String,
    prefix: String,
    authorization: Option<String>,
    tls: Option<(Connectors, ServerName<'static>)>,
    tasks: Tasks,
}

/// What makes TLS connections, for each version of HTTP.
struct Connectors {
    own: TlsConnector,
    shared: TlsConnector,
}

/// What sends requests over a connection.
enum Sender {
    /// One after the other, by HTTP/1.1.
    Own(http1::SendRequest<Full<Bytes>>),
    /// Many at a time, by HTTP/2.
    Shared(http2::SendRequest<Full<Bytes>>),
}

impl Server {
    /// The server of `cluster`; its connections live as tasks of `tasks`.
    ///
    /// # Errors
    /// When the URL, a certificate or the key cannot be used.
    pub fn new(cluster: &Cluster, tasks: &Tasks) -> Result<Server> {
        let uri: Uri = cluster.server.parse().with_context(|| format!("server {:?}", cluster.server))?;
        let authority = uri.authority().ok_or_else(|| anyhow!("the server's URL names no host"))?;
        let host = authority.host().trim_matches(['[', ']']).to_owned();
        let (tls, port) = match uri.scheme_str() {
            Some("https") => (Some(tls(cluster, &host)?), 443),
            Some("http") => (None, 80),
            other => bail!("the server's URL must begin with https://, not {other:?}"),
        };
        Ok(Server(Arc::new(Inner {
            port: authority.port_u16().unwrap_or(port),
            authority: authority.to_string(),
            prefix: uri.path().trim_end_matches('/').to_owned(),
            authorization: cluster.token.as_ref().map(|token| format!("Bearer {token}")),
            host,
            tls,
            tasks: tasks.clone(),
        })))
    }

    /// Opens a connection.
    ///
    /// # Errors
    /// When the server cannot be reached or does not prove itself.
    pub async fn connect(&self) -> Result<Connection> {
        Ok(Connection { sender: self.open().await?, server: self.clone() })
    }

    /// Opens a connection that [`Connection::another`] shares.
    ///
    /// # Errors
    /// As [`Server::connect`].
    pub async fn connect_shared(&self) -> Result<Connection> {
        Ok(Connection { sender: self.open_shared(STREAM_WINDOW).await?, server: self.clone() })
    }

    /// The same, of a client that takes next to nothing of an answer before it is read.
    ///
    /// # Errors
    /// As [`Server::connect`].
    pub async fn connect_slow(&self) -> Result<Connection> {
        Ok(Connection { sender: self.open_shared(SLOW_WINDOW).await?, server: self.clone() })
    }

    /// Opens `count` connections.
    ///
    /// # Errors
    /// As [`Server::connect`].
    pub async fn connect_many(&self, count: usize) -> Result<Vec<Connection>> {
        let mut connections = Vec::with_capacity(count);
        for _ in 0..count {
            connections.push(self.connect().await?);
        }
        Ok(connections)
    }

    async fn open(&self) -> Result<Sender> {
        let connecting = async {
            let stream = self.stream(|connectors| &connectors.own).await?;
            anyhow::Ok(http1::handshake(TokioIo::new(stream)).await?)
        };
        let (sender, connection) = self.in_time(Box::pin(connecting)).await?;
        self.drive(connection);
        Ok(Sender::Own(sender))
    }

    async fn open_shared(&self, window: u32) -> Result<Sender> {
        let connecting = async {
            let stream = self.stream(|connectors| &connectors.shared).await?;
            let handshake = http2::Builder::new(TokioExecutor::new())
                .initial_stream_window_size(window)
                .initial_connection_window_size(CONNECTION_WINDOW)
                .handshake(TokioIo::new(stream));
            anyhow::Ok(handshake.await?)
        };
        let (sender, connection) = self.in_time(Box::pin(connecting)).await?;
        self.drive(connection);
        Ok(Sender::Shared(sender))
    }

    async fn stream(&self, connector: impl Fn(&Connectors) -> &TlsConnector) -> Result<Box<dyn Stream>> {
        let Inner { host, port, tls, .. } = &*self.0;
        let stream = TcpStream::connect((host.as_str(), *port)).await?;
        stream.set_nodelay(true)?;
        Ok(match tls {
            Some((connectors, name)) => Box::new(connector(connectors).connect(name.clone(), stream).await?),
            None => Box::new(stream),
        })
    }

    async fn in_time<T>(&self, connecting: impl Future<Output = Result<T>>) -> Result<T> {
        timeout(CALL_TIMEOUT, connecting)
            .await
            .ok_or_else(|| anyhow!("timed out"))
            .flatten()
            .with_context(|| format!("cannot connect to {}", self.0.authority))
    }

    fn drive(&self, connection: impl Future<Output = hyper::Result<()>> + Send + 'static) {
        self.0.tasks.spawn_until_stopped("connection", async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "connection ended");
            }
        });
    }
}

fn tls(cluster: &Cluster, host: &str) -> Result<(Connectors, ServerName<'static>)> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&cluster.authority) {
        roots.add(certificate.context("the certificate authority")?)?;
    }
    if roots.is_empty() {
        bail!("the kubeconfig has no certificate authority to trust");
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots);
    let mut config = match &cluster.certificate {
        Some((certificate, key)) => {
            let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(certificate).collect();
            let key = PrivateKeyDer::from_pem_slice(key).context("the client's key")?;
            builder.with_client_auth_cert(chain.context("the client's certificate")?, key)?
        }
        None => builder.with_no_client_auth(),
    };
    let name = cluster.server_name.as_deref().unwrap_or(host).to_owned();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let own = TlsConnector::from(Arc::new(config.clone()));
    config.alpn_protocols = vec![b"h2".to_vec()];
    let shared = TlsConnector::from(Arc::new(config));
    Ok((Connectors { own, shared }, ServerName::try_from(name)?))
}

/// One request.
#[derive(Clone, Debug)]
pub struct Call {
    /// The HTTP method.
    pub method: Method,
    /// Path and query, below the server's URL.
    pub path: String,
    /// What the body is.
    pub media_type: &'static str,
    /// The body, or nothing.
    pub body: Bytes,
}

impl Call {
    /// A request without a body.
    pub fn new(method: Method, path: impl Into<String>) -> Call {
        Call::with(method, path, Bytes::new())
    }

    /// A request with a JSON body.
    pub fn with(method: Method, path: impl Into<String>, body: impl Into<Bytes>) -> Call {
        Call { method, path: path.into(), media_type: "application/json", body: body.into() }
    }
}

/// A connection, which is opened anew when the server closed it.
pub struct Connection {
    sender: Sender,
    server: Server,
}

impl Connection {
    /// Another way to send requests over the same connection; `None` where that carries one after the other.
    pub fn another(&self) -> Option<Connection> {
        match &self.sender {
            Sender::Own(_) => None,
            Sender::Shared(sender) => {
                Some(Connection { sender: Sender::Shared(sender.clone()), server: self.server.clone() })
            }
        }
    }

    /// Sends `call` and reads the whole answer.
    ///
    /// # Errors
    /// When the connection breaks, the time runs out, or the server answers with anything but 2xx.
    pub async fn call(&mut self, call: Call) -> Result<Bytes> {
        let calling = async {
            let response = self.send(&call).await?;
            let status = response.status();
            let body = response.into_body().collect().await?.to_bytes();
            if !status.is_success() {
                bail!("{} {}: {status}: {}", call.method, call.path, reason(&body));
            }
            Ok(body)
        };
        timeout(CALL_TIMEOUT, calling).await.unwrap_or_else(|| Err(anyhow!("{} timed out", call.path)))
    }

    /// Reads an answer of a media type to its end and keeps nothing of it; its bytes.
    ///
    /// # Errors
    /// As [`Connection::call`].
    pub async fn drain(&mut self, path: String, accept: &'static str) -> Result<usize> {
        let call = Call::new(Method::GET, path);
        let reading = async {
            let response = self.send_for(&call, accept).await?;
            let status = response.status();
            let (mut body, mut bytes) = (response.into_body(), 0);
            while let Some(frame) = body.frame().await {
                bytes += frame?.data_ref().map_or(0, Bytes::len);
            }
            if !status.is_success() {
                bail!("{} was answered with {status}", call.path);
            }
            Ok(bytes)
        };
        timeout(CALL_TIMEOUT, reading).await.unwrap_or_else(|| Err(anyhow!("{} timed out", call.path)))
    }

    /// Sends a watch and gives its lines. The connection, or this share of it, is the watch's from then on.
    ///
    /// # Errors
    /// When the server does not begin to answer with 200 in time.
    pub async fn watch(mut self, path: String) -> Result<Lines> {
        let call = Call::new(Method::GET, path);
        let answer = timeout(CALL_TIMEOUT, self.send(&call)).await;
        let response = answer.unwrap_or_else(|| Err(anyhow!("no answer to a watch")))?;
        if !response.status().is_success() {
            bail!("the watch was answered with {}", response.status());
        }
        Ok(Lines { body: response.into_body(), buffer: Vec::new(), scanned: 0, _connection: self })
    }

    async fn send(&mut self, call: &Call) -> Result<Response<Incoming>> {
        self.send_for(call, "application/json").await
    }

    async fn send_for(&mut self, call: &Call, accept: &'static str) -> Result<Response<Incoming>> {
        let (is_closed, is_own) = match &mut self.sender {
            Sender::Own(sender) => (sender.ready().await.is_err(), true),
            Sender::Shared(sender) => (sender.ready().await.is_err(), false),
        };
        if is_closed {
            self.sender = match is_own {
                true => Box::pin(self.server.open()).await?,
                false => Box::pin(self.server.open_shared(STREAM_WINDOW)).await?,
            };
        }
        let server = &self.server.0;
        let mut request = Request::builder().method(call.method.clone()).header(ACCEPT, accept);
        if let Some(authorization) = &server.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        if !call.body.is_empty() {
            request = request.header(CONTENT_TYPE, call.media_type);
        }
        let path = format!("{}{}", server.prefix, call.path);
        let body = Full::new(call.body.clone());
        Ok(match &mut self.sender {
            Sender::Own(sender) => {
                let request = request.uri(path).header(HOST, &server.authority);
                sender.send_request(request.body(body)?).await?
            }
            Sender::Shared(sender) => {
                let scheme = if server.tls.is_some() { "https" } else { "http" };
                let request = request.uri(format!("{scheme}://{}{path}", server.authority));
                sender.send_request(request.body(body)?).await?
            }
        })
    }
}

/// What an answer that is not 2xx says: the message of its Status, or else how it begins.
fn reason(body: &[u8]) -> String {
    let status: Option<serde_json::Value> = serde_json::from_slice(body).ok();
    let message = status.as_ref().and_then(|status| status.get("message")?.as_str());
    message.map_or_else(|| String::from_utf8_lossy(body).trim().chars().take(300).collect(), str::to_owned)
}

/// The lines of a watch's answer, one event each.
pub struct Lines {
    body: Incoming,
    buffer: Vec<u8>,
    scanned: usize,
    _connection: Connection,
}

impl Lines {
    /// The next line without its end; `None` when the server ended the watch.
    ///
    /// # Errors
    /// When the connection breaks or a line is longer than any event.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>> {
        loop {
            if let Some(line) = take_line(&mut self.buffer, &mut self.scanned) {
                return Ok(Some(line));
            }
            if self.buffer.len() > MAX_LINE {
                bail!("an event of the watch is longer than {MAX_LINE} bytes");
            }
            let Some(frame) = self.body.frame().await else { return Ok(None) };
            if let Ok(data) = frame?.into_data() {
                self.buffer.extend_from_slice(&data);
            }
        }
    }
}

/// Takes the first whole line out of `buffer`, of which `scanned` bytes are known to hold no line's end.
fn take_line(buffer: &mut Vec<u8>, scanned: &mut usize) -> Option<Vec<u8>> {
    let Some(end) = buffer[*scanned..].iter().position(|&byte| byte == b'\n').map(|at| at + *scanned) else {
        *scanned = buffer.len();
        return None;
    };
    let rest = buffer.split_off(end + 1);
    let mut line = std::mem::replace(buffer, rest);
    line.pop();
    *scanned = 0;
    Some(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_rt::Stop;

    #[test]
    fn lines_are_cut_across_frames() {
        let (mut buffer, mut scanned) = (Vec::new(), 0);
        let mut lines = Vec::new();
        for frame in ["ab", "c\nd", "e\n\nf", "\ng"] {
            buffer.extend_from_slice(frame.as_bytes());
            while let Some(line) = take_line(&mut buffer, &mut scanned) {
                lines.push(String::from_utf8(line).expect("text"));
            }
        }
        assert_eq!(lines, ["abc", "de", "", "f"]);
        assert_eq!(buffer, b"g");
    }

    #[test]
    fn a_refusal_gives_its_reason() {
        for (body, expected) in [
            (r#"{"kind":"Status","message":"pods \"a\" not found","code":404}"#, "pods \"a\" not found"),
            ("  bad gateway\n", "bad gateway"),
            ("{}", "{}"),
            ("", ""),
        ] {
            assert_eq!(reason(body.as_bytes()), expected);
        }
        assert_eq!(reason("é".repeat(1000).as_bytes()).chars().count(), 300);
    }

    fn cluster(server: &str) -> Cluster {
        Cluster {
            server: server.to_owned(),
            authority: Vec::new(),
            server_name: None,
            certificate: None,
            token: Some("t".to_owned()),
        }
    }

    #[test]
    fn a_server_is_made_of_its_url() {
        let tasks = Tasks::new(Stop::new());
        let server = Server::new(&cluster("http://[::1]:8080/k8s"), &tasks).expect("a usable URL");
        let Inner { host, port, authority, prefix, authorization, .. } = &*server.0;
        assert_eq!((host.as_str(), *port, authority.as_str()), ("::1", 8080, "[::1]:8080"));
        assert_eq!((prefix.as_str(), authorization.as_deref()), ("/k8s", Some("Bearer t")));
        for (url, expected) in [
            ("https://127.0.0.1:6443", "no certificate authority"),
            ("ftp://127.0.0.1", "must begin with https://"),
            ("/path", "names no host"),
        ] {
            let error = Server::new(&cluster(url), &tasks).err().map(|error| format!("{error:#}"));
            assert!(error.as_ref().is_some_and(|error| error.contains(expected)), "{url}: {error:?}");
        }
    }
}
