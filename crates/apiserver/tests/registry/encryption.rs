//! What lies in the store's files, how keys are rotated, and what cannot be read.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use corten_admission::Chain;
use corten_api::core::v1::{ConfigMap, Secret};
use corten_apiserver::Registry;
use corten_apiserver::encryption::EncryptedStore;
use corten_apiserver::registry::{Config, ListOptions, WatchOptions};
use corten_rt::{Clock, Stop, Tasks};
use corten_store::{EmbeddedOptions, EmbeddedStore, MemoryStore, Store, Txn};

use crate::fixture::*;

const CBC: &str = "aescbc";
const GCM: &str = "aesgcm";
const BOX: &str = "secretbox";

/// A configuration for `resources`; providers are cipher and key, `identity` without one.
fn configuration(resources: &str, providers: &[(&str, &str)]) -> String {
    let mut text = format!(
        "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n- resources: [{resources}]\n  providers:\n"
    );
    for (cipher, key) in providers {
        let secret: Vec<u8> = key.bytes().cycle().take(32).collect();
        text += &match key.is_empty() {
            true => "  - identity: {}\n".to_string(),
            false => {
                let secret = STANDARD.encode(secret);
                format!("  - {cipher}: {{keys: [{{name: {key}, secret: {secret}}}]}}\n")
            }
        };
    }
    text
}

async fn try_open(below: &Arc<dyn Store>, configuration: &str) -> Result<Cluster, String> {
    let store = Arc::new(EncryptedStore::new(below.clone(), configuration.as_bytes())?);
    let tasks = Tasks::new(Stop::new());
    let config = Config {
        clock: Clock::system(),
        admission: Arc::new(Chain::new(Vec::new())),
        encryption: Some(store.clone()),
        ..Config::default()
    };
    let registry = Registry::open(store.clone(), config, &tasks).await.map_err(|e| e.to_string())?;
    Ok(Cluster { registry, store, tasks })
}

async fn open(below: &Arc<dyn Store>, configuration: &str) -> Cluster {
    try_open(below, configuration).await.expect("opens")
}

async fn close(c: Cluster) {
    assert!(c.tasks.shutdown(Duration::from_secs(60)).await);
}

fn secret(name: &str, word: &str) -> Secret {
    let mut secret = Secret { metadata: meta("ns", name), ..Secret::default() };
    secret.data.insert("word".into(), word.as_bytes().to_vec());
    secret
}

async fn raw(below: &Arc<dyn Store>, key: &str) -> String {
    let value = below.get(key).await.expect("open").record.expect("there").value;
    String::from_utf8_lossy(&value).into_owned()
}

/// Whether any file below `directory` holds `word`, plain or in base64.
fn on_disk(directory: &Path, word: &str) -> bool {
    let needles = [word.as_bytes().to_vec(), STANDARD.encode(word).into_bytes()];
    std::fs::read_dir(directory).expect("a directory").flatten().any(|entry| {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            return on_disk(&entry.path(), word);
        }
        let held = std::fs::read(entry.path()).unwrap_or_default();
        needles.iter().any(|needle| held.windows(needle.len()).any(|bytes| bytes == needle))
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_files_of_the_store_hold_ciphertext_alone() {
    for cipher in [CBC, GCM, BOX] {
        let directory = tempfile::tempdir().expect("a directory");
        let tasks = Tasks::new(Stop::new());
        let engine = EmbeddedStore::open(directory.path(), EmbeddedOptions::default(), &tasks).await;
        let below: Arc<dyn Store> = Arc::new(engine.expect("opens"));
        let c = open(&below, &configuration("secrets", &[(cipher, "k1")])).await;
        c.create(secret("s", "confidential-matter")).await.expect("created");
        c.create(config("ns", "m", "public-matter")).await.expect("created");
        let read = c.get::<Secret>("ns", "s").await.expect("there");
        assert_eq!(read.data["word"].to_vec(), b"confidential-matter");
        let mut watch = c.watch::<Secret>(WatchOptions::default()).await;
        assert!(next(&mut watch).await.starts_with("ADDED s "));
        c.update(secret("s", "other-confidence")).await.expect("updated");
        assert!(next(&mut watch).await.starts_with("MODIFIED s "));
        close(c).await;
        below.close().await.expect("closes");
        assert!(tasks.shutdown(Duration::from_secs(60)).await);
        assert!(on_disk(directory.path(), &format!("k8s:enc:{cipher}:v1:k1:")), "{cipher}");
        assert!(!on_disk(directory.path(), "confidential-matter"), "{cipher}");
        assert!(!on_disk(directory.path(), "other-confidence"), "{cipher}");
        assert!(on_disk(directory.path(), "public-matter"), "the search finds what is plain");
    }
}

#[tokio::test]
async fn a_key_is_rotated_by_the_providers_order() {
    let below: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let key = "/registry/secrets/ns/s";
    let plain = Cluster::over(below.clone()).await;
    plain.create(secret("s", "word")).await.expect("created");
    close(plain).await;
    assert!(raw(&below, key).await.starts_with('{'));
    let (old, new) = ((CBC, "old"), (BOX, "new"));
    // Each step: the providers, and how the value begins once the object was written again, unchanged.
    for (providers, begins) in [
        (vec![old, ("", "")], "k8s:enc:aescbc:v1:old:"),
        (vec![old, new], "k8s:enc:aescbc:v1:old:"),
        (vec![new, old], "k8s:enc:secretbox:v1:new:"),
        (vec![new], "k8s:enc:secretbox:v1:new:"),
        (vec![("", ""), new], "{"),
    ] {
        let c = open(&below, &configuration("secrets", &providers)).await;
        let read = c.get::<Secret>("ns", "s").await.expect("there");
        assert_eq!(read.data["word"].to_vec(), b"word", "{providers:?}");
        let stale = !raw(&below, key).await.starts_with(begins);
        let written = c.update((*read).clone()).await.expect("updated");
        assert!(raw(&below, key).await.starts_with(begins), "{providers:?}");
        let moved = written.metadata.resource_version != read.metadata.resource_version;
        assert_eq!(moved, stale, "an unchanged object is written again only when it is stale: {providers:?}");
        close(c).await;
    }
}

#[tokio::test]
async fn a_server_does_not_start_on_what_it_cannot_read() {
    let below: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let c = open(&below, &configuration("secrets", &[(GCM, "k1")])).await;
    c.create(secret("s", "word")).await.expect("created");
    close(c).await;
    for (providers, says) in [
        (vec![(GCM, "k2")], "encrypted by \"k8s:enc:aesgcm:v1:k1\", which the encryption configuration"),
        (vec![("", "")], "encrypted by \"k8s:enc:aesgcm:v1:k1\", which the encryption configuration"),
    ] {
        let why = try_open(&below, &configuration("secrets", &providers)).await.err().expect("refused");
        assert!(why.contains("\"/registry/secrets/ns/s\"") && why.contains(says), "{why}");
    }
    let tasks = Tasks::new(Stop::new());
    let without = Registry::open(below.clone(), Config::default(), &tasks).await;
    let why = without.err().expect("refused").to_string();
    assert!(why.contains("encrypted by \"k8s:enc:aesgcm:v1:k1\""), "{why}");
    let other = configuration("configmaps", &[(GCM, "k1")]);
    assert!(try_open(&below, &other).await.is_err(), "the key is of another resource");
}

#[tokio::test]
async fn wildcards_take_every_resource_custom_ones_too() {
    let below: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let text = configuration("'*.*'", &[(GCM, "k1")]);
    let c = open(&below, &text).await;
    c.create(config("ns", "m", "x")).await.expect("created");
    assert!(raw(&below, "/registry/configmaps/ns/m").await.starts_with("k8s:enc:aesgcm:v1:k1:"));
    let widget = "/registry/example.com/widgets/ns/w";
    c.store.txn(Txn::create(widget, "{}")).await.expect("done");
    assert!(raw(&below, widget).await.starts_with("k8s:enc:aesgcm:v1:k1:"));
    assert_eq!(c.store.get(widget).await.expect("read").record.expect("there").value, "{}");
    close(c).await;
    let again = open(&below, &text).await;
    assert_eq!(again.names(ListOptions::default()).await.expect("listed").0, ["m"]);
    close(again).await;
}

#[tokio::test]
async fn a_changed_configuration_is_taken_over_unless_something_became_unreadable() {
    let below: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let first = configuration("secrets", &[(CBC, "one"), ("", "")]);
    let store = EncryptedStore::new(below.clone(), first.as_bytes()).expect("right");
    let tasks = Tasks::new(Stop::new());
    let write = async |name: &str| {
        let key = format!("/registry/secrets/ns/{name}");
        store.txn(Txn::create(key.as_str(), "{}")).await.expect("done");
        raw(&below, &key).await
    };
    assert!(write("a").await.starts_with("k8s:enc:aescbc:v1:one:"));
    // Without the key of `a`, and then a file that is none: the last good one stays.
    for (name, text) in [("x", configuration("secrets", &[(BOX, "two")])), ("y", "kind: Pod".to_string())] {
        store.take_over(text.as_bytes(), &tasks).await.expect_err("refused");
        assert!(write(name).await.starts_with("k8s:enc:aescbc:v1:one:"));
    }
    let rotated = configuration("secrets", &[(BOX, "two"), (CBC, "one")]);
    store.take_over(rotated.as_bytes(), &tasks).await.expect("taken over");
    assert!(write("b").await.starts_with("k8s:enc:secretbox:v1:two:"));
    assert_eq!(store.get("/registry/secrets/ns/a").await.expect("read").record.expect("there").value, "{}");
    assert!(tasks.shutdown(Duration::from_secs(5)).await);
}

#[tokio::test]
async fn nothing_else_is_touched() {
    let below: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let c = open(&below, &configuration("secrets", &[(GCM, "k1")])).await;
    let made = c.create(config("ns", "m", "x")).await.expect("created");
    assert!(raw(&below, "/registry/configmaps/ns/m").await.starts_with('{'));
    let again = c.update((*made).clone()).await.expect("updated");
    assert_eq!(again.metadata.resource_version, made.metadata.resource_version);
    assert_eq!(c.get::<ConfigMap>("ns", "m").await.expect("there"), made);
    close(c).await;
}
