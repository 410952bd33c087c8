//! Watches as their clients see them.

use crate::manifests::NS;
use anyhow::{Context, Result, ensure};
use corten_api::core::v1::ConfigMap;
use corten_client::{Event, WatchOptions};
use corten_rt::timeout;
use corten_semantics::ApiResult;
use corten_testkit::TestCluster;
use futures::StreamExt;
use futures::stream::BoxStream;
use serde_json::json;
use std::time::Duration;

type Events = BoxStream<'static, ApiResult<Event<ConfigMap>>>;

async fn watch(cluster: &TestCluster, label_selector: &str, from: &str) -> Result<Events> {
    let options = WatchOptions {
        label_selector: label_selector.into(),
        resource_version: from.into(),
        initial_events: from.is_empty(),
        ..WatchOptions::default()
    };
    Ok(cluster.client.namespaced::<ConfigMap>(NS).watch(options).await?)
}

/// The next event that is about an object: what happened, its name, and its revision.
async fn next(events: &mut Events) -> Result<(&'static str, String, String)> {
    loop {
        let event = timeout(Duration::from_secs(10), events.next()).await.context("no event")?;
        let (kind, object) = match event.context("the watch ended")?? {
            Event::Added(object) => ("added", object),
            Event::Modified(object) => ("modified", object),
            Event::Deleted(object) => ("deleted", object),
            Event::Bookmark { .. } => continue,
        };
        return Ok((kind, object.metadata.name.clone(), object.metadata.resource_version.clone()));
    }
}

async fn expect(events: &mut Events, wanted: &[(&str, &str)]) -> Result<()> {
    for (kind, name) in wanted {
        let (got, of, _) = next(events).await?;
        ensure!((got, of.as_str()) == (*kind, *name), "{got} {of}, not {kind} {name}");
    }
    let more = timeout(Duration::from_secs(1), next(events)).await;
    ensure!(more.is_none(), "one more: {more:?}");
    Ok(())
}

async fn create(cluster: &TestCluster, name: &str, label: &str) -> Result<String> {
    let map = json!({"metadata": {"name": name, "labels": {"watch": label}}});
    Ok(cluster.create::<ConfigMap>(NS, map).await?.metadata.resource_version.clone())
}

async fn change(cluster: &TestCluster, name: &str, value: &str) -> Result<String> {
    let patched = cluster.patch::<ConfigMap>(NS, name, json!({"data": {"mutation": value}})).await?;
    Ok(patched.metadata.resource_version.clone())
}

#[tokio::test(start_paused = true)]
async fn watchers_add_update_delete_w_label_selectors() -> Result<()> {
    let cluster = TestCluster::start().await?;
    let mut a = watch(&cluster, "watch=a", "").await?;
    let mut either = watch(&cluster, "watch in (a,b)", "").await?;
    create(&cluster, "map-a", "a").await?;
    change(&cluster, "map-a", "1").await?;
    create(&cluster, "map-b", "b").await?;
    cluster.delete::<ConfigMap>(NS, "map-a", "").await?;
    cluster.delete::<ConfigMap>(NS, "map-b", "").await?;
    expect(&mut a, &[("added", "map-a"), ("modified", "map-a"), ("deleted", "map-a")]).await?;
    let all = [
        ("added", "map-a"),
        ("modified", "map-a"),
        ("added", "map-b"),
        ("deleted", "map-a"),
        ("deleted", "map-b"),
    ];
    expect(&mut either, &all).await?;
    cluster.end().await;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn watchers_start_at_rv() -> Result<()> {
    let cluster = TestCluster::start().await?;
    create(&cluster, "map", "a").await?;
    let first = change(&cluster, "map", "1").await?;
    change(&cluster, "map", "2").await?;
    cluster.delete::<ConfigMap>(NS, "map", "").await?;
    let mut events = watch(&cluster, "watch=a", &first).await?;
    expect(&mut events, &[("modified", "map"), ("deleted", "map")]).await?;
    cluster.end().await;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn watchers_restart_from_last_rv() -> Result<()> {
    let cluster = TestCluster::start().await?;
    let mut events = watch(&cluster, "watch=a", "").await?;
    create(&cluster, "map", "a").await?;
    change(&cluster, "map", "1").await?;
    next(&mut events).await?;
    let (_, _, last) = next(&mut events).await?;
    drop(events);
    change(&cluster, "map", "2").await?;
    cluster.delete::<ConfigMap>(NS, "map", "").await?;
    let mut events = watch(&cluster, "watch=a", &last).await?;
    expect(&mut events, &[("modified", "map"), ("deleted", "map")]).await?;
    cluster.end().await;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn watchers_leaving_selector_deleted() -> Result<()> {
    let cluster = TestCluster::start().await?;
    let mut events = watch(&cluster, "watch=a", "").await?;
    create(&cluster, "map", "a").await?;
    for label in ["other", "a"] {
        change(&cluster, "map", label).await?;
        cluster.patch::<ConfigMap>(NS, "map", json!({"metadata": {"labels": {"watch": label}}})).await?;
    }
    cluster.delete::<ConfigMap>(NS, "map", "").await?;
    let wanted =
        [("added", "map"), ("modified", "map"), ("deleted", "map"), ("added", "map"), ("deleted", "map")];
    expect(&mut events, &wanted).await?;
    cluster.end().await;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn watchers_concurrent_watches_same_order() -> Result<()> {
    let cluster = TestCluster::start().await?;
    let start = create(&cluster, "map-0", "a").await?;
    let mut revisions = vec![start.clone()];
    for i in 1..20 {
        revisions.push(create(&cluster, &format!("map-{i}"), "a").await?);
        change(&cluster, &format!("map-{}", i / 2), &i.to_string()).await?;
    }
    let mut orders = Vec::new();
    for from in &revisions[..10] {
        let mut events = watch(&cluster, "watch=a", from).await?;
        let mut order = Vec::new();
        while let Some(event) = timeout(Duration::from_secs(1), next(&mut events)).await {
            order.push(event?);
        }
        orders.push(order);
    }
    ensure!(orders[0].len() == 38, "{} events", orders[0].len());
    for order in &orders[1..] {
        ensure!(orders[0].ends_with(order) && !order.is_empty(), "another order: {order:?}");
    }
    cluster.end().await;
    Ok(())
}
