//! Containers that run before the others.

use anyhow::{Context, Result, bail, ensure};
use corten_api::core::v1::Pod;
use corten_client::{Event, WatchOptions};
use corten_conformance::{Cluster, pods, spec};
use corten_rt::timeout;
use futures::StreamExt;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// A pod with two containers that run first, by the codes with which they end, and one that runs `main` then.
fn pod(policy: &str, codes: [i32; 2], main: &str) -> Value {
    let mut container = pods::shell("run1", main);
    container["resources"] = json!({"limits": {"cpu": "100m"}});
    let mut pod = pods::pod("pod-init", &[container]);
    pod["spec"]["restartPolicy"] = json!(policy);
    let first = codes.iter().enumerate();
    pod["spec"]["initContainers"] =
        first.map(|(i, code)| pods::shell(&format!("init{}", i + 1), &format!("exit {code}"))).collect();
    pod
}

/// Creates the pod and follows it until `done`, which sees each of its states.
async fn follow(
    cluster: &Cluster,
    pod: Value,
    mut done: impl FnMut(&Pod) -> Result<bool>,
) -> Result<Arc<Pod>> {
    let created = cluster.create::<Pod>(pod).await?;
    let options = WatchOptions {
        field_selector: "metadata.name=pod-init".into(),
        resource_version: created.metadata.resource_version.clone(),
        ..WatchOptions::default()
    };
    let mut watch = cluster.api::<Pod>().watch(options).await?;
    let seen = async {
        while let Some(event) = watch.next().await {
            match event? {
                Event::Added(pod) | Event::Modified(pod) => {
                    invariant(&pod)?;
                    if done(&pod)? {
                        return Ok(pod);
                    }
                }
                Event::Deleted(_) => bail!("the pod was deleted"),
                Event::Bookmark { .. } => {}
            }
        }
        bail!("the watch ended")
    };
    timeout(Duration::from_secs(180), seen).await.context("the pod did not come so far")?
}

/// What holds at all times: no main container has started before all first ones have ended well.
fn invariant(pod: &Pod) -> Result<()> {
    if pod.status.init_container_statuses.is_empty() {
        return Ok(());
    }
    let ended = |s: &corten_api::core::v1::ContainerStatus| {
        s.state.terminated.as_ref().is_some_and(|t| t.exit_code == 0)
    };
    let initialized = pod.status.init_container_statuses.iter().all(ended);
    let started = pod.status.container_statuses.iter().any(|s| s.state.waiting.is_none());
    ensure!(initialized || !started, "a container ran too early: {:?}", pod.status);
    if started {
        ensure!(condition(pod)?.0 == "True", "not Initialized: {:?}", pod.status);
    }
    Ok(())
}

/// Status, reason and message of the condition `Initialized`.
fn condition(pod: &Pod) -> Result<(&str, &str, &str)> {
    let found = pod.status.conditions.iter().find(|c| c.type_ == "Initialized");
    let condition = found.with_context(|| format!("no condition: {:?}", pod.status))?;
    Ok((&condition.status, &condition.reason, &condition.message))
}

/// Both first containers have ended well, and are told as ready.
fn initialized(pod: &Pod) -> Result<()> {
    ensure!(condition(pod)?.0 == "True", "{:?}", pod.status);
    let statuses = &pod.status.init_container_statuses;
    ensure!(statuses.len() == 2, "{statuses:?}");
    for status in statuses {
        let code = status.state.terminated.as_ref().map(|t| t.exit_code);
        ensure!(status.ready && code == Some(0), "{status:?}");
    }
    Ok(())
}

/// The main container waits for the first ones.
fn waits(pod: &Pod) -> Result<()> {
    for status in &pod.status.container_statuses {
        let reason = status.state.waiting.as_ref().map(|w| w.reason.as_str());
        ensure!(reason == Some("PodInitializing"), "{status:?}");
    }
    Ok(())
}

#[tokio::test]
async fn init_restartnever() -> Result<()> {
    spec(async |cluster| {
        let done = |pod: &Pod| Ok(["Succeeded", "Failed"].contains(&pod.status.phase.as_str()));
        let pod = follow(cluster, pod("Never", [0, 0], "exit 0"), done).await?;
        ensure!(pod.status.phase == "Succeeded", "{:?}", pod.status);
        initialized(&pod)
    })
    .await
}

#[tokio::test]
async fn init_restartalways() -> Result<()> {
    spec(async |cluster| {
        let done = |pod: &Pod| Ok(pod.status.phase == "Running");
        initialized(&*follow(cluster, pod("Always", [0, 0], "sleep 600"), done).await?)
    })
    .await
}

#[tokio::test]
async fn init_failing_init_restartalways() -> Result<()> {
    spec(async |cluster| {
        let done = |pod: &Pod| {
            waits(pod)?;
            let [first, second] = &pod.status.init_container_statuses[..] else { return Ok(false) };
            let reason = second.state.waiting.as_ref().map(|w| w.reason.as_str());
            ensure!(reason == Some("PodInitializing"), "{second:?}");
            let code = first.state.terminated.as_ref().map(|t| t.exit_code);
            ensure!(code != Some(0), "{first:?}");
            Ok(first.restart_count >= 3 && first.last_state.terminated.is_some())
        };
        let pod = follow(cluster, pod("Always", [1, 0], "sleep 600"), done).await?;
        ensure!(pod.status.phase == "Pending", "{:?}", pod.status);
        let message = "containers with incomplete status: [init1 init2]";
        ensure!(condition(&pod)? == ("False", "ContainersNotInitialized", message), "{:?}", pod.status);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn init_failing_init_restartnever() -> Result<()> {
    spec(async |cluster| {
        let done = |pod: &Pod| {
            waits(pod)?;
            if let [first, second] = &pod.status.init_container_statuses[..] {
                let code = first.state.terminated.as_ref().map(|t| t.exit_code);
                ensure!(code.is_none_or(|code| code == 0), "{first:?}");
                let code = second.state.terminated.as_ref().map(|t| t.exit_code);
                ensure!(code != Some(0), "{second:?}");
            }
            Ok(["Succeeded", "Failed"].contains(&pod.status.phase.as_str()))
        };
        let pod = follow(cluster, pod("Never", [0, 1], "exit 0"), done).await?;
        ensure!(pod.status.phase == "Failed", "{:?}", pod.status);
        let message = "containers with incomplete status: [init2]";
        ensure!(condition(&pod)? == ("False", "ContainersNotInitialized", message), "{:?}", pod.status);
        ensure!(pod.status.init_container_statuses.len() == 2, "{:?}", pod.status);
        let main = pod.status.container_statuses.first().context("the main container's status")?;
        ensure!(main.state.waiting.is_some(), "{main:?}");
        Ok(())
    })
    .await
}
