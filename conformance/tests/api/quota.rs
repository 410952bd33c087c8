//! Quotas: what is counted, what is refused, what is released.

use anyhow::{Context, Result, ensure};
use corten_client::PatchType;
use corten_conformance::rest::{Resource, is_refused, refusal};
use corten_conformance::{Cluster, pods, spec};
use corten_rt::{random, sleep};
use serde_json::{Map, Value, json};
use std::time::Duration;

const NAME: &str = "test-quota";
const EXTENDED: &str = "example.com/dongle";

fn quotas(cluster: &Cluster) -> Resource<'_> {
    cluster.resource("v1", "resourcequotas")
}

fn quota(name: &str, hard: Value) -> Value {
    json!({"metadata": {"name": name}, "spec": {"hard": hard}})
}

/// Upstream's limits for these specs.
fn usual() -> Value {
    quota(
        NAME,
        json!({
            "pods": "5", "services": "10", "services.nodeports": "1", "services.loadbalancers": "1",
            "replicationcontrollers": "10", "resourcequotas": "1", "cpu": "1", "memory": "500Mi",
            "configmaps": "10", "secrets": "10", "persistentvolumeclaims": "10", "requests.storage": "10Gi",
            "ephemeral-storage": "50Gi",
            "gold.storageclass.storage.k8s.io/persistentvolumeclaims": "10",
            "gold.storageclass.storage.k8s.io/requests.storage": "10Gi",
            "count/replicasets.apps": "5", "requests.example.com/dongle": "3",
        }),
    )
}

/// Waits until a quota's status tells all of its limits and this use.
async fn used(cluster: &Cluster, name: &str, expected: Value) -> Result<()> {
    let fits = |quota: &Value| {
        let status = &quota["status"];
        let expected = expected.as_object().into_iter().flatten();
        status["hard"] == quota["spec"]["hard"]
            && expected.into_iter().all(|(name, amount)| status["used"][name] == *amount)
    };
    quotas(cluster).until(name, &format!("use {expected} of quota {name}"), fits).await.map(drop)
}

/// Creates the usual quota and waits until it counts itself.
async fn counted(cluster: &Cluster) -> Result<()> {
    quotas(cluster).create(&usual()).await?;
    used(cluster, NAME, json!({"resourcequotas": "1"})).await
}

#[tokio::test]
async fn resourcequota_status_computed_promptly() -> Result<()> {
    spec(async |cluster| counted(cluster).await).await
}

fn service(name: &str, kind: &str, node_ports: bool) -> Value {
    let mut service = json!({
        "metadata": {"name": name},
        "spec": {"type": kind, "ports": [{"port": 80, "targetPort": 80}]},
    });
    if kind == "LoadBalancer" {
        service["spec"]["allocateLoadBalancerNodePorts"] = json!(node_ports);
    }
    service
}

/// The refusal of what a quota has no room for.
fn exceeded(result: Result<Value>) -> Result<()> {
    let refused = refusal(result)?;
    ensure!(refused.code == 403 && refused.status.contains("exceeded quota"), "{refused}");
    Ok(())
}

#[tokio::test]
async fn resourcequota_service_count() -> Result<()> {
    spec(async |cluster| {
        counted(cluster).await?;
        let services = cluster.resource("v1", "services");
        services.create(&service("test-service", "ClusterIP", false)).await?;
        services.create(&service("test-service-np", "NodePort", false)).await?;
        exceeded(services.create(&service("test-service-lb", "LoadBalancer", true)).await)?;
        let expected = json!({"resourcequotas": "1", "services": "2", "services.nodeports": "1"});
        used(cluster, NAME, expected).await?;
        services.delete("test-service").await?;
        services.delete("test-service-np").await?;
        used(cluster, NAME, json!({"services": "0", "services.nodeports": "0"})).await
    })
    .await
}

/// How many objects of a resource stand in the namespace once nothing more comes.
async fn settled(resource: &Resource<'_>) -> Result<usize> {
    let (mut found, mut unchanged) = (0, 0);
    while unchanged < 5 {
        let now = resource.items("").await?.len();
        unchanged = if now == found { unchanged + 1 } else { 0 };
        found = now;
        sleep(Duration::from_millis(500)).await;
    }
    Ok(found)
}

/// An object of a kind of which some are there already is counted while it lives.
async fn one_more(cluster: &Cluster, plural: &str, object: &Value) -> Result<()> {
    let resource = cluster.resource("v1", plural);
    let found = settled(&resource).await?;
    let (before, with) = (found.to_string(), (found + 1).to_string());
    let mut quota = usual();
    quota["spec"]["hard"][plural] = json!(with);
    quotas(cluster).create(&quota).await?;
    used(cluster, NAME, json!({"resourcequotas": "1", plural: before})).await?;
    resource.create(object).await?;
    used(cluster, NAME, json!({plural: with})).await?;
    resource.delete(object["metadata"]["name"].as_str().context("a name")?).await?;
    used(cluster, NAME, json!({plural: before})).await
}

#[tokio::test]
async fn resourcequota_secret_count() -> Result<()> {
    let secret = json!({"metadata": {"name": "test-secret"}, "data": {"data-1": "dmFsdWUtMQ=="}});
    spec(async |cluster| one_more(cluster, "secrets", &secret).await).await
}

#[tokio::test]
async fn resourcequota_configmap_count() -> Result<()> {
    let map = json!({"metadata": {"name": "test-configmap"}, "data": {"a": ""}});
    spec(async |cluster| one_more(cluster, "configmaps", &map).await).await
}

/// An object of a kind of which there are none is counted while it lives.
async fn first(api_version: &str, plural: &str, counted_as: &str, object: Value) -> Result<()> {
    spec(async |cluster| {
        counted(cluster).await?;
        let resource = cluster.resource(api_version, plural);
        used(cluster, NAME, json!({counted_as: "0"})).await?;
        resource.create(&object).await?;
        used(cluster, NAME, json!({counted_as: "1"})).await?;
        let name = object["metadata"]["name"].as_str().context("a name")?;
        resource.delete_with(name, &json!({"propagationPolicy": "Background"})).await?;
        used(cluster, NAME, json!({counted_as: "0"})).await
    })
    .await
}

#[tokio::test]
async fn resourcequota_rc_count() -> Result<()> {
    let labels = json!({"name": "test-rc"});
    let spec = json!({"replicas": 0, "selector": labels, "template": pods::template(&labels)});
    let rc = json!({"metadata": {"name": "test-rc"}, "spec": spec});
    first("v1", "replicationcontrollers", "replicationcontrollers", rc).await
}

#[tokio::test]
async fn resourcequota_replicaset_count() -> Result<()> {
    let labels = json!({"name": "test-rs"});
    let selector = json!({"matchLabels": labels});
    let spec = json!({"replicas": 0, "selector": selector, "template": pods::template(&labels)});
    let rs = json!({"metadata": {"name": "test-rs"}, "spec": spec});
    first("apps/v1", "replicasets", "count/replicasets.apps", rs).await
}

/// A pod that no node takes.
fn pod(name: &str, requests: Value, limits: Value) -> Value {
    json!({
        "metadata": {"name": name},
        "spec": {
            "nodeSelector": {"x-test.k8s.io/unsatisfiable": "not-schedulable"},
            "containers": [{
                "name": "pause", "image": pods::IMAGE,
                "resources": {"requests": requests, "limits": limits},
            }],
        },
    })
}

/// Deletes a pod at once.
async fn delete_pod(cluster: &Cluster, name: &str) -> Result<()> {
    cluster.resource("v1", "pods").delete_with(name, &json!({"gracePeriodSeconds": 0})).await.map(drop)
}

#[tokio::test]
async fn resourcequota_pod_cpu_mem_ephemeral_extended() -> Result<()> {
    spec(async |cluster| {
        counted(cluster).await?;
        let held = cluster.resource("v1", "pods");
        let dongles = json!({EXTENDED: "2"});
        let requests = json!({"cpu": "500m", "memory": "252Mi", "ephemeral-storage": "30Gi", EXTENDED: "2"});
        let made = held.create(&pod("test-pod", requests, dongles.clone())).await?;
        let full = json!({
            "resourcequotas": "1", "pods": "1", "cpu": "500m", "memory": "252Mi",
            "ephemeral-storage": "30Gi", "requests.example.com/dongle": "2",
        });
        used(cluster, NAME, full.clone()).await?;
        let too_much = json!({"cpu": "600m", "memory": "100Mi"});
        exceeded(held.create(&pod("fail-pod", too_much, json!({}))).await)?;
        let too_many = json!({"cpu": "500m", "memory": "100Mi", "ephemeral-storage": "30Gi", EXTENDED: "2"});
        exceeded(held.create(&pod("fail-pod-for-extended-resource", too_many, dongles)).await)?;
        let mut changed = made;
        changed["spec"]["containers"][0]["resources"]["requests"] =
            json!({"cpu": "100m", "memory": "100Mi", "ephemeral-storage": "10Gi"});
        refusal(held.put("test-pod", &changed).await)?;
        used(cluster, NAME, full).await?;
        delete_pod(cluster, "test-pod").await?;
        let empty = json!({
            "resourcequotas": "1", "pods": "0", "cpu": "0", "memory": "0", "ephemeral-storage": "0",
            "requests.example.com/dongle": "0",
        });
        used(cluster, NAME, empty).await
    })
    .await
}

fn scoped(name: &str, scope: &str) -> Value {
    let mut hard = Map::from_iter([("pods".to_string(), json!("5"))]);
    if scope.ends_with("Terminating") {
        for (name, amount) in [("cpu", "1"), ("memory", "500Mi")] {
            hard.insert(format!("requests.{name}"), json!(amount));
        }
        for (name, amount) in [("cpu", "2"), ("memory", "1Gi")] {
            hard.insert(format!("limits.{name}"), json!(amount));
        }
    }
    let mut quota = quota(name, hard.into());
    quota["spec"]["scopes"] = json!([scope]);
    quota
}

fn burstable(name: &str) -> Value {
    pod(name, json!({"cpu": "500m", "memory": "200Mi"}), json!({"cpu": "1", "memory": "400Mi"}))
}

/// A pod is counted by the quota `by`, and not by `other`; then it goes.
async fn counts(cluster: &Cluster, pod: &Value, by: &str, other: &str, full: &Value) -> Result<()> {
    cluster.resource("v1", "pods").create(pod).await?;
    used(cluster, by, full.clone()).await?;
    let keys = full.as_object().into_iter().flatten().map(|(key, _)| (key.clone(), json!("0")));
    let empty = Value::Object(keys.collect());
    used(cluster, other, empty.clone()).await?;
    delete_pod(cluster, pod["metadata"]["name"].as_str().context("a name")?).await?;
    used(cluster, by, empty).await
}

#[tokio::test]
async fn resourcequota_terminating_scope() -> Result<()> {
    let full = json!({
        "pods": "1", "requests.cpu": "500m", "requests.memory": "200Mi",
        "limits.cpu": "1", "limits.memory": "400Mi",
    });
    spec(async |cluster| {
        for (name, scope) in [("terminating", "Terminating"), ("not-terminating", "NotTerminating")] {
            quotas(cluster).create(&scoped(name, scope)).await?;
            used(cluster, name, json!({"pods": "0"})).await?;
        }
        counts(cluster, &burstable("test-pod"), "not-terminating", "terminating", &full).await?;
        let mut ending = burstable("terminating-pod");
        ending["spec"]["activeDeadlineSeconds"] = json!(3600);
        counts(cluster, &ending, "terminating", "not-terminating", &full).await
    })
    .await
}

#[tokio::test]
async fn resourcequota_besteffort_scope() -> Result<()> {
    let full = json!({"pods": "1"});
    spec(async |cluster| {
        for (name, scope) in [("besteffort", "BestEffort"), ("not-besteffort", "NotBestEffort")] {
            quotas(cluster).create(&scoped(name, scope)).await?;
            used(cluster, name, json!({"pods": "0"})).await?;
        }
        let plain = pod("test-pod", json!({}), json!({}));
        counts(cluster, &plain, "besteffort", "not-besteffort", &full).await?;
        counts(cluster, &burstable("burstable-pod"), "not-besteffort", "besteffort", &full).await
    })
    .await
}

#[tokio::test]
async fn resourcequota_update_delete() -> Result<()> {
    spec(async |cluster| {
        let all = quotas(cluster);
        let small = json!({"cpu": "1", "memory": "500Mi"});
        all.create(&quota(NAME, small.clone())).await?;
        ensure!(all.get(NAME).await?["spec"]["hard"] == small, "created as it was not asked");
        let large = json!({"cpu": "2", "memory": "1Gi"});
        // Without a revision: the last writer wins.
        let updated = all.put(NAME, &quota(NAME, large.clone())).await?;
        ensure!(updated["spec"]["hard"] == large, "{updated}");
        ensure!(all.get(NAME).await?["spec"]["hard"] == large, "the update did not last");
        all.delete(NAME).await?;
        all.gone(NAME).await
    })
    .await
}

#[tokio::test]
async fn resourcequota_lifecycle() -> Result<()> {
    spec(async |cluster| {
        let (all, name) = (quotas(cluster), format!("e2e-quota-{}", random::name_suffix(5)));
        let mut wanted = quota(&name, json!({"cpu": "1", "memory": "500Mi"}));
        wanted["metadata"]["labels"] = json!({&name: &name});
        all.create(&wanted).await?;
        let selector = format!("?labelSelector={name}%3D{name}");
        let found = cluster.wide("v1", "resourcequotas").items(&selector).await?;
        ensure!(found.len() == 1, "{} are listed", found.len());
        let patch =
            json!({"metadata": {"labels": {&name: "patched"}}, "spec": {"hard": {"memory": "750Mi"}}});
        let patched = all.patch(&name, PatchType::Strategic, &patch).await?;
        ensure!(patched["metadata"]["labels"][&name] == "patched", "{patched}");
        ensure!(patched["spec"]["hard"] == json!({"cpu": "1", "memory": "750Mi"}), "{patched}");
        all.delete_all(&format!("?labelSelector={name}%3Dpatched")).await?;
        ensure!(is_refused(all.get(&name).await, 404)?, "it is not deleted");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn resourcequota_status_update_patch() -> Result<()> {
    spec(async |cluster| {
        let (all, name) = (quotas(cluster), format!("e2e-rq-status-{}", random::name_suffix(5)));
        let status = format!("{name}/status");
        let from = all.list("").await?["metadata"]["resourceVersion"].take();
        let mut watch =
            all.watch(&format!("&resourceVersion={}", from.as_str().context("a revision")?)).await?;
        let first = json!({"cpu": "500m", "memory": "500Mi"});
        let made = all.create(&quota(&name, first.clone())).await?;
        ensure!(made["spec"]["hard"] == first, "{made}");
        all.change(&status, |quota| quota["status"] = json!({"hard": first})).await?;
        let told = |hard: &Value| {
            let hard = hard.clone();
            move |_: &str, quota: &Value| quota["status"]["hard"] == hard
        };
        watch.until("the updated status", told(&first)).await?;
        let second = json!({"cpu": "1", "memory": "1Gi"});
        all.patch(&name, PatchType::Strategic, &json!({"spec": {"hard": second}})).await?;
        let patch = json!({"status": {"hard": second}});
        all.patch(&status, PatchType::Strategic, &patch).await?;
        watch.until("the patched status", told(&second)).await?;
        let read = all.get(&status).await?;
        ensure!(read["status"]["hard"] == second, "{read}");
        let third = json!({"cpu": "2", "memory": "2Gi"});
        let patch = json!({"status": {"hard": third}});
        let patched = all.patch(&status, PatchType::Strategic, &patch).await?;
        ensure!(patched["status"]["hard"] == third && patched["spec"]["hard"] == second, "{patched}");
        watch.until("the status patched again", told(&third)).await?;
        let right = |quota: &Value| quota["status"]["hard"] == second && quota["spec"]["hard"] == second;
        all.until(&name, "the status put right", right).await.map(drop)
    })
    .await
}
