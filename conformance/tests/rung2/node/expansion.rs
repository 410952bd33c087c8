//! Parts of volumes that are named by the environment.

use anyhow::{Result, ensure};
use corten_api::core::v1::Pod;
use corten_client::DeleteOptions;
use corten_conformance::{Cluster, pods, spec};
use corten_rt::sleep;
use serde_json::{Value, json};
use std::time::Duration;

/// A pod whose part `expression` of an empty directory is mounted, beside the whole.
fn pod(line: &str, env: Value, expression: &str) -> Value {
    let mounts = [("workdir1", "/subpath_mount"), ("workdir1", "/volume_mount")];
    let mut container = pods::mounting(pods::shell("dapi-container", line), &mounts);
    container["volumeMounts"][0]["subPathExpr"] = json!(expression);
    container["env"] = env;
    pods::with_volumes(pods::pod("expansion", &[container]), &[("workdir1", json!({"emptyDir": {}}))])
}

#[tokio::test]
async fn expansion_subpathexpr() -> Result<()> {
    spec(async |cluster| {
        let env = json!([{"name": "POD_NAME", "value": "foo"}]);
        cluster.prints(pod("test -d /volume_mount/foo; echo $?", env, "$(POD_NAME)"), &["0"]).await
    })
    .await
}

/// A container with this name of its part must wait, and say that its configuration is wrong.
async fn fails(cluster: &Cluster, part: &str) -> Result<()> {
    let env = json!([{"name": "POD_NAME", "value": part}]);
    cluster.create::<Pod>(pod("sleep 1000", env, "$(POD_NAME)")).await?;
    let refused = |pod: &Pod| {
        let waiting = pod.status.container_statuses.first().and_then(|c| c.state.waiting.as_ref());
        waiting.is_some_and(|w| w.reason == "CreateContainerConfigError")
    };
    cluster.until::<Pod>("expansion", "CreateContainerConfigError", refused).await.map(drop)
}

#[tokio::test]
async fn expansion_backticks_fail() -> Result<()> {
    spec(async |cluster| fails(cluster, "..").await).await
}

#[tokio::test]
async fn expansion_absolute_path_fails() -> Result<()> {
    spec(async |cluster| fails(cluster, "/tmp").await).await
}

/// A pod whose part is named by an annotation.
fn annotated(annotation: &str) -> Value {
    let field = json!({"fieldRef": {"fieldPath": "metadata.annotations['mysubpath']"}});
    let env = json!([{"name": "POD_NAME", "value": "foo"}, {"name": "ANNOTATION", "valueFrom": field}]);
    let mut pod = pod("exec sleep 1000", env, "$(ANNOTATION)/$(POD_NAME)");
    pod["metadata"]["annotations"] = json!({annotation: "mypath"});
    pod
}

async fn annotate(cluster: &Cluster, path: &str) -> Result<()> {
    let set = |pod: &mut Pod| drop(pod.metadata.annotations.insert("mysubpath".into(), path.into()));
    cluster.change::<Pod>("expansion", set).await.map(drop)
}

async fn ends(cluster: &Cluster) -> Result<()> {
    cluster.api::<Pod>().delete("expansion", DeleteOptions::default()).await?;
    cluster.gone::<Pod>("expansion").await
}

#[tokio::test]
async fn expansion_failing_then_fixed() -> Result<()> {
    spec(async |cluster| {
        cluster.create::<Pod>(annotated("notmysubpath")).await?;
        for _ in 0..10 {
            sleep(Duration::from_secs(1)).await;
            let pod = cluster.api::<Pod>().get("expansion").await?;
            ensure!(pod.status.phase == "Pending", "phase {} without its directory", pod.status.phase);
        }
        annotate(cluster, "mypath").await?;
        cluster.until::<Pod>("expansion", "a running pod", |p| p.status.phase == "Running").await?;
        ends(cluster).await
    })
    .await
}

#[tokio::test]
async fn expansion_writes() -> Result<()> {
    spec(async |cluster| {
        cluster.ready_pod(annotated("mysubpath")).await?;
        cluster.exec("expansion", "touch /volume_mount/mypath/foo/test.log").await?;
        cluster.exec("expansion", "test -f /subpath_mount/test.log").await?;
        annotate(cluster, "mynewpath").await?;
        cluster.until::<Pod>("expansion", "a running pod", |p| p.status.phase == "Running").await?;
        ends(cluster).await
    })
    .await
}
