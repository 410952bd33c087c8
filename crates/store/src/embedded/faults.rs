//! The engine on disks that fail: full ones, failing ones, and ones that lose power.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use corten_rt::{Stop, Tasks, random};
use parking_lot::Mutex;
use redb::StorageBackend;
use redb::backends::FileBackend;

use super::file::Opener;
use super::*;
use crate::{Durability, Op};

/// What is wrong with a disk.
#[derive(Debug)]
struct Faults {
    /// The file cannot grow beyond this many bytes.
    full_at: AtomicU64,
    /// Nothing can be synced.
    no_sync: AtomicBool,
}

#[derive(Debug)]
struct FaultyDisk {
    file: FileBackend,
    faults: Arc<Faults>,
}

impl StorageBackend for FaultyDisk {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        if len > self.faults.full_at.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        if self.faults.no_sync.load(Ordering::SeqCst) {
            return Err(io::Error::other("the disk does not answer"));
        }
        self.file.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.file.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }
}

async fn on_faulty_disk(directory: &Path) -> (Arc<EmbeddedStore>, Arc<Faults>, Tasks) {
    let faults = Arc::new(Faults { full_at: AtomicU64::new(u64::MAX), no_sync: AtomicBool::new(false) });
    let disk = faults.clone();
    let opener: Opener = Arc::new(move |builder, file: File| {
        builder.create_with_backend(FaultyDisk { file: FileBackend::new(file)?, faults: disk.clone() })
    });
    let tasks = Tasks::new(Stop::new());
    let store = EmbeddedStore::open_with(directory, EmbeddedOptions::default(), &tasks, opener).await;
    (Arc::new(store.expect("opens")), faults, tasks)
}

/// Writes new keys until one fails; the acknowledged ones with their revisions.
async fn write_until_failure(store: &EmbeddedStore, round: u32) -> (Vec<(String, Revision)>, Error) {
    let mut acknowledged = Vec::new();
    for i in 0..10_000 {
        let key = format!("/{round}/{i}");
        match store.txn(Txn::create(key.as_str(), vec![b'x'; 50_000])).await {
            Ok(outcome) => acknowledged.push((key, outcome.committed().expect("a new key"))),
            Err(error) => return (acknowledged, error),
        }
    }
    panic!("the disk never failed");
}

async fn fails_and_recovers(break_it: impl Fn(&EmbeddedStore, &Faults), mend_it: impl Fn(&Faults)) {
    let directory = tempfile::tempdir().expect("temporary directory");
    let (store, faults, tasks) = on_faulty_disk(directory.path()).await;
    let mut all = Vec::new();
    for round in 0..3 {
        let from = store.current_revision().await.expect("readable");
        let mut watch = store.watch("/", from).await.expect("watchable");
        let first = store.txn(Txn::create(format!("/first/{round}"), "x")).await.expect("the disk works");
        all.push((format!("/first/{round}"), first.committed().expect("a new key")));
        break_it(&store, &faults);
        let (acknowledged, error) = write_until_failure(&store, round).await;
        assert!(matches!(error, Error::Storage(_)), "{error}");
        all.extend(acknowledged);
        for i in 0..3 {
            let refused =
                store.txn(Txn::new(vec![], vec![Op::put(format!("/no/{i}"), vec![0; 99_000])])).await;
            assert!(matches!(refused, Err(Error::Storage(_))), "{refused:?}");
        }
        let mut seen = 0;
        let end = loop {
            let next = corten_rt::timeout(Duration::from_secs(10), watch.next()).await;
            match next.expect("the watch ends with the failure") {
                Ok(batch) => seen += batch.events.len(),
                Err(end) => break end,
            }
        };
        assert!(seen <= all.len(), "only what was acknowledged is told");
        assert_eq!(end, Error::Lagged, "the watcher lists again");

        mend_it(&faults);
        let after =
            store.txn(Txn::create(format!("/after/{round}"), "x")).await.expect("the disk works again");
        let after = after.committed().expect("a new key");
        assert!(all.iter().all(|(_, revision)| *revision < after));
        all.push((format!("/after/{round}"), after));
        for (key, revision) in &all {
            let record = store.get(key).await.expect("readable").record;
            assert_eq!(record.map(|r| r.mod_revision), Some(*revision), "{key}");
        }
    }
    let mut revisions: Vec<Revision> = all.iter().map(|(_, revision)| *revision).collect();
    assert!(revisions.is_sorted());
    revisions.dedup();
    assert_eq!(revisions.len(), all.len(), "no revision came twice");
    store.close().await.expect("closes");
    tasks.shutdown(Duration::from_secs(5)).await;
    let (store, _, _tasks) = on_faulty_disk(directory.path()).await;
    for (key, revision) in &all {
        let record = store.get(key).await.expect("readable").record;
        assert_eq!(record.map(|r| r.mod_revision), Some(*revision), "{key} after reopening");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_reported_and_nothing_acknowledged_falsely() {
    let fill = |store: &EmbeddedStore, faults: &Faults| {
        faults.full_at.store(store.shared.file.bytes().expect("known"), Ordering::SeqCst);
    };
    fails_and_recovers(fill, |faults| faults.full_at.store(u64::MAX, Ordering::SeqCst)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_cannot_sync_is_reported_and_nothing_acknowledged_falsely() {
    let hang = |_: &EmbeddedStore, faults: &Faults| faults.no_sync.store(true, Ordering::SeqCst);
    fails_and_recovers(hang, |faults| faults.no_sync.store(false, Ordering::SeqCst)).await;
}

/// A disk in memory that knows what it would have after losing power.
#[derive(Clone, Debug, Default)]
struct VolatileDisk(Arc<Mutex<Contents>>);

#[derive(Clone, Debug, Default)]
struct Contents {
    /// As seen by reads.
    now: Vec<u8>,
    /// As of the last sync.
    synced: Vec<u8>,
    /// Writes and changes of length since the last sync.
    since: Vec<Change>,
}

#[derive(Clone, Debug)]
enum Change {
    Write(usize, Vec<u8>),
    Length(usize),
}

const SECTOR: usize = 512;

impl Contents {
    /// Any part of what was not synced may have reached the disk, in units of sectors.
    fn after_power_loss(&self) -> Vec<u8> {
        let mut left = self.synced.clone();
        for change in &self.since {
            match change {
                Change::Length(length) => left.resize(*length, 0),
                Change::Write(offset, data) => {
                    for (i, sector) in data.chunks(SECTOR).enumerate() {
                        let at = offset + i * SECTOR;
                        if random::below(2) == 1 && at + sector.len() <= left.len() {
                            left[at..at + sector.len()].copy_from_slice(sector);
                        }
                    }
                }
            }
        }
        left
    }
}

impl StorageBackend for VolatileDisk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.lock().now.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let contents = self.0.lock();
        let range = offset as usize..offset as usize + out.len();
        out.copy_from_slice(contents.now.get(range).ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut contents = self.0.lock();
        contents.now.resize(len as usize, 0);
        contents.since.push(Change::Length(len as usize));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let contents = &mut *self.0.lock();
        contents.synced.clone_from(&contents.now);
        contents.since.clear();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut contents = self.0.lock();
        let range = offset as usize..offset as usize + data.len();
        contents.now.get_mut(range).ok_or(io::ErrorKind::UnexpectedEof)?.copy_from_slice(data);
        contents.since.push(Change::Write(offset as usize, data.to_vec()));
        Ok(())
    }
}

async fn on_volatile_disk(disk: &VolatileDisk, directory: &Path, tasks: &Tasks) -> Arc<EmbeddedStore> {
    let disk = disk.clone();
    let opener: Opener = Arc::new(move |builder, _| builder.create_with_backend(disk.clone()));
    let options = EmbeddedOptions { flush_interval: Duration::from_millis(3), ..Default::default() };
    Arc::new(
        EmbeddedStore::open_with(directory, options, tasks, opener).await.expect("opens after power loss"),
    )
}

/// Acknowledged writes: revision, key, whether durable.
type Acknowledged = Arc<Mutex<Vec<(Revision, String, bool)>>>;

async fn write_on(store: Arc<EmbeddedStore>, name: String, durable: bool, acknowledged: Acknowledged) {
    let durability = if durable { Durability::Durable } else { Durability::Relaxed };
    for i in 0.. {
        let key = format!("/{name}/{i}");
        match store.txn(Txn::create(key.as_str(), vec![b'x'; 300]).with(durability)).await {
            Ok(outcome) => acknowledged.lock().push((outcome.committed().expect("new"), key, durable)),
            Err(_) => return,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn losing_power_loses_no_durable_write_and_repeats_no_revision() {
    let mut image = VolatileDisk::default();
    let mut kept: Vec<(Revision, String)> = Vec::new();
    let mut highest = 0;
    for round in 0..40 {
        let directory = tempfile::tempdir().expect("temporary directory");
        let tasks = Tasks::new(Stop::new());
        let store = on_volatile_disk(&image, directory.path(), &tasks).await;
        for (revision, key) in &kept {
            let record = store.get(key).await.expect("readable").record;
            assert_eq!(record.map(|r| r.mod_revision), Some(*revision), "round {round}: {key}");
        }
        let acknowledged = Acknowledged::default();
        for writer in 0..3 {
            // In every other round nothing but durable writes.
            let durable = writer > 0 || round % 2 == 0;
            let name = format!("{round}/{writer}");
            tasks.spawn("writes", write_on(store.clone(), name, durable, acknowledged.clone()));
        }
        corten_rt::sleep(Duration::from_millis(2 + random::below(25) as u64)).await;
        // In this order: what was acknowledged by now must be on the disk that is left.
        let seen = acknowledged.lock().clone();
        let left = image.0.lock().after_power_loss();
        let before = highest;
        for (revision, key, durable) in seen {
            assert!(revision > before, "round {round}: {key} got revision {revision} again");
            highest = highest.max(revision);
            if durable {
                kept.push((revision, key));
            }
        }
        store.close().await.expect("closes");
        tasks.shutdown(Duration::from_secs(5)).await;
        let contents = Contents { now: left.clone(), synced: left, since: Vec::new() };
        image = VolatileDisk(Arc::new(Mutex::new(contents)));
    }
    assert!(kept.len() > 100, "the writers hardly wrote");
}
