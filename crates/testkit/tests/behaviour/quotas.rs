//! ResourceQuotas: what is charged, what is given back, and that nothing ever exceeds them.

use crate::manifests::NS;
use anyhow::{Result, ensure};
use corten_api::Quantity;
use corten_api::core::v1::{ConfigMap, Pod, ResourceQuota, Secret, Service};
use corten_testkit::TestCluster;
use serde_json::{Value, json};

/// Creates a quota and waits until its use is known.
async fn quota(cluster: &TestCluster, name: &str, spec: Value) -> Result<()> {
    cluster.create::<ResourceQuota>(NS, json!({"metadata": {"name": name}, "spec": spec})).await?;
    let known = async || {
        let quota = cluster.get::<ResourceQuota>(NS, name).await?;
        Ok(!quota.status.used.is_empty() && quota.status.used.len() == quota.spec.hard.len())
    };
    cluster.eventually("the quota's use is known", known).await?;
    Ok(())
}

async fn used(cluster: &TestCluster, name: &str, resource: &str) -> Result<String> {
    let quota = cluster.get::<ResourceQuota>(NS, name).await?;
    Ok(quota.status.used.get(resource).map(Quantity::to_string).unwrap_or_default())
}

async fn becomes(cluster: &TestCluster, name: &str, resource: &str, want: &str) -> Result<()> {
    let what = format!("{resource} of {name} is {want}");
    cluster.eventually(&what, async || Ok(used(cluster, name, resource).await? == want)).await?;
    Ok(())
}

fn pod(name: &str, cpu: &str) -> Value {
    json!({"metadata": {"name": name}, "spec": {"containers": [
        {"name": "c", "image": "i", "resources": {"requests": {"cpu": cpu}}}]}})
}

#[tokio::test(start_paused = true)]
async fn a_pod_is_charged_and_given_back() -> Result<()> {
    let cluster = TestCluster::start().await?;
    quota(&cluster, "q", json!({"hard": {"pods": "2", "requests.cpu": "1"}})).await?;
    cluster.create::<Pod>(NS, pod("a", "600m")).await?;
    ensure!(used(&cluster, "q", "requests.cpu").await? == "600m", "charged before the answer");
    let refused = cluster.create::<Pod>(NS, pod("b", "500m")).await;
    let message = refused.err().map(|e| e.to_string()).unwrap_or_default();
    ensure!(
        message.contains(
            "pods \"b\" is forbidden: exceeded quota: q, requested: requests.cpu=500m, \
             used: requests.cpu=600m, limited: requests.cpu=1"
        ),
        "{message}"
    );
    // A name that is taken costs nothing.
    ensure!(cluster.create::<Pod>(NS, pod("a", "100m")).await.is_err());
    ensure!(used(&cluster, "q", "pods").await? == "1");
    cluster.delete::<Pod>(NS, "a", "Background").await?;
    becomes(&cluster, "q", "requests.cpu", "0").await?;
    cluster.create::<Pod>(NS, pod("b", "500m")).await?;
    let ended = json!({"status": {"phase": "Succeeded"}});
    cluster.patch_sub::<Pod>(NS, "b", "status", ended).await?;
    becomes(&cluster, "q", "pods", "0").await?;
    cluster.end().await;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_quota_is_never_exceeded_by_creations_at_once() -> Result<()> {
    let cluster = TestCluster::start().await?;
    quota(&cluster, "a", json!({"hard": {"pods": "7", "requests.cpu": "10"}})).await?;
    quota(&cluster, "b", json!({"hard": {"count/pods": "30"}})).await?;
    let creations = (0..100).map(|i| {
        let cluster = &cluster;
        async move { cluster.create::<Pod>(NS, pod(&format!("p{i}"), "1")).await }
    });
    let results = futures::future::join_all(creations).await;
    let made = results.iter().filter(|r| r.is_ok()).count();
    let others = results.iter().filter_map(|r| r.as_ref().err()).map(ToString::to_string);
    let strange: Vec<_> =
        others.filter(|e| !e.contains("exceeded quota: a, requested: pods=1, used: pods=7")).collect();
    ensure!(made == 7 && strange.is_empty(), "{made} {strange:?}");
    ensure!(cluster.list::<Pod>(NS).await?.len() == 7);
    ensure!(used(&cluster, "a", "pods").await? == "7" && used(&cluster, "b", "count/pods").await? == "7");
    cluster.end().await;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn the_count_keeps_up_while_objects_come_and_go() -> Result<()> {
    let cluster = TestCluster::start().await?;
    // What every namespace is given counts, too: it is there from the start.
    let published = async || Ok(cluster.find::<ConfigMap>(NS, "kube-root-ca.crt").await?.is_some());
    cluster.eventually("the authority is published", published).await?;
    quota(&cluster, "q", json!({"hard": {"secrets": "5", "count/configmaps": "6"}})).await?;
    let before: i64 = used(&cluster, "q", "count/configmaps").await?.parse()?;
    let free = 6 - before;
    for round in 0..3 {
        let creations = (0..20).map(|i| {
            let cluster = &cluster;
            async move {
                let name = format!("m{round}-{i}");
                let made = cluster.create::<ConfigMap>(NS, json!({"metadata": {"name": name}})).await;
                made.is_ok().then_some(name)
            }
        });
        let made: Vec<String> = futures::future::join_all(creations).await.into_iter().flatten().collect();
        ensure!(i64::try_from(made.len())? == free, "{made:?} of {free}");
        for name in made {
            cluster.delete::<ConfigMap>(NS, &name, "Background").await?;
        }
        becomes(&cluster, "q", "count/configmaps", &before.to_string()).await?;
    }
    cluster.create::<Secret>(NS, json!({"metadata": {"name": "s"}})).await?;
    ensure!(used(&cluster, "q", "secrets").await? == "1");
    cluster.delete::<Secret>(NS, "s", "Background").await?;
    becomes(&cluster, "q", "secrets", "0").await?;
    cluster.end().await;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn scopes_and_services() -> Result<()> {
    let cluster = TestCluster::start().await?;
    quota(&cluster, "ending", json!({"hard": {"pods": "1"}, "scopes": ["Terminating"]})).await?;
    quota(&cluster, "lasting", json!({"hard": {"pods": "1"}, "scopes": ["NotTerminating"]})).await?;
    quota(&cluster, "ports", json!({"hard": {"services": "3", "services.nodeports": "1"}})).await?;
    cluster.create::<Pod>(NS, pod("a", "1")).await?;
    ensure!(
        used(&cluster, "ending", "pods").await? == "0" && used(&cluster, "lasting", "pods").await? == "1"
    );
    cluster.patch::<Pod>(NS, "a", json!({"spec": {"activeDeadlineSeconds": 60}})).await?;
    ensure!(used(&cluster, "ending", "pods").await? == "1", "an update into a scope is charged");
    becomes(&cluster, "lasting", "pods", "0").await?;
    let service = |name: &str, kind: &str| json!({"metadata": {"name": name}, "spec": {"type": kind, "ports": [{"port": 80}]}});
    cluster.create::<Service>(NS, service("one", "NodePort")).await?;
    ensure!(cluster.create::<Service>(NS, service("two", "NodePort")).await.is_err());
    cluster.create::<Service>(NS, service("two", "ClusterIP")).await?;
    let change = json!({"spec": {"type": "NodePort"}});
    ensure!(cluster.patch::<Service>(NS, "two", change.clone()).await.is_err());
    cluster.patch::<Service>(NS, "one", json!({"spec": {"type": "ClusterIP"}})).await?;
    becomes(&cluster, "ports", "services.nodeports", "0").await?;
    cluster.patch::<Service>(NS, "two", change).await?;
    cluster.end().await;
    Ok(())
}
