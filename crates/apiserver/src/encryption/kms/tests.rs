use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use corten_rt::{Stop, Tasks};
use corten_store::{MemoryStore, Store, Txn};
use futures::FutureExt;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use prost::Message;
use tonic::body::Body;
use tonic::codegen::Service;
use tonic::server::{Grpc, NamedService};
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;

use super::super::EncryptedStore;
use super::seed::Source;
use super::wire::*;

/// A plugin that encrypts by putting its key's name before what it is given.
#[derive(Clone)]
struct Fake(Arc<Mutex<Said>>);

struct Said {
    key: String,
    healthz: String,
    decrypted: usize,
}

impl Fake {
    fn status(&self) -> StatusResponse {
        let said = self.0.lock();
        StatusResponse { version: "v2".into(), healthz: said.healthz.clone(), key_id: said.key.clone() }
    }

    fn encrypt(&self, question: &EncryptRequest) -> EncryptResponse {
        let key_id = self.0.lock().key.clone();
        let ciphertext = [key_id.as_bytes(), b":", &question.plaintext].concat();
        let annotations = [("a.example.com".to_string(), b"b".to_vec())].into();
        EncryptResponse { ciphertext, key_id, annotations }
    }

    fn decrypt(&self, question: &DecryptRequest) -> Result<DecryptResponse, Status> {
        self.0.lock().decrypted += 1;
        let prefix = format!("{}:", question.key_id);
        let plain = question.ciphertext.strip_prefix(prefix.as_bytes());
        let plain = plain.ok_or_else(|| Status::invalid_argument("not mine"))?;
        assert!(question.annotations.contains_key("a.example.com"), "annotations come back");
        Ok(DecryptResponse { plaintext: plain.to_vec() })
    }
}

impl NamedService for Fake {
    const NAME: &'static str = "v2.KeyManagementService";
}

impl Service<http::Request<Body>> for Fake {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let fake = self.clone();
        async move {
            Ok(match request.uri().path().rsplit('/').next() {
                Some("Status") => {
                    let answer = tower::service_fn(|_: Request<StatusRequest>| {
                        std::future::ready(Ok::<_, Status>(Response::new(fake.status())))
                    });
                    Grpc::new(ProstCodec::default()).unary(answer, request).await
                }
                Some("Encrypt") => {
                    let answer = tower::service_fn(|question: Request<EncryptRequest>| {
                        let made = fake.encrypt(question.get_ref());
                        std::future::ready(Ok::<_, Status>(Response::new(made)))
                    });
                    Grpc::new(ProstCodec::default()).unary(answer, request).await
                }
                _ => {
                    let answer = tower::service_fn(|question: Request<DecryptRequest>| {
                        std::future::ready(fake.decrypt(question.get_ref()).map(Response::new))
                    });
                    Grpc::new(ProstCodec::default()).unary(answer, request).await
                }
            })
        }
        .boxed()
    }
}

/// Serves a plugin at `socket` until `tasks` end.
fn serve(socket: &Path, tasks: &Tasks) -> Fake {
    let said = Said { key: "k1".into(), healthz: "ok".into(), decrypted: 0 };
    let fake = Fake(Arc::new(Mutex::new(said)));
    let listener = tokio::net::UnixListener::bind(socket).expect("bound");
    let connections = futures::stream::unfold(listener, |listener| async move {
        let accepted = listener.accept().await.map(|(stream, _)| stream);
        Some((accepted, listener))
    });
    let server = tonic::transport::Server::builder().add_service(fake.clone());
    tasks.spawn_until_stopped("plugin", async move {
        let _ = server.serve_with_incoming(connections).await;
    });
    fake
}

fn configuration(socket: &Path, last: &str) -> String {
    format!(
        "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n- resources: [secrets]\n  providers:\n  - kms: {{apiVersion: v2, name: x, endpoint: 'unix://{}', timeout: 30s}}\n  - {last}\n",
        socket.display()
    )
}

const PLACE: &str = "/registry/secrets/a/b";

#[test]
fn values_that_upstream_wrote_are_read() {
    let seed = b"0123456789abcdef0123456789abcdef";
    for (is_seed, written) in [
        (
            true,
            "Ck33gsV6GH6J/RmmW5iakXI+5vdKOTEy+18ETDhfszlbmTSzJ/jJ1I+0yayMj5dbbzl4lJPLYIZF3P8owzdED/KyBSXDtV6wi1sTlgKX4hICazEaI2sxOjAxMjM0NTY3ODlhYmNkZWYwMTIzNDU2Nzg5YWJjZGVmIhIKDWEuZXhhbXBsZS5jb20SAWIoAQ==",
        ),
        (
            false,
            "Ci34DOXUdKXnibu+rqmjTz4invn8LqkrHJ+AZslY6LxaFJ4ohtWAaXE04RdxFQISAmsxGiNrMTowMTIzNDU2Nzg5YWJjZGVmMDEyMzQ1Njc4OWFiY2RlZiISCg1hLmV4YW1wbGUuY29tEgFi",
        ),
    ] {
        let bytes = Bytes::from(STANDARD.decode(written).expect("base64"));
        let object = EncryptedObject::decode(bytes.clone()).expect("decoded");
        assert_eq!(object.validate(), Ok(()));
        assert_eq!((object.key_id.as_str(), object.source_type == SEED), ("k1", is_seed));
        assert_eq!(object.encode_to_vec(), bytes, "and is written as upstream writes it");
        let source = Source::new(seed, is_seed).expect("a source");
        let value = source.open(PLACE, &object.encrypted_data).expect("opens");
        assert_eq!(value, br#"{"kind":"Secret"}"#);
        assert!(source.open("/registry/secrets/a/c", &object.encrypted_data).is_err(), "moved");
    }
    assert!(Source::new(&seed[..31], true).is_err() && Source::new(&seed[..31], false).is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_s_keys_change_and_what_they_encrypted_stays_readable() {
    let dir = tempfile::tempdir().expect("a directory");
    let socket = dir.path().join("kms.sock");
    let tasks = Tasks::new(Stop::new());
    let fake = serve(&socket, &tasks);
    let below: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let open = async || {
        let text = configuration(&socket, "identity: {}");
        let store = EncryptedStore::new(below.clone(), text.as_bytes()).expect("right");
        store.begin("me", &tasks).await;
        store.check_plugins().await.expect("well");
        store
    };
    let first = open().await;
    first.txn(Txn::create(PLACE, "{\"one\":1}")).await.expect("written");
    let stored = below.get(PLACE).await.expect("read").record.expect("there").value;
    assert!(stored.starts_with(b"k8s:enc:kms:v2:x:"));
    assert_eq!(first.get(PLACE).await.expect("read").record.expect("there").value, "{\"one\":1}");
    assert_eq!(fake.0.lock().decrypted, 0, "its own seed is known");
    // Another server, and another key: the old one is asked for once, and what it encrypted is stale.
    fake.0.lock().key = "k2".into();
    let second = open().await;
    for _ in 0..2 {
        assert_eq!(second.get(PLACE).await.expect("read").record.expect("there").value, "{\"one\":1}");
    }
    assert_eq!(fake.0.lock().decrypted, 1, "a seed is decrypted once");
    assert!(second.is_stale(PLACE).await.expect("judged"));
    let other = "/registry/secrets/a/c";
    second.txn(Txn::create(other, "{}")).await.expect("written");
    assert!(!second.is_stale(other).await.expect("judged"));
    let mut told = corten_metrics::Text::default();
    second.write_metrics(&mut told);
    let told = told.finish();
    for line in
        ["method_name=\"Decrypt\",provider_name=\"x\"} 1", "dek_source_cache_size{provider_name=\"x\"} 2"]
    {
        assert!(told.contains(line), "{told}");
    }
    assert!(tasks.shutdown(Duration::from_secs(5)).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_its_plugin_a_store_says_so_and_writes_nothing() {
    let dir = tempfile::tempdir().expect("a directory");
    let socket = dir.path().join("kms.sock");
    let below: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let text = configuration(&socket, "identity: {}");
    let store = EncryptedStore::new(below.clone(), text.as_bytes()).expect("right");
    let why = store.check_plugins().await.expect_err("nobody is there");
    let says = "kms-provider-0: failed to perform status section of the healthz check for KMS Provider x";
    assert!(why.starts_with(says), "{why}");
    let why = store.txn(Txn::create(PLACE, "{}")).await.expect_err("not encrypted").to_string();
    assert!(why.contains("is it running?"), "{why}");
    assert!(below.get(PLACE).await.expect("read").record.is_none());
    let tasks = Tasks::new(Stop::new());
    let fake = serve(&socket, &tasks);
    fake.0.lock().healthz = "ill".into();
    let unwell = EncryptedStore::new(below.clone(), text.as_bytes()).expect("right");
    let why = unwell.check_plugins().await.expect_err("it is not well");
    assert!(why.ends_with("is not healthy, error: got unexpected healthz status: ill"), "{why}");
    // It has a seed all the same, as upstream.
    unwell.txn(Txn::create(PLACE, "{}")).await.expect("written");
    assert!(tasks.shutdown(Duration::from_secs(5)).await);
}
