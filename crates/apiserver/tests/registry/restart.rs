//! What a new process finds.

use std::time::Duration;

use corten_api::core::v1::{ConfigMap, Pod};
use corten_apiserver::registry::WatchOptions;

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
}
