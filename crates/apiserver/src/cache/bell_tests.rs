use std::sync::atomic::AtomicUsize;
use std::task::Wake;
use std::time::Duration;

use corten_api::core::v1::{ConfigMap, Pod};
use corten_api::{Kind, KindInfo, Object};

use super::super::{Entry, prefix_of};
use super::*;

/// Counts how often a watcher is woken.
#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// A watcher that waits.
struct Watcher {
    ear: Ear,
    woken: Arc<Count>,
}

fn selection(kind: &'static KindInfo, namespace: &str, labels: &str, fields: &str) -> Selection {
    let prefix = match namespace {
        "" => prefix_of(kind),
        _ => format!("{}{namespace}/", prefix_of(kind)),
    };
    let strategy = corten_kinds::StrategyRef::Builtin(corten_kinds::strategy_for(kind));
    Selection::new(kind, strategy, prefix, labels, fields).expect("a selection")
}

impl Watcher {
    fn new(bell: &Arc<Bell>, selection: &Selection, paced: bool) -> Self {
        let watcher = Watcher { ear: Ear::new(bell, selection, paced), woken: Arc::default() };
        assert!(watcher.waits().is_none());
        watcher
    }

    /// Waits; what was heard, if anything was.
    fn waits(&self) -> Option<u64> {
        let waker = Waker::from(Arc::clone(&self.woken));
        match self.ear.poll_heard(&mut Context::from_waker(&waker)) {
            Poll::Ready(first) => Some(first),
            Poll::Pending => None,
        }
    }

    fn woken(&self) -> usize {
        self.woken.0.load(Ordering::SeqCst)
    }
}

fn entry(mut object: Box<dyn Object>, revision: u64) -> Arc<Entry> {
    let key = format!("{}{}/{}", prefix_of(object.info()), object.meta().namespace, object.meta().name);
    object.meta_mut().resource_version = revision.to_string();
    let value = corten_codec::json::encode(&*object).into();
    Entry::stored(object.info(), key.into(), revision, &value, Some(object))
}

fn map(namespace: &str, name: &str, app: &str) -> Arc<Entry> {
    let mut map = ConfigMap::default();
    map.metadata.namespace = namespace.into();
    map.metadata.name = name.into();
    map.metadata.labels.insert("app".into(), app.into());
    entry(Box::new(map), 1)
}

fn pod(name: &str, node: &str) -> Arc<Entry> {
    let mut pod = Pod::default();
    pod.metadata.namespace = "n".into();
    pod.metadata.name = name.into();
    pod.spec.node_name = node.into();
    entry(Box::new(pod), 1)
}

fn change(current: Option<Arc<Entry>>, previous: Option<Arc<Entry>>) -> Arc<Change> {
    Arc::new(Change::new(1, current, previous))
}

#[tokio::test]
async fn only_those_hear_to_whom_it_may_matter() {
    let bell = Arc::new(Bell::default());
    let maps = ConfigMap::INFO;
    let of =
        |namespace, labels, fields| Watcher::new(&bell, &selection(maps, namespace, labels, fields), true);
    let watchers = [
        of("", "", ""),
        of("n", "", ""),
        of("other", "", ""),
        of("", "app=web", ""),
        of("n", "app!=web", ""),
        of("n", "", "metadata.name=a"),
        of("", "", "metadata.name=a"),
        of("", "", "metadata.namespace=other"),
    ];
    let pods = Pod::INFO;
    let on = |node: &str| {
        let fields = format!("spec.nodeName={node}");
        Watcher::new(&bell, &selection(pods, "", "", &fields), true)
    };
    let nodes = [on("one"), on("two")];
    let web = |name| map("n", name, "web");
    for (change, hear, nodes_hear) in [
        (change(Some(web("a")), None), vec![0, 1, 3, 5, 6], vec![]),
        (change(None, Some(web("b"))), vec![0, 1, 3], vec![]),
        (change(Some(map("n", "b", "db")), Some(web("b"))), vec![0, 1, 3, 4], vec![]),
        (change(Some(map("other", "a", "db")), None), vec![0, 2, 6, 7], vec![]),
        (change(Some(pod("p", "one")), None), vec![], vec![0]),
        (change(Some(pod("p", "two")), Some(pod("p", ""))), vec![], vec![1]),
        (change(Some(pod("p", "two")), Some(pod("p", "one"))), vec![], vec![0, 1]),
        (change(Some(pod("p", "three")), None), vec![], vec![]),
    ] {
        let before: Vec<usize> = watchers.iter().chain(&nodes).map(Watcher::woken).collect();
        assert_eq!(bell.ring(&[(7, change)], Instant::now()), None, "there are few watchers");
        let heard = |watchers: &[Watcher]| -> Vec<usize> {
            (0..watchers.len()).filter(|at| watchers[*at].waits() == Some(7)).collect()
        };
        let woken: Vec<usize> = watchers.iter().chain(&nodes).map(Watcher::woken).collect();
        assert_eq!((heard(&watchers), heard(&nodes)), (hear.clone(), nodes_hear.clone()));
        let count: usize = woken.iter().zip(before).map(|(now, before)| now - before).sum();
        assert_eq!(count, hear.len() + nodes_hear.len(), "who hears is woken, and nobody else");
        watchers.iter().chain(&nodes).for_each(|watcher| assert_eq!(watcher.waits(), None));
    }
}

#[tokio::test]
async fn many_are_told_later_and_hear_from_the_first_change_on() {
    let bell = Arc::new(Bell::default());
    let everything = selection(ConfigMap::INFO, "", "", "");
    let prompt = Watcher::new(&bell, &everything, false);
    let paced: Vec<_> = (0..200).map(|_| Watcher::new(&bell, &everything, true)).collect();
    let (start, ms) = (Instant::now(), Duration::from_millis);
    let ring = |number, at| bell.ring(&[(number, change(Some(map("n", "a", "web")), None))], start + ms(at));
    assert_eq!(ring(1, 0), None);
    assert_eq!((prompt.waits(), paced[7].waits(), paced[7].woken()), (Some(1), Some(1), 1));
    assert_eq!((prompt.waits(), paced[7].waits()), (None, None));
    let due = ring(2, 1).expect("they wait");
    assert_eq!((prompt.waits(), prompt.woken()), (Some(2), 2), "who is not paced never waits");
    assert_eq!(ring(3, 2), None, "they will be told");
    assert_eq!(paced[7].woken(), 1);
    assert_eq!(bell.ring_late(start + ms(3)), Some(due), "it is too early");
    assert_eq!((bell.ring_late(due), paced[7].woken()), (None, 2));
    assert_eq!(paced[7].waits(), Some(2), "the first of both");
    assert_eq!((paced[7].ear.end(), prompt.ear.end()), (4, NOTHING), "and no further than all");
    // Who looks for another reason hears what they were told of, and at the end of all there is.
    let due = ring(4, 12).expect("they wait");
    assert_eq!((paced[7].woken(), paced[7].waits()), (2, None));
    assert_eq!((paced[7].ear.heard_or_known(), paced[7].ear.end()), (Some(4), 4));
    // Who was busy meanwhile was woken once, and has missed nothing.
    assert_eq!((paced[9].woken(), paced[9].waits(), paced[9].ear.end()), (1, Some(1), 4));
    assert_eq!((bell.ring_late(due), paced[9].waits(), paced[9].ear.end()), (None, Some(4), 5));
    assert_eq!(paced[9].ear.heard_or_known(), None);
    assert!(Arc::ptr_eq(paced[9].ear.shared(), prompt.ear.shared()), "they see the same");
}

#[tokio::test]
async fn nothing_is_left_of_who_leaves() {
    let bell = Arc::new(Bell::default());
    let kept = Watcher::new(&bell, &selection(ConfigMap::INFO, "n", "", ""), true);
    for fields in ["", "metadata.name=a"] {
        let gone = Watcher::new(&bell, &selection(ConfigMap::INFO, "n", "", fields), false);
        drop(gone);
    }
    drop(Watcher::new(&bell, &selection(Pod::INFO, "", "", "spec.nodeName=one"), true));
    {
        let rooms = bell.0.lock();
        assert_eq!((rooms.all.len(), rooms.below.len(), rooms.at.len(), rooms.on.len()), (1, 1, 0, 0));
    }
    bell.wake_all();
    assert_eq!((kept.woken(), kept.waits()), (1, None));
    drop(kept);
    let rooms = bell.0.lock();
    assert!(rooms.all.is_empty() && rooms.below.is_empty());
}
