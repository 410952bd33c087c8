//! A registry in this process, which fails as told, and images to put into it.

use bytes::Bytes;
use corten_rt::{Stop, Tasks};
use futures::stream;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use crate::images::Digest;

/// What goes wrong with one request.
#[derive(Clone, Debug)]
pub enum Fault {
    /// An answer with this status, perhaps a header, and a body.
    Status(u16, Option<(&'static str, String)>, &'static str),
    /// No answer.
    Hang,
    /// The connection breaks off after so many bytes of the body.
    Break(usize),
    /// The body stops coming after so many bytes.
    Stall(usize),
    /// The body ends after so many bytes, and claims to be whole.
    Truncate(usize),
    /// One byte of the body is another.
    Damage,
    /// A range is not honoured.
    Whole,
}

/// How it wants to be spoken to.
#[derive(Clone, Debug, Default)]
pub enum Guard {
    #[default]
    Open,
    Basic(&'static str, &'static str),
    /// A token for these credentials (none: for everybody), or for this refresh token.
    Token(Option<(&'static str, &'static str)>, Option<&'static str>),
}

/// One request that came.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: Method,
    pub path: String,
    pub query: String,
    pub headers: HeaderMap,
}

#[derive(Default)]
pub struct State {
    /// Path to content and its type.
    pub content: HashMap<String, (Bytes, String)>,
    /// Faults of requests whose method and path contain this, in order.
    pub faults: HashMap<String, VecDeque<Fault>>,
    pub guard: Guard,
    pub seen: Vec<Seen>,
    tokens: usize,
}

#[derive(Clone)]
pub struct Registry {
    pub address: String,
    pub state: Arc<Mutex<State>>,
    _tasks: Arc<Tasks>,
}

type Body = BoxBody<Bytes, io::Error>;

impl Registry {
    /// On plain HTTP.
    pub async fn start() -> Self {
        Self::start_with(None).await
    }

    /// Perhaps behind TLS.
    pub async fn start_with(tls: Option<tokio_rustls::TlsAcceptor>) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let state = Arc::new(Mutex::new(State::default()));
        let tasks = Arc::new(Tasks::new(Stop::new()));
        let registry = Self { address, state, _tasks: tasks.clone() };
        let own = (registry.state.clone(), registry.address.clone(), tasks.stop().clone());
        tasks.spawn_until_stopped("registry", async move {
            let (state, address, stop) = own;
            let connections = Tasks::new(stop);
            while let Ok((socket, _)) = listener.accept().await {
                let (state, address) = (state.clone(), address.clone());
                let service = hyper::service::service_fn(move |request| {
                    answer(state.clone(), address.clone(), request)
                });
                let tls = tls.clone();
                connections.spawn_until_stopped("connection", async move {
                    let http = hyper::server::conn::http1::Builder::new();
                    match tls {
                        None => http.serve_connection(TokioIo::new(socket), service).await.ok(),
                        Some(tls) => {
                            let Ok(socket) = tls.accept(socket).await else { return };
                            http.serve_connection(TokioIo::new(socket), service).await.ok()
                        }
                    };
                });
            }
        });
        registry
    }

    pub fn fail(&self, request: &str, faults: impl IntoIterator<Item = Fault>) {
        self.state.lock().faults.insert(request.to_owned(), faults.into_iter().collect());
    }

    pub fn guard(&self, guard: Guard) {
        self.state.lock().guard = guard;
    }

    pub fn seen(&self, method: Method, part: &str) -> Vec<Seen> {
        let state = self.state.lock();
        state.seen.iter().filter(|seen| seen.method == method && seen.path.contains(part)).cloned().collect()
    }

    pub fn put_blob(&self, repository: &str, bytes: &[u8]) -> Digest {
        let digest = Digest::of(bytes);
        let path = format!("/v2/{repository}/blobs/{digest}");
        self.state
            .lock()
            .content
            .insert(path, (Bytes::copy_from_slice(bytes), "application/octet-stream".into()));
        digest
    }

    pub fn put_manifest(&self, repository: &str, tag: &str, kind: &str, json: &str) -> Digest {
        let digest = Digest::of(json.as_bytes());
        let mut state = self.state.lock();
        for name in [tag, &digest.to_string()] {
            let path = format!("/v2/{repository}/manifests/{name}");
            state.content.insert(path, (Bytes::copy_from_slice(json.as_bytes()), kind.to_owned()));
        }
        digest
    }

    /// Puts an image into a repository under a tag, and returns the digests of manifest and layers.
    pub fn put_image(&self, repository: &str, tag: &str, layers: &[Layer]) -> (Digest, Vec<Digest>) {
        let config = config(layers);
        let config_digest = self.put_blob(repository, config.as_bytes());
        let digests: Vec<Digest> =
            layers.iter().map(|layer| self.put_blob(repository, &layer.packed)).collect();
        let manifest = manifest(&config_digest, config.len(), layers);
        let kind = "application/vnd.oci.image.manifest.v1+json";
        (self.put_manifest(repository, tag, kind, &manifest), digests)
    }

    pub fn name(&self, rest: &str) -> String {
        format!("{}/{rest}", self.address)
    }
}

/// A layer, packed and not.
#[derive(Clone)]
pub struct Layer {
    pub packed: Vec<u8>,
    pub plain: Vec<u8>,
}

impl Layer {
    /// Gzipped, of files with contents.
    pub fn of(files: &[(&str, &[u8])]) -> Self {
        let plain = tar_of(files);
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(&plain).unwrap();
        Self { packed: encoder.finish().unwrap(), plain }
    }

    pub fn zstd(files: &[(&str, &[u8])]) -> Self {
        let plain = tar_of(files);
        let packed =
            ruzstd::encoding::compress_to_vec(&plain[..], ruzstd::encoding::CompressionLevel::Fastest);
        Self { packed, plain }
    }
}

pub fn tar_of(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, content) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, path, *content).unwrap();
    }
    builder.into_inner().unwrap()
}

/// Bytes that do not compress.
pub fn noise(length: usize, seed: u32) -> Vec<u8> {
    let mut state = seed | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state as u8
    };
    (0..length).map(|_| next()).collect()
}

pub fn config(layers: &[Layer]) -> String {
    let diff_ids: Vec<String> =
        layers.iter().map(|layer| format!("\"{}\"", Digest::of(&layer.plain))).collect();
    format!(
        r#"{{"architecture":"amd64","os":"linux","config":{{"User":"1000:10","Env":["A=b"],"Cmd":["sh"]}},"rootfs":{{"type":"layers","diff_ids":[{}]}}}}"#,
        diff_ids.join(",")
    )
}

pub fn manifest(config: &Digest, config_size: usize, layers: &[Layer]) -> String {
    let layers: Vec<String> = layers
        .iter()
        .map(|layer| {
            let digest = Digest::of(&layer.packed);
            format!(r#"{{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":"{digest}","size":{}}}"#, layer.packed.len())
        })
        .collect();
    format!(
        r#"{{"schemaVersion":2,"config":{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{config}","size":{config_size}}},"layers":[{}]}}"#,
        layers.join(",")
    )
}

async fn answer(
    state: Arc<Mutex<State>>,
    address: String,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let (parts, body) = request.into_parts();
    let posted = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let (path, query) = (parts.uri.path().to_owned(), parts.uri.query().unwrap_or_default().to_owned());
    let what = format!("{} {path}", parts.method);
    let fault = {
        let mut state = state.lock();
        let seen =
            Seen { method: parts.method.clone(), path: path.clone(), query, headers: parts.headers.clone() };
        state.seen.push(seen);
        state
            .faults
            .iter_mut()
            .find(|(part, _)| what.contains(part.as_str()))
            .and_then(|(_, faults)| faults.pop_front())
    };
    if let Some(Fault::Hang) = fault {
        std::future::pending::<()>().await;
    }
    if let Some(Fault::Status(status, header, text)) = &fault {
        let mut response = Response::builder().status(*status);
        if let Some((name, value)) = header {
            response = response.header(*name, value);
        }
        return Ok(response.body(full(Bytes::from_static(text.as_bytes()))).unwrap());
    }
    let mut state = state.lock();
    if path == "/token" {
        return Ok(token(&mut state, &parts.headers, &posted));
    }
    if let Some(refusal) = refuse(&state, &address, &parts.headers) {
        return Ok(refusal);
    }
    let found = state.content.get(&path).cloned();
    drop(state);
    let Some((content, kind)) = found else {
        let text = r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}"#;
        return Ok(Response::builder().status(404).body(full(Bytes::from_static(text.as_bytes()))).unwrap());
    };
    Ok(serve(&parts, content, &kind, fault))
}

fn serve(
    request: &http::request::Parts,
    mut content: Bytes,
    kind: &str,
    fault: Option<Fault>,
) -> Response<Body> {
    let digest = Digest::of(&content);
    let mut response =
        Response::builder().header("content-type", kind).header("docker-content-digest", digest.to_string());
    let total = content.len();
    let range = request
        .headers
        .get("range")
        .and_then(|range| range.to_str().ok()?.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
    if let Some(begin) = range.filter(|_| !matches!(fault, Some(Fault::Whole))) {
        let begin: usize = begin;
        content = content.slice(begin..);
        response = response
            .status(StatusCode::PARTIAL_CONTENT)
            .header("content-range", format!("bytes {begin}-{}/{total}", total - 1));
    }
    if request.method == Method::HEAD {
        return response.header("content-length", total).body(full(Bytes::new())).unwrap();
    }
    match fault {
        Some(Fault::Break(bytes)) => {
            let frames = vec![Ok(Frame::data(content.slice(..bytes))), Err(io::Error::other("broken"))];
            // A moment for the bytes to be sent before the end is.
            let frames = stream::unfold(frames.into_iter(), |mut frames| async {
                corten_rt::sleep(Duration::from_millis(20)).await;
                Some((frames.next()?, frames))
            });
            response
                .header("content-length", content.len())
                .body(BodyExt::boxed(StreamBody::new(frames)))
                .unwrap()
        }
        Some(Fault::Stall(bytes)) => {
            let first = stream::iter([Ok(Frame::data(content.slice(..bytes)))]);
            let frames = futures::StreamExt::chain(first, stream::pending());
            response
                .header("content-length", content.len())
                .body(BodyExt::boxed(StreamBody::new(frames)))
                .unwrap()
        }
        Some(Fault::Truncate(bytes)) => {
            let frames = stream::iter([Ok(Frame::data(content.slice(..bytes)))]);
            response.body(BodyExt::boxed(StreamBody::new(frames))).unwrap()
        }
        Some(Fault::Damage) => {
            let mut bytes = content.to_vec();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 0x55;
            response.body(full(bytes.into())).unwrap()
        }
        _ => response.body(full(content)).unwrap(),
    }
}

fn full(bytes: Bytes) -> Body {
    Full::new(bytes).map_err(|never| match never {}).boxed()
}

fn basic(user: &str, password: &str) -> String {
    use base64::Engine;
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}")))
}

fn refuse(state: &State, address: &str, headers: &HeaderMap) -> Option<Response<Body>> {
    let given = headers.get("authorization").and_then(|value| value.to_str().ok());
    let (good, challenge) = match &state.guard {
        Guard::Open => return None,
        Guard::Basic(user, password) => {
            (given == Some(&basic(user, password)), "Basic realm=\"test\"".to_owned())
        }
        Guard::Token(..) => (
            given == Some(&format!("Bearer token-{}", state.tokens)),
            format!(
                r#"Bearer realm="http://{address}/token",service="test",scope="repository:lib/app:pull""#
            ),
        ),
    };
    let refusal = || {
        Response::builder()
            .status(401)
            .header("www-authenticate", challenge)
            .body(full(Bytes::new()))
            .unwrap()
    };
    (!good).then(refusal)
}

fn token(state: &mut State, headers: &HeaderMap, posted: &[u8]) -> Response<Body> {
    let given = headers.get("authorization").and_then(|value| value.to_str().ok()).map(str::to_owned);
    let good = match &state.guard {
        Guard::Token(_, Some(refresh)) => {
            String::from_utf8_lossy(posted).contains(&format!("refresh_token={refresh}"))
        }
        Guard::Token(Some((user, password)), _) => given == Some(basic(user, password)),
        _ => given.is_none(),
    };
    if !good {
        return Response::builder().status(401).body(full(Bytes::new())).unwrap();
    }
    state.tokens += 1;
    let body = format!(r#"{{"token":"token-{}","expires_in":60}}"#, state.tokens);
    Response::new(full(body.into()))
}

impl State {
    /// With the same images, and nothing else as it was.
    pub fn restarted(self, guard: Guard) -> Self {
        State { content: self.content, guard, ..State::default() }
    }

    /// Tokens given so far are good no more.
    pub fn expire_tokens(&mut self) {
        self.tokens += 1000;
    }
}
