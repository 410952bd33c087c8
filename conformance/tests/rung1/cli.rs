//! SIG CLI: stock `kubectl`.

use anyhow::{Context, Result, ensure};
use corten_api::core::v1::Pod;
use corten_conformance::{Cluster, pods, spec};
use corten_rt::{sleep, timeout};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpStream, UnixStream};

#[tokio::test]
async fn kubectl_api_versions() -> Result<()> {
    spec(async |cluster| {
        let printed = cluster.kubectl(&["api-versions"]).await?;
        ensure!(printed.lines().any(|line| line == "v1"), "{printed}");
        ensure!(printed.lines().any(|line| line == "apps/v1"), "{printed}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn kubectl_cluster_info() -> Result<()> {
    spec(async |cluster| {
        let printed = cluster.kubectl(&["cluster-info"]).await?;
        ensure!(printed.contains("Kubernetes control plane"), "{printed}");
        ensure!(printed.contains("is running at"), "{printed}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn kubectl_label() -> Result<()> {
    spec(async |cluster| {
        let manifest = format!(
            "apiVersion: v1\nkind: Pod\nmetadata:\n  name: pause\n  labels:\n    name: pause\nspec:\n  \
             terminationGracePeriodSeconds: 1\n  containers:\n  - name: pause\n    image: {}\n",
            pods::IMAGE
        );
        cluster.kubectl_with(&["create", "-f", "-"], &manifest).await?;
        cluster.until::<Pod>("pause", "a ready pod", pods::is_ready).await?;
        cluster.kubectl(&["label", "pods", "pause", "testing-label=testing-label-value"]).await?;
        let column = ["get", "pod", "pause", "-L", "testing-label"];
        let printed = cluster.kubectl(&column).await?;
        ensure!(printed.contains("testing-label-value"), "{printed}");
        cluster.kubectl(&["label", "pods", "pause", "testing-label-"]).await?;
        let printed = cluster.kubectl(&column).await?;
        ensure!(!printed.contains("testing-label-value"), "{printed}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn kubectl_run_restart_never() -> Result<()> {
    spec(async |cluster| {
        let image = format!("--image={}", pods::IMAGE);
        cluster.kubectl(&["run", "e2e-pod", "--restart=Never", &image]).await?;
        let pod = cluster.api::<Pod>().get("e2e-pod").await?;
        ensure!(pod.spec.containers.len() == 1 && pod.spec.containers[0].image == pods::IMAGE, "{pod:?}");
        ensure!(pod.spec.restart_policy == "Never", "restartPolicy {}", pod.spec.restart_policy);
        cluster.kubectl(&["delete", "pods", "e2e-pod", "--grace-period=1", "--wait=false"]).await.map(drop)
    })
    .await
}

#[tokio::test]
async fn kubectl_version() -> Result<()> {
    spec(async |cluster| {
        let printed = cluster.kubectl(&["version"]).await?;
        for item in ["Client Version: v1.", "Server Version: v1.35."] {
            ensure!(printed.contains(item), "no {item:?} in {printed}");
        }
        Ok(())
    })
    .await
}

/// Asks a proxy for `/api/`.
async fn versions(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> Result<()> {
    stream.write_all(b"GET /api/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await?;
    let mut answer = String::new();
    let read = timeout(Duration::from_secs(20), stream.read_to_string(&mut answer)).await;
    read.context("no answer in time")??;
    ensure!(answer.starts_with("HTTP/1.1 200") && answer.contains("APIVersions"), "{answer}");
    Ok(())
}

#[tokio::test]
async fn kubectl_proxy_unix_socket() -> Result<()> {
    spec(async |cluster| {
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("proxy.sock");
        let flag = format!("--unix-socket={}", path.display());
        let mut proxy = cluster.kubectl_command(&["proxy", &flag]).spawn()?;
        let mut tries = 0;
        let stream = loop {
            match UnixStream::connect(&path).await {
                Ok(stream) => break stream,
                Err(e) if tries > 100 => return Err(e).context("the proxy's socket"),
                Err(_) => sleep(Duration::from_millis(100)).await,
            }
            tries += 1;
        };
        let result = versions(stream).await;
        proxy.kill().await?;
        result
    })
    .await
}

async fn proxied(cluster: &Cluster) -> Result<()> {
    let mut proxy = cluster.kubectl_command(&["proxy", "-p", "0", "--disable-filter"]).spawn()?;
    let mut lines = BufReader::new(proxy.stdout.take().context("the proxy's output")?).lines();
    let line = timeout(Duration::from_secs(20), lines.next_line()).await.context("no port in time")??;
    let line = line.context("the proxy ended")?;
    let address = line.rsplit(' ').next().unwrap_or_default();
    ensure!(address.starts_with("127.0.0.1:"), "{line}");
    let result = versions(TcpStream::connect(address).await?).await;
    proxy.kill().await?;
    result
}

#[tokio::test]
async fn kubectl_proxy_port_0() -> Result<()> {
    spec(async |cluster| proxied(cluster).await).await
}
