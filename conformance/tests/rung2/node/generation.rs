//! Generations of pods, and their deadline.

use anyhow::{Result, ensure};
use corten_api::core::v1::{Pod, Toleration};
use corten_client::DeleteOptions;
use corten_conformance::{Cluster, pods, spec};
use serde_json::json;

async fn observed(cluster: &Cluster, name: &str, generation: i64) -> Result<()> {
    let what = format!("observedGeneration {generation}");
    cluster.until::<Pod>(name, &what, |pod| pod.status.observed_generation == generation).await.map(drop)
}

/// What is done to the pod, and whether its generation grows by that.
type Change = (&'static str, fn(&mut Pod), bool);

const CHANGES: [Change; 7] = [
    ("nothing", |_| (), false),
    ("a toleration", |pod| pod.spec.tolerations.push(toleration()), true),
    ("a deadline", |pod| pod.spec.active_deadline_seconds = Some(5000), true),
    ("an image", |pod| pod.spec.containers[0].image = "corten.local/other:1".into(), true),
    (
        "an init container's image",
        |pod| pod.spec.init_containers[0].image = "corten.local/other:1".into(),
        true,
    ),
    ("an annotation", |pod| drop(pod.metadata.annotations.insert("key".into(), "value".into())), false),
    ("a generation", |pod| pod.metadata.generation = 1, false),
];

fn toleration() -> Toleration {
    Toleration {
        key: "foo".into(),
        operator: "Equal".into(),
        value: "bar".into(),
        effect: "NoSchedule".into(),
        ..Toleration::default()
    }
}

#[tokio::test]
async fn podgeneration_starts_at_1_increments() -> Result<()> {
    spec(async |cluster| {
        let mut pod = pods::pod("generation", &[pods::container("pause")]);
        pod["spec"]["restartPolicy"] = json!("Always");
        pod["spec"]["initContainers"] = json!([pods::shell("init-container", "true")]);
        let pod = cluster.ready_pod(pod).await?;
        let mut generation = 1;
        ensure!(pod.metadata.generation == generation, "generation {}", pod.metadata.generation);
        for (what, change, grows) in CHANGES {
            cluster.change::<Pod>("generation", change).await?;
            generation += i64::from(grows);
            let seen = cluster.api::<Pod>().get("generation").await?.metadata.generation;
            ensure!(seen == generation, "after {what}: generation {seen}, not {generation}");
            observed(cluster, "generation", generation).await?;
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn podgeneration_custom_set_graceful_delete() -> Result<()> {
    spec(async |cluster| {
        let mut pod = pods::pod("generation", &[pods::shell("pause", "trap '' TERM; sleep 1000")]);
        pod["metadata"]["generation"] = json!(100);
        let pod = cluster.ready_pod(pod).await?;
        ensure!(pod.metadata.generation == 1, "generation {}", pod.metadata.generation);
        let slowly = DeleteOptions { grace_period_seconds: Some(60), ..DeleteOptions::default() };
        cluster.api::<Pod>().delete("generation", slowly).await?;
        let generation = cluster.api::<Pod>().get("generation").await?.metadata.generation;
        ensure!(generation == 2, "generation {generation} after deletion");
        let now = DeleteOptions { grace_period_seconds: Some(0), ..DeleteOptions::default() };
        cluster.api::<Pod>().delete("generation", now).await?;
        Ok(())
    })
    .await
}

#[tokio::test]
async fn podgeneration_500_updates() -> Result<()> {
    spec(async |cluster| {
        let mut pod = pods::pod("generation", &[pods::container("pause")]);
        pod["spec"]["activeDeadlineSeconds"] = json!(5000);
        cluster.ready_pod(pod).await?;
        for _ in 0..499 {
            let lower = |pod: &mut Pod| {
                pod.spec.active_deadline_seconds =
                    pod.spec.active_deadline_seconds.map(|seconds| seconds - 1);
            };
            cluster.change::<Pod>("generation", lower).await?;
        }
        observed(cluster, "generation", 500).await?;
        let generation = cluster.api::<Pod>().get("generation").await?.metadata.generation;
        ensure!(generation == 500, "generation {generation}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn pods_activedeadlineseconds_update() -> Result<()> {
    spec(async |cluster| {
        cluster.ready_pod(pods::pod("deadline", &[pods::container("pause")])).await?;
        ensure!(cluster.list::<Pod>("name=deadline").await?.len() == 1, "not listed by its label");
        cluster.change::<Pod>("deadline", |pod| pod.spec.active_deadline_seconds = Some(5)).await?;
        let late = |pod: &Pod| pod.status.phase == "Failed" && pod.status.reason == "DeadlineExceeded";
        cluster.until::<Pod>("deadline", "DeadlineExceeded", late).await.map(drop)
    })
    .await
}
