//! Deployments, ReplicaSets and ReplicationControllers.

use crate::manifests::{NS, image, is_ready, pods_of, replication_controller, workload};
use anyhow::{Result, bail, ensure};
use corten_api::Kind;
use corten_api::apps::v1::{Deployment, ReplicaSet};
use corten_api::autoscaling::v1::Scale;
use corten_api::core::v1::{Pod, ReplicationController};
use corten_client::{Answer, Call, DeleteOptions, ListOptions, PatchType, Target, WriteOptions};
use corten_testkit::TestCluster;
use serde_json::json;
use std::time::Duration;

async fn settled(cluster: &TestCluster, name: &str, replicas: i32, wanted: &str) -> Result<Duration> {
    let what = format!("{replicas} pods of {wanted}, and no other");
    cluster
        .eventually(&what, async || {
            let deployment = cluster.get::<Deployment>(NS, name).await?;
            let status = &deployment.status;
            let pods = pods_of(cluster, name).await?;
            Ok(status.observed_generation == deployment.metadata.generation
                && (status.updated_replicas, status.available_replicas, status.replicas)
                    == (replicas, replicas, replicas)
                && pods.len() == replicas as usize
                && pods.iter().all(|pod| is_ready(pod) && image(pod) == wanted))
        })
        .await
}

async fn deployed(manifest: serde_json::Value) -> Result<(TestCluster, Vec<corten_testkit::HollowNode>)> {
    let (cluster, nodes) = TestCluster::with_nodes(2).await?;
    let made = cluster.create::<Deployment>(NS, manifest).await?;
    let replicas = made.spec.replicas.unwrap_or(1);
    settled(&cluster, &made.metadata.name, replicas, "web:1").await?;
    Ok((cluster, nodes))
}

fn set_image(image: &str) -> serde_json::Value {
    json!({"spec": {"template": {"spec": {"containers": [{"name": "web", "image": image}]}}}})
}

#[tokio::test(start_paused = true)]
async fn deployment_rollingupdate() -> Result<()> {
    let (cluster, _nodes) = deployed(workload("web", 4, "web:1")).await?;
    cluster.patch::<Deployment>(NS, "web", set_image("web:2")).await?;
    // 25 % of 4 may be missing, 25 % may be too many, at every moment of the way.
    let mut most = 0;
    cluster
        .eventually("the rollout ends", async || {
            let pods = pods_of(&cluster, "web").await?;
            let ready = pods.iter().filter(|pod| is_ready(pod)).count();
            ensure!(ready >= 3, "{ready} ready pods");
            ensure!(pods.len() <= 5, "{} pods", pods.len());
            most = most.max(pods.len());
            Ok(pods.len() == 4 && pods.iter().all(|pod| image(pod) == "web:2" && is_ready(pod)))
        })
        .await?;
    ensure!(most == 5, "{most} pods at most: the rollout did not surge");
    settled(&cluster, "web", 4, "web:2").await?;
    let mut sizes: Vec<i32> =
        cluster.list::<ReplicaSet>(NS).await?.iter().map(|set| set.spec.replicas.unwrap_or(-1)).collect();
    sizes.sort();
    ensure!(sizes == [0, 4], "the old set stays, empty: {sizes:?}");
    cluster.end().await;
    Ok(())
}

/// Also when the next change comes before the last one is through.
#[tokio::test(start_paused = true)]
async fn rollouts_stay_within_their_bounds() -> Result<()> {
    let cases: [(u32, serde_json::Value, serde_json::Value, usize, usize); 5] = [
        // replicas, maxSurge, maxUnavailable, at least ready, at most present
        (6, json!(0), json!(1), 5, 6),
        (6, json!(3), json!(0), 6, 9),
        (10, json!("25%"), json!("25%"), 8, 13),
        (3, json!("100%"), json!("100%"), 0, 6),
        (1, json!("25%"), json!("25%"), 1, 2),
    ];
    for (replicas, surge, unavailable, least, most) in cases {
        let mut manifest = workload("web", replicas, "web:1");
        let bounds = json!({"maxSurge": surge, "maxUnavailable": unavailable});
        manifest["spec"]["strategy"] = json!({"type": "RollingUpdate", "rollingUpdate": bounds});
        let (cluster, _nodes) = deployed(manifest).await?;
        for (step, pause) in [700, 1100, 1900, 0].into_iter().enumerate() {
            let image = format!("web:{}", step + 2);
            cluster.patch::<Deployment>(NS, "web", set_image(&image)).await?;
            let kept = async || {
                let pods = pods_of(&cluster, "web").await?;
                let ready = pods.iter().filter(|pod| is_ready(pod)).count();
                ensure!(ready >= least && pods.len() <= most, "{bounds}: {ready} ready of {}", pods.len());
                Ok(pods)
            };
            cluster
                .throughout(Duration::from_millis(pause), "bounds", async || kept().await.map(|_| true))
                .await?;
            if pause == 0 {
                cluster
                    .eventually("the last rollout ends", async || {
                        let pods = kept().await?;
                        let done =
                            pods.iter().all(|pod| crate::manifests::image(pod) == image && is_ready(pod));
                        Ok(done && pods.len() == replicas as usize)
                    })
                    .await?;
            }
        }
        cluster.end().await;
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn deployment_recreate() -> Result<()> {
    let mut manifest = workload("web", 3, "web:1");
    manifest["spec"]["strategy"] = json!({"type": "Recreate"});
    let (cluster, _nodes) = deployed(manifest).await?;
    cluster.patch::<Deployment>(NS, "web", set_image("web:2")).await?;
    cluster
        .eventually("the rollout ends", async || {
            let pods = cluster.list::<Pod>(NS).await?;
            let old = pods.iter().any(|pod| image(pod) == "web:1");
            let new = pods.iter().any(|pod| image(pod) == "web:2");
            ensure!(!(old && new), "old and new pods beside each other");
            Ok(new && pods.len() == 3 && pods.iter().all(|pod| is_ready(pod)))
        })
        .await?;
    cluster.end().await;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn deployment_rolls_back_to_a_kept_replica_set() -> Result<()> {
    let (cluster, _nodes) = deployed(workload("web", 2, "web:1")).await?;
    let first = cluster.list::<ReplicaSet>(NS).await?[0].metadata.name.clone();
    cluster.patch::<Deployment>(NS, "web", set_image("web:2")).await?;
    settled(&cluster, "web", 2, "web:2").await?;
    cluster.patch::<Deployment>(NS, "web", set_image("web:1")).await?;
    settled(&cluster, "web", 2, "web:1").await?;
    let sets = cluster.list::<ReplicaSet>(NS).await?;
    ensure!(sets.len() == 2, "{} sets", sets.len());
    let revision = |name: &str| {
        let set = sets.iter().find(|set| set.metadata.name == name);
        set.and_then(|set| set.metadata.annotations.get("deployment.kubernetes.io/revision").cloned())
    };
    ensure!(revision(&first).as_deref() == Some("3"), "the first set has revision {:?}", revision(&first));
    cluster.end().await;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_paused_deployment_does_not_roll_out() -> Result<()> {
    let (cluster, _nodes) = deployed(workload("web", 2, "web:1")).await?;
    cluster.patch::<Deployment>(NS, "web", json!({"spec": {"paused": true}})).await?;
    cluster.patch::<Deployment>(NS, "web", set_image("web:2")).await?;
    cluster
        .throughout(Duration::from_secs(30), "old pods stay", async || {
            Ok(pods_of(&cluster, "web").await?.iter().all(|pod| image(pod) == "web:1"))
        })
        .await?;
    cluster.patch::<Deployment>(NS, "web", json!({"spec": {"paused": false}})).await?;
    settled(&cluster, "web", 2, "web:2").await?;
    cluster.end().await;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn deployment_scale_subresource() -> Result<()> {
    let (cluster, _nodes) = deployed(workload("web", 1, "web:1")).await?;
    for replicas in [5, 2, 0, 3] {
        scale::<Deployment>(&cluster, "web", replicas).await?;
        settled(&cluster, "web", replicas, "web:1").await?;
    }
    ensure!(cluster.list::<ReplicaSet>(NS).await?.len() == 1, "scaling makes no new set");
    cluster.end().await;
    Ok(())
}

/// Calls on `scale` answer with a Scale, not with the object.
async fn scale<K: Kind>(cluster: &TestCluster, name: &str, replicas: i32) -> Result<()> {
    let target =
        Target { kind: K::INFO, namespace: Some(NS.into()), name: name.into(), subresource: "scale" };
    let patch = json!({"spec": {"replicas": replicas}}).to_string().into_bytes();
    let call = Call::Patch(PatchType::Merge, patch, WriteOptions::default());
    let Answer::Object(object) = cluster.client.call(target, call).await? else { bail!("no object") };
    let answer = object.downcast_arc::<Scale>();
    ensure!(answer.is_some_and(|scale| scale.spec.replicas == replicas), "not a Scale of {replicas}");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn deployment_lifecycle() -> Result<()> {
    let (cluster, _nodes) = deployed(workload("web", 2, "web:1")).await?;
    cluster.patch::<Deployment>(NS, "web", json!({"metadata": {"labels": {"kind": "test"}}})).await?;
    let mut changed = (*cluster.get::<Deployment>(NS, "web").await?).clone();
    changed.spec.min_ready_seconds = 1;
    cluster.client.namespaced::<Deployment>(NS).update(changed).await?;
    cluster.patch::<Deployment>(NS, "web", set_image("web:2")).await?;
    settled(&cluster, "web", 2, "web:2").await?;
    let list = ListOptions { label_selector: "kind=test".into(), ..ListOptions::default() };
    let deployments = cluster.client.namespaced::<Deployment>(NS);
    ensure!(deployments.list(&list).await?.items.len() == 1);
    deployments.delete_collection(list, DeleteOptions::default()).await?;
    ensure!(cluster.find::<Deployment>(NS, "web").await?.is_none());
    cluster.eventually("its pods go", async || Ok(cluster.list::<Pod>(NS).await?.is_empty())).await?;
    cluster.end().await;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn deployment_status() -> Result<()> {
    let (cluster, _nodes) = deployed(workload("web", 1, "web:1")).await?;
    let condition =
        json!({"type": "StatusUpdate", "status": "True", "reason": "E2E", "message": "set by a test"});
    cluster
        .patch_sub::<Deployment>(NS, "web", "status", json!({"status": {"conditions": [condition]}}))
        .await?;
    let has =
        |deployment: &Deployment, kind: &str| deployment.status.conditions.iter().any(|c| c.type_ == kind);
    let read = cluster.get::<Deployment>(NS, "web").await?;
    ensure!(
        has(&read, "StatusUpdate") && has(&read, "Available") && has(&read, "Progressing"),
        "{:?}",
        read.status
    );
    cluster
        .patch_sub::<Deployment>(NS, "web", "status", json!({"spec": {"replicas": 7}, "status": {}}))
        .await?;
    let read = cluster.get::<Deployment>(NS, "web").await?;
    ensure!(read.spec.replicas == Some(1), "a write of the status changed the spec");
    cluster.end().await;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_rollout_that_does_not_progress_says_so() -> Result<()> {
    let (cluster, nodes) = deployed(workload("web", 1, "web:1")).await?;
    cluster.patch::<Deployment>(NS, "web", json!({"spec": {"progressDeadlineSeconds": 60}})).await?;
    // Nothing becomes ready any more, while the nodes are still held for healthy.
    nodes.iter().for_each(corten_testkit::HollowNode::die);
    cluster
        .patch::<Deployment>(
            NS,
            "web",
            json!({"spec": {"template": {"spec": {"nodeSelector": {"no": "one"}}}}}),
        )
        .await?;
    let took = cluster
        .eventually("the deadline passes", async || {
            let deployment = cluster.get::<Deployment>(NS, "web").await?;
            let conditions = &deployment.status.conditions;
            Ok(conditions.iter().any(|c| {
                c.type_ == "Progressing" && c.status == "False" && c.reason == "ProgressDeadlineExceeded"
            }))
        })
        .await?;
    ensure!(took > Duration::from_secs(50), "after {took:?} already");
    cluster.end().await;
    Ok(())
}

async fn replica_set(replicas: u32) -> Result<(TestCluster, Vec<corten_testkit::HollowNode>)> {
    let (cluster, nodes) = TestCluster::with_nodes(2).await?;
    cluster.create::<ReplicaSet>(NS, workload("set", replicas, "web:1")).await?;
    replica_set_of(&cluster, replicas as i32).await?;
    Ok((cluster, nodes))
}

async fn replica_set_of(cluster: &TestCluster, replicas: i32) -> Result<()> {
    cluster
        .eventually("all replicas are available", async || {
            let set = cluster.get::<ReplicaSet>(NS, "set").await?;
            let pods = pods_of(cluster, "set").await?.len() as i32;
            Ok((pods, set.status.replicas, set.status.available_replicas) == (replicas, replicas, replicas))
        })
        .await?;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn replicaset_replace_patch() -> Result<()> {
    let (cluster, _nodes) = replica_set(1).await?;
    cluster.patch::<ReplicaSet>(NS, "set", json!({"spec": {"replicas": 3}})).await?;
    replica_set_of(&cluster, 3).await?;
    let mut set = (*cluster.get::<ReplicaSet>(NS, "set").await?).clone();
    set.spec.replicas = Some(2);
    cluster.client.namespaced::<ReplicaSet>(NS).update(set).await?;
    replica_set_of(&cluster, 2).await?;
    cluster.end().await;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn replicaset_scale_subresource() -> Result<()> {
    let (cluster, _nodes) = replica_set(1).await?;
    for replicas in [4, 2, 0, 3] {
        scale::<ReplicaSet>(&cluster, "set", replicas).await?;
        replica_set_of(&cluster, replicas).await?;
    }
    cluster.end().await;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn replicaset_list_deletecollection() -> Result<()> {
    let (cluster, _nodes) = replica_set(2).await?;
    let sets = cluster.client.namespaced::<ReplicaSet>(NS);
    let list = ListOptions { label_selector: "app=set".into(), ..ListOptions::default() };
    ensure!(sets.list(&list).await?.items.len() == 1);
    sets.delete_collection(list.clone(), DeleteOptions::default()).await?;
    ensure!(sets.list(&list).await?.items.is_empty());
    cluster.eventually("its pods go", async || Ok(cluster.list::<Pod>(NS).await?.is_empty())).await?;
    cluster.end().await;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn replicaset_status() -> Result<()> {
    let (cluster, _nodes) = replica_set(1).await?;
    let condition =
        json!({"type": "StatusUpdate", "status": "True", "reason": "E2E", "message": "set by a test"});
    cluster
        .patch_sub::<ReplicaSet>(NS, "set", "status", json!({"status": {"conditions": [condition]}}))
        .await?;
    let set = cluster.get::<ReplicaSet>(NS, "set").await?;
    ensure!(set.status.conditions.iter().any(|c| c.type_ == "StatusUpdate"), "{:?}", set.status);
    cluster.end().await;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_replica_set_adopts_and_releases_by_labels() -> Result<()> {
    let (cluster, _nodes) = TestCluster::with_nodes(1).await?;
    let mut orphan = crate::manifests::pod("orphan");
    orphan["metadata"]["labels"] = json!({"app": "set"});
    cluster.create::<Pod>(NS, orphan).await?;
    cluster.create::<ReplicaSet>(NS, workload("set", 1, "web:1")).await?;
    let owned = async || {
        let pod = cluster.get::<Pod>(NS, "orphan").await?;
        Ok(pod
            .metadata
            .owner_references
            .iter()
            .any(|owner| owner.kind == "ReplicaSet" && owner.name == "set"))
    };
    cluster.eventually("the orphan is adopted", owned).await?;
    ensure!(cluster.list::<Pod>(NS).await?.len() == 1, "an adopted pod counts");
    cluster.patch::<Pod>(NS, "orphan", json!({"metadata": {"labels": {"app": "other"}}})).await?;
    cluster.eventually("it is released", async || Ok(!owned().await?)).await?;
    cluster.eventually("and replaced", async || Ok(pods_of(&cluster, "set").await?.len() == 1)).await?;
    cluster.end().await;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_replication_controller_keeps_its_number() -> Result<()> {
    let (cluster, _nodes) = TestCluster::with_nodes(2).await?;
    cluster.create::<ReplicationController>(NS, replication_controller("rc", 3)).await?;
    let ready = async || {
        let rc = cluster.get::<ReplicationController>(NS, "rc").await?;
        Ok(rc.status.ready_replicas == 3 && pods_of(&cluster, "rc").await?.len() == 3)
    };
    cluster.eventually("three pods are ready", ready).await?;
    let victim = pods_of(&cluster, "rc").await?[0].metadata.name.clone();
    cluster.delete::<Pod>(NS, &victim, "").await?;
    cluster.eventually("the deleted pod is replaced", ready).await?;
    ensure!(pods_of(&cluster, "rc").await?.iter().all(|pod| pod.metadata.name != victim));
    cluster.end().await;
    Ok(())
}
