//! Watches.

use std::time::Duration;

use corten_api::core::v1::{ConfigMap, Pod};
use corten_apiserver::registry::{DeleteOptions, WatchOptions};

use crate::fixture::*;

fn from(rv: &str) -> WatchOptions {
    WatchOptions {
        resource_version: rv.into(),
        timeout: Some(Duration::from_secs(3600)),
        ..Default::default()
    }
}

#[tokio::test(start_paused = true)]
async fn watches_start_where_they_are_told() {
    let c = Cluster::new().await;
    let a = c.create(config("ns", "a", "x")).await.expect("created");
    let b = c.create(config("ns", "b", "x")).await.expect("created");
    let (ra, rb) = (&a.metadata.resource_version, &b.metadata.resource_version);
    let streaming = |rv: &str| WatchOptions {
        resource_version_match: "NotOlderThan".into(),
        send_initial_events: Some(true),
        allow_bookmarks: true,
        ..from(rv)
    };
    let (added_a, added_b) = (format!("ADDED a {ra}"), format!("ADDED b {rb}"));
    let initial_end = format!("INITIAL-END {rb}");
    for (options, want) in [
        (from(""), vec![&added_a, &added_b]),
        (from("0"), vec![&added_a, &added_b]),
        (from(ra), vec![&added_b]),
        (from(rb), vec![]),
        (streaming(""), vec![&added_a, &added_b, &initial_end]),
        (streaming(rb), vec![&added_a, &added_b, &initial_end]),
        (WatchOptions { allow_bookmarks: false, ..streaming("0") }, vec![&added_a, &added_b]),
        (WatchOptions { send_initial_events: Some(false), allow_bookmarks: false, ..streaming("") }, vec![]),
    ] {
        let mut watch = c.watch::<ConfigMap>(options.clone()).await;
        for event in want {
            assert_eq!(&next(&mut watch).await, event, "{options:?}");
        }
        if !options.allow_bookmarks {
            assert_eq!(next(&mut watch).await, "-", "{options:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn selected_objects_come_and_go() {
    let c = Cluster::new().await;
    let first = c.revision().await;
    let mut watch = c
        .watch::<ConfigMap>(WatchOptions { label_selector: "app=x".into(), ..from(&first.to_string()) })
        .await;
    let mut all = c.watch::<ConfigMap>(from(&first.to_string())).await;
    for app in ["y", "x", "x2"] {
        let _ = c.update(config("ns", "a", app)).await;
        if app == "y" {
            c.create(config("ns", "a", app)).await.expect("created");
        }
    }
    c.update(config("ns", "a", "x")).await.expect("updated");
    let mut changed = config("ns", "a", "x");
    changed.data.insert("more".into(), "data".into());
    c.update(changed).await.expect("updated");
    c.delete::<ConfigMap>("ns", "a", DeleteOptions::default()).await.expect("deleted");
    let at = |offset: u64| first + offset;
    for want in [
        format!("ADDED a {}", at(2)),
        format!("DELETED a {}", at(3)),
        format!("ADDED a {}", at(4)),
        format!("MODIFIED a {}", at(5)),
        format!("DELETED a {}", at(6)),
        "-".to_string(),
    ] {
        assert_eq!(next(&mut watch).await, want);
    }
    for want in ["ADDED", "MODIFIED", "MODIFIED", "MODIFIED", "MODIFIED", "DELETED"] {
        assert!(next(&mut all).await.starts_with(want));
    }
}

#[tokio::test(start_paused = true)]
async fn a_deleted_event_carries_the_previous_state() {
    let c = Cluster::new().await;
    c.create(config("ns", "a", "x")).await.expect("created");
    let now = c.revision().await.to_string();
    let mut watch = c.watch::<ConfigMap>(WatchOptions { label_selector: "app=x".into(), ..from(&now) }).await;
    c.update(config("ns", "a", "y")).await.expect("updated");
    match watch.next().await {
        Some(corten_apiserver::cache::WatchEvent::Deleted(entry)) => {
            let text = String::from_utf8(entry.json().to_vec()).expect("text");
            assert!(text.contains("\"app\":\"x\""), "{text}");
            assert_eq!(entry.revision(), c.revision().await);
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn pods_are_watched_by_node() {
    let c = Cluster::new().await;
    c.create(pod("a", "n1")).await.expect("created");
    c.create(pod("b", "n2")).await.expect("created");
    let mut watch =
        c.watch::<Pod>(WatchOptions { field_selector: "spec.nodeName=n1".into(), ..from("") }).await;
    assert!(next(&mut watch).await.starts_with("ADDED a "));
    c.create(pod("c", "n2")).await.expect("created");
    c.create(pod("d", "n1")).await.expect("created");
    assert!(next(&mut watch).await.starts_with("ADDED d "));
}

#[tokio::test(start_paused = true)]
async fn idle_watches_hear_where_they_stand_and_end_in_time() {
    let c = Cluster::new().await;
    let now = c.revision().await;
    let options = WatchOptions {
        allow_bookmarks: true,
        timeout: Some(Duration::from_secs(90)),
        ..from(&now.to_string())
    };
    let mut watch = c.watch::<ConfigMap>(options).await;
    assert_eq!(next(&mut watch).await, format!("BOOKMARK {now}"));
    c.create(pod("elsewhere", "")).await.expect("created");
    assert_eq!(next(&mut watch).await, format!("BOOKMARK {}", now + 1));
    assert_eq!(next(&mut watch).await, "end");
    assert_eq!(next(&mut watch).await, "end");
}

#[tokio::test(start_paused = true)]
async fn watchers_that_ask_for_too_much_or_are_too_slow_are_told() {
    let c = Cluster::new().await;
    c.create(config("ns", "a", "0")).await.expect("created");
    let start = c.revision().await.to_string();
    let mut slow = c.watch::<ConfigMap>(from(&start)).await;
    for i in 0..18_000 {
        c.update(config("ns", "a", &i.to_string())).await.expect("updated");
    }
    assert!(next(&mut slow).await.starts_with("ERROR 410 too old resource version: "));
    assert_eq!(next(&mut slow).await, "end");
    let mut late = c.watch::<ConfigMap>(from(&start)).await;
    assert!(next(&mut late).await.starts_with(&format!("ERROR 410 too old resource version: {start} (")));
    assert_eq!(next(&mut late).await, "end");
}

#[tokio::test(start_paused = true)]
async fn a_thousand_watchers_share_one_entry() {
    let c = Cluster::new().await;
    let now = c.revision().await.to_string();
    let mut watches = Vec::new();
    for _ in 0..1000 {
        watches.push(c.watch::<ConfigMap>(from(&now)).await);
    }
    c.create(config("ns", "a", "x")).await.expect("created");
    let mut bytes = None;
    for watch in &mut watches {
        match watch.next().await {
            Some(corten_apiserver::cache::WatchEvent::Added(entry)) => {
                let at = entry.json().as_ptr() as usize;
                assert_eq!(*bytes.get_or_insert(at), at, "encoded once");
            }
            other => panic!("{other:?}"),
        }
    }
}
