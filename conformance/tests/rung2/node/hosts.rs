//! `/etc/hosts`, and the root file system.

use anyhow::{Result, ensure};
use corten_conformance::{Cluster, pods, spec};
use serde_json::{Value, json};

#[tokio::test]
async fn kubelet_hostaliases() -> Result<()> {
    spec(async |cluster| {
        let mut pod = pods::pod("aliases", &[pods::shell("etc-hosts", "cat /etc/hosts")]);
        pod["spec"]["hostAliases"] = json!([{"ip": "123.45.67.89", "hostnames": ["foo", "bar"]}]);
        cluster.prints(pod, &["123.45.67.89\tfoo\tbar"]).await
    })
    .await
}

#[tokio::test]
async fn kubelet_read_only_rootfs() -> Result<()> {
    spec(async |cluster| {
        let mut container = pods::shell("busybox", "echo test > /file; sleep 240");
        container["securityContext"] = json!({"readOnlyRootFilesystem": true});
        cluster.ready_pod(pods::pod("readonly", &[container])).await?;
        let said = |logs: &str| logs.trim_end().ends_with("can't create /file: Read-only file system");
        cluster.until_logs("readonly", "busybox", "a refusal", said).await.map(drop)
    })
    .await
}

/// A pod with the host's file at another place too; container `own` has it at the file's own place.
fn pod(name: &str, containers: &[&str], own: &str) -> Value {
    let containers: Vec<_> = containers
        .iter()
        .map(|container| {
            let mounts = [("host", "/etc/hosts-original"), ("host", "/etc/hosts")];
            let count = if *container == own { 2 } else { 1 };
            pods::mounting(pods::shell(container, "exec sleep 900"), &mounts[..count])
        })
        .collect();
    let host = json!({"hostPath": {"path": "/etc/hosts", "type": "FileOrCreate"}});
    pods::with_volumes(pods::pod(name, &containers), &[("host", host)])
}

async fn managed(cluster: &Cluster, pod: &str, container: &str) -> Result<bool> {
    let read = async |path: &str| anyhow::Ok(cluster.run_in(pod, container, &["cat", path]).await?.stdout);
    let (hosts, original) = (read("/etc/hosts").await?, read("/etc/hosts-original").await?);
    Ok(hosts.starts_with("# Kubernetes-managed hosts file.") && hosts != original)
}

#[tokio::test]
async fn etchosts_kubelet_managed_etc_hosts() -> Result<()> {
    spec(async |cluster| {
        let own = pod("test-pod", &["busybox-1", "busybox-2", "busybox-3"], "busybox-3");
        cluster.ready_pod(own).await?;
        let mut host = pod("test-host-network-pod", &["busybox-1", "busybox-2"], "");
        host["spec"]["hostNetwork"] = json!(true);
        cluster.ready_pod(host).await?;
        for (pod, container, wanted) in [
            ("test-pod", "busybox-1", true),
            ("test-pod", "busybox-2", true),
            ("test-pod", "busybox-3", false),
            ("test-host-network-pod", "busybox-1", false),
            ("test-host-network-pod", "busybox-2", false),
        ] {
            let managed = managed(cluster, pod, container).await?;
            ensure!(managed == wanted, "{pod}/{container}: managed is {managed}");
        }
        Ok(())
    })
    .await
}
