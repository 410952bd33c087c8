//! A real server on loopback over a store in memory, and a client that says exactly what it is told to.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use corten_apiserver::aggregation::Aggregation;
use corten_apiserver::http::{Api, Limits, Server};
use corten_apiserver::{Config, Registry};
use corten_auth::Pki;
use corten_auth::pki::{Identity, ServerNames};
use corten_auth::tls::{ServerIdentity, client_config, server_config};
use corten_rt::{Stop, Tasks};
use corten_store::MemoryStore;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// One server and what is needed to call it.
pub struct World {
    pub address: SocketAddr,
    pub pki: Pki,
    pub tasks: Tasks,
    pub server: Server,
    pub aggregation: Arc<Aggregation>,
    pub dir: tempfile::TempDir,
}

/// An answer, whole.
#[derive(Debug)]
pub struct Answer {
    pub code: u16,
    pub headers: BTreeMap<String, String>,
    pub body: Bytes,
}

impl Answer {
    /// The body as JSON; null when it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Code, reason and message of a status.
    pub fn refusal(&self) -> (u16, String, String) {
        let status = self.json();
        let text = |key: &str| status[key].as_str().unwrap_or_default().to_string();
        (self.code, text("reason"), text("message"))
    }
}

/// One request to make.
pub struct Call<'a> {
    pub method: &'a str,
    pub path: &'a str,
    pub headers: &'a [(&'a str, &'a str)],
    pub body: &'a [u8],
}

impl World {
    /// A fresh server with the usual limits.
    pub async fn new() -> World {
        World::with(Limits::default()).await
    }

    /// A fresh server with other limits.
    pub async fn with(limits: Limits) -> World {
        World::built(limits, |_, _| ()).await
    }

    /// A fresh server that `change` has set up further; its directory is told.
    pub async fn built(limits: Limits, change: impl FnOnce(&mut Api, &std::path::Path)) -> World {
        World::configured(Config::default(), limits, change).await
    }

    /// The same over a registry with settings of its own.
    pub async fn configured(
        config: Config,
        limits: Limits,
        change: impl FnOnce(&mut Api, &std::path::Path),
    ) -> World {
        let dir = tempfile::tempdir().expect("a directory");
        let tasks = Tasks::new(Stop::new());
        let now = config.clock.now();
        let pki = Pki::open(&dir.path().join("pki"), &ServerNames::default(), now).expect("certificates");
        let store = Arc::new(MemoryStore::new());
        let registry = Registry::open(store, config, &tasks).await.expect("a registry");
        // What serves ends before what it needs.
        let serving = Tasks::new(tasks.stop().child());
        let mut api = Api::new(registry, &pki, limits, serving).expect("an API");
        // Whoever asks may know whether the server lives, as in every cluster.
        let known = corten_auth::policy::objects().into_iter();
        known
            .filter(|object| object.meta().name == "system:public-info-viewer")
            .for_each(|object| api.authorizer.observe(&*object));
        change(&mut api, dir.path());
        let aggregation = Arc::clone(&api.aggregation);
        let identity = Arc::new(ServerIdentity::new(&pki.server).expect("an identity"));
        let tls = server_config(identity, std::slice::from_ref(pki.ca.certificate())).expect("TLS");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let server = Server::start(listener, Arc::new(tls), Arc::new(api)).expect("a server");
        World { address: server.address(), pki, tasks, server, aggregation, dir }
    }

    /// Tells the server to stop and waits until it has.
    pub async fn end(self) {
        assert!(self.server.end(Duration::ZERO, Duration::from_secs(30)).await, "all requests end");
        assert!(self.tasks.shutdown(Duration::from_secs(10)).await, "all tasks end");
    }

    /// A TLS connection that shows `identity`, over HTTP/1.1.
    pub async fn connect(&self, identity: Option<&Identity>) -> TlsStream<TcpStream> {
        self.connect_for(b"http/1.1", identity).await
    }

    /// What sends requests as the administrator over one connection of HTTP/2, and the connection itself, to be
    /// driven.
    pub async fn connect_shared(
        &self,
    ) -> (http2::SendRequest<Full<Bytes>>, impl Future<Output = hyper::Result<()>> + Send + use<>) {
        let io = TokioIo::new(self.connect_for(b"h2", Some(&self.pki.admin)).await);
        http2::handshake(TokioExecutor::new(), io).await.expect("HTTP/2")
    }

    async fn connect_for(&self, protocol: &[u8], identity: Option<&Identity>) -> TlsStream<TcpStream> {
        let mut tls = client_config(std::slice::from_ref(self.pki.ca.certificate()), identity).expect("TLS");
        tls.alpn_protocols = vec![protocol.to_vec()];
        let tcp = TcpStream::connect(self.address).await.expect("a connection");
        let name = ServerName::try_from("127.0.0.1").expect("a name");
        TlsConnector::from(Arc::new(tls)).connect(name, tcp).await.expect("a handshake")
    }

    /// Makes one request and gives the answer, its body still to come.
    pub async fn open(&self, identity: Option<&Identity>, call: &Call<'_>) -> hyper::Response<Incoming> {
        let io = TokioIo::new(self.connect(identity).await);
        let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.expect("HTTP");
        self.tasks.spawn("test connection", async move {
            let _ = connection.with_upgrades().await;
        });
        let mut request =
            Request::builder().method(call.method).uri(call.path).header("host", self.address.to_string());
        for (name, value) in call.headers {
            request = request.header(*name, *value);
        }
        let body = Full::new(Bytes::copy_from_slice(call.body));
        sender.send_request(request.body(body).expect("a request")).await.expect("an answer")
    }

    /// Makes one request.
    pub async fn ask(&self, identity: Option<&Identity>, call: &Call<'_>) -> Answer {
        let (parts, body) = self.open(identity, call).await.into_parts();
        let headers = parts
            .headers
            .iter()
            .map(|(k, v)| (k.to_string(), String::from_utf8_lossy(v.as_bytes()).into_owned()))
            .collect();
        let body = body.collect().await.expect("a body").to_bytes();
        Answer { code: parts.status.as_u16(), headers, body }
    }

    /// Makes one request as the administrator; a body is JSON.
    pub async fn admin(&self, method: &str, path: &str, body: &str) -> Answer {
        let media = match method {
            "PATCH" => "application/merge-patch+json",
            _ => "application/json",
        };
        let headers: &[(&str, &str)] = if body.is_empty() { &[] } else { &[("content-type", media)] };
        self.ask(Some(&self.pki.admin), &Call { method, path, headers, body: body.as_bytes() }).await
    }

    /// Reads as the administrator with one header.
    pub async fn get_with(&self, path: &str, name: &str, value: &str) -> Answer {
        let call = Call { method: "GET", path, headers: &[(name, value)], body: b"" };
        self.ask(Some(&self.pki.admin), &call).await
    }

    /// Makes the `default` namespace and what tests use there.
    pub async fn furnish(&self) {
        for (path, body) in [
            ("/api/v1/namespaces", r#"{"kind":"Namespace","apiVersion":"v1","metadata":{"name":"default"}}"#),
            (
                "/api/v1/namespaces/default/serviceaccounts",
                r#"{"kind":"ServiceAccount","apiVersion":"v1","metadata":{"name":"default"}}"#,
            ),
            (
                "/api/v1/namespaces/default/configmaps",
                r#"{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"there"},"data":{"a":"b"}}"#,
            ),
        ] {
            let answer = self.admin("POST", path, body).await;
            assert!(matches!(answer.code, 201 | 409), "{path}: {}", answer.text());
        }
    }
}
