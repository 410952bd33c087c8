//! Empty directories, on disk and in memory: modes, users; and volumes that are made of them.

use anyhow::{Context, Result, ensure};
use corten_api::core::v1::{ConfigMap, Node, Pod, ReplicationController, Secret};
use corten_client::{DeleteOptions, ListOptions};
use corten_conformance::{Cluster, pods, spec};
use serde_json::{Value, json};

/// Where the directory is.
#[derive(Clone, Copy, PartialEq)]
enum Medium {
    Disk,
    Memory,
}
use Medium::{Disk, Memory};

impl Medium {
    fn volume(self) -> Value {
        match self {
            Disk => json!({"emptyDir": {}}),
            Memory => json!({"emptyDir": {"medium": "Memory"}}),
        }
    }
}

/// A pod that runs a command line as a user beside the volume, and also says what the volume is mounted from.
fn pod(medium: Medium, user: u32, line: &str) -> Value {
    let line = format!("awk '$2 == \"/test-volume\" {{ print $3 }}' /proc/mounts; {line}");
    let container = pods::mounting(pods::shell("test-container", &line), &[("test-volume", "/test-volume")]);
    let pod = pods::pod("empty-dir", &[container]);
    let mut pod = pods::with_volumes(pod, &[("test-volume", medium.volume())]);
    pod["spec"]["securityContext"] = json!({"seLinuxOptions": {"level": "s0"}});
    if user != 0 {
        pod["spec"]["securityContext"]["runAsUser"] = json!(user);
    }
    pod
}

async fn prints(cluster: &Cluster, medium: Medium, pod: Value, lines: &[&str]) -> Result<()> {
    let (phase, output) = cluster.output_of(pod, "test-container").await?;
    let mut printed = output.lines();
    let kind = printed.next().context("no mount")?;
    ensure!((kind == "tmpfs") == (medium == Memory), "mounted from {kind}");
    ensure!(phase == "Succeeded" && printed.eq(lines.iter().copied()), "{phase}: {output:?}");
    Ok(())
}

/// The directory is for everybody.
async fn mode(cluster: &Cluster, medium: Medium) -> Result<()> {
    prints(cluster, medium, pod(medium, 0, "stat -c %a /test-volume"), &["777"]).await
}

/// A user makes a file with a mode, and it has that.
async fn file(cluster: &Cluster, medium: Medium, user: u32, mode: &str) -> Result<()> {
    let line = format!(
        "umask 0; f=/test-volume/test-file; printf 'mount-tester new file\\n' >$f && chmod {mode} $f && \
         stat -c '%a %u' $f && cat $f"
    );
    let owner = format!("{} {user}", mode.trim_start_matches('0'));
    prints(cluster, medium, pod(medium, user, &line), &[&owner, "mount-tester new file"]).await
}

#[tokio::test]
async fn emptydir_tmpfs_mode() -> Result<()> {
    spec(async |cluster| mode(cluster, Memory).await).await
}

#[tokio::test]
async fn emptydir_default_medium_mode() -> Result<()> {
    spec(async |cluster| mode(cluster, Disk).await).await
}

#[tokio::test]
async fn emptydir_root_0644_tmpfs() -> Result<()> {
    spec(async |cluster| file(cluster, Memory, 0, "0644").await).await
}

#[tokio::test]
async fn emptydir_root_0644_default() -> Result<()> {
    spec(async |cluster| file(cluster, Disk, 0, "0644").await).await
}

#[tokio::test]
async fn emptydir_root_0666_tmpfs() -> Result<()> {
    spec(async |cluster| file(cluster, Memory, 0, "0666").await).await
}

#[tokio::test]
async fn emptydir_root_0666_default() -> Result<()> {
    spec(async |cluster| file(cluster, Disk, 0, "0666").await).await
}

#[tokio::test]
async fn emptydir_root_0777_tmpfs() -> Result<()> {
    spec(async |cluster| file(cluster, Memory, 0, "0777").await).await
}

#[tokio::test]
async fn emptydir_root_0777_default() -> Result<()> {
    spec(async |cluster| file(cluster, Disk, 0, "0777").await).await
}

#[tokio::test]
async fn emptydir_non_root_0644_tmpfs() -> Result<()> {
    spec(async |cluster| file(cluster, Memory, 1001, "0644").await).await
}

#[tokio::test]
async fn emptydir_non_root_0644_default() -> Result<()> {
    spec(async |cluster| file(cluster, Disk, 1001, "0644").await).await
}

#[tokio::test]
async fn emptydir_non_root_0666_tmpfs() -> Result<()> {
    spec(async |cluster| file(cluster, Memory, 1001, "0666").await).await
}

#[tokio::test]
async fn emptydir_non_root_0666_default() -> Result<()> {
    spec(async |cluster| file(cluster, Disk, 1001, "0666").await).await
}

#[tokio::test]
async fn emptydir_non_root_0777_tmpfs() -> Result<()> {
    spec(async |cluster| file(cluster, Memory, 1001, "0777").await).await
}

#[tokio::test]
async fn emptydir_non_root_0777_default() -> Result<()> {
    spec(async |cluster| file(cluster, Disk, 1001, "0777").await).await
}

#[tokio::test]
async fn emptydirwrapper_secret_configmap_no_conflict() -> Result<()> {
    spec(async |cluster| {
        let data = json!({"data-1": "dmFsdWUtMQo="});
        cluster.create::<Secret>(json!({"metadata": {"name": "wrapped"}, "data": data})).await?;
        cluster.create::<ConfigMap>(json!({"metadata": {"name": "wrapped"}, "binaryData": data})).await?;
        let mounts = [("secret-volume", "/etc/secret-volume"), ("configmap-volume", "/etc/configmap-volume")];
        let pod = pods::pod("wrapper", &[pods::mounting(pods::container("httpd"), &mounts)]);
        let volumes = [
            ("secret-volume", json!({"secret": {"secretName": "wrapped"}})),
            ("configmap-volume", json!({"configMap": {"name": "wrapped"}})),
        ];
        cluster.ready_pod(pods::with_volumes(pod, &volumes)).await?;
        let read =
            cluster.exec("wrapper", "cat /etc/secret-volume/data-1 /etc/configmap-volume/data-1").await?;
        ensure!(read == "value-1\nvalue-1\n", "{read:?}");
        Ok(())
    })
    .await
}

const MAPS: usize = 50;
const PODS: usize = 5;

/// A controller of pods on one node that mount all the ConfigMaps.
fn racers(name: &str, node: &Node) -> Value {
    let volumes: Vec<Value> = (0..MAPS)
        .map(|i| {
            let name = format!("racey-configmap-{i}");
            let items = json!([{"key": "data-1", "path": "data-1"}]);
            json!({"name": name, "configMap": {"name": name, "items": items}})
        })
        .collect();
    let mounts = (0..MAPS)
        .map(|i| json!({"name": format!("racey-configmap-{i}"), "mountPath": format!("/etc/config-{i}")}));
    let mut template = pods::template(&json!({"name": name}));
    template["spec"]["containers"][0]["volumeMounts"] = mounts.collect();
    template["spec"]["volumes"] = json!(volumes);
    template["spec"]["nodeSelector"] = json!({"kubernetes.io/hostname": node.metadata.name});
    template["spec"]["dnsPolicy"] = json!("Default");
    json!({
        "metadata": {"name": name},
        "spec": {"replicas": PODS, "selector": {"name": name}, "template": template},
    })
}

#[tokio::test]
async fn emptydirwrapper_50_configmaps_x_5_pods_no_race() -> Result<()> {
    spec(async |cluster| {
        for i in 0..MAPS {
            let name = format!("racey-configmap-{i}");
            let map = json!({"metadata": {"name": name}, "data": {"data-1": "value-1"}});
            cluster.create::<ConfigMap>(map).await?;
        }
        let nodes = cluster.client.all::<Node>().list(&ListOptions::default()).await?.items;
        for round in 0..3 {
            let name = format!("wrapped-volume-race-{round}");
            let node = nodes.iter().find(|n| !n.spec.unschedulable).context("a node")?;
            cluster.create::<ReplicationController>(racers(&name, node)).await?;
            let running = |pods: &[std::sync::Arc<Pod>]| {
                pods.len() == PODS && pods.iter().all(|p| p.status.phase == "Running")
            };
            cluster.until_list::<Pod>(&format!("name={name}"), "5 running pods", running).await?;
            let background =
                DeleteOptions { propagation_policy: Some("Background".into()), ..Default::default() };
            cluster.api::<ReplicationController>().delete(&name, background).await?;
            let none = |pods: &[std::sync::Arc<Pod>]| pods.is_empty();
            cluster.until_list::<Pod>(&format!("name={name}"), "no pods", none).await?;
        }
        Ok(())
    })
    .await
}
