//! Events: one store, seen through two groups.

use anyhow::{Context, Result, ensure};
use corten_client::PatchType;
use corten_conformance::rest::Resource;
use corten_conformance::{Cluster, spec};
use serde_json::{Value, json};

const CORE: &str = "v1";
const GROUP: &str = "events.k8s.io/v1";

fn of_group(cluster: &Cluster, name: &str, label: &str) -> Value {
    let about = json!({"namespace": cluster.namespace});
    json!({
        "metadata": {"name": name, "namespace": cluster.namespace, "labels": {label: "true"}},
        "regarding": about, "eventTime": "2017-09-19T13:49:16.000000Z", "note": format!("This is {name}"),
        "action": "Do", "reason": "Test", "type": "Normal",
        "reportingController": "test-controller", "reportingInstance": "test-node",
    })
}

fn of_core(cluster: &Cluster, name: &str, label: &str) -> Value {
    let about = json!({"namespace": cluster.namespace});
    json!({
        "metadata": {"name": name, "labels": {label: "true"}}, "involvedObject": about,
        "message": format!("This is {name}"), "reason": "Test", "type": "Normal", "count": 1,
    })
}

/// Whether the Event is listed, in its namespace and in all.
async fn listed(cluster: &Cluster, version: &str, name: &str) -> Result<[bool; 2]> {
    let mut found = [false; 2];
    for (place, all) in
        [cluster.resource(version, "events"), cluster.wide(version, "events")].iter().enumerate()
    {
        let items = all.items("?labelSelector=testevent-constant%3Dtrue").await?;
        let ours = |m: &Value| m["name"] == name && m["namespace"] == *cluster.namespace;
        found[place] = items.iter().any(|item| ours(&item["metadata"]));
    }
    Ok(found)
}

/// The one Event of a field selector.
async fn only(events: &Resource<'_>, selector: &str, name: &str) -> Result<()> {
    let found = events.items(&format!("?fieldSelector={selector}")).await?;
    ensure!(found.len() == 1 && found[0]["metadata"]["name"] == name, "{selector}: {found:?}");
    Ok(())
}

/// What must stay as it is when an Event changes.
fn content(event: &Value) -> Value {
    let mut content = event.clone();
    if let Some(metadata) = content["metadata"].as_object_mut() {
        metadata.retain(|field, _| !["resourceVersion", "managedFields"].contains(&field.as_str()));
    }
    content
}

#[tokio::test]
async fn events_events_k8s_io_lifecycle() -> Result<()> {
    const NAME: &str = "event-test";
    spec(async |cluster| {
        let (events, core) = (cluster.resource(GROUP, "events"), cluster.resource(CORE, "events"));
        let made = events.create(&of_group(cluster, NAME, "testevent-constant")).await?;
        ensure!(listed(cluster, GROUP, NAME).await? == [true; 2], "the Event is not listed");
        only(&core, "source%3Dtest-controller", NAME).await?;
        only(&events, "reportingController%3Dtest-controller", NAME).await?;
        let read = events.get(NAME).await?;
        let series = json!({"count": 2, "lastObservedTime": "2017-09-19T13:49:11.000000Z"});
        let patch = json!({"series": series});
        events.patch(NAME, PatchType::Strategic, &patch).await?;
        let patched = events.get(NAME).await?;
        let revision = |event: &Value| event["metadata"]["resourceVersion"].as_str()?.parse::<u64>().ok();
        ensure!(revision(&made) < revision(&patched), "the patch did not raise the revision");
        let mut expected = content(&read);
        expected["series"] = series;
        ensure!(content(&patched) == expected, "{patched} instead of {expected}");
        expected["series"] = json!({"count": 100, "lastObservedTime": "2017-09-19T13:49:16.000000Z"});
        // Without a revision: the last writer wins.
        events.put(NAME, &expected).await?;
        let updated = events.get(NAME).await?;
        ensure!(content(&updated) == expected, "{updated} instead of {expected}");
        events.delete(NAME).await?;
        ensure!(listed(cluster, GROUP, NAME).await? == [false; 2], "the deleted Event is listed");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn events_core_events_lifecycle() -> Result<()> {
    const NAME: &str = "event-test";
    spec(async |cluster| {
        let events = cluster.resource(CORE, "events");
        events.create(&of_core(cluster, NAME, "testevent-constant")).await?;
        ensure!(listed(cluster, CORE, NAME).await? == [true; 2], "the Event is not listed");
        let message = "This is a test event - patched";
        events.patch(NAME, PatchType::Strategic, &json!({"message": message})).await?;
        let patched = events.get(NAME).await?;
        ensure!(patched["message"] == message, "{patched}");
        let mut expected = content(&patched);
        expected["series"] = json!({"count": 100, "lastObservedTime": "2017-09-19T13:49:16.000000Z"});
        events.put(NAME, &expected).await?;
        let updated = events.get(NAME).await?;
        ensure!(content(&updated) == expected, "{updated} instead of {expected}");
        events.delete(NAME).await?;
        ensure!(listed(cluster, CORE, NAME).await? == [false; 2], "the deleted Event is listed");
        Ok(())
    })
    .await
}

async fn collection(version: &str, event: impl Fn(&Cluster, &str, &str) -> Value) -> Result<()> {
    const SELECTOR: &str = "?labelSelector=testevent-set%3Dtrue";
    spec(async |cluster| {
        let events = cluster.resource(version, "events");
        for name in ["test-event-1", "test-event-2", "test-event-3"] {
            events.create(&event(cluster, name, "testevent-set")).await.context(name)?;
        }
        ensure!(events.items(SELECTOR).await?.len() == 3, "not all are listed");
        events.delete_all(SELECTOR).await?;
        ensure!(events.items(SELECTOR).await?.is_empty(), "some are left");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn events_events_k8s_io_deletecollection() -> Result<()> {
    collection(GROUP, of_group).await
}

#[tokio::test]
async fn events_core_events_deletecollection() -> Result<()> {
    collection(CORE, of_core).await
}
