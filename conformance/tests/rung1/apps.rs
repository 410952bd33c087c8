//! SIG Apps: Deployments and ReplicaSets.

use anyhow::{Context, Result, ensure};
use corten_api::Kind;
use corten_api::apps::v1::{Deployment, DeploymentCondition, ReplicaSet, ReplicaSetCondition};
use corten_api::autoscaling::v1::Scale;
use corten_api::core::v1::Pod;
use corten_client::{DeleteOptions, Event, ListOptions, PatchType, WatchOptions};
use corten_conformance::{Cluster, pods, spec};
use corten_rt::timeout;
use futures::StreamExt;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

const REVISION: &str = "deployment.kubernetes.io/revision";

fn deployment(name: &str, replicas: i32, strategy: &str, labels: &Value) -> Value {
    json!({
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "strategy": {"type": strategy},
            "template": pods::template(labels),
        },
    })
}

fn replica_set(name: &str, replicas: i32, labels: &Value) -> Value {
    json!({
        "metadata": {"name": name, "labels": labels},
        "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": pods::template(labels)},
    })
}

/// Whether the latest template runs everywhere and nothing of an older one is left.
fn complete(d: &Deployment) -> bool {
    let wanted = d.spec.replicas.unwrap_or(1);
    let s = &d.status;
    s.observed_generation >= d.metadata.generation
        && [s.replicas, s.updated_replicas, s.available_replicas] == [wanted; 3]
}

async fn completed(cluster: &Cluster, name: &str, revision: &str) -> Result<()> {
    let done =
        |d: &Deployment| complete(d) && d.metadata.annotations.get(REVISION).is_some_and(|r| r == revision);
    let what = format!("the end of the rollout of revision {revision}");
    cluster.until::<Deployment>(name, &what, done).await.map(drop)
}

async fn running(cluster: &Cluster, selector: &str, count: usize) -> Result<()> {
    let all =
        |pods: &[std::sync::Arc<Pod>]| pods.len() == count && pods.iter().all(|pod| pods::is_ready(pod));
    cluster.until_list::<Pod>(selector, "ready pods", all).await.map(drop)
}

/// Reads, replaces and patches the scale of an object.
async fn scaled<K: Kind>(cluster: &Cluster, name: &str, replicas: impl Fn(&K) -> Option<i32>) -> Result<()> {
    let read = cluster.get_sub::<K, Scale>(name, "scale").await?;
    ensure!((read.spec.replicas, read.status.replicas) == (1, 1), "{read:?}");
    let mut wanted = Scale::clone(&read);
    wanted.metadata.resource_version.clear();
    wanted.spec.replicas = 2;
    let put = cluster.put_sub::<K, Scale>(name, "scale", wanted).await?;
    ensure!(put.spec.replicas == 2, "{put:?}");
    let object = cluster.api::<K>().get(name).await?;
    ensure!(replicas(&object) == Some(2), "the update of the scale changed nothing");
    let target = corten_client::Target {
        kind: K::INFO,
        namespace: Some(cluster.namespace.clone()),
        name: name.into(),
        subresource: "scale",
    };
    let patch = br#"{"spec":{"replicas":4}}"#.to_vec();
    let call = corten_client::Call::Patch(PatchType::Strategic, patch, Default::default());
    cluster.client.call(target, call).await?;
    let object = cluster.api::<K>().get(name).await?;
    ensure!(replicas(&object) == Some(4), "the patch of the scale changed nothing");
    Ok(())
}

#[tokio::test]
async fn deployment_scale_subresource() -> Result<()> {
    spec(async |cluster| {
        let labels = json!({"app": "scale"});
        cluster.create::<Deployment>(deployment("scale", 1, "RollingUpdate", &labels)).await?;
        completed(cluster, "scale", "1").await?;
        scaled::<Deployment>(cluster, "scale", |d| d.spec.replicas).await
    })
    .await
}

#[tokio::test]
async fn deployment_recreate() -> Result<()> {
    spec(async |cluster| {
        let labels = json!({"app": "recreate"});
        cluster.create::<Deployment>(deployment("recreate", 2, "Recreate", &labels)).await?;
        completed(cluster, "recreate", "1").await?;
        let options = WatchOptions { initial_events: true, ..WatchOptions::default() };
        let mut watch = cluster.api::<Pod>().watch(options).await?;
        let rollout = async {
            let next = |d: &mut Deployment| {
                drop(d.spec.template.metadata.annotations.insert("round".into(), "2".into()))
            };
            cluster.change::<Deployment>("recreate", next).await?;
            completed(cluster, "recreate", "2").await
        };
        tokio::select! {
            result = rollout => result,
            result = never_together(&mut watch) => result,
        }
    })
    .await
}

/// Fails when pods of two templates live at the same time.
async fn never_together(
    watch: &mut (impl StreamExt<Item = corten_semantics::ApiResult<Event<Pod>>> + Unpin),
) -> Result<()> {
    let mut alive: BTreeMap<String, String> = BTreeMap::new();
    while let Some(event) = watch.next().await {
        let (pod, deleted) = match event? {
            Event::Added(pod) | Event::Modified(pod) => (pod, false),
            Event::Deleted(pod) => (pod, true),
            Event::Bookmark { .. } => continue,
        };
        if deleted || ["Succeeded", "Failed"].contains(&pod.status.phase.as_str()) {
            alive.remove(&pod.metadata.name);
        } else {
            let hash = pod.metadata.labels.get("pod-template-hash").cloned().unwrap_or_default();
            alive.insert(pod.metadata.name.clone(), hash);
        }
        let mut hashes = alive.values();
        let first = hashes.next();
        ensure!(hashes.all(|hash| Some(hash) == first), "pods of two templates together: {alive:?}");
    }
    anyhow::bail!("the watch of pods ended")
}

#[tokio::test]
async fn deployment_rollingupdate() -> Result<()> {
    spec(async |cluster| {
        let mut old = replica_set("adopted", 1, &json!({"name": "sample-pod", "pod": "httpd"}));
        old["metadata"]["annotations"] = json!({REVISION: "3546343826724305832"});
        cluster.create::<ReplicaSet>(old).await?;
        running(cluster, "name=sample-pod", 1).await?;
        let labels = json!({"name": "sample-pod"});
        let made = cluster.create::<Deployment>(deployment("rolling", 1, "RollingUpdate", &labels)).await?;
        completed(cluster, "rolling", "3546343826724305833").await?;
        let sets = cluster.list::<ReplicaSet>("name=sample-pod").await?;
        let old = sets.iter().find(|set| set.metadata.name == "adopted").context("the old ReplicaSet")?;
        ensure!(sets.len() == 2 && old.spec.replicas == Some(0), "{sets:?}");
        let owner = old.metadata.owner_references.first().context("the old ReplicaSet is not adopted")?;
        ensure!(owner.uid == made.metadata.uid && owner.controller == Some(true), "{owner:?}");
        Ok(())
    })
    .await
}

/// Waits for an event of a watch that is as it must be.
async fn observed<K: Kind>(
    cluster: &Cluster,
    from: &str,
    what: &str,
    done: impl Fn(&K) -> bool,
) -> Result<()> {
    let options = WatchOptions { resource_version: from.into(), ..WatchOptions::default() };
    let mut watch = cluster.api::<K>().watch(options).await?;
    let seen = async {
        while let Some(event) = watch.next().await {
            match event? {
                Event::Added(object) | Event::Modified(object) if done(&object) => return Ok(()),
                _ => {}
            }
        }
        anyhow::bail!("the watch ended")
    };
    timeout(Duration::from_secs(120), seen).await.with_context(|| format!("not observed: {what}"))?
}

#[tokio::test]
async fn deployment_lifecycle() -> Result<()> {
    spec(async |cluster| {
        let labels = json!({"test-deployment-static": "true"});
        let api = cluster.api::<Deployment>();
        let start = api.list(&ListOptions::default()).await?.resource_version;
        let created = cluster.create::<Deployment>(deployment("life", 2, "RollingUpdate", &labels)).await?;
        observed::<Deployment>(cluster, &start, "2 ready", |d| d.status.ready_replicas == 2).await?;
        let patch = json!({
            "metadata": {"labels": {"test-deployment": "patched"}},
            "spec": {"replicas": 1, "template": {"spec": {
                "terminationGracePeriodSeconds": 2,
                "containers": [{"name": "httpd", "env": [{"name": "ROUND", "value": "patched"}]}],
            }}},
        });
        let patched = api.patch("life", PatchType::Strategic, patch.to_string().into_bytes()).await?;
        let grace = patched.spec.template.spec.termination_grace_period_seconds;
        ensure!(patched.spec.replicas == Some(1) && grace == Some(2), "{:?}", patched.spec);
        cluster.until::<Deployment>("life", "the patched template on 1 replica", complete).await?;
        let everywhere =
            ListOptions { label_selector: "test-deployment=patched".into(), ..Default::default() };
        let listed = cluster.client.all::<Deployment>().list(&everywhere).await?.items;
        ensure!(listed.iter().any(|d| d.metadata.uid == created.metadata.uid), "not listed by its label");
        updated_and_status_patched(cluster).await?;
        let chosen =
            ListOptions { label_selector: "test-deployment-static=true".into(), ..Default::default() };
        api.delete_collection(chosen, DeleteOptions::default()).await?;
        cluster.gone::<Deployment>("life").await
    })
    .await
}

async fn updated_and_status_patched(cluster: &Cluster) -> Result<()> {
    let update = |d: &mut Deployment| {
        d.metadata.labels.insert("test-deployment".into(), "updated".into());
        d.spec.replicas = Some(2);
        d.spec.template.metadata.annotations.insert("round".into(), "updated".into());
    };
    cluster.change::<Deployment>("life", update).await?;
    let status = cluster.get_sub::<Deployment, Deployment>("life", "status").await?;
    let label = status.metadata.labels.get("test-deployment").map(String::as_str);
    ensure!(label == Some("updated") && status.spec.replicas == Some(2), "{status:?}");
    let done = cluster.until::<Deployment>("life", "the updated template on 2 replicas", complete).await?;
    let from = done.metadata.resource_version.clone();
    let patch = br#"{"status":{"readyReplicas":0,"availableReplicas":0}}"#.to_vec();
    cluster.api::<Deployment>().patch_sub("life", "status", PatchType::Strategic, patch).await?;
    let zero = |d: &Deployment| d.status.ready_replicas == 0 && d.status.available_replicas == 0;
    observed::<Deployment>(cluster, &from, "the patched status", zero).await?;
    cluster.until::<Deployment>("life", "the true status again", complete).await.map(drop)
}

#[tokio::test]
async fn deployment_status() -> Result<()> {
    spec(async |cluster| {
        let labels = json!({"e2e": "testing"});
        cluster.create::<Deployment>(deployment("status", 1, "RollingUpdate", &labels)).await?;
        completed(cluster, "status", "1").await?;
        let read = cluster.get_sub::<Deployment, Deployment>("status", "status").await?;
        ensure!(read.status.conditions.iter().any(|c| c.type_ == "Available"), "{:?}", read.status);
        let condition = DeploymentCondition {
            type_: "StatusUpdate".into(),
            status: "True".into(),
            reason: "E2E".into(),
            message: "Set from e2e test".into(),
            ..DeploymentCondition::default()
        };
        let add = |d: &mut Deployment| d.status.conditions.push(condition.clone());
        let updated = cluster.change_sub::<Deployment>("status", "status", add).await?;
        ensure!(updated.status.conditions.iter().any(|c| c.message == "Set from e2e test"), "{updated:?}");
        let start = updated.metadata.resource_version.clone();
        let patched = status_patched::<Deployment>(cluster, "status").await?;
        ensure!(patched.status.conditions.iter().any(|c| c.type_ == "StatusPatched"), "{patched:?}");
        let seen = |d: &Deployment| d.status.conditions.iter().any(|c| c.type_ == "StatusPatched");
        observed::<Deployment>(cluster, &start, "the patched condition", seen).await
    })
    .await
}

async fn status_patched<K: Kind>(cluster: &Cluster, name: &str) -> Result<std::sync::Arc<K>> {
    let patch = br#"{"status":{"conditions":[{"type":"StatusPatched","status":"True"}]}}"#.to_vec();
    Ok(cluster.api::<K>().patch_sub(name, "status", PatchType::Merge, patch).await?)
}

#[tokio::test]
async fn replicaset_replace_patch() -> Result<()> {
    spec(async |cluster| {
        let labels = json!({"name": "sample-pod"});
        let created = cluster.create::<ReplicaSet>(replica_set("test-rs", 1, &labels)).await?;
        running(cluster, "name=sample-pod", 1).await?;
        cluster.change::<ReplicaSet>("test-rs", |set| set.spec.replicas = Some(2)).await?;
        let patch = json!({
            "metadata": {"labels": {"test-rs": "patched"}},
            "spec": {"replicas": 3, "template": {"spec": {
                "terminationGracePeriodSeconds": 0,
                "containers": [pods::shell("test-rs", "sleep 1000")],
            }}},
        });
        let patch = patch.to_string().into_bytes();
        let patched = cluster.api::<ReplicaSet>().patch("test-rs", PatchType::Strategic, patch).await?;
        ensure!(patched.metadata.generation > created.metadata.generation, "{:?}", patched.metadata);
        ensure!(patched.metadata.labels.get("test-rs").is_some_and(|l| l == "patched"), "{patched:?}");
        ensure!(
            patched.spec.template.spec.containers.len() == 2,
            "containers are merged by name: {patched:?}"
        );
        let ready = |set: &ReplicaSet| (set.status.ready_replicas, set.status.available_replicas) == (3, 3);
        cluster.until::<ReplicaSet>("test-rs", "3 available replicas", ready).await.map(drop)
    })
    .await
}

#[tokio::test]
async fn replicaset_scale_subresource() -> Result<()> {
    spec(async |cluster| {
        cluster.create::<ReplicaSet>(replica_set("test-rs", 1, &json!({"name": "sample-pod"}))).await?;
        running(cluster, "name=sample-pod", 1).await?;
        let counted = |set: &ReplicaSet| set.status.replicas == 1;
        cluster.until::<ReplicaSet>("test-rs", "a counted replica", counted).await?;
        scaled::<ReplicaSet>(cluster, "test-rs", |set| set.spec.replicas).await
    })
    .await
}

#[tokio::test]
async fn replicaset_list_deletecollection() -> Result<()> {
    spec(async |cluster| {
        let labels = json!({"name": "sample-pod", "e2e": cluster.namespace});
        cluster.create::<ReplicaSet>(replica_set("test-rs", 3, &labels)).await?;
        running(cluster, "name=sample-pod", 3).await?;
        let options =
            ListOptions { label_selector: format!("e2e={}", cluster.namespace), ..ListOptions::default() };
        let all = cluster.client.all::<ReplicaSet>();
        ensure!(all.list(&options).await?.items.len() == 1, "not listed by its label");
        let one = DeleteOptions { grace_period_seconds: Some(1), ..DeleteOptions::default() };
        cluster.api::<ReplicaSet>().delete_collection(options.clone(), one).await?;
        cluster.until_list::<ReplicaSet>("", "no ReplicaSets", |sets| sets.is_empty()).await.map(drop)
    })
    .await
}

#[tokio::test]
async fn replicaset_serve_image() -> Result<()> {
    spec(async |cluster| {
        let mut set = replica_set("serve", 2, &json!({"name": "serve"}));
        let line = "mkdir -p /www/cgi-bin && \
            printf '#!/bin/sh\\necho; hostname\\n' >/www/cgi-bin/hostname && \
            chmod +x /www/cgi-bin/hostname && exec httpd -f -p 80 -h /www";
        set["spec"]["template"]["spec"]["containers"] = json!([pods::shell("httpd", line)]);
        cluster.create::<ReplicaSet>(set).await?;
        running(cluster, "name=serve", 2).await?;
        cluster.ready_pod(pods::pod("client", &[pods::container("httpd")])).await?;
        for pod in cluster.list::<Pod>("name=serve").await? {
            let url = format!("http://{}/cgi-bin/hostname", pod.status.pod_ip);
            let line =
                format!("for i in 1 2 3 4 5; do timeout 5 wget -qO- {url} && exit; sleep 1; done; exit 1");
            let answer = cluster.exec("client", &line).await?;
            ensure!(answer.trim() == pod.metadata.name, "{} answers {answer:?}", pod.metadata.name);
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn replicaset_status() -> Result<()> {
    spec(async |cluster| {
        cluster.create::<ReplicaSet>(replica_set("test-rs", 1, &json!({"name": "sample-pod"}))).await?;
        running(cluster, "name=sample-pod", 1).await?;
        cluster.get_sub::<ReplicaSet, ReplicaSet>("test-rs", "status").await?;
        let condition = ReplicaSetCondition {
            type_: "StatusUpdate".into(),
            status: "True".into(),
            reason: "E2E".into(),
            message: "Set from e2e test".into(),
            ..ReplicaSetCondition::default()
        };
        let add = |set: &mut ReplicaSet| set.status.conditions.push(condition.clone());
        let updated = cluster.change_sub::<ReplicaSet>("test-rs", "status", add).await?;
        let start = updated.metadata.resource_version.clone();
        ensure!(updated.status.conditions.iter().any(|c| c.message == "Set from e2e test"), "{updated:?}");
        let patched = status_patched::<ReplicaSet>(cluster, "test-rs").await?;
        ensure!(patched.status.conditions.iter().any(|c| c.type_ == "StatusPatched"), "{patched:?}");
        let seen = |set: &ReplicaSet| set.status.conditions.iter().any(|c| c.type_ == "StatusPatched");
        observed::<ReplicaSet>(cluster, &start, "the patched condition", seen).await
    })
    .await
}
