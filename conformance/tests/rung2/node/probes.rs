//! Probes: of every kind, with and without consequences.

use anyhow::{Context, Result, ensure};
use corten_api::core::v1::{ContainerStatus, Pod};
use corten_conformance::{Cluster, helper, pods, spec};
use corten_rt::sleep;
use serde_json::{Value, json};
use std::time::Duration;

/// A container that lives under this probe.
fn live(mut container: Value, probe: Value) -> Value {
    container["livenessProbe"] = probe;
    let mut pod = pods::pod("probed", &[container]);
    pod["spec"]["restartPolicy"] = json!("Always");
    pod
}

/// A probe after two seconds, every second, of which one failure counts.
fn probe(handler: Value) -> Value {
    let mut probe = handler;
    probe["initialDelaySeconds"] = json!(2);
    probe["periodSeconds"] = json!(1);
    probe["timeoutSeconds"] = json!(5);
    probe["failureThreshold"] = json!(1);
    probe
}

fn status(pod: &Pod) -> Result<&ContainerStatus> {
    pod.status.container_statuses.first().context("a container's status")
}

async fn started(cluster: &Cluster, pod: Value) -> Result<()> {
    cluster.create::<Pod>(pod).await?;
    let ran =
        |pod: &Pod| status(pod).is_ok_and(|s| s.state.running.is_some() || s.state.terminated.is_some());
    cluster.until::<Pod>("probed", "a started container", ran).await.map(drop)
}

/// The container is restarted this often, and the count never falls.
async fn restarts(cluster: &Cluster, pod: Value, times: i32) -> Result<()> {
    started(cluster, pod).await?;
    let mut last = 0;
    // Back-offs of 10, 20, 40 and 80 s stand between five restarts.
    for _ in 0..250 {
        let pod = cluster.api::<Pod>().get("probed").await?;
        let count = status(&pod)?.restart_count;
        ensure!(count >= last, "{count} restarts after {last}");
        if count >= times {
            return Ok(());
        }
        last = count;
        sleep(Duration::from_secs(1)).await;
    }
    anyhow::bail!("{last} restarts, not {times}")
}

/// The container is watched for a dozen probes, and not restarted.
async fn stays(cluster: &Cluster, pod: Value) -> Result<()> {
    started(cluster, pod).await?;
    for _ in 0..14 {
        sleep(Duration::from_secs(1)).await;
        let pod = cluster.api::<Pod>().get("probed").await?;
        let status = status(&pod)?;
        ensure!(status.restart_count == 0 && status.state.running.is_some(), "{status:?}");
    }
    Ok(())
}

/// A web server whose `/healthz` goes away after some seconds.
fn failing_server(seconds: u32) -> Value {
    let line = format!(
        "mkdir /w; echo ok >/w/healthz; (sleep {seconds}; rm /w/healthz) & exec httpd -f -p 8080 -h /w"
    );
    pods::shell("liveness", &line)
}

fn http(path: &str, port: u16) -> Value {
    json!({"httpGet": {"path": path, "port": port}})
}

#[tokio::test]
async fn probes_http_healthz_no_restart() -> Result<()> {
    spec(async |cluster| stays(cluster, live(pods::container("web"), probe(http("/", 80)))).await).await
}

#[tokio::test]
async fn probes_http_restart() -> Result<()> {
    spec(async |cluster| restarts(cluster, live(failing_server(4), probe(http("/healthz", 8080))), 1).await)
        .await
}

#[tokio::test]
async fn probes_restart_count_to_5() -> Result<()> {
    spec(async |cluster| restarts(cluster, live(failing_server(1), probe(http("/healthz", 8080))), 5).await)
        .await
}

#[tokio::test]
async fn probes_exec_no_restart() -> Result<()> {
    spec(async |cluster| {
        let container = pods::shell("busybox", "echo ok >/tmp/health; sleep 600");
        stays(cluster, live(container, probe(json!({"exec": {"command": ["cat", "/tmp/health"]}})))).await
    })
    .await
}

#[tokio::test]
async fn probes_exec_restart() -> Result<()> {
    spec(async |cluster| {
        let container = pods::shell("busybox", "echo ok >/tmp/health; sleep 4; rm /tmp/health; sleep 600");
        restarts(cluster, live(container, probe(json!({"exec": {"command": ["cat", "/tmp/health"]}}))), 1)
            .await
    })
    .await
}

#[tokio::test]
async fn probes_tcp_no_restart() -> Result<()> {
    spec(async |cluster| {
        let container = pods::shell("liveness", "exec httpd -f -p 8080 -h /www");
        stays(cluster, live(container, probe(json!({"tcpSocket": {"port": 8080}})))).await
    })
    .await
}

/// A server of gRPC's health protocol on port 5000, probed at a port.
async fn grpc(cluster: &Cluster, port: u16) -> Result<Value> {
    cluster.bring_helper().await?;
    let container = helper::helped("grpc", "exec /tmp/helper grpc 5000");
    Ok(helper::with_helper(live(container, probe(json!({"grpc": {"port": port}})))))
}

#[tokio::test]
async fn probes_grpc_no_restart() -> Result<()> {
    spec(async |cluster| stays(cluster, grpc(cluster, 5000).await?).await).await
}

#[tokio::test]
async fn probes_grpc_restart() -> Result<()> {
    spec(async |cluster| restarts(cluster, grpc(cluster, 2333).await?, 1).await).await
}

#[tokio::test]
async fn probes_readiness_initial_delay() -> Result<()> {
    const DELAY: i64 = 8;
    spec(async |cluster| {
        let mut container = pods::container("test-webserver");
        container["readinessProbe"] = http("/", 80);
        container["readinessProbe"]["initialDelaySeconds"] = json!(DELAY);
        let pod = cluster.ready_pod(pods::pod("probed", &[container])).await?;
        let seen = corten_conformance::value(&*pod)?;
        let time = |value: &Value| value.as_str().unwrap_or_default().to_string();
        let conditions = seen["status"]["conditions"].as_array().context("conditions")?;
        let ready = conditions.iter().find(|c| c["type"] == "Ready").context("the condition Ready")?;
        let ready = time(&ready["lastTransitionTime"]).parse::<jiff::Timestamp>()?;
        let began = time(&seen["status"]["containerStatuses"][0]["state"]["running"]["startedAt"]);
        let delay = ready.as_second() - began.parse::<jiff::Timestamp>()?.as_second();
        ensure!(delay >= DELAY, "ready after {delay} s");
        ensure!(status(&pod)?.restart_count == 0, "{:?}", pod.status);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn probes_readiness_never_ready() -> Result<()> {
    spec(async |cluster| {
        let mut container = pods::container("test-webserver");
        container["readinessProbe"] = probe(json!({"httpGet": {"path": "/", "port": 81}}));
        started(cluster, pods::pod("probed", &[container])).await?;
        for _ in 0..15 {
            sleep(Duration::from_secs(1)).await;
            let pod = cluster.api::<Pod>().get("probed").await?;
            ensure!(!pods::is_ready(&pod) && status(&pod)?.restart_count == 0, "{:?}", pod.status);
        }
        Ok(())
    })
    .await
}
