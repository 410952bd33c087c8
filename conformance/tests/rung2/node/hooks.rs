//! Hooks at both ends of a container's life.

use anyhow::{Result, ensure};
use corten_api::core::v1::Pod;
use corten_client::DeleteOptions;
use corten_conformance::{Cluster, pods, spec};
use serde_json::{Value, json};

/// Prints the first line of a request on the container's output, and answers.
const ANSWER: &str = "read -r line; echo \"$line\" >/proc/1/fd/1; while read -r l && [ ${#l} -gt 1 ]; do :; done; \
    printf 'HTTP/1.0 200 OK\\r\\n\\r\\nok\\n'";

/// A server that says what it is asked for; gives its address.
async fn server(cluster: &Cluster) -> Result<String> {
    let line =
        format!("echo '{}' >/answer; exec nc -ll -p 8080 -e /bin/sh /answer", ANSWER.replace('\'', "'\\''"));
    let mut container = pods::shell("server", &line);
    container["readinessProbe"] = json!({"tcpSocket": {"port": 8080}, "periodSeconds": 1});
    let server = cluster.ready_pod(pods::pod("server", &[container])).await?;
    Ok(server.status.pod_ip.clone())
}

async fn asked(cluster: &Cluster, what: &str) -> Result<()> {
    cluster.until_logs("server", "server", what, |logs| logs.contains(what)).await.map(drop)
}

/// A pod with a hook runs, and is deleted; the server must be asked for `?msg=HOOK` in time.
async fn hooked(cluster: &Cluster, hook: &str, handler: impl Fn(&str) -> Value) -> Result<()> {
    let address = server(cluster).await?;
    let message = format!("/echo?msg={}", hook.to_lowercase());
    let mut container = pods::shell("hooked", "exec sleep 600");
    container["lifecycle"] = json!({hook: handler(&address)});
    let mut pod = pods::pod("hooked", &[container]);
    pod["spec"]["terminationGracePeriodSeconds"] = json!(3);
    cluster.ready_pod(pod).await?;
    if hook == "postStart" {
        asked(cluster, &message).await?;
    } else {
        let logs = cluster.logs("server", "server").await?;
        ensure!(!logs.contains(&message), "the hook ran too early: {logs}");
    }
    cluster.api::<Pod>().delete("hooked", DeleteOptions::default()).await?;
    cluster.gone::<Pod>("hooked").await?;
    asked(cluster, &message).await
}

fn exec(hook: &str, address: &str) -> Value {
    json!({"exec": {"command": ["wget", "-qO-", format!("http://{address}:8080/echo?msg={hook}")]}})
}

fn http(hook: &str, address: &str) -> Value {
    json!({"httpGet": {"path": format!("/echo?msg={hook}"), "host": address, "port": 8080}})
}

#[tokio::test]
async fn lifecyclehook_poststart_exec() -> Result<()> {
    spec(async |cluster| hooked(cluster, "postStart", |a| exec("poststart", a)).await).await
}

#[tokio::test]
async fn lifecyclehook_poststart_http() -> Result<()> {
    spec(async |cluster| hooked(cluster, "postStart", |a| http("poststart", a)).await).await
}

#[tokio::test]
async fn lifecyclehook_prestop_exec() -> Result<()> {
    spec(async |cluster| hooked(cluster, "preStop", |a| exec("prestop", a)).await).await
}

#[tokio::test]
async fn lifecyclehook_prestop_http() -> Result<()> {
    spec(async |cluster| hooked(cluster, "preStop", |a| http("prestop", a)).await).await
}

#[tokio::test]
async fn prestop_prestop_called_on_delete() -> Result<()> {
    spec(async |cluster| {
        let address = server(cluster).await?;
        let mut container = pods::container("tester");
        container["command"] = json!(["sleep", "600"]);
        let url = format!("http://{address}:8080/write?source=prestop");
        container["lifecycle"] = json!({"preStop": {"exec": {"command": ["wget", "-qO-", url]}}});
        cluster.ready_pod(pods::pod("tester", &[container])).await?;
        cluster.api::<Pod>().delete("tester", DeleteOptions::default()).await?;
        asked(cluster, "/write?source=prestop").await
    })
    .await
}
