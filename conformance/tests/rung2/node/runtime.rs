//! How containers end, and what they leave.

use anyhow::{Context, Result, ensure};
use corten_api::core::v1::{ContainerStatus, Pod};
use corten_client::DeleteOptions;
use corten_conformance::{Cluster, pods, spec};
use serde_json::{Value, json};

/// Ends with an error first, then well, then runs on.
const THREE_LIVES: &str = "\
    echo x >>/restart-count/f; \
    case $(wc -l </restart-count/f) in 1) exit 1 ;; 2) exit 0 ;; esac; \
    while true; do sleep 1; done";

/// A pod under a restart policy comes to this phase, number of restarts, readiness and state.
async fn comes_to(cluster: &Cluster, policy: &str, phase: &str, restarts: i32, state: &str) -> Result<()> {
    let name = format!("terminate-{}", policy.to_lowercase());
    let container = pods::mounting(pods::shell(&name, THREE_LIVES), &[("restart-count", "/restart-count")]);
    let memory = json!({"emptyDir": {"medium": "Memory"}});
    let mut pod = pods::with_volumes(pods::pod(&name, &[container]), &[("restart-count", memory)]);
    pod["spec"]["restartPolicy"] = json!(policy);
    cluster.create::<Pod>(pod).await?;
    let is = |status: &ContainerStatus| match state {
        "running" => status.ready && status.state.running.is_some(),
        _ => !status.ready && status.state.terminated.is_some(),
    };
    let done = |pod: &Pod| {
        let status = pod.status.container_statuses.first();
        pod.status.phase == phase && status.is_some_and(|s| s.restart_count == restarts && is(s))
    };
    cluster.until::<Pod>(&name, &format!("{phase} after {restarts} restarts"), done).await?;
    cluster.api::<Pod>().delete(&name, DeleteOptions::default()).await?;
    cluster.gone::<Pod>(&name).await
}

#[tokio::test]
async fn runtime_restart_policies_phases_counts() -> Result<()> {
    spec(async |cluster| {
        let always = comes_to(cluster, "Always", "Running", 2, "running");
        let on_failure = comes_to(cluster, "OnFailure", "Succeeded", 1, "terminated");
        let never = comes_to(cluster, "Never", "Failed", 0, "terminated");
        futures::try_join!(always, on_failure, never).map(drop)
    })
    .await
}

/// A container ends its pod in this phase, with this message.
async fn message(cluster: &Cluster, container: Value, phase: &str, message: &str) -> Result<()> {
    cluster.create::<Pod>(pods::pod("ended", &[container])).await?;
    let pod = cluster.until::<Pod>("ended", phase, |p| p.status.phase == phase).await?;
    let status = pod.status.container_statuses.first().context("a container's status")?;
    let ended = status.state.terminated.as_ref().context("the container's end")?;
    ensure!(ended.message == message, "{ended:?}");
    Ok(())
}

fn falling_back(line: &str) -> Value {
    let mut container = pods::shell("termination-message-container", line);
    container["terminationMessagePath"] = json!("/dev/termination-log");
    container["terminationMessagePolicy"] = json!("FallbackToLogsOnError");
    container
}

#[tokio::test]
async fn runtime_terminationmessagepath_custom_non_root() -> Result<()> {
    spec(async |cluster| {
        let line = "echo -n DONE > /dev/termination-custom-log";
        let mut container = pods::shell("termination-message-container", line);
        container["terminationMessagePath"] = json!("/dev/termination-custom-log");
        container["securityContext"] = json!({"runAsUser": 1000});
        message(cluster, container, "Succeeded", "DONE").await
    })
    .await
}

#[tokio::test]
async fn runtime_terminationmessage_from_logs_on_failure() -> Result<()> {
    spec(async |cluster| message(cluster, falling_back("echo -n DONE; /bin/false"), "Failed", "DONE").await)
        .await
}

#[tokio::test]
async fn runtime_terminationmessage_empty_on_success() -> Result<()> {
    spec(async |cluster| message(cluster, falling_back("echo -n DONE; /bin/true"), "Succeeded", "").await)
        .await
}

#[tokio::test]
async fn runtime_terminationmessage_file_on_success() -> Result<()> {
    spec(async |cluster| {
        let line = "echo -n OK > /dev/termination-log; echo DONE; /bin/true";
        message(cluster, falling_back(line), "Succeeded", "OK").await
    })
    .await
}
