//! An API server of others behind this one.

use crate::discovery::find;
use anyhow::{Context, Result, ensure};
use corten_client::PatchType;
use corten_conformance::rest::{Refused, Resource};
use corten_conformance::{Cluster, spec, wait};
use http::Method;
use serde_json::{Value, json};

const GROUP: &str = "wardle.example.com";
const VERSION: &str = "wardle.example.com/v1alpha1";
const NAME: &str = "v1alpha1.wardle.example.com";
const SERVICE: &str = "sample-api";
const RBAC: &str = "rbac.authorization.k8s.io/v1";

#[tokio::test]
async fn aggregator_sample_apiserver_behind_apiservice() -> Result<()> {
    spec(async |cluster| {
        let result = async {
            rights(cluster).await?;
            let authority = cluster.serve_helper(SERVICE, "sample-apiserver").await?;
            register(cluster, &authority).await?;
            flunders(cluster).await?;
            registration(cluster).await
        }
        .await;
        clean(cluster).await?;
        result
    })
    .await
}

fn services(cluster: &Cluster) -> Resource<'_> {
    cluster.wide("apiregistration.k8s.io/v1", "apiservices")
}

fn bindings(cluster: &Cluster) -> [(Resource<'_>, String); 2] {
    let name = |what: &str| format!("wardler-{what}-{}", cluster.namespace);
    [
        (cluster.wide(RBAC, "clusterrolebindings"), name("auth-delegator")),
        (cluster.resource_in("kube-system", RBAC, "rolebindings"), name("auth-reader")),
    ]
}

/// The server may ask who may do what, and read whom to believe.
async fn rights(cluster: &Cluster) -> Result<()> {
    let roles = [
        json!({"kind": "ClusterRole", "name": "system:auth-delegator"}),
        json!({"kind": "Role", "name": "extension-apiserver-authentication-reader"}),
    ];
    for ((resource, name), mut role) in bindings(cluster).into_iter().zip(roles) {
        role["apiGroup"] = json!("rbac.authorization.k8s.io");
        let subject = json!({"kind": "ServiceAccount", "name": "default", "namespace": cluster.namespace});
        let binding = json!({"metadata": {"name": name}, "roleRef": role, "subjects": [subject]});
        resource.create(&binding).await?;
    }
    Ok(())
}

async fn clean(cluster: &Cluster) -> Result<()> {
    let missing = |e: &anyhow::Error| e.downcast_ref::<Refused>().is_some_and(|refused| refused.code == 404);
    let mut deletions = vec![services(cluster).delete(NAME).await];
    for (resource, name) in bindings(cluster) {
        deletions.push(resource.delete(&name).await);
    }
    deletions.into_iter().try_for_each(|deleted| match deleted {
        Err(e) if !missing(&e) => Err(e),
        _ => Ok(()),
    })
}

async fn register(cluster: &Cluster, authority: &str) -> Result<()> {
    let service = json!({"namespace": cluster.namespace, "name": SERVICE, "port": 8443});
    services(cluster)
        .create(&json!({
            "metadata": {"name": NAME},
            "spec": {
                "service": service, "group": GROUP, "version": "v1alpha1", "caBundle": authority,
                "groupPriorityMinimum": 2000, "versionPriority": 200,
            },
        }))
        .await?;
    let flunders = cluster.resource_in("default", VERSION, "flunders");
    wait("an aggregated API that answers", async || match flunders.list("").await {
        Ok(_) => Ok(Some(())),
        Err(e) => match e.downcast_ref::<Refused>() {
            Some(refused) if [403, 404, 503].contains(&refused.code) => Ok(None),
            _ => Err(e),
        },
    })
    .await
}

/// Objects of the other server are created, listed and deleted, and its kinds are found.
async fn flunders(cluster: &Cluster) -> Result<()> {
    for (namespace, name) in [("default", "rest-flunder"), (&cluster.namespace, "dynamic-flunder")] {
        let flunders = cluster.resource_in(namespace, VERSION, "flunders");
        let metadata = json!({"labels": {"sample-label": "true"}, "name": name, "namespace": namespace});
        let flunder = json!({"apiVersion": VERSION, "kind": "Flunder", "metadata": metadata, "spec": {}});
        let reply = cluster.ask(Method::POST, &flunders.path).json(&flunder).send().await?;
        let made = reply.ok()?;
        ensure!(reply.code == 201 && made["kind"] == "Flunder", "{}: {made}", reply.code);
        ensure!(made["apiVersion"] == VERSION && made["metadata"]["name"] == name, "{made}");
        ensure!(flunders.items("").await?.len() == 1, "it is not listed");
        flunders.delete(name).await?;
        ensure!(flunders.items("").await?.is_empty(), "it is still listed");
    }
    wait("the kind in discovery", async || {
        let groups = cluster.read("/apis").await?;
        let Some(group) = find(&groups["groups"], "name", GROUP) else { return Ok(None) };
        ensure!(group["preferredVersion"]["groupVersion"] == VERSION, "{group}");
        let list = cluster.read(&format!("/apis/{VERSION}")).await?;
        ensure!(find(&list["resources"], "name", "flunders").is_some(), "{list}");
        let accept = crate::discovery::CLIENT_GO;
        let [_, aggregated] = crate::discovery::documents(cluster, accept).await?;
        Ok(crate::discovery::lists(&aggregated, GROUP, "v1alpha1", "flunders").then_some(()))
    })
    .await
}

fn has_condition(service: &Value, kind: &str, message: &str) -> bool {
    let mut conditions = service["status"]["conditions"].as_array().into_iter().flatten();
    conditions.any(|condition| condition["type"] == kind && condition["message"] == message)
}

fn condition(kind: &str) -> Value {
    json!({
        "type": kind, "status": "True", "reason": "E2E", "message": "Set from e2e test",
        "lastTransitionTime": "2024-01-01T00:00:00Z",
    })
}

/// The registration itself is read, patched, updated and deleted.
async fn registration(cluster: &Cluster) -> Result<()> {
    let (services, status) = (services(cluster), format!("{NAME}/status"));
    let read = services.get(&status).await?;
    let first = &read["status"]["conditions"][0];
    ensure!(first["type"] == "Available" && first["message"] == "all checks passed", "{read}");
    let patched = services.merge(NAME, &json!({"spec": {"versionPriority": 400}})).await?;
    ensure!(patched["spec"]["versionPriority"] == 400, "{patched}");
    let listed = services.items("").await?;
    ensure!(listed.iter().any(|service| service["metadata"]["name"] == NAME), "it is not listed");
    let label = json!({"metadata": {"labels": {"e2e-apiservice": "patched"}}});
    services.patch(NAME, PatchType::Strategic, &label).await?;
    let read = services.get(NAME).await?;
    ensure!(read["metadata"]["labels"]["e2e-apiservice"] == "patched", "{read}");
    let add = |object: &mut Value| {
        if let Some(conditions) = object["status"]["conditions"].as_array_mut() {
            conditions.push(condition("StatusUpdated"));
        }
    };
    services.change(&status, add).await?;
    let read = services.get(&status).await?;
    ensure!(has_condition(&read, "StatusUpdated", "Set from e2e test"), "{read}");
    let relabel = |object: &mut Value| object["metadata"]["labels"] = json!({NAME: "updated"});
    let updated = services.change(NAME, relabel).await?;
    ensure!(updated["metadata"]["labels"] == json!({NAME: "updated"}), "{updated}");
    let mut conditions = read["status"]["conditions"].clone();
    conditions.as_array_mut().context("conditions")?.push(condition("StatusPatched"));
    services.merge(&status, &json!({"status": {"conditions": conditions}})).await?;
    let read = services.get(&status).await?;
    ensure!(has_condition(&read, "StatusPatched", "Set from e2e test"), "{read}");
    let selector = format!("?labelSelector={NAME}%3Dupdated");
    services.delete_all(&selector).await?;
    let gone = async || Ok(services.items(&selector).await?.is_empty().then_some(()));
    wait("the end of the registration", gone).await
}
