//! The life of pods, and what is asked of running ones.

use anyhow::{Context, Result, ensure};
use corten_api::core::v1::{Pod, Service};
use corten_client::{DeleteOptions, Event, ListOptions, PatchType, WatchOptions};
use corten_conformance::{pods, spec};
use corten_rt::timeout;
use corten_streaming::{EXEC_WEBSOCKET_V4, EXEC_WEBSOCKET_V5, Protocol};
use futures::StreamExt;
use serde_json::json;
use std::time::Duration;

fn grace(seconds: i64) -> DeleteOptions {
    DeleteOptions { grace_period_seconds: Some(seconds), ..DeleteOptions::default() }
}

#[tokio::test]
async fn podqos_guaranteed_class() -> Result<()> {
    spec(async |cluster| {
        let amounts = json!({"cpu": "100m", "memory": "100Mi"});
        let mut container = pods::container("agnhost");
        container["resources"] = json!({"limits": amounts, "requests": amounts});
        cluster.create::<Pod>(pods::pod("qos", &[container])).await?;
        let pod = cluster.api::<Pod>().get("qos").await?;
        ensure!(pod.status.qos_class == "Guaranteed", "class {:?}", pod.status.qos_class);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn pods_submitted_and_removed() -> Result<()> {
    spec(async |cluster| {
        let api = cluster.api::<Pod>();
        let options = WatchOptions { label_selector: "name=submitted".into(), ..WatchOptions::default() };
        let mut watch = api.watch(options).await?;
        let mut pod =
            pods::pod("submitted", &[pods::shell("pause", "trap 'exit 0' TERM; sleep 1000 & wait")]);
        pod["spec"]["terminationGracePeriodSeconds"] = json!(30);
        cluster.create::<Pod>(pod).await?;
        ensure!(cluster.list::<Pod>("name=submitted").await?.len() == 1, "not listed");
        let first = timeout(Duration::from_secs(30), watch.next()).await.context("no event")?;
        ensure!(matches!(first.context("the watch ended")??, Event::Added(_)), "no ADDED first");
        cluster.until::<Pod>("submitted", "a running pod", |p| p.status.phase == "Running").await?;
        api.delete("submitted", grace(30)).await?;
        let removed = async {
            while let Some(event) = watch.next().await {
                if let Event::Deleted(pod) = event? {
                    return Ok(pod);
                }
            }
            anyhow::bail!("the watch ended")
        };
        let last = timeout(Duration::from_secs(90), removed).await.context("no DELETED")??;
        ensure!(last.metadata.deletion_timestamp.is_some(), "{:?}", last.metadata);
        ensure!(last.spec.termination_grace_period_seconds.is_some_and(|s| s > 0), "{:?}", last.spec);
        ensure!(cluster.list::<Pod>("name=submitted").await?.is_empty(), "still listed");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn pods_updated() -> Result<()> {
    spec(async |cluster| {
        cluster.ready_pod(pods::pod("updated", &[pods::container("pause")])).await?;
        let label = |p: &mut Pod| drop(p.metadata.labels.insert("time".into(), "later".into()));
        cluster.change::<Pod>("updated", label).await?;
        ensure!(cluster.list::<Pod>("time=later").await?.len() == 1, "not listed by its new label");
        let pod = cluster.api::<Pod>().get("updated").await?;
        ensure!(pod.status.phase == "Running", "phase {}", pod.status.phase);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn pods_service_env_vars() -> Result<()> {
    spec(async |cluster| {
        let ports = json!([{"port": 8765, "targetPort": 8080}]);
        let service =
            json!({"metadata": {"name": "fooservice"}, "spec": {"selector": {"name": "x"}, "ports": ports}});
        let service = cluster.create::<Service>(service).await?;
        let ip = &service.spec.cluster_ip;
        let expected = [
            format!("FOOSERVICE_SERVICE_HOST={ip}"),
            "FOOSERVICE_SERVICE_PORT=8765".into(),
            format!("FOOSERVICE_PORT=tcp://{ip}:8765"),
            "FOOSERVICE_PORT_8765_TCP_PORT=8765".into(),
            "FOOSERVICE_PORT_8765_TCP_PROTO=tcp".into(),
            format!("FOOSERVICE_PORT_8765_TCP=tcp://{ip}:8765"),
            format!("FOOSERVICE_PORT_8765_TCP_ADDR={ip}"),
        ];
        let mut missing = String::new();
        // A pod may start before its node has heard of the Service.
        for round in 0..3 {
            let pod = pods::pod(&format!("client-{round}"), &[pods::shell("env", "env")]);
            let (_, output) = cluster.output_of(pod, "env").await?;
            match expected.iter().find(|line| !output.lines().any(|l| l == **line)) {
                None => return Ok(()),
                Some(line) => missing = format!("no {line} in {output}"),
            }
        }
        anyhow::bail!(missing)
    })
    .await
}

#[tokio::test]
async fn pods_deletecollection() -> Result<()> {
    spec(async |cluster| {
        for number in 1..=3 {
            let mut pod = pods::pod(&format!("test-pod-{number}"), &[pods::container("token-test")]);
            pod["metadata"]["labels"] = json!({"type": "Testing"});
            cluster.create::<Pod>(pod).await?;
        }
        let ready = |pods: &[std::sync::Arc<Pod>]| pods.len() == 3 && pods.iter().all(|p| pods::is_ready(p));
        cluster.until_list::<Pod>("type=Testing", "3 ready pods", ready).await?;
        let chosen = ListOptions { label_selector: "type=Testing".into(), ..ListOptions::default() };
        cluster.api::<Pod>().delete_collection(chosen, grace(1)).await?;
        cluster.until_list::<Pod>("type=Testing", "no pods", |pods| pods.is_empty()).await.map(drop)
    })
    .await
}

#[tokio::test]
async fn pods_host_ip() -> Result<()> {
    spec(async |cluster| {
        let pod = cluster.ready_pod(pods::pod("hostip", &[pods::container("test")])).await?;
        let status = &pod.status;
        ensure!(status.host_ip.parse::<std::net::IpAddr>().is_ok(), "hostIP {:?}", status.host_ip);
        ensure!(status.host_ips.first().is_some_and(|h| h.ip == status.host_ip), "{:?}", status.host_ips);
        let node = cluster.client.all::<corten_api::core::v1::Node>().get(&pod.spec.node_name).await?;
        let internal = node.status.addresses.iter().any(|a| a.address == status.host_ip);
        ensure!(internal, "hostIP {} is no address of the node", status.host_ip);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn pods_patch_status() -> Result<()> {
    spec(async |cluster| {
        cluster.ready_pod(pods::pod("patched", &[pods::container("agnhost")])).await?;
        let patch = json!({
            "metadata": {"annotations": {"patchedstatus": "true"}},
            "status": {"message": "Patched by e2e test", "reason": "E2E"},
        });
        let patch = patch.to_string().into_bytes();
        let patched = cluster.api::<Pod>().patch_sub("patched", "status", PatchType::Merge, patch).await?;
        let status = &patched.status;
        ensure!((&*status.message, &*status.reason) == ("Patched by e2e test", "E2E"), "{status:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn pods_lifecycle_status() -> Result<()> {
    spec(async |cluster| {
        let api = cluster.api::<Pod>();
        let mut pod = pods::pod("pod-test", &[pods::container("pod-test")]);
        pod["metadata"]["labels"] = json!({"test-pod-static": "true"});
        let before = cluster.ready_pod(pod).await?;
        let patch = json!({
            "metadata": {"labels": {"test-pod": "patched"}},
            "spec": {
                "terminationGracePeriodSeconds": 1,
                "containers": [{"name": "pod-test", "image": pods::IMAGE}],
            },
        });
        let patch = patch.to_string().into_bytes();
        let patched = api.patch("pod-test", PatchType::Strategic, patch).await?;
        ensure!(patched.metadata.labels.get("test-pod").is_some_and(|l| l == "patched"), "{patched:?}");
        let revision = |p: &Pod| p.metadata.resource_version.parse::<u64>();
        ensure!(revision(&before)? < revision(&patched)?, "the patch did not raise the revision");
        let spoil = |p: &mut Pod| {
            for condition in p.status.conditions.iter_mut().filter(|c| c.type_ == "Ready") {
                condition.status = "False".into();
            }
        };
        let spoiled = cluster.change_sub::<Pod>("pod-test", "status", spoil).await?;
        ensure!(!pods::is_ready(&spoiled), "the replaced status is not kept: {:?}", spoiled.status);
        let chosen = ListOptions { label_selector: "test-pod-static=true".into(), ..ListOptions::default() };
        api.delete_collection(chosen, grace(1)).await?;
        cluster.gone::<Pod>("pod-test").await
    })
    .await
}

const ALIVE: &str = "echo container is alive; exec sleep 600";

#[tokio::test]
async fn pods_exec_over_websocket() -> Result<()> {
    const OLDEST: Protocol = Protocol { name: "channel.k8s.io", status: false, ..EXEC_WEBSOCKET_V4 };
    spec(async |cluster| {
        cluster.ready_pod(pods::pod("exec", &[pods::shell("main", ALIVE)])).await?;
        let path = format!(
            "/api/v1/namespaces/{}/pods/exec/exec?stderr=1&stdout=1&container=main&command=echo\
             &command=remote%20execution%20test",
            cluster.namespace
        );
        for protocol in [OLDEST, EXEC_WEBSOCKET_V4, EXEC_WEBSOCKET_V5] {
            let mut output = Vec::new();
            for message in cluster.messages(&path, protocol).await? {
                match message.split_first() {
                    Some((1, bytes)) => output.extend_from_slice(bytes),
                    // The outcome, where the protocol tells it.
                    Some((3, bytes)) if protocol.status => {
                        let status = String::from_utf8_lossy(bytes);
                        ensure!(status.contains("Success"), "{}: {status}", protocol.name);
                    }
                    Some((_, [])) | None => {}
                    Some((channel, bytes)) => anyhow::bail!("channel {channel}: {bytes:?}"),
                }
            }
            let output = String::from_utf8_lossy(&output);
            ensure!(output == "remote execution test\n", "{}: {output:?}", protocol.name);
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn pods_logs_over_websocket() -> Result<()> {
    const BINARY: Protocol = Protocol { name: "binary.k8s.io", ..EXEC_WEBSOCKET_V4 };
    spec(async |cluster| {
        cluster.ready_pod(pods::pod("logs", &[pods::shell("main", ALIVE)])).await?;
        let path = format!("/api/v1/namespaces/{}/pods/logs/log?container=main", cluster.namespace);
        let output = cluster.messages(&path, BINARY).await?.concat();
        ensure!(output == b"container is alive\n", "{:?}", String::from_utf8_lossy(&output));
        Ok(())
    })
    .await
}
