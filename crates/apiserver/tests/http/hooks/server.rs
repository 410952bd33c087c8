//! A webhook's server: HTTPS on loopback, with an authority of its own, that does what it is told.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use corten_auth::pki::Identity;
use corten_auth::tls::{ServerIdentity, server_config};
use corten_rt::{Stop, Tasks};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::world::World;

/// What the server does with a request.
pub enum Act {
    /// 200 with JSON.
    Json(Value),
    Answer(u16, &'static str, Vec<u8>),
    /// 302 to itself.
    Redirect,
    /// Never answers.
    Hang,
    /// Not HTTP at all.
    Noise,
}

type Handler = Arc<dyn Fn(&str, &Value) -> Act + Send + Sync>;

/// A running server.
pub struct HookServer {
    pub address: SocketAddr,
    /// Its authority, in PEM.
    pub authority: String,
    asked: Arc<Mutex<Vec<(String, Value)>>>,
    heard: Arc<Mutex<Vec<Heard>>>,
    tasks: Tasks,
}

/// The head of a request, and whose certificate came with it.
#[derive(Clone)]
pub struct Heard {
    pub method: String,
    pub path: String,
    pub headers: hyper::HeaderMap,
    pub certificate: Option<Vec<u8>>,
}

impl HookServer {
    /// Answers by `handler`, from the path and the body.
    pub async fn start(handler: impl Fn(&str, &Value) -> Act + Send + Sync + 'static) -> Self {
        let (identity, authority) = identity();
        let shown = Arc::new(ServerIdentity::new(&identity).expect("an identity"));
        let tls = TlsAcceptor::from(Arc::new(server_config(shown, &[]).expect("TLS")));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (tasks, asked) = (Tasks::new(Stop::new()), Arc::new(Mutex::new(Vec::new())));
        let heard = Arc::new(Mutex::new(Vec::new()));
        let listener_heard = Arc::clone(&heard);
        let (connections, kept, handler): (_, _, Handler) =
            (tasks.clone(), Arc::clone(&asked), Arc::new(handler));
        tasks.spawn_until_stopped("hook server", async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let (tls, handler, kept) = (tls.clone(), Arc::clone(&handler), Arc::clone(&kept));
                let (heard, tasks) = (Arc::clone(&listener_heard), connections.clone());
                connections.spawn_until_stopped("hook connection", async move {
                    let Ok(mut io) = tls.accept(tcp).await else { return };
                    if matches!(handler("", &Value::Null), Act::Noise) {
                        let _ = io.write_all(b"what do you want?\r\n\r\n").await;
                        return;
                    }
                    let certificates = io.get_ref().1.peer_certificates();
                    let certificate = certificates.and_then(|c| c.first()).map(|c| c.as_ref().to_vec());
                    let service = service_fn(|mut request: Request<Incoming>| {
                        heard.lock().expect("a lock").push(Heard {
                            method: request.method().to_string(),
                            path: request.uri().to_string(),
                            headers: request.headers().clone(),
                            certificate: certificate.clone(),
                        });
                        let upgraded = request.headers().contains_key("upgrade");
                        let upgraded = upgraded.then(|| hyper::upgrade::on(&mut request));
                        let (handler, kept, tasks) = (Arc::clone(&handler), Arc::clone(&kept), tasks.clone());
                        async move {
                            match upgraded {
                                Some(connection) => echo(connection, &tasks),
                                None => answer(request, handler, kept).await,
                            }
                        }
                    });
                    let http =
                        hyper_util::server::conn::auto::Builder::new(hyper_util::rt::TokioExecutor::new());
                    let _ = http.serve_connection_with_upgrades(TokioIo::new(io), service).await;
                });
            }
        });
        HookServer { address, authority, asked, heard, tasks }
    }

    /// The `clientConfig` that leads to a path of it, by URL.
    pub fn client(&self, path: &str) -> Value {
        let url = format!("https://127.0.0.1:{}{path}", self.address.port());
        json!({"url": url, "caBundle": STANDARD.encode(&self.authority)})
    }

    /// The same by a Service, of the kind that leads to this machine.
    pub async fn service_client(&self, world: &World, path: &str) -> Value {
        let spec = json!({"type": "ExternalName", "externalName": "localhost"});
        let service = json!({"metadata": {"name": "hook"}, "spec": spec}).to_string();
        let made = world.admin("POST", "/api/v1/namespaces/default/services", &service).await;
        assert_eq!(made.code, 201, "{}", made.text());
        let reference =
            json!({"namespace": "default", "name": "hook", "path": path, "port": self.address.port()});
        json!({"service": reference, "caBundle": STANDARD.encode(&self.authority)})
    }

    /// The heads of all requests, so far.
    pub fn heard(&self) -> Vec<Heard> {
        self.heard.lock().expect("a lock").clone()
    }

    /// The paths and reviews it was asked with, so far.
    pub fn asked(&self) -> Vec<(String, Value)> {
        self.asked.lock().expect("a lock").clone()
    }

    pub async fn end(self) {
        self.tasks.shutdown(Duration::from_secs(10)).await;
    }
}

/// Grants an upgrade, and says back what is said.
fn echo(
    connection: hyper::upgrade::OnUpgrade,
    tasks: &Tasks,
) -> Result<Response<Full<Bytes>>, std::io::Error> {
    tasks.spawn_until_stopped("echo", async move {
        let Ok(connection) = connection.await else { return };
        let (mut from, mut to) = tokio::io::split(TokioIo::new(connection));
        let _ = tokio::io::copy(&mut from, &mut to).await;
    });
    let response = Response::builder().status(101).header("connection", "Upgrade").header("upgrade", "echo");
    response.body(Full::default()).map_err(std::io::Error::other)
}

async fn answer(
    request: Request<Incoming>,
    handler: Handler,
    asked: Arc<Mutex<Vec<(String, Value)>>>,
) -> Result<Response<Full<Bytes>>, std::io::Error> {
    let path = request.uri().path().to_string();
    let body = request.into_body().collect().await.map_err(std::io::Error::other)?.to_bytes();
    let review: Value = serde_json::from_slice(&body).unwrap_or_default();
    asked.lock().expect("a lock").push((path.clone(), review.clone()));
    let made = |code: u16, kind: &str, body: Vec<u8>| {
        let response =
            Response::builder().status(code).header("content-type", kind).header("location", path.as_str());
        response.body(Full::from(body)).map_err(std::io::Error::other)
    };
    match handler(&path, &review) {
        Act::Json(value) => made(200, "application/json", value.to_string().into_bytes()),
        Act::Answer(code, kind, body) => made(code, kind, body),
        Act::Redirect => made(302, "text/plain", Vec::new()),
        Act::Hang => std::future::pending().await,
        Act::Noise => Err(std::io::Error::other("noise")),
    }
}

/// A certificate for the names that tests use, and the authority that signed it.
pub fn identity() -> (Identity, String) {
    let key = KeyPair::generate().expect("a key");
    let mut authority = CertificateParams::new(Vec::new()).expect("names");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let signed = authority.self_signed(&key).expect("a certificate");
    let issuer = Issuer::new(authority, key);
    let own = KeyPair::generate().expect("a key");
    let names = ["localhost", "127.0.0.1", "hook.default.svc", "api.default.svc"].map(String::from);
    let leaf = CertificateParams::new(names.to_vec()).expect("names");
    let leaf = leaf.signed_by(&own, &issuer).expect("a certificate");
    let identity = Identity { certificate: leaf.pem(), key: own.serialize_pem() };
    (identity, signed.pem())
}

/// The answer to a review.
pub fn review(asked: &Value, mut response: Value) -> Act {
    if response["uid"].is_null() {
        response["uid"] = asked["request"]["uid"].clone();
    }
    Act::Json(json!({"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "response": response}))
}

/// A patch in a review's answer.
pub fn patch(asked: &Value, operations: Value) -> Act {
    let patch = STANDARD.encode(operations.to_string());
    review(asked, json!({"allowed": true, "patchType": "JSONPatch", "patch": patch}))
}

/// A refusal.
pub fn deny(asked: &Value, message: &str) -> Act {
    review(
        asked,
        json!({"allowed": false, "status": {"message": message, "code": 403, "reason": "Forbidden"}}),
    )
}
