//! SIG Network, as far as it is a node's: from pods and nodes to pods on every node.

use anyhow::{Context, Result, ensure};
use corten_api::core::v1::{Node, Pod};
use corten_client::ListOptions;
use corten_conformance::{Cluster, helper, pods, spec};
use serde_json::json;
use std::sync::Arc;

/// A server on every node, which says its name over HTTP at port 8080 and over UDP at 8081.
async fn servers(cluster: &Cluster) -> Result<Vec<Arc<Pod>>> {
    cluster.bring_helper().await?;
    let nodes = cluster.client.all::<Node>().list(&ListOptions::default()).await?.items;
    let mut servers = Vec::new();
    for node in nodes.iter().filter(|node| !node.spec.unschedulable) {
        let line = "hostname >/www/hostname; httpd -p 8080 -h /www && exec /tmp/helper udp 8081";
        let mut container = helper::helped("webserver", line);
        container["readinessProbe"] =
            json!({"httpGet": {"path": "/hostname", "port": 8080}, "periodSeconds": 1});
        let name = format!("netserver-{}", node.metadata.name);
        let mut pod = helper::with_helper(pods::pod(&name, &[container]));
        pod["spec"]["nodeSelector"] = json!({"kubernetes.io/hostname": node.metadata.name});
        servers.push(cluster.ready_pod(pod).await?);
    }
    ensure!(servers.len() > 1, "two nodes are needed");
    Ok(servers)
}

/// A client, in a pod of its own or on the first node's network, reaches every server.
async fn reached(cluster: &Cluster, from_node: bool, udp: bool) -> Result<()> {
    let servers = servers(cluster).await?;
    let mut client = helper::with_helper(pods::pod("client", &[helper::helped("client", "exec sleep 1000")]));
    if from_node {
        client["spec"]["hostNetwork"] = json!(true);
        client["spec"]["nodeName"] = json!(servers.first().context("a server")?.spec.node_name);
    }
    cluster.ready_pod(client).await?;
    for server in &servers {
        let address = &server.status.pod_ip;
        let ask = match udp {
            true => format!("/tmp/helper ask {address}:8081"),
            false => format!("timeout 3 wget -qO- http://{address}:8080/hostname"),
        };
        // Datagrams may be lost, and the helper be unpacked still.
        let line = format!("for i in $(seq 10); do {ask} && exit 0; sleep 1; done; exit 1");
        let answer = cluster.exec("client", &line).await?;
        ensure!(answer.trim() == server.metadata.name, "{address} says {answer:?}");
    }
    Ok(())
}

#[tokio::test]
async fn networking_pod_pod_http() -> Result<()> {
    spec(async |cluster| reached(cluster, false, false).await).await
}

#[tokio::test]
async fn networking_pod_pod_udp() -> Result<()> {
    spec(async |cluster| reached(cluster, false, true).await).await
}

#[tokio::test]
async fn networking_node_pod_http() -> Result<()> {
    spec(async |cluster| reached(cluster, true, false).await).await
}

#[tokio::test]
async fn networking_node_pod_udp() -> Result<()> {
    spec(async |cluster| reached(cluster, true, true).await).await
}
