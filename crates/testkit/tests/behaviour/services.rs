//! Services and their endpoints.

use crate::manifests::{NS, pod, pods_of, workload};
use anyhow::{Result, ensure};
use corten_api::apps::v1::Deployment;
use corten_api::core::v1::{Endpoints, Pod, Service};
use corten_api::discovery::v1::EndpointSlice;
use corten_client::{DeleteOptions, ListOptions};
use corten_testkit::TestCluster;
use serde_json::{Value, json};

fn service(name: &str, ports: Value) -> Value {
    json!({"metadata": {"name": name, "labels": {"kind": "test"}}, "spec": {"selector": {"app": "web"}, "ports": ports}})
}

async fn slices(cluster: &TestCluster, service: &str) -> Result<Vec<EndpointSlice>> {
    let slices = cluster.list::<EndpointSlice>(NS).await?;
    let of = |slice: &EndpointSlice| {
        slice.metadata.labels.get("kubernetes.io/service-name").is_some_and(|s| s == service)
    };
    Ok(slices.iter().filter(|slice| of(slice)).map(|slice| (**slice).clone()).collect())
}

/// Addresses that are ready and that are not, as the slices and as the Endpoints have them.
async fn addresses(cluster: &TestCluster, service: &str) -> Result<[(usize, usize); 2]> {
    let mut by_slices = (0, 0);
    for endpoint in slices(cluster, service).await?.iter().flat_map(|slice| &slice.endpoints) {
        match endpoint.conditions.ready {
            Some(false) => by_slices.1 += endpoint.addresses.len(),
            _ => by_slices.0 += endpoint.addresses.len(),
        }
    }
    let mut by_endpoints = (0, 0);
    if let Some(endpoints) = cluster.find::<Endpoints>(NS, service).await? {
        for subset in &endpoints.subsets {
            by_endpoints.0 += subset.addresses.len();
            by_endpoints.1 += subset.not_ready_addresses.len();
        }
    }
    Ok([by_slices, by_endpoints])
}

async fn addressed(cluster: &TestCluster, service: &str, ready: usize, unready: usize) -> Result<()> {
    cluster
        .eventually(&format!("{ready} ready and {unready} other addresses"), async || {
            Ok(addresses(cluster, service).await? == [(ready, unready); 2])
        })
        .await?;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn services_basic_endpoints() -> Result<()> {
    let (cluster, _nodes) = TestCluster::with_nodes(1).await?;
    let made =
        cluster.create::<Service>(NS, service("web", json!([{"port": 80, "targetPort": 8080}]))).await?;
    ensure!(made.spec.cluster_ip.starts_with("10.96."), "{}", made.spec.cluster_ip);
    addressed(&cluster, "web", 0, 0).await?;
    for (name, count) in [("a", 1), ("b", 2)] {
        let mut manifest = pod(name);
        manifest["metadata"]["labels"] = json!({"app": "web"});
        cluster.create::<Pod>(NS, manifest).await?;
        addressed(&cluster, "web", count, 0).await?;
    }
    let slice = &slices(&cluster, "web").await?[0];
    ensure!(slice.ports[0].port == Some(8080), "{:?}", slice.ports);
    for (name, count) in [("a", 1), ("b", 0)] {
        cluster.delete::<Pod>(NS, name, "").await?;
        addressed(&cluster, "web", count, 0).await?;
    }
    cluster.end().await;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn endpoints_follow_readiness() -> Result<()> {
    let (cluster, _nodes) = TestCluster::with_nodes(2).await?;
    cluster.create::<Service>(NS, service("web", json!([{"port": 80}]))).await?;
    cluster.create::<Deployment>(NS, workload("web", 3, "web:1")).await?;
    addressed(&cluster, "web", 3, 0).await?;
    let name = pods_of(&cluster, "web").await?[0].metadata.name.clone();
    for (status, ready, unready) in [("False", 2, 1), ("True", 3, 0)] {
        let condition = json!({"status": {"conditions": [{"type": "Ready", "status": status}]}});
        cluster.patch_sub::<Pod>(NS, &name, "status", condition).await?;
        addressed(&cluster, "web", ready, unready).await?;
    }
    cluster.end().await;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn services_multiport_endpoints() -> Result<()> {
    let (cluster, _nodes) = TestCluster::with_nodes(1).await?;
    let ports = json!([{"name": "one", "port": 80, "targetPort": "http"}, {"name": "two", "port": 81, "targetPort": 101}]);
    cluster.create::<Service>(NS, service("web", ports)).await?;
    let mut manifest = pod("web");
    manifest["spec"]["containers"][0]["ports"] = json!([{"name": "http", "containerPort": 100}]);
    cluster.create::<Pod>(NS, manifest).await?;
    addressed(&cluster, "web", 1, 0).await?;
    let mut found: Vec<(String, i32)> = slices(&cluster, "web")
        .await?
        .iter()
        .flat_map(|slice| slice.ports.clone())
        .map(|port| (port.name.unwrap_or_default(), port.port.unwrap_or_default()))
        .collect();
    found.sort();
    ensure!(found == [("one".to_string(), 100), ("two".to_string(), 101)], "{found:?}");
    cluster.end().await;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn endpointslice_empty_service() -> Result<()> {
    let cluster = TestCluster::start().await?;
    cluster.create::<Service>(NS, service("web", json!([{"port": 80}]))).await?;
    cluster
        .eventually("a slice and Endpoints without addresses", async || {
            let found = slices(&cluster, "web").await?;
            let endpoints = cluster.find::<Endpoints>(NS, "web").await?;
            Ok(found.len() == 1
                && found[0].endpoints.is_empty()
                && endpoints.is_some_and(|e| e.subsets.is_empty()))
        })
        .await?;
    cluster.delete::<Service>(NS, "web", "").await?;
    cluster
        .eventually("both go with their Service", async || {
            Ok(slices(&cluster, "web").await?.is_empty()
                && cluster.find::<Endpoints>(NS, "web").await?.is_none())
        })
        .await?;
    cluster.end().await;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn services_deletecollection() -> Result<()> {
    let cluster = TestCluster::start().await?;
    for name in ["a", "b", "c"] {
        cluster.create::<Service>(NS, service(name, json!([{"port": 80}]))).await?;
    }
    let services = cluster.client.namespaced::<Service>(NS);
    let list = ListOptions { label_selector: "kind=test".into(), ..ListOptions::default() };
    ensure!(services.list(&list).await?.items.len() == 3);
    services.delete_collection(list.clone(), DeleteOptions::default()).await?;
    ensure!(services.list(&list).await?.items.is_empty());
    cluster.end().await;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn services_list_all_ns_finds_kubernetes() -> Result<()> {
    let cluster = TestCluster::start().await?;
    let all = cluster.client.all::<Service>().list(&ListOptions::default()).await?;
    ensure!(all.items.iter().any(|s| s.metadata.name == "kubernetes" && s.metadata.namespace == NS));
    cluster.end().await;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn apiserver_kubernetes_endpoints_endpointslice() -> Result<()> {
    let cluster = TestCluster::start().await?;
    let endpoints = cluster.get::<Endpoints>(NS, "kubernetes").await?;
    let slice = cluster.get::<EndpointSlice>(NS, "kubernetes").await?;
    ensure!(endpoints.subsets[0].addresses[0].ip == "192.0.2.1", "{:?}", endpoints.subsets);
    ensure!(slice.endpoints[0].addresses == ["192.0.2.1"] && slice.ports[0].port == Some(6443), "{slice:?}");
    let service = cluster.get::<Service>(NS, "kubernetes").await?;
    let port = &service.spec.ports[0];
    ensure!((port.name.as_str(), port.port) == ("https", 443), "{port:?}");
    cluster.end().await;
    Ok(())
}
