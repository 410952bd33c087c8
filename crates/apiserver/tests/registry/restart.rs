//! What a new process finds.

use std::time::Duration;

use corten_api::core::v1::{ConfigMap, Pod};
use corten_apiserver::registry::WatchOptions;
use corten_store::{Op, Txn};

use crate::fixture::*;

#[tokio::test]
async fn everything_is_there_after_a_restart() {
    let c = Cluster::new().await;
    let mut made = Vec::new();
    for i in 0..20 {
        made.push(c.create(config("ns", &format!("m{i:02}"), "x")).await.expect("created"));
    }
    c.create(pod("p", "n1")).await.expect("created");
    assert!(c.tasks.shutdown(Duration::from_secs(5)).await);
    let again = Cluster::over(c.store.clone()).await;
    for map in &made {
        assert_eq!(&again.get::<ConfigMap>("ns", &map.metadata.name).await.expect("there"), map);
    }
    let options = WatchOptions { field_selector: "spec.nodeName=n1".into(), ..WatchOptions::default() };
    let mut watch = again.watch::<Pod>(options).await;
    assert!(next(&mut watch).await.starts_with("ADDED p "));
    // A watch from before the restart has to start anew.
    let old = made[0].metadata.resource_version.clone();
    let mut late =
        again.watch::<ConfigMap>(WatchOptions { resource_version: old, ..Default::default() }).await;
    assert!(next(&mut late).await.starts_with("ERROR 410 "));
}

#[tokio::test]
async fn watches_end_when_the_server_stops() {
    let c = Cluster::new().await;
    let mut watch = c.watch::<ConfigMap>(WatchOptions::default()).await;
    assert!(c.tasks.shutdown(Duration::from_secs(5)).await);
    assert_eq!(next(&mut watch).await, "end");
    let again = c.registry.watch(&ctx(), &of::<ConfigMap>("", ""), &WatchOptions::default()).await;
    assert_eq!(again.expect_err("no more").code(), 503);
}

#[tokio::test(start_paused = true)]
async fn a_cache_that_fell_behind_reads_anew_and_its_watchers_miss_no_object() {
    let c = Cluster::new().await;
    let a = c.create(config("ns", "a", "x")).await.expect("created");
    c.create(config("ns", "gone", "x")).await.expect("created");
    let mut watch = c.watch::<ConfigMap>(WatchOptions::default()).await;
    assert!(next(&mut watch).await.starts_with("ADDED a "));
    assert!(next(&mut watch).await.starts_with("ADDED gone "));
    // Writes past the registry, without a pause in which the cache could follow.
    let value = c.store.get("/registry/configmaps/ns/a").await.expect("open").record.expect("there").value;
    for _ in 0..50_000 {
        c.store
            .txn(Txn::new(vec![], vec![Op::put("/registry/configmaps/ns/a", value.clone())]))
            .await
            .expect("done");
    }
    c.store.txn(Txn::new(vec![], vec![Op::delete("/registry/configmaps/ns/gone")])).await.expect("done");
    let made = c.create(config("ns", "new", "x")).await.expect("created");
    let last: u64 = made.metadata.resource_version.parse().expect("number");
    let read = c.get::<ConfigMap>("ns", "a").await.expect("there");
    assert_eq!(read.metadata.resource_version, (last - 2).to_string());
    assert_ne!(read.metadata.resource_version, a.metadata.resource_version);
    assert!(c.get::<ConfigMap>("ns", "gone").await.is_err());
    let mut seen = vec![next(&mut watch).await, next(&mut watch).await];
    while !seen.last().is_some_and(|s| s.starts_with("ADDED new")) {
        seen.push(next(&mut watch).await);
    }
    assert!(seen.contains(&format!("MODIFIED a {}", last - 2)), "{seen:?}");
    assert!(seen.iter().any(|s| s.starts_with("DELETED gone ")), "{seen:?}");
    assert!(seen.len() < 50_000, "what lay between is skipped");
}
