//! The same over the engine that keeps a data directory, with real threads and real time.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use corten_admission::Chain;
use corten_api::core::v1::{ConfigMap, Namespace, Service};
use corten_apiserver::bootstrap;
use corten_apiserver::cache::WatchEvent;
use corten_apiserver::registry::{DeleteOptions, ListOptions, WatchOptions};
use corten_rt::{Instant, Stop, Tasks, timeout};
use corten_store::{EmbeddedOptions, EmbeddedStore};

use crate::fixture::*;

async fn open(directory: &Path, tasks: &Tasks) -> Cluster {
    let store = EmbeddedStore::open(directory, EmbeddedOptions::default(), tasks).await.expect("opens");
    let c = Cluster::with(Arc::new(store), Chain::standard()).await;
    bootstrap(&c.registry, "192.0.2.7:6443".parse().expect("address"), &c.tasks).await.expect("bootstrapped");
    c
}

async fn close(c: Cluster, tasks: &Tasks) {
    assert!(c.tasks.shutdown(Duration::from_secs(10)).await);
    c.store.close().await.expect("closes");
    drop(c);
    assert!(tasks.shutdown(Duration::from_secs(10)).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_writers_and_watchers_agree_and_all_is_there_after_a_restart() {
    let directory = tempfile::tempdir().expect("a directory");
    let tasks = Tasks::new(Stop::new());
    let started = Instant::now();
    let c = Arc::new(open(directory.path(), &tasks).await);
    println!("first start: {:?}", started.elapsed());
    let start = c.revision().await.to_string();
    let (writers, each, watchers) = (32, 10, 16);

    let total = writers * each;
    let watching = (0..watchers).map(|_| {
        let (c, start) = (c.clone(), start.clone());
        async move {
            let o = WatchOptions { resource_version: start, ..WatchOptions::default() };
            let mut watch = c.watch::<ConfigMap>(o).await;
            let (mut names, mut last, mut deleted) = (BTreeSet::new(), 0, 0);
            while deleted < total {
                match timeout(Duration::from_secs(60), watch.next()).await.expect("in time").expect("goes on")
                {
                    WatchEvent::Added(e) => {
                        assert!(e.revision() > last && names.insert(e.key().clone()));
                        last = e.revision();
                    }
                    WatchEvent::Deleted(e) => {
                        assert!(e.revision() > last && names.remove(e.key()));
                        (last, deleted) = (e.revision(), deleted + 1);
                    }
                    other => panic!("{other:?}"),
                }
            }
            assert!(names.is_empty());
        }
    });
    let writing = (0..writers).map(|w| {
        let c = c.clone();
        async move {
            for i in 0..each {
                let name = format!("m{w}-{i}");
                let made = c.create(config("default", &name, "x")).await.expect("created");
                assert_eq!(c.get::<ConfigMap>("default", &name).await.expect("there"), made);
                c.delete::<ConfigMap>("default", &name, DeleteOptions::default()).await.expect("deleted");
            }
            let mut service = Service { metadata: meta("default", &format!("s{w}")), ..Service::default() };
            service.spec.type_ = "NodePort".into();
            service.spec.ports.push(corten_api::core::v1::ServicePort { port: 80, ..Default::default() });
            c.create(service).await.expect("created").spec.cluster_ip.clone()
        }
    });
    let work =
        async { tokio::join!(futures::future::join_all(writing), futures::future::join_all(watching)) };
    let (addresses, _) = timeout(Duration::from_secs(120), work).await.expect("in time");
    assert_eq!(addresses.iter().collect::<BTreeSet<_>>().len(), writers);
    let before =
        c.registry.list(&ctx(), &of::<Service>("", ""), &ListOptions::default()).await.expect("list");
    close(Arc::into_inner(c).expect("the last"), &tasks).await;

    let tasks = Tasks::new(Stop::new());
    let started = Instant::now();
    let c = open(directory.path(), &tasks).await;
    println!("second start: {:?}", started.elapsed());
    let after = c.registry.list(&ctx(), &of::<Service>("", ""), &ListOptions::default()).await.expect("list");
    let json = |l: &corten_apiserver::registry::List| l.items.iter().map(|e| e.json()).collect::<Vec<_>>();
    assert_eq!(json(&before), json(&after));
    assert_eq!(c.get::<Namespace>("", "default").await.expect("there").status.phase, "Active");
    close(c, &tasks).await;
}
