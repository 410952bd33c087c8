//! Which groups, versions and resources clients find.

use anyhow::{Context, Result, ensure};
use corten_conformance::{Cluster, rest::Reply, spec};
use http::Method;
use serde_json::Value;

/// A resource that each group's version must have.
pub const EXPECTED: [(&str, &str, &str); 19] = [
    ("", "v1", "namespaces"),
    ("admissionregistration.k8s.io", "v1", "validatingwebhookconfigurations"),
    ("apiextensions.k8s.io", "v1", "customresourcedefinitions"),
    ("apiregistration.k8s.io", "v1", "apiservices"),
    ("apps", "v1", "deployments"),
    ("authentication.k8s.io", "v1", "tokenreviews"),
    ("authorization.k8s.io", "v1", "selfsubjectaccessreviews"),
    ("autoscaling", "v1", "horizontalpodautoscalers"),
    ("autoscaling", "v2", "horizontalpodautoscalers"),
    ("batch", "v1", "jobs"),
    ("certificates.k8s.io", "v1", "certificatesigningrequests"),
    ("coordination.k8s.io", "v1", "leases"),
    ("discovery.k8s.io", "v1", "endpointslices"),
    ("events.k8s.io", "v1", "events"),
    ("networking.k8s.io", "v1", "ingresses"),
    ("node.k8s.io", "v1", "runtimeclasses"),
    ("policy", "v1", "poddisruptionbudgets"),
    ("scheduling.k8s.io", "v1", "priorityclasses"),
    ("storage.k8s.io", "v1", "csinodes"),
];

/// What a client that knows only the aggregated form asks for, and what client-go does.
pub const ONLY_AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
pub const CLIENT_GO: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,\
    application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json";

/// Whether a list of objects has one whose `key` is `wanted`.
pub fn has(list: &Value, key: &str, wanted: &str) -> bool {
    list.as_array().is_some_and(|all| all.iter().any(|one| one[key] == wanted))
}

/// The element of a list whose `key` is `wanted`.
pub fn find<'a>(list: &'a Value, key: &str, wanted: &str) -> Option<&'a Value> {
    list.as_array()?.iter().find(|one| one[key] == wanted)
}

#[tokio::test]
async fn discovery_preferredversion_per_group() -> Result<()> {
    spec(async |cluster| {
        let groups = cluster.read("/apis/").await?["groups"].take();
        let groups = groups.as_array().filter(|groups| !groups.is_empty()).context("no groups")?;
        for name in groups.iter().filter_map(|group| group["name"].as_str()) {
            // The groups of other specs come and go.
            if name.ends_with(".example.com") {
                continue;
            }
            let group = cluster.read(&format!("/apis/{name}/")).await?;
            let preferred = group["preferredVersion"]["groupVersion"].as_str().unwrap_or_default();
            ensure!(has(&group["versions"], "groupVersion", preferred), "{name}: {group}");
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn discovery_resource_in_every_group_version() -> Result<()> {
    spec(async |cluster| {
        for (group, version, resource) in EXPECTED {
            let named = if group.is_empty() { version.to_string() } else { format!("{group}/{version}") };
            let path = if group.is_empty() { "/api/v1".to_string() } else { format!("/apis/{named}") };
            let list = cluster.read(&path).await?;
            ensure!(list["groupVersion"] == *named, "{path}: {}", list["groupVersion"]);
            ensure!(has(&list["resources"], "name", resource), "{path} has no {resource}");
        }
        Ok(())
    })
    .await
}

/// The aggregated documents of `/api` and `/apis`.
async fn aggregated(cluster: &Cluster, accept: &str) -> Result<[Reply; 2]> {
    let ask = async |path| cluster.ask(Method::GET, path).header("Accept", accept).send().await;
    Ok([ask("/api").await?, ask("/apis").await?])
}

/// Whether an aggregated document has a resource.
pub fn lists(document: &Value, group: &str, version: &str, resource: &str) -> bool {
    let items = document["items"].as_array().into_iter().flatten();
    items
        .filter(|item| item["metadata"]["name"].as_str().unwrap_or_default() == group)
        .filter_map(|item| find(&item["versions"], "version", version))
        .any(|version| has(&version["resources"], "resource", resource))
}

/// Asks for the aggregated documents as a client does, and checks that they are in that form.
pub async fn documents(cluster: &Cluster, accept: &str) -> Result<[Value; 2]> {
    let mut documents = [Value::Null, Value::Null];
    for (reply, document) in aggregated(cluster, accept).await?.iter().zip(&mut documents) {
        *document = reply.ok()?;
        let said = reply.headers.get("content-type").and_then(|v| v.to_str().ok()).unwrap_or_default();
        ensure!(said.contains("as=APIGroupDiscoveryList") && said.contains("v=v2"), "content type {said:?}");
        ensure!(document["kind"] == "APIGroupDiscoveryList", "{}", document["kind"]);
    }
    Ok(documents)
}

async fn built_ins(accept: &str) -> Result<()> {
    spec(async |cluster| {
        let [legacy, groups] = documents(cluster, accept).await?;
        for (group, version, resource) in EXPECTED {
            let document = if group.is_empty() { &legacy } else { &groups };
            ensure!(lists(document, group, version, resource), "no {group}/{version} {resource}");
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn aggregateddiscovery_raw_accept_headers_built_ins() -> Result<()> {
    built_ins(ONLY_AGGREGATED).await
}

#[tokio::test]
async fn aggregateddiscovery_client_interface_built_ins() -> Result<()> {
    built_ins(CLIENT_GO).await
}
