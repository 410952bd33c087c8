//! Watches, and the reflectors built on them.

use crate::objects::config_map;
use crate::{NAMESPACE, PATIENCE, eventually};
use anyhow::{Context, Result, bail, ensure};
use futures::{StreamExt, TryStreamExt, pin_mut};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams};
use kube::runtime::{WatchStreamExt, reflector, watcher};
use kube::{Client, ResourceExt};
use serde_json::json;

pub async fn watch(client: &Client) -> Result<()> {
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), NAMESPACE);
    let from = maps.list(&ListParams::default()).await?.metadata.resource_version.context("no revision")?;
    let params = WatchParams::default().labels("name=watched").timeout(20);
    let events = maps.watch(&params, &from).await?;
    pin_mut!(events);

    maps.create(&PostParams::default(), &config_map("unwatched", &[])).await?;
    maps.create(&PostParams::default(), &config_map("watched", &[])).await?;
    for label in ["watched", "hidden", "watched"] {
        let patch = json!({"data": {"label": label}, "metadata": {"labels": {"name": label}}});
        maps.patch("watched", &PatchParams::default(), &Patch::Merge(patch)).await?;
    }
    maps.delete("watched", &DeleteParams::default()).await?;

    // An object that leaves the selection is deleted for this watch, and added when it comes back.
    for wanted in ["added", "modified", "deleted", "added", "deleted"] {
        let event = tokio::time::timeout(PATIENCE, events.try_next()).await??.context("the watch ended")?;
        let (got, object) = match event {
            WatchEvent::Added(object) => ("added", object),
            WatchEvent::Modified(object) => ("modified", object),
            WatchEvent::Deleted(object) => ("deleted", object),
            WatchEvent::Bookmark(_) => continue,
            WatchEvent::Error(status) => bail!("watch: {status:?}"),
        };
        ensure!((got, object.name_any().as_str()) == (wanted, "watched"), "{got} {object:?}");
    }

    let too_old = maps.watch(&WatchParams::default(), "1").await;
    if let Ok(events) = too_old {
        pin_mut!(events);
        let first = tokio::time::timeout(PATIENCE, events.try_next()).await??;
        ensure!(first.is_some(), "a watch from the past ended without a word");
    }
    Ok(())
}

/// A reflector's store follows what happens, however it gets its first list.
pub async fn reflect(client: &Client, streamed: bool) -> Result<()> {
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), NAMESPACE);
    let kind = if streamed { "streamed" } else { "listed" };
    for i in 0..5 {
        let mut object = config_map(&format!("{kind}-{i}"), &[]);
        object.labels_mut().insert("suite".into(), kind.into());
        maps.create(&PostParams::default(), &object).await?;
    }
    let mut config = watcher::Config::default().labels(&format!("suite={kind}")).page_size(2);
    if streamed {
        config = config.streaming_lists();
    }
    let (store, writer) = reflector::store::<ConfigMap>();
    let stream = watcher(maps.clone(), config).reflect(writer).touched_objects();
    let follow = tokio::spawn(async move {
        pin_mut!(stream);
        let mut errors = Vec::new();
        while let Some(event) = stream.next().await {
            if let Err(error) = event {
                errors.push(error.to_string());
                break;
            }
        }
        errors
    });
    tokio::time::timeout(PATIENCE, store.wait_until_ready()).await.context("no first list")??;
    ensure!(store.len() == 5, "{} objects in the store", store.len());

    let patch = Patch::Merge(json!({"data": {"a": "1"}}));
    maps.patch(&format!("{kind}-1"), &PatchParams::default(), &patch).await?;
    maps.delete(&format!("{kind}-2"), &DeleteParams::default()).await?;
    let mut late = config_map(&format!("{kind}-late"), &[]);
    late.labels_mut().insert("suite".into(), kind.into());
    maps.create(&PostParams::default(), &late).await?;
    eventually("the store sees all changes", async || {
        let found = store.state();
        let mut names: Vec<String> = found.iter().map(|object| object.name_any()).collect();
        names.sort();
        let changed =
            found.iter().any(|object| object.data.as_ref().is_some_and(|data| data.contains_key("a")));
        let wanted = ["0", "1", "3", "4", "late"].map(|end| format!("{kind}-{end}"));
        Ok(names == wanted && changed)
    })
    .await?;
    ensure!(!follow.is_finished(), "the watcher ended: {:?}", follow.await?);
    follow.abort();
    Ok(())
}
