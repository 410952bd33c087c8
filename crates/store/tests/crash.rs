//! Kills a writing process again and again, and checks what it left: no acknowledged durable write is lost,
//! no revision is given out twice, and history has no holes.
//!
//! This program starts itself as the writer. `CORTEN_CRASH_ROUNDS` sets the number of rounds.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::Duration;

use corten_rt::{Stop, Tasks};
use corten_store::{Durability, EmbeddedOptions, EmbeddedStore, ListOptions, Op, Revision, Store, Txn};

const DIRECTORY: &str = "CORTEN_CRASH_DIRECTORY";
const RELAXED: &str = "CORTEN_CRASH_RELAXED";
const ROUNDS: &str = "CORTEN_CRASH_ROUNDS";
const WRITERS: usize = 6;
/// Keys of each writer; the keys of the relaxed writers are apart.
const KEYS: usize = 20;

fn main() -> ExitCode {
    match std::env::var_os(DIRECTORY) {
        Some(directory) => in_runtime(write_until_killed(Path::new(&directory))),
        None => check_all_rounds(),
    }
    ExitCode::SUCCESS
}

fn in_runtime<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime starts").block_on(work)
}

fn options() -> EmbeddedOptions {
    // A small file shrinks and flushes often, so that crashes hit that too.
    let flush_interval = Duration::from_millis(5);
    EmbeddedOptions { flush_interval, shrink_above_bytes: 1 << 20, ..Default::default() }
}

/// One acknowledged write, as the writer prints it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Acknowledged {
    revision: Revision,
    durable: bool,
    key: String,
    /// `None` for a deletion.
    value: Option<String>,
}

impl Acknowledged {
    fn line(&self) -> String {
        let durable = if self.durable { "durable" } else { "relaxed" };
        let value = self.value.as_deref().unwrap_or("-");
        format!("{} {durable} {} {value} .\n", self.revision, self.key)
    }

    /// The write of a whole line; the last one may be cut off.
    fn parse(line: &str) -> Option<Self> {
        let [revision, durable, key, value, "."] = line.split(' ').collect::<Vec<_>>()[..] else {
            return None;
        };
        Some(Acknowledged {
            revision: revision.parse().ok()?,
            durable: durable == "durable",
            key: key.into(),
            value: (value != "-").then(|| value.into()),
        })
    }
}

// ---- the process that is killed ----

async fn write_until_killed(directory: &Path) {
    let tasks = Tasks::new(Stop::new());
    let store =
        Arc::new(EmbeddedStore::open(directory, options(), &tasks).await.expect("opens after a crash"));
    for writer in 0..WRITERS {
        tasks.spawn("writes", write(store.clone(), writer));
    }
    loop {
        corten_rt::sleep(Duration::from_millis(11)).await;
        let target = store.current_revision().await.expect("readable").saturating_sub(100);
        store.compact(target.max(1)).await.expect("compacts");
    }
}

/// Every third writer is relaxed, where that is asked for. Values are unique, so that a reused revision would show.
async fn write(store: Arc<EmbeddedStore>, writer: usize) {
    let durable = !writer.is_multiple_of(3) || std::env::var(RELAXED).is_ok_and(|r| r == "0");
    let durability = if durable { Durability::Durable } else { Durability::Relaxed };
    for i in 0.. {
        let key = format!("/{writer}/{}", i % KEYS);
        let salt = corten_rt::random::below(usize::MAX);
        let value = (i % 5 != 4).then(|| format!("{salt:x}.{}", "x".repeat(salt % 3000)));
        // Puts beside deletions keep every transaction a change.
        let own = Op::put(format!("/count/{writer}"), i.to_string());
        let op = value.clone().map_or_else(|| Op::delete(key.as_str()), |v| Op::put(key.as_str(), v));
        let outcome = store.txn(Txn::new(vec![], vec![op, own]).with(durability)).await.expect("writes");
        let revision = outcome.committed().expect("no compare, so no failure");
        let line = Acknowledged { revision, durable, key, value }.line();
        std::io::stdout().lock().write_all(line.as_bytes()).expect("the parent reads");
    }
}

// ---- the process that kills and checks ----

fn check_all_rounds() {
    let rounds = std::env::var(ROUNDS).ok().and_then(|r| r.parse().ok()).unwrap_or(120);
    let directory = tempfile::tempdir().expect("temporary directory");
    let mut seen = Seen::default();
    for round in 0..rounds {
        // Relaxed writes cut history at a crash, so half of the crashes go without: there it must be whole.
        for write in run_and_kill(directory.path(), round % 4 < 2) {
            seen.take(round, write);
        }
        // Every other crash is followed by another one before anybody looks.
        if round % 2 == 1 || round + 1 == rounds {
            in_runtime(seen.check(round, directory.path()));
        }
    }
    let Seen { highest, durable, relaxed, .. } = seen;
    println!(
        "{rounds} crashes: {durable} durable and {relaxed} relaxed writes acknowledged, none of the durable \
         lost; last revision {highest}"
    );
    assert!(rounds < 20 || (durable > 1000 && relaxed > 100), "the writers hardly wrote");
}

/// What the writer acknowledged before it was killed.
fn run_and_kill(directory: &Path, relaxed: bool) -> Vec<Acknowledged> {
    let program = std::env::current_exe().expect("this program has a path");
    let mut child: Child = Command::new(program)
        .env(DIRECTORY, directory)
        .env(RELAXED, if relaxed { "1" } else { "0" })
        .stdout(Stdio::piped())
        .spawn()
        .expect("starts itself");
    let output = child.stdout.take().expect("piped");
    let reader = std::thread::spawn(move || BufReader::new(output).lines().collect::<Vec<_>>());
    let life = Duration::from_micros(20_000 + corten_rt::random::below(200_000) as u64);
    std::thread::sleep(life);
    assert_eq!(child.try_wait().expect("the child's state is known"), None, "the writer ended by itself");
    child.kill().expect("killed");
    child.wait().expect("gone");
    let lines = reader.join().expect("read to its end");
    lines.into_iter().filter_map(|line| Acknowledged::parse(&line.ok()?)).collect()
}

/// All that was ever acknowledged, as far as it still matters.
#[derive(Default)]
struct Seen {
    /// The latest durable write of each key.
    latest: BTreeMap<String, Acknowledged>,
    /// The round and text of each revision, of the last rounds.
    revisions: BTreeMap<Revision, usize>,
    /// The highest revision of earlier rounds, and of all.
    before: (usize, Revision),
    highest: Revision,
    durable: usize,
    relaxed: usize,
}

impl Seen {
    fn take(&mut self, round: usize, write: Acknowledged) {
        if self.before.0 != round {
            self.before = (round, self.highest);
        }
        assert!(write.revision > self.before.1, "{write:?} is not above {:?}", self.before);
        let reused = self.revisions.insert(write.revision, round);
        assert_eq!(reused, None, "revision of {write:?} was given out before");
        self.highest = self.highest.max(write.revision);
        match write.durable {
            true => self.durable += 1,
            false => self.relaxed += 1,
        }
        if write.durable && self.latest.get(&write.key).is_none_or(|w| w.revision < write.revision) {
            self.latest.insert(write.key.clone(), write);
        }
    }

    async fn check(&mut self, round: usize, directory: &Path) {
        let tasks = Tasks::new(Stop::new());
        let store = EmbeddedStore::open(directory, options(), &tasks).await.expect("opens after a crash");
        let current = store.current_revision().await.expect("readable");
        assert!(current >= self.highest, "round {round}: at {current}, but {} was told", self.highest);
        let page = store.list("/", ListOptions::default()).await.expect("listable");
        assert!(page.records.iter().all(|r| r.mod_revision <= current));
        let there: BTreeMap<_, _> = page.records.iter().map(|r| (r.key.to_string(), r)).collect();
        for (key, write) in &self.latest {
            let found = there.get(key).map(|r| (r.mod_revision, String::from_utf8_lossy(&r.value)));
            match (&write.value, found) {
                (Some(value), Some((at, stored))) if at == write.revision => {
                    assert_eq!(*value, stored, "round {round}: {key}");
                }
                (None, None) => {}
                // A later write that was not yet acknowledged may be there: never an earlier one.
                (_, Some((at, _))) => assert!(at > write.revision, "round {round}: {write:?} is at {at}"),
                (Some(_), None) => self.check_deleted_later(&store, write).await,
            }
        }
        check_history(&store, current).await;
        store.close().await.expect("closes");
        self.highest = self.highest.max(current);
        tasks.shutdown(Duration::from_secs(5)).await;
    }

    /// The key of an acknowledged write is gone: a later deletion, not yet acknowledged, must be there.
    async fn check_deleted_later(&self, store: &EmbeddedStore, write: &Acknowledged) {
        let oldest = store.oldest_revision().await.expect("readable");
        if oldest > write.revision {
            // Compacted beyond the write: its count, kept beside it, must have moved on.
            let writer = write.key.split('/').nth(1).expect("keys are /writer/number");
            let count = store.get(&format!("/count/{writer}")).await.expect("readable").record;
            assert!(count.expect("counted").mod_revision > write.revision, "{write:?} is lost");
            return;
        }
        let mut watch = store.watch(&write.key, write.revision).await.expect("watchable");
        let batch = corten_rt::timeout(Duration::from_secs(5), watch.next()).await;
        let events = batch.unwrap_or_else(|| panic!("{write:?} is lost")).expect("history").events;
        assert!(events.iter().any(|e| *e.key == *write.key && e.current.is_none()), "{write:?} is lost");
    }
}

/// Every revision since the oldest one kept is in history, and ends in what is there.
async fn check_history(store: &EmbeddedStore, current: Revision) {
    let oldest = store.oldest_revision().await.expect("readable");
    let page =
        store.list("/", ListOptions { at: Some(oldest), ..Default::default() }).await.expect("listable");
    let mut state: BTreeMap<_, _> = page.records.into_iter().map(|r| (r.key.clone(), r)).collect();
    let mut watch = store.watch("/", oldest).await.expect("watchable");
    let mut at = oldest;
    while at < current {
        let batch = corten_rt::timeout(Duration::from_secs(5), watch.next()).await;
        for event in batch.expect("history reaches the current revision").expect("history").events {
            assert!(event.revision == at || event.revision == at + 1, "{} follows {at}", event.revision);
            at = event.revision;
            assert_eq!(state.get(&event.key), event.previous.as_ref());
            match event.current {
                Some(record) => drop(state.insert(event.key, record)),
                None => drop(state.remove(&event.key)),
            }
        }
    }
    let now = store.list("/", ListOptions::default()).await.expect("listable").records;
    assert_eq!(now, state.into_values().collect::<Vec<_>>());
}
