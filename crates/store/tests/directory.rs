//! The embedded engine's data directory: reopening, refusing, and giving space back.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use corten_rt::{Stop, Tasks};
use corten_store::{Durability, EmbeddedOptions, EmbeddedStore, Error, ListOptions, Op, Store, Txn};

async fn open(directory: &Path) -> Result<EmbeddedStore, Error> {
    let options = EmbeddedOptions { shrink_above_bytes: 4 << 20, ..Default::default() };
    EmbeddedStore::open(directory, options, &Tasks::new(Stop::new())).await
}

fn put(key: impl AsRef<str>, value: impl Into<bytes::Bytes>) -> Txn {
    Txn::new(vec![], vec![Op::put(key.as_ref(), value)])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reopening_finds_everything_as_it_was() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let store = open(directory.path()).await.expect("opens");
    for i in 0..50 {
        let durability = if i % 2 == 0 { Durability::Durable } else { Durability::Relaxed };
        store.txn(put(format!("/{}", i % 7), i.to_string()).with(durability)).await.expect("writes");
    }
    store.txn(Txn::new(vec![], vec![Op::delete("/3")])).await.expect("writes");
    store.compact(20).await.expect("compacts");
    let seen = async |store: &EmbeddedStore| {
        let mut lists = Vec::new();
        for at in 20..=52 {
            lists.push(store.list("", ListOptions { at: Some(at), ..Default::default() }).await);
        }
        let (current, oldest) = (store.current_revision().await, store.oldest_revision().await);
        let mut watch = store.watch("", 20).await.expect("watchable");
        let history = watch.next().await.expect("history");
        let size = store.size().await.expect("known");
        (lists, current, oldest, history, (size.records, size.live_bytes, size.history_bytes))
    };
    let before = seen(&store).await;
    assert_eq!((&before.1, &before.2, before.3.events.len()), (&Ok(52), &Ok(20), 32));
    store.close().await.expect("closes");
    let store = open(directory.path()).await.expect("opens again");
    assert_eq!(seen(&store).await, before);
    let next = store.txn(put("/a", "x")).await.expect("writes");
    assert_eq!(next.committed(), Some(53), "a clean end leaves no gap");
    store.close().await.expect("closes");
}

#[tokio::test]
async fn a_directory_belongs_to_one_store() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let path = directory.path().join("data");
    let store = open(&path).await.expect("opens");
    let refused = open(&path).await.expect_err("held").to_string();
    assert!(refused.contains(&format!("in use by process {}", std::process::id())), "{refused}");
    for (name, mode) in [("", 0o700), ("lock", 0o600), ("store.redb", 0o600)] {
        let found = std::fs::metadata(path.join(name)).expect("exists").permissions().mode() & 0o777;
        assert_eq!(found, mode, "{name}");
    }
    store.close().await.expect("closes");
    open(&path).await.expect("free again").close().await.expect("closes");
}

#[tokio::test]
async fn data_of_a_newer_program_is_refused_and_left_alone() {
    let directory = tempfile::tempdir().expect("temporary directory");
    open(directory.path()).await.expect("opens").close().await.expect("closes");
    let meta = redb::TableDefinition::<&str, &[u8]>::new("meta");
    let database = redb::Database::open(directory.path().join("store.redb")).expect("a database");
    let write = database.begin_write().expect("writes");
    write.open_table(meta).expect("table").insert("format", 2u64.to_le_bytes().as_slice()).expect("writes");
    write.commit().expect("commits");
    drop(database);
    for _ in 0..2 {
        let refused = open(directory.path()).await.expect_err("newer").to_string();
        assert!(refused.contains("written in format 2"), "{refused}");
        assert!(refused.contains("use the newer program"), "{refused}");
    }
}

#[tokio::test]
async fn what_is_no_store_is_refused() {
    let directory = tempfile::tempdir().expect("temporary directory");
    std::fs::write(directory.path().join("store.redb"), "something else entirely".repeat(1000))
        .expect("writes");
    let refused = open(directory.path()).await.expect_err("not a store").to_string();
    assert!(refused.contains("cannot open the store in"), "{refused}");
    let file = directory.path().join("file");
    std::fs::write(&file, "").expect("writes");
    assert!(matches!(open(&file).await, Err(Error::Open(_))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn compaction_gives_the_files_space_back() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let store = open(directory.path()).await.expect("opens");
    for i in 0..40 {
        let ops = (0..100).map(|key| Op::put(format!("/{key}"), vec![i; 5000]));
        store.txn(Txn::new(vec![], ops.collect())).await.expect("writes");
    }
    let full = store.size().await.expect("known");
    assert!(full.disk_bytes > 20_000_000 && full.history_bytes > 19_000_000, "{full:?}");
    store.compact(store.current_revision().await.expect("readable")).await.expect("compacts");
    let small = store.size().await.expect("known");
    assert_eq!((small.records, small.history_bytes), (100, 0));
    assert!(small.disk_bytes < full.disk_bytes / 4, "{small:?} after {full:?}");
    assert_eq!(store.list("/", ListOptions::default()).await.expect("listable").records.len(), 100);
    store.close().await.expect("closes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn long_history_is_replayed_in_steps_without_gaps() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let store = open(directory.path()).await.expect("opens");
    for i in 0..60u64 {
        let ops = (0..100).map(|key| Op::put(format!("/{key}"), i.to_string()));
        store.txn(Txn::new(vec![], ops.collect()).with(Durability::Relaxed)).await.expect("writes");
    }
    let mut watch = store.watch("/", 1).await.expect("watchable");
    let (mut batches, mut revisions) = (0, Vec::new());
    while revisions.len() < 6000 {
        let batch = corten_rt::timeout(Duration::from_secs(10), watch.next()).await;
        let batch = batch.expect("more history").expect("history");
        assert_eq!(batch.events.len() % 100, 0, "transactions are not split");
        revisions.extend(batch.events.iter().map(|e| e.revision));
        batches += 1;
    }
    assert!(batches > 1, "read in steps");
    assert!(revisions.is_sorted() && revisions.first() == Some(&2) && revisions.last() == Some(&61));
    store.close().await.expect("closes");
}
