//! SIG API Machinery: garbage collection, namespaces, watches, the version.

use anyhow::{Context, Result, ensure};
use corten_api::apps::v1::{Deployment, ReplicaSet};
use corten_api::core::v1::{ConfigMap, Namespace, NamespaceCondition, Pod, ReplicationController, Service};
use corten_client::{DeleteOptions, Event, PatchType, WatchOptions};
use corten_conformance::{Cluster, pods, spec};
use corten_rt::{random, sleep, timeout};
use futures::StreamExt;
use futures::stream::BoxStream;
use serde_json::{Value, json};
use std::time::Duration;

fn background() -> DeleteOptions {
    DeleteOptions { propagation_policy: Some("Background".into()), ..DeleteOptions::default() }
}

#[tokio::test]
async fn gc_deployment_background() -> Result<()> {
    spec(async |cluster| {
        let labels = json!({"app": "gc"});
        cluster
            .create::<Deployment>(json!({
                "metadata": {"name": "simple"},
                "spec": {
                    "replicas": 2,
                    "selector": {"matchLabels": labels},
                    "template": pods::template(&labels),
                },
            }))
            .await?;
        let sets = |sets: &[_]| !sets.is_empty();
        cluster.until_list::<ReplicaSet>("app=gc", "the Deployment's ReplicaSet", sets).await?;
        cluster.api::<Deployment>().delete("simple", background()).await?;
        cluster.until_list::<ReplicaSet>("", "no ReplicaSets", |sets| sets.is_empty()).await?;
        cluster.until_list::<Pod>("", "no pods", |pods| pods.is_empty()).await?;
        Ok(())
    })
    .await
}

#[tokio::test]
async fn gc_rc_background() -> Result<()> {
    spec(async |cluster| {
        let labels = json!({"app": "gc"});
        cluster
            .create::<ReplicationController>(json!({
                "metadata": {"name": "simple"},
                "spec": {"replicas": 2, "selector": labels, "template": pods::template(&labels)},
            }))
            .await?;
        cluster.until_list::<Pod>("app=gc", "the controller's pods", |pods| pods.len() == 2).await?;
        cluster.api::<ReplicationController>().delete("simple", background()).await?;
        cluster.until_list::<Pod>("", "no pods", |pods| pods.is_empty()).await?;
        Ok(())
    })
    .await
}

#[tokio::test]
async fn namespaces_finalizer_via_finalize() -> Result<()> {
    const FINALIZER: &str = "e2e.example.com/fakeFinalizer";
    spec(async |cluster| {
        let name = &cluster.namespace;
        let add = |n: &mut Namespace| n.spec.finalizers.push(FINALIZER.into());
        let added = cluster.change_sub::<Namespace>(name, "finalize", add).await?;
        ensure!(added.spec.finalizers == ["kubernetes", FINALIZER], "{:?}", added.spec.finalizers);
        let read = cluster.client.all::<Namespace>().get(name).await?;
        ensure!(read.spec.finalizers == added.spec.finalizers, "{:?}", read.spec.finalizers);
        let take = |n: &mut Namespace| n.spec.finalizers.retain(|f| f != FINALIZER);
        let taken = cluster.change_sub::<Namespace>(name, "finalize", take).await?;
        ensure!(taken.spec.finalizers == ["kubernetes"], "{:?}", taken.spec.finalizers);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn namespaces_update() -> Result<()> {
    spec(async |cluster| {
        let name = &cluster.namespace;
        let mark = |n: &mut Namespace| drop(n.metadata.labels.insert(name.clone(), "updated".into()));
        let updated = cluster.change::<Namespace>(name, mark).await?;
        ensure!(updated.metadata.labels.get(name).is_some_and(|v| v == "updated"), "{:?}", updated.metadata);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn namespaces_status_patch_update() -> Result<()> {
    spec(async |cluster| {
        let name = &cluster.namespace;
        let read = cluster.get_sub::<Namespace, Namespace>(name, "status").await?;
        ensure!(read.status.phase == "Active", "phase {}", read.status.phase);
        let patch = json!({
            "metadata": {"annotations": {"e2e-patched-ns-status": name}},
            "status": {"conditions": [{
                "type": "StatusPatch", "status": "True", "reason": "E2E", "message": "Patched by an e2e test",
            }]},
        });
        let patch = patch.to_string().into_bytes();
        let patched =
            cluster.client.all::<Namespace>().patch_sub(name, "status", PatchType::Merge, patch).await?;
        ensure!(patched.metadata.annotations.get("e2e-patched-ns-status") == Some(name), "{patched:?}");
        let last = patched.status.conditions.last().context("a condition")?;
        ensure!((&*last.reason, &*last.message) == ("E2E", "Patched by an e2e test"), "{last:?}");
        let condition = NamespaceCondition {
            type_: "StatusUpdate".into(),
            status: "True".into(),
            reason: "E2E".into(),
            message: "Updated by an e2e test".into(),
            ..NamespaceCondition::default()
        };
        let add = |n: &mut Namespace| n.status.conditions.push(condition.clone());
        let updated = cluster.change_sub::<Namespace>(name, "status", add).await?;
        let last = updated.status.conditions.last().context("a condition")?;
        ensure!((&*last.type_, &*last.message) == ("StatusUpdate", "Updated by an e2e test"), "{last:?}");
        Ok(())
    })
    .await
}

/// Makes a namespace, an object in it, deletes the namespace, makes it again, and sees that it is empty.
async fn emptied_by_deletion<K: corten_api::Kind>(cluster: &Cluster, object: Value) -> Result<()> {
    let name = format!("nsdeletetest-{}", random::name_suffix(5));
    cluster.new_namespace(&name).await?;
    let api = cluster.client.namespaced::<K>(&name);
    let result = async {
        let made = api.create(corten_conformance::object(&object)?).await?.meta().name.clone();
        if K::INFO.kind == "Pod" {
            running(cluster, &name, &made).await?;
        }
        cluster.remove(&name).await?;
        cluster.gone::<Namespace>(&name).await?;
        cluster.new_namespace(&name).await?;
        ensure!(api.find(&made).await?.is_none(), "{made} outlived its namespace");
        Ok(())
    }
    .await;
    cluster.remove(&name).await?;
    result
}

async fn running(cluster: &Cluster, namespace: &str, pod: &str) -> Result<()> {
    for _ in 0..300 {
        if cluster.client.namespaced::<Pod>(namespace).get(pod).await?.status.phase == "Running" {
            return Ok(());
        }
        sleep(Duration::from_millis(200)).await;
    }
    anyhow::bail!("the pod does not run after a minute")
}

#[tokio::test]
async fn namespaces_delete_removes_pods() -> Result<()> {
    spec(async |cluster| {
        emptied_by_deletion::<Pod>(cluster, pods::pod("test-pod", &[pods::container("httpd")])).await
    })
    .await
}

#[tokio::test]
async fn namespaces_delete_removes_services() -> Result<()> {
    let service = json!({
        "metadata": {"name": "test-service"},
        "spec": {"selector": {"foo": "bar", "baz": "blah"}, "ports": [{"port": 80, "targetPort": 80}]},
    });
    spec(async |cluster| emptied_by_deletion::<Service>(cluster, service).await).await
}

#[tokio::test]
async fn namespaces_patch() -> Result<()> {
    spec(async |cluster| {
        let api = cluster.client.all::<Namespace>();
        let before = api.get(&cluster.namespace).await?;
        let patch = json!({"metadata": {"labels": {"testLabel": "testValue"}}}).to_string().into_bytes();
        let patched = api.patch(&cluster.namespace, PatchType::Strategic, patch).await?;
        let revision = |n: &Namespace| n.metadata.resource_version.parse::<u64>();
        ensure!(revision(&before)? < revision(&patched)?, "the patch did not raise the revision");
        let read = api.get(&cluster.namespace).await?;
        ensure!(
            read.metadata.labels.get("testLabel").is_some_and(|v| v == "testValue"),
            "{:?}",
            read.metadata
        );
        Ok(())
    })
    .await
}

type Watch = BoxStream<'static, corten_semantics::ApiResult<Event<ConfigMap>>>;

async fn watch(cluster: &Cluster, selector: &str, from: &str) -> Result<Watch> {
    let options = WatchOptions {
        label_selector: selector.into(),
        resource_version: from.into(),
        ..WatchOptions::default()
    };
    Ok(cluster.api::<ConfigMap>().watch(options).await?)
}

/// What happened (`ADDED`, `MODIFIED`, `DELETED`), the object's `data.mutation` and its revision.
type Seen = (&'static str, String, String);

async fn next_within(watch: &mut Watch, limit: Duration) -> Result<Option<Seen>> {
    loop {
        let Some(event) = timeout(limit, watch.next()).await else { return Ok(None) };
        let (what, object) = match event.context("the watch ended")?? {
            Event::Added(object) => ("ADDED", object),
            Event::Modified(object) => ("MODIFIED", object),
            Event::Deleted(object) => ("DELETED", object),
            Event::Bookmark { .. } => continue,
        };
        let mutation = object.data.get("mutation").cloned().unwrap_or_default();
        return Ok(Some((what, mutation, object.metadata.resource_version.clone())));
    }
}

/// Expects the next events of a watch: `[("ADDED", ""), ...]`; gives the last one's revision.
async fn expect(watch: &mut Watch, events: &[(&str, &str)]) -> Result<String> {
    let mut last = String::new();
    for (what, mutation) in events {
        let seen = next_within(watch, Duration::from_secs(60)).await?;
        let seen = seen.with_context(|| format!("no {what} {mutation:?} within a minute"))?;
        ensure!((seen.0, &*seen.1) == (*what, *mutation), "{seen:?} instead of {what} {mutation:?}");
        last = seen.2;
    }
    Ok(last)
}

async fn expect_silence(watch: &mut Watch) -> Result<()> {
    let seen = next_within(watch, Duration::from_secs(5)).await?;
    ensure!(seen.is_none(), "{seen:?} instead of silence");
    Ok(())
}

async fn make(cluster: &Cluster, name: &str, label: &str) -> Result<String> {
    let map = json!({"metadata": {"name": name, "labels": {"watch-this": label}}});
    Ok(cluster.create::<ConfigMap>(map).await?.metadata.resource_version.clone())
}

async fn mutate(cluster: &Cluster, name: &str, mutation: &str) -> Result<String> {
    let set = |map: &mut ConfigMap| drop(map.data.insert("mutation".into(), mutation.into()));
    Ok(cluster.change::<ConfigMap>(name, set).await?.metadata.resource_version.clone())
}

async fn relabel(cluster: &Cluster, name: &str, label: &str) -> Result<()> {
    let set = |map: &mut ConfigMap| drop(map.metadata.labels.insert("watch-this".into(), label.into()));
    cluster.change::<ConfigMap>(name, set).await.map(drop)
}

async fn delete(cluster: &Cluster, name: &str) -> Result<()> {
    Ok(cluster.api::<ConfigMap>().delete(name, DeleteOptions::default()).await?)
}

#[tokio::test]
async fn watchers_restart_from_last_rv() -> Result<()> {
    spec(async |cluster| {
        let mut first = watch(cluster, "watch-this in (restarted)", "").await?;
        make(cluster, "closed", "restarted").await?;
        mutate(cluster, "closed", "1").await?;
        let last = expect(&mut first, &[("ADDED", ""), ("MODIFIED", "1")]).await?;
        drop(first);
        mutate(cluster, "closed", "2").await?;
        let mut second = watch(cluster, "watch-this in (restarted)", &last).await?;
        delete(cluster, "closed").await?;
        expect(&mut second, &[("MODIFIED", "2"), ("DELETED", "2")]).await.map(drop)
    })
    .await
}

#[tokio::test]
async fn watchers_start_at_rv() -> Result<()> {
    spec(async |cluster| {
        make(cluster, "past", "from-rv").await?;
        let first = mutate(cluster, "past", "1").await?;
        mutate(cluster, "past", "2").await?;
        delete(cluster, "past").await?;
        let mut late = watch(cluster, "watch-this in (from-rv)", &first).await?;
        expect(&mut late, &[("MODIFIED", "2"), ("DELETED", "2")]).await.map(drop)
    })
    .await
}

#[tokio::test]
async fn watchers_add_update_delete_w_label_selectors() -> Result<()> {
    spec(async |cluster| {
        let mut a = watch(cluster, "watch-this in (a)", "").await?;
        let mut b = watch(cluster, "watch-this in (b)", "").await?;
        let mut both = watch(cluster, "watch-this in (a,b)", "").await?;
        make(cluster, "map-a", "a").await?;
        mutate(cluster, "map-a", "1").await?;
        mutate(cluster, "map-a", "2").await?;
        delete(cluster, "map-a").await?;
        let life = [("ADDED", ""), ("MODIFIED", "1"), ("MODIFIED", "2"), ("DELETED", "2")];
        expect(&mut a, &life).await?;
        expect(&mut both, &life).await?;
        make(cluster, "map-b", "b").await?;
        delete(cluster, "map-b").await?;
        expect(&mut b, &[("ADDED", ""), ("DELETED", "")]).await?;
        expect(&mut both, &[("ADDED", ""), ("DELETED", "")]).await?;
        expect_silence(&mut a).await
    })
    .await
}

#[tokio::test]
async fn watchers_leaving_selector_deleted() -> Result<()> {
    spec(async |cluster| {
        let mut watch = watch(cluster, "watch-this in (change)", "").await?;
        make(cluster, "moving", "change").await?;
        mutate(cluster, "moving", "1").await?;
        relabel(cluster, "moving", "wrong").await?;
        expect(&mut watch, &[("ADDED", ""), ("MODIFIED", "1"), ("DELETED", "1")]).await?;
        mutate(cluster, "moving", "2").await?;
        expect_silence(&mut watch).await?;
        relabel(cluster, "moving", "change").await?;
        mutate(cluster, "moving", "3").await?;
        delete(cluster, "moving").await?;
        expect(&mut watch, &[("ADDED", "2"), ("MODIFIED", "3"), ("DELETED", "3")]).await.map(drop)
    })
    .await
}

/// Creates, changes and deletes ConfigMaps until dropped.
async fn churn(cluster: &Cluster) -> Result<()> {
    for round in 0u64.. {
        let name = format!("churn-{}", round % 5);
        match round / 5 % 3 {
            0 => drop(make(cluster, &name, "churn").await?),
            1 => drop(mutate(cluster, &name, &round.to_string()).await?),
            _ => delete(cluster, &name).await?,
        }
        sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

#[tokio::test]
async fn watchers_concurrent_watches_same_order() -> Result<()> {
    const WATCHES: usize = 100;
    spec(async |cluster| {
        let list = cluster.api::<ConfigMap>().list(&corten_client::ListOptions::default()).await?;
        let mut from = list.resource_version;
        let compare = async {
            let mut watches: Vec<Watch> = Vec::new();
            for _ in 0..WATCHES {
                watches.push(watch(cluster, "", &from).await?);
                let mut revisions = Vec::new();
                for watch in &mut watches {
                    let seen = next_within(watch, Duration::from_secs(60)).await?;
                    revisions.push(seen.context("no event within a minute")?.2);
                }
                from = revisions[0].clone();
                ensure!(revisions.iter().all(|r| *r == from), "one event, many revisions: {revisions:?}");
            }
            Ok(())
        };
        tokio::select! {
            result = compare => result,
            result = churn(cluster) => result.context("the writer failed"),
        }
    })
    .await
}

#[tokio::test]
async fn version_major_minor_integers() -> Result<()> {
    spec(async |cluster| {
        let version: Value = serde_json::from_str(&cluster.kubectl(&["get", "--raw", "/version"]).await?)?;
        let number = |field: &str| version[field].as_str().and_then(|v| v.parse::<u32>().ok());
        ensure!(number("major") == Some(1), "{version}");
        ensure!(number("minor").is_some_and(|minor| minor >= 35), "{version}");
        Ok(())
    })
    .await
}
