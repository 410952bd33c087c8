//! One suite of behaviour, run over every engine.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use corten_rt::{Stop, Tasks};
use corten_store::{
    Batch, Compare, Durability, EmbeddedOptions, EmbeddedStore, Error, Event, ListOptions, MemoryStore, Op,
    Record, Revision, Store, Txn, TxnOutcome, Watch,
};
use proptest::prelude::*;

/// A store of one engine with what keeps it alive.
struct Engine {
    store: Arc<dyn Store>,
    _tasks: Tasks,
    _directory: Option<tempfile::TempDir>,
}

async fn memory() -> Engine {
    Engine { store: Arc::new(MemoryStore::new()), _tasks: Tasks::new(Stop::new()), _directory: None }
}

async fn embedded() -> Engine {
    let directory = tempfile::tempdir().expect("temporary directory");
    let tasks = Tasks::new(Stop::new());
    let store =
        EmbeddedStore::open(directory.path(), EmbeddedOptions::default(), &tasks).await.expect("opens");
    Engine { store: Arc::new(store), _tasks: tasks, _directory: Some(directory) }
}

/// Makes of each body a test per engine.
macro_rules! over_engines {
    ($($name:ident),+ $(,)?) => {
        mod in_memory { $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)] async fn $name() {
            let engine = super::memory().await;
            super::$name(engine.store.clone()).await;
        })+ }
        mod on_disk { $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)] async fn $name() {
            let engine = super::embedded().await;
            super::$name(engine.store.clone()).await;
            engine.store.close().await.expect("closes");
        })+ }
    };
}

over_engines!(
    records_count_revisions_and_versions,
    a_failed_compare_changes_nothing_and_shows_what_is_there,
    one_transaction_is_one_revision,
    malformed_transactions_are_refused,
    lists_page_through_a_prefix,
    lists_show_older_revisions,
    compaction_forgets_only_what_is_hidden,
    watches_replay_history_and_go_on,
    watches_see_their_prefix_and_progress,
    a_slow_watch_is_told_to_list_again,
    watches_miss_nothing_while_writers_race,
    sizes_follow_the_data,
    a_closed_store_says_so,
);

async fn commit(store: &dyn Store, txn: Txn) -> Revision {
    store.txn(txn).await.expect("storage works").committed().expect("compares hold")
}

async fn put(store: &dyn Store, key: &str, value: &str) -> Revision {
    commit(store, Txn::new(vec![], vec![Op::put(key, value.to_owned())])).await
}

async fn delete(store: &dyn Store, key: &str) -> Revision {
    commit(store, Txn::new(vec![], vec![Op::delete(key)])).await
}

fn record(key: &str, value: &str, create: Revision, modified: Revision, version: u64) -> Record {
    Record {
        key: key.into(),
        value: value.to_owned().into(),
        create_revision: create,
        mod_revision: modified,
        version,
    }
}

/// `key=value` of each record of the list.
async fn listed(store: &dyn Store, prefix: &str, at: Option<Revision>) -> Vec<String> {
    let page = store.list(prefix, ListOptions { at, ..Default::default() }).await.expect("listable");
    page.records.iter().map(|r| format!("{}={}", r.key, String::from_utf8_lossy(&r.value))).collect()
}

async fn next(watch: &mut Watch) -> Result<Batch, Error> {
    corten_rt::timeout(Duration::from_secs(20), watch.next()).await.expect("the watch says something")
}

/// The next `count` events.
async fn events(watch: &mut Watch, count: usize) -> Vec<Event> {
    let mut all = Vec::new();
    while all.len() < count {
        all.extend(next(watch).await.expect("events").events);
    }
    assert_eq!(all.len(), count, "{all:?}");
    all
}

/// An event as `revision +key=value` or `revision -key`.
fn told(event: &Event) -> String {
    match &event.current {
        Some(r) => format!("{} +{}={}", event.revision, event.key, String::from_utf8_lossy(&r.value)),
        None => format!("{} -{}", event.revision, event.key),
    }
}

async fn records_count_revisions_and_versions(store: Arc<dyn Store>) {
    assert_eq!(store.current_revision().await, Ok(1));
    assert_eq!(store.get("/a").await.expect("readable").record, None);
    let steps = [
        (Op::put("/a", "1"), Some(record("/a", "1", 2, 2, 1))),
        (Op::put("/a", "2"), Some(record("/a", "2", 2, 3, 2))),
        (Op::delete("/a"), None),
        (Op::put("/a", ""), Some(record("/a", "", 5, 5, 1))),
    ];
    for (revision, (op, want)) in (2..).zip(steps) {
        assert_eq!(commit(&*store, Txn::new(vec![], vec![op])).await, revision);
        let got = store.get("/a").await.expect("readable");
        assert_eq!((got.record, got.revision), (want, revision));
    }
    assert_eq!(delete(&*store, "/absent").await, 5, "nothing changed, so no revision was used");
    assert_eq!(commit(&*store, Txn::default()).await, 5);
    assert_eq!(put(&*store, "/b", "x").await, 6);
}

async fn a_failed_compare_changes_nothing_and_shows_what_is_there(store: Arc<dyn Store>) {
    let first = commit(&*store, Txn::create("/a", "1")).await;
    let there = record("/a", "1", first, first, 1);
    let cases = [
        (Txn::create("/a", "2"), vec![Some(there.clone())]),
        (Txn::update("/a", first + 1, "2"), vec![Some(there.clone())]),
        (Txn::update("/b", first, "2"), vec![None]),
        (Txn::delete("/a", first + 1), vec![Some(there.clone())]),
        (
            Txn::new(vec![Compare::at("/a", first), Compare::at("/b", 7)], vec![Op::delete("/a")]),
            vec![Some(there.clone()), None],
        ),
    ];
    for (txn, current) in cases {
        let outcome = store.txn(txn.clone()).await;
        assert_eq!(outcome, Ok(TxnOutcome::Failed { revision: first, current }), "{txn:?}");
    }
    assert_eq!(listed(&*store, "", None).await, ["/a=1"]);
    let second = commit(&*store, Txn::update("/a", first, "2")).await;
    commit(&*store, Txn::delete("/a", second)).await;
    commit(&*store, Txn::create("/a", "3")).await;
}

async fn one_transaction_is_one_revision(store: Arc<dyn Store>) {
    put(&*store, "/old", "x").await;
    let mut watch = store.watch("/", 2).await.expect("watchable");
    let ops = vec![Op::put("/b", "1"), Op::delete("/old"), Op::put("/a", "2"), Op::delete("/never")];
    let revision = commit(&*store, Txn::new(vec![Compare::absent("/b")], ops)).await;
    assert_eq!(revision, 3);
    let batch = next(&mut watch).await.expect("events");
    assert_eq!(batch.revision, 3);
    assert_eq!(batch.events.iter().map(told).collect::<Vec<_>>(), ["3 +/b=1", "3 -/old", "3 +/a=2"]);
    assert_eq!(listed(&*store, "/", None).await, ["/a=2", "/b=1"]);
}

async fn malformed_transactions_are_refused(store: Arc<dyn Store>) {
    let twice = Txn::new(vec![], vec![Op::put("/a", "1"), Op::delete("/a")]);
    assert_eq!(store.txn(twice).await, Err(Error::DuplicateKey("/a".into())));
    assert_eq!(store.txn(Txn::create("", "1")).await, Err(Error::InvalidKey(0)));
    assert_eq!(store.current_revision().await, Ok(1));
}

async fn lists_page_through_a_prefix(store: Arc<dyn Store>) {
    for key in ["/pods/a", "/pods/b", "/pods/b/c", "/pods/bb", "/pods/ü", "/pod", "/podsx", "/q"] {
        put(&*store, key, "").await;
        put(&*store, key, "v").await;
    }
    delete(&*store, "/pods/bb").await;
    let all = ["/pods/a", "/pods/b", "/pods/b/c", "/pods/ü"];
    for limit in 0..6 {
        let (mut keys, mut start, mut at) = (Vec::new(), String::new(), None);
        loop {
            let options = ListOptions { start: start.clone(), limit, at };
            let page = store.list("/pods/", options).await.expect("listable");
            assert!(limit == 0 || page.records.len() <= limit);
            keys.extend(page.records.iter().map(|r| r.key.to_string()));
            at = Some(page.revision);
            if !page.more {
                break;
            }
            start = format!("{}\0", page.records.last().expect("a page with more is not empty").key);
            // What happens between pages does not show.
            put(&*store, "/pods/c", "late").await;
            delete(&*store, "/pods/ü").await;
        }
        assert_eq!(keys, all, "limit {limit}");
        delete(&*store, "/pods/c").await;
        put(&*store, "/pods/ü", "v").await;
    }
    let before = ListOptions { start: "/a".into(), limit: 1, at: None };
    let page = store.list("/pods/", before).await.expect("listable");
    assert_eq!((&*page.records[0].key, page.more), ("/pods/a", true));
}

async fn lists_show_older_revisions(store: Arc<dyn Store>) {
    put(&*store, "/a", "1").await;
    put(&*store, "/b", "1").await;
    put(&*store, "/a", "2").await;
    delete(&*store, "/b").await;
    put(&*store, "/b", "2").await;
    let want: [&[&str]; 6] =
        [&[], &["/a=1"], &["/a=1", "/b=1"], &["/a=2", "/b=1"], &["/a=2"], &["/a=2", "/b=2"]];
    for (at, want) in (1..).zip(want) {
        assert_eq!(listed(&*store, "/", Some(at)).await, want, "at {at}");
    }
    let future = store.list("/", ListOptions { at: Some(7), ..Default::default() }).await;
    assert_eq!(future, Err(Error::FutureRevision { current: 6 }));
}

async fn compaction_forgets_only_what_is_hidden(store: Arc<dyn Store>) {
    put(&*store, "/a", "1").await; // 2
    put(&*store, "/b", "1").await;
    put(&*store, "/a", "2").await; // 4
    delete(&*store, "/b").await;
    put(&*store, "/a", "3").await; // 6
    put(&*store, "/c", "1").await;
    assert_eq!(store.compact(8).await, Err(Error::FutureRevision { current: 7 }));
    store.compact(5).await.expect("compacts");
    assert_eq!(store.oldest_revision().await, Ok(5));
    for at in 1..5 {
        let old = store.list("/", ListOptions { at: Some(at), ..Default::default() }).await;
        assert_eq!(old, Err(Error::Compacted { oldest: 5 }));
        assert_eq!(store.watch("/", at).await.err(), Some(Error::Compacted { oldest: 5 }));
    }
    assert_eq!(listed(&*store, "/", Some(5)).await, ["/a=2"]);
    assert_eq!(listed(&*store, "/", Some(6)).await, ["/a=3"]);
    let mut watch = store.watch("/", 5).await.expect("watchable");
    let seen = events(&mut watch, 2).await;
    assert_eq!(seen.iter().map(told).collect::<Vec<_>>(), ["6 +/a=3", "7 +/c=1"]);
    assert_eq!(seen[0].previous, Some(record("/a", "2", 2, 4, 2)));
    store.compact(3).await.expect("older compactions are done already");
    store.compact(7).await.expect("compacts");
    assert_eq!(listed(&*store, "/", Some(7)).await, ["/a=3", "/c=1"]);
    assert_eq!(store.size().await.expect("known").history_bytes, 0);
    assert_eq!(put(&*store, "/b", "2").await, 8);
    assert_eq!(store.get("/b").await.expect("readable").record, Some(record("/b", "2", 8, 8, 1)));
}

async fn watches_replay_history_and_go_on(store: Arc<dyn Store>) {
    put(&*store, "/a", "1").await;
    put(&*store, "/a", "2").await;
    let mut from_start = store.watch("/", 1).await.expect("watchable");
    let mut from_second = store.watch("/", 2).await.expect("watchable");
    let mut from_future = store.watch("/", 4).await.expect("watchable");
    delete(&*store, "/a").await;
    put(&*store, "/a", "3").await;
    let all = events(&mut from_start, 4).await;
    assert_eq!(all.iter().map(told).collect::<Vec<_>>(), ["2 +/a=1", "3 +/a=2", "4 -/a", "5 +/a=3"]);
    let previous: Vec<_> = all.iter().map(|e| e.previous.as_ref().map(|r| r.mod_revision)).collect();
    assert_eq!(previous, [None, Some(2), Some(3), None]);
    assert_eq!(events(&mut from_second, 3).await, all[1..]);
    assert_eq!(events(&mut from_future, 1).await, all[3..]);
}

async fn watches_see_their_prefix_and_progress(store: Arc<dyn Store>) {
    let mut watch = store.watch("/pods/", 1).await.expect("watchable");
    put(&*store, "/pods/a", "1").await;
    put(&*store, "/podsx", "1").await;
    let last = put(&*store, "/nodes/a", "1").await;
    assert!(watch.progress() < 2, "an event waits");
    assert_eq!(events(&mut watch, 1).await.iter().map(told).collect::<Vec<_>>(), ["2 +/pods/a=1"]);
    assert_eq!(watch.progress(), last, "nothing waits, though others were written");
    put(&*store, "/pods/a", "2").await;
    assert_eq!(watch.progress(), last, "an event waits");
}

async fn a_slow_watch_is_told_to_list_again(store: Arc<dyn Store>) {
    let mut slow = store.watch("/", 1).await.expect("watchable");
    let mut quick = store.watch("/", 1).await.expect("watchable");
    let mut read = 0;
    for i in 0..1200 {
        put(&*store, "/a", &i.to_string()).await;
        read += next(&mut quick).await.expect("keeps up").events.len();
    }
    assert_eq!(read, 1200);
    let mut last = 1;
    let end = loop {
        match next(&mut slow).await {
            Ok(batch) => {
                batch.events.iter().for_each(|e| {
                    assert_eq!(e.revision, last + 1, "what it reads has no gap");
                    last = e.revision;
                });
            }
            Err(end) => break end,
        }
    };
    assert_eq!((end, next(&mut slow).await), (Error::Lagged, Err(Error::Lagged)));
    assert!(last < 1201);
    let mut again = store.watch("/", last).await.expect("history has the rest");
    assert_eq!(events(&mut again, 1201 - last as usize).await[0].revision, last + 1);
}

async fn watches_miss_nothing_while_writers_race(store: Arc<dyn Store>) {
    const WRITERS: usize = 8;
    const EACH: usize = 60;
    let tasks = Tasks::new(Stop::new());
    for writer in 0..WRITERS {
        let store = store.clone();
        tasks.spawn("writes", async move {
            for i in 0..EACH {
                let key = format!("/{}/{writer}", i % 3);
                let value = format!("{writer}.{i}");
                let op = if i % 7 == 6 { Op::delete(key) } else { Op::put(key, value) };
                commit(&*store, Txn::new(vec![], vec![op, Op::put(format!("/all/{writer}"), "x")])).await;
            }
        });
    }
    let (results, mut done) = tokio::sync::mpsc::channel(16);
    let last = 1 + (WRITERS * EACH) as u64;
    for start in 0..12 {
        let (store, results) = (store.clone(), results.clone());
        tasks.spawn("watches", async move {
            corten_rt::sleep(Duration::from_millis(start)).await;
            let from = store.current_revision().await.expect("readable");
            let mut seen: BTreeMap<Revision, usize> = BTreeMap::new();
            let mut watch = store.watch("/", from).await.expect("watchable");
            let mut at = from;
            while at < last {
                let batch = next(&mut watch).await.expect("events");
                for event in &batch.events {
                    assert!(event.revision >= at, "in order");
                    at = event.revision;
                    *seen.entry(at).or_default() += 1;
                    if let Some(previous) = &event.previous {
                        assert!(previous.mod_revision < at);
                    }
                }
                assert_eq!(batch.revision.max(at), batch.revision);
            }
            let complete = seen.len() as u64 == last - from;
            results.send((complete, from)).await.expect("the test listens");
        });
    }
    drop(results);
    let mut watches = 0;
    while let Some((complete, from)) = done.recv().await {
        assert!(complete, "the watch from {from} has a gap");
        watches += 1;
    }
    assert_eq!(watches, 12);
    assert_eq!(store.current_revision().await, Ok(last));
}

async fn sizes_follow_the_data(store: Arc<dyn Store>) {
    put(&*store, "/a", "12345").await;
    put(&*store, "/b", "1").await;
    put(&*store, "/a", "123").await;
    delete(&*store, "/b").await;
    let size = store.size().await.expect("known");
    assert_eq!((size.records, size.live_bytes, size.history_bytes), (1, 5, 7 + 3));
    store.compact(5).await.expect("compacts");
    let size = store.size().await.expect("known");
    assert_eq!((size.records, size.live_bytes, size.history_bytes), (1, 5, 0));
}

async fn a_closed_store_says_so(store: Arc<dyn Store>) {
    let mut watch = store.watch("/", 1).await.expect("watchable");
    put(&*store, "/a", "1").await;
    store.close().await.expect("closes");
    store.close().await.expect("closing again does nothing");
    assert_eq!(events(&mut watch, 1).await.len(), 1, "what was queued is still handed out");
    assert_eq!(next(&mut watch).await, Err(Error::Closed));
    assert_eq!(store.get("/a").await, Err(Error::Closed));
    assert_eq!(store.txn(Txn::create("/b", "1")).await, Err(Error::Closed));
    assert_eq!(store.watch("/", 1).await.err(), Some(Error::Closed));
    assert_eq!(store.compact(2).await, Err(Error::Closed));
    assert_eq!(store.size().await, Err(Error::Closed));
}

/// What the property test does to a store.
#[derive(Clone, Debug)]
enum Step {
    /// Operations (key, value or deletion), guarded by whether a key is at its present revision.
    Txn { guard: Option<(u8, bool)>, ops: BTreeMap<u8, Option<u8>>, relaxed: bool },
    /// Compacts this share of history, in 256ths.
    Compact(u8),
}

fn step() -> impl Strategy<Value = Step> {
    let ops = proptest::collection::btree_map(0..6u8, proptest::option::weighted(0.7, any::<u8>()), 0..4);
    let guard = proptest::option::of((0..6u8, proptest::bool::weighted(0.8)));
    prop_oneof![
        9 => (guard, ops, any::<bool>()).prop_map(|(guard, ops, relaxed)| Step::Txn { guard, ops, relaxed }),
        1 => any::<u8>().prop_map(Step::Compact),
    ]
}

/// The simple model: every revision's whole content.
struct Model {
    states: Vec<BTreeMap<String, Record>>,
    oldest: Revision,
}

impl Model {
    fn now(&self) -> &BTreeMap<String, Record> {
        self.states.last().expect("never empty")
    }

    fn revision(&self) -> Revision {
        self.states.len() as u64
    }

    fn apply(&mut self, txn: &Txn) -> bool {
        let at = |key: &str| self.now().get(key).map_or(0, |r| r.mod_revision);
        if !txn.compares.iter().all(|c| at(&c.key) == c.mod_revision) {
            return false;
        }
        let (mut state, revision) = (self.now().clone(), self.revision() + 1);
        for op in &txn.ops {
            match op {
                Op::Put(key, value) => {
                    let old = state.get(&**key);
                    let (create, version) = old.map_or((revision, 1), |r| (r.create_revision, r.version + 1));
                    let value = String::from_utf8_lossy(value).into_owned();
                    state.insert(key.to_string(), record(key, &value, create, revision, version));
                }
                Op::Delete(key) => drop(state.remove(&**key)),
            }
        }
        if state != *self.now() {
            self.states.push(state);
        }
        true
    }
}

async fn follow(store: &dyn Store, steps: &[Step]) {
    let mut model = Model { states: vec![BTreeMap::new()], oldest: 1 };
    let mut watch = store.watch("", 1).await.expect("watchable");
    for step in steps {
        match step {
            Step::Txn { guard, ops, relaxed } => {
                let compares = guard.iter().map(|(key, right)| {
                    let key = format!("/{key}");
                    let at = model.now().get(&key).map_or(0, |r| r.mod_revision);
                    Compare::at(key, if *right { at } else { at + 1 })
                });
                let ops = ops.iter().map(|(key, value)| match value {
                    Some(value) => Op::put(format!("/{key}"), value.to_string()),
                    None => Op::delete(format!("/{key}")),
                });
                let durability = if *relaxed { Durability::Relaxed } else { Durability::Durable };
                let txn = Txn::new(compares.collect(), ops.collect()).with(durability);
                let held = model.apply(&txn);
                let outcome = store.txn(txn).await.expect("storage works");
                assert_eq!(outcome.committed(), held.then(|| model.revision()));
            }
            Step::Compact(share) => {
                let span = model.revision() - model.oldest;
                model.oldest += span * u64::from(*share) / 256;
                store.compact(model.oldest).await.expect("compacts");
            }
        }
    }
    for at in model.oldest..=model.revision() {
        let page = store.list("", ListOptions { at: Some(at), ..Default::default() }).await;
        let want: Vec<Record> = model.states[at as usize - 1].values().cloned().collect();
        assert_eq!(page.expect("listable").records, want, "at {at}");
    }
    replays_to_the_model(&mut watch, &model, 1).await;
    let mut late = store.watch("", model.oldest).await.expect("watchable");
    replays_to_the_model(&mut late, &model, model.oldest).await;
}

/// Applying a watch's events to the state at `from` gives every later state.
async fn replays_to_the_model(watch: &mut Watch, model: &Model, from: Revision) {
    let mut state = model.states[from as usize - 1].clone();
    let mut at = from;
    while at < model.revision() {
        for event in next(watch).await.expect("events").events {
            if event.revision != at {
                assert_eq!(state, model.states[at as usize - 1]);
                assert_eq!(event.revision, at + 1);
                at = event.revision;
            }
            assert_eq!(state.get(&*event.key), event.previous.as_ref());
            match event.current {
                Some(record) => drop(state.insert(event.key.to_string(), record)),
                None => drop(state.remove(&*event.key)),
            }
        }
    }
    assert_eq!(state, *model.now());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn every_engine_follows_the_model(steps in proptest::collection::vec(step(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
        runtime.block_on(async {
            follow(&*memory().await.store, &steps).await;
            let engine = embedded().await;
            follow(&*engine.store, &steps).await;
            engine.store.close().await.expect("closes");
        });
    }
}
