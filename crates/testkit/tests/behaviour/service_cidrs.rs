//! Ranges of Services, and the objects of cluster IPs.

use crate::manifests::NS;
use anyhow::{Result, ensure};
use corten_api::core::v1::{Secret, Service};
use corten_api::networking::v1::{IPAddress, ServiceCIDR};
use corten_testkit::TestCluster;
use serde_json::json;

async fn condition(cluster: &TestCluster, name: &str) -> Result<String> {
    let cidr = cluster.get::<ServiceCIDR>("", name).await?;
    let ready = cidr.status.conditions.iter().find(|c| c.type_ == "Ready");
    Ok(ready.map(|c| format!("{}{}", c.status, c.reason)).unwrap_or_default())
}

#[tokio::test(start_paused = true)]
async fn services_take_addresses_of_further_ranges_which_stay_while_they_do() -> Result<()> {
    let cluster = TestCluster::start().await?;
    let range = json!({"metadata": {"name": "more"}, "spec": {"cidrs": ["10.123.0.0/24"]}});
    cluster.create::<ServiceCIDR>("", range).await?;
    cluster.eventually("a ready range", async || Ok(condition(&cluster, "more").await? == "True")).await?;
    let spec = json!({"clusterIP": "10.123.0.9", "ports": [{"port": 80}]});
    cluster.create::<Service>(NS, json!({"metadata": {"name": "s"}, "spec": spec})).await?;
    let address = cluster.get::<IPAddress>("", "10.123.0.9").await?;
    let parent = address.spec.parent_ref.clone().unwrap_or_default();
    ensure!(
        (parent.resource.as_str(), parent.namespace.as_str(), parent.name.as_str()) == ("services", NS, "s")
    );
    ensure!(address.metadata.labels["ipaddress.kubernetes.io/managed-by"] == "ipallocator.k8s.io");

    cluster.delete::<ServiceCIDR>("", "more", "Background").await?;
    cluster
        .eventually("a range that waits", async || {
            Ok(condition(&cluster, "more").await? == "FalseTerminating")
        })
        .await?;
    cluster.delete::<Service>(NS, "s", "Background").await?;
    ensure!(cluster.find::<IPAddress>("", "10.123.0.9").await?.is_none());
    cluster
        .eventually("no range", async || Ok(cluster.find::<ServiceCIDR>("", "more").await?.is_none()))
        .await?;
    let kubernetes = cluster.get::<ServiceCIDR>("", "kubernetes").await?;
    ensure!(kubernetes.metadata.finalizers == ["networking.k8s.io/service-cidr-finalizer"]);
    ensure!(cluster.find::<IPAddress>("", "10.96.0.1").await?.is_some());
    cluster.end().await;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_secret_of_no_account_goes() -> Result<()> {
    let cluster = TestCluster::start().await?;
    let annotations = json!({"kubernetes.io/service-account.name": "nobody"});
    let kind = "kubernetes.io/service-account-token";
    let secret = json!({"metadata": {"name": "t", "annotations": annotations}, "type": kind});
    cluster.create::<Secret>(NS, secret).await?;
    cluster.eventually("no secret", async || Ok(cluster.find::<Secret>(NS, "t").await?.is_none())).await?;
    cluster.end().await;
    Ok(())
}
