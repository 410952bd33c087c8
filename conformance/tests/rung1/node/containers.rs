//! What containers run, what they print, how they end.

use anyhow::{Context, Result, ensure};
use corten_api::core::v1::Pod;
use corten_client::DeleteOptions;
use corten_conformance::{Cluster, pods, spec};
use serde_json::{Value, json};

/// Runs a container with this command and these arguments, and compares what it prints.
async fn prints(cluster: &Cluster, command: Value, args: Value, output: &str) -> Result<()> {
    let mut container = pods::container("test");
    container["command"] = command;
    container["args"] = args;
    let (phase, printed) = cluster.output_of(pods::pod("client-containers", &[container]), "test").await?;
    ensure!((&*phase, &*printed) == ("Succeeded", output), "{phase}: {printed:?}");
    Ok(())
}

#[tokio::test]
async fn containers_args_override() -> Result<()> {
    spec(async |cluster| {
        let args = json!(["echo", "override", "arguments"]);
        prints(cluster, Value::Null, args, "override arguments\n").await
    })
    .await
}

#[tokio::test]
async fn containers_command_override() -> Result<()> {
    spec(async |cluster| {
        let command = json!(["sh", "-c", "echo override command"]);
        prints(cluster, command, Value::Null, "override command\n").await
    })
    .await
}

#[tokio::test]
async fn containers_both_override() -> Result<()> {
    spec(async |cluster| {
        prints(cluster, json!(["echo"]), json!(["override", "both"]), "override both\n").await
    })
    .await
}

#[tokio::test]
async fn containers_image_defaults() -> Result<()> {
    spec(async |cluster| {
        cluster.ready_pod(pods::pod("defaults", &[pods::container("test")])).await?;
        let command = cluster.exec("defaults", "tr '\\0' ' ' </proc/1/cmdline").await?;
        ensure!(command.starts_with("/bin/httpd -f"), "runs {command:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn kubelet_stdout_stderr_to_logs() -> Result<()> {
    spec(async |cluster| {
        let shell = pods::shell("test", "echo 'Hello World'; echo 'and stderr' >&2; exec sleep 1000");
        cluster.ready_pod(pods::pod("printing", &[shell])).await?;
        for _ in 0..60 {
            let logs = cluster.logs("printing", "test").await?;
            if logs == "Hello World\nand stderr\n" || logs == "and stderr\nHello World\n" {
                return Ok(());
            }
            corten_rt::sleep(std::time::Duration::from_millis(500)).await;
        }
        anyhow::bail!("logs: {:?}", cluster.logs("printing", "test").await?)
    })
    .await
}

#[tokio::test]
async fn kubelet_delete_failing_pod() -> Result<()> {
    spec(async |cluster| {
        let mut failing = pods::pod("failing", &[pods::shell("test", "exit 1")]);
        failing["spec"]["restartPolicy"] = json!("Always");
        cluster.create::<Pod>(failing).await?;
        let failed = |p: &Pod| p.status.container_statuses.iter().any(|c| c.restart_count > 0);
        cluster.until::<Pod>("failing", "a failed container", failed).await?;
        cluster.api::<Pod>().delete("failing", DeleteOptions::default()).await?;
        cluster.gone::<Pod>("failing").await
    })
    .await
}

#[tokio::test]
async fn kubelet_terminated_reason() -> Result<()> {
    spec(async |cluster| {
        cluster.create::<Pod>(pods::pod("failing", &[pods::shell("test", "exit 3")])).await?;
        let pod = cluster.until::<Pod>("failing", "a failed pod", |p| p.status.phase == "Failed").await?;
        let status = pod.status.container_statuses.first().context("a container's status")?;
        let ended = status.state.terminated.as_ref().context("the container's end")?;
        ensure!((ended.exit_code, &*ended.reason) == (3, "Error"), "{ended:?}");
        Ok(())
    })
    .await
}
