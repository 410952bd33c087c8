//! SIG Storage: volumes that need no storage.

use anyhow::{Result, ensure};
use corten_api::core::v1::{ConfigMap, Secret};
use corten_conformance::{pods, spec};
use serde_json::{Value, json};

/// A pod that prints the mode and the text of `/etc/volume/data-1`, and ends.
fn reader(volume: Value) -> Value {
    let mut container = pods::shell("reader", "stat -L -c %a /etc/volume/data-1 && cat /etc/volume/data-1");
    container["volumeMounts"] = json!([{"name": "volume", "mountPath": "/etc/volume", "readOnly": true}]);
    let mut pod = pods::pod("reader", &[container]);
    let mut volume = volume;
    volume["name"] = json!("volume");
    pod["spec"]["volumes"] = json!([volume]);
    pod
}

#[tokio::test]
async fn configmapvolume_basic() -> Result<()> {
    spec(async |cluster| {
        let map = json!({"metadata": {"name": "map"}, "data": {"data-1": "value-1", "data-2": "value-2"}});
        cluster.create::<ConfigMap>(map).await?;
        let (phase, output) =
            cluster.output_of(reader(json!({"configMap": {"name": "map"}})), "reader").await?;
        ensure!((&*phase, &*output) == ("Succeeded", "644\nvalue-1"), "{phase}: {output:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn secretvolume_basic() -> Result<()> {
    spec(async |cluster| {
        let secret = json!({"metadata": {"name": "secret"}, "data": {"data-1": "dmFsdWUtMQ=="}});
        cluster.create::<Secret>(secret).await?;
        let volume = json!({"secret": {"secretName": "secret"}});
        let (phase, output) = cluster.output_of(reader(volume), "reader").await?;
        ensure!((&*phase, &*output) == ("Succeeded", "644\nvalue-1"), "{phase}: {output:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn emptydir_shared_between_containers() -> Result<()> {
    spec(async |cluster| {
        let text = "Hello from the busy-box sub-container";
        let mut writer = pods::shell("writer", &format!("echo '{text}' >/usr/share/file; exec sleep 1000"));
        let mut reader = pods::shell("reader", "exec sleep 1000");
        let mounts = json!([{"name": "shared", "mountPath": "/usr/share"}]);
        writer["volumeMounts"] = mounts.clone();
        reader["volumeMounts"] = mounts;
        let mut pod = pods::pod("shared", &[reader, writer]);
        pod["spec"]["volumes"] = json!([{"name": "shared", "emptyDir": {}}]);
        cluster.ready_pod(pod).await?;
        let line =
            "for i in $(seq 20); do [ -s /usr/share/file ] && break; sleep 1; done; cat /usr/share/file";
        let read = cluster.run_in("shared", "reader", &["sh", "-c", line]).await?;
        ensure!(read.stdout.trim() == text, "{read:?}");
        Ok(())
    })
    .await
}
