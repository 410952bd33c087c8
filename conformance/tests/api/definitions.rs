//! Kinds that are defined while the server runs.

use crate::discovery::{documents, has, lists};
use anyhow::{Context, Result, ensure};
use corten_client::PatchType;
use corten_conformance::definitions::{Wanted, version};
use corten_conformance::rest::{Events, is_refused};
use corten_conformance::{Cluster, spec, wait};
use corten_rt::random;
use serde_json::{Value, json};
use std::time::Duration;

#[tokio::test]
async fn crd_create_delete() -> Result<()> {
    spec(async |cluster| {
        let definition = cluster.define(Wanted::any().wide()).await?;
        definition.remove().await?;
        ensure!(is_refused(cluster.definitions().get(definition.name()).await, 404)?, "it is still there");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn crd_list_deletecollection_by_label() -> Result<()> {
    spec(async |cluster| {
        let labels = json!({"e2e-list-test-uuid": cluster.namespace});
        let selector = format!("?labelSelector=e2e-list-test-uuid%3D{}", cluster.namespace);
        for _ in 0..10 {
            cluster.define(Wanted { labels: labels.clone(), ..Wanted::any().wide() }).await?;
        }
        let other = cluster.define(Wanted::any().wide()).await?;
        let found = cluster.definitions().items(&selector).await?.len();
        ensure!(found == 10, "{found} are listed");
        cluster.definitions().delete_all(&selector).await?;
        let gone = async || Ok(cluster.definitions().items(&selector).await?.is_empty().then_some(()));
        wait("the end of ten definitions", gone).await?;
        cluster.definitions().get(other.name()).await.context("one that was not selected")?;
        other.remove().await
    })
    .await
}

fn condition(object: &Value, message: &str) -> bool {
    let mut conditions = object["status"]["conditions"].as_array().into_iter().flatten();
    conditions.any(|condition| condition["message"] == message)
}

#[tokio::test]
async fn crd_get_update_patch_status() -> Result<()> {
    spec(async |cluster| {
        cluster
            .defined(Wanted::any().wide(), async |definition| {
                let status = format!("{}/status", definition.name());
                let read = cluster.definitions().get(&status).await?;
                ensure!(read["spec"] == definition.object["spec"], "{read}");
                let one = |message: &str| json!({"type": "", "status": "", "message": message});
                let add = |object: &mut Value| {
                    if let Some(conditions) = object["status"]["conditions"].as_array_mut() {
                        conditions.push(one("updated"));
                    }
                };
                let updated = cluster.definitions().change(&status, add).await?;
                ensure!(condition(&updated, "updated"), "{updated}");
                let patch =
                    json!([{"op": "add", "path": "/status/conditions", "value": [{"message": "patched"}]}]);
                let patched = cluster.definitions().patch(&status, PatchType::Json, &patch).await?;
                ensure!(condition(&patched, "patched"), "{patched}");
                Ok(())
            })
            .await
    })
    .await
}

#[tokio::test]
async fn crd_discovery_documents() -> Result<()> {
    const GROUP: &str = "apiextensions.k8s.io";
    spec(async |cluster| {
        ensure!(has(&cluster.read("/apis").await?["groups"], "name", GROUP), "/apis has no {GROUP}");
        let group = cluster.read(&format!("/apis/{GROUP}")).await?;
        ensure!(group["name"] == GROUP && has(&group["versions"], "version", "v1"), "{group}");
        let list = cluster.read(&format!("/apis/{GROUP}/v1")).await?;
        ensure!(list["groupVersion"] == format!("{GROUP}/v1"), "{}", list["groupVersion"]);
        ensure!(has(&list["resources"], "name", "customresourcedefinitions"), "{list}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn crd_defaulting_on_request_and_from_storage() -> Result<()> {
    const SCHEMA: &str = "/spec/versions/0/schema/openAPIV3Schema/properties";
    let text = json!({"type": "string"});
    let schema = json!({
        "type": "object", "x-kubernetes-preserve-unknown-fields": true, "properties": {"a": text, "b": text},
    });
    spec(async |cluster| {
        cluster
            .defined(Wanted::of(schema).wide(), async |definition| {
                let objects = definition.objects("v1");
                let create =
                    async |name: &str| objects.create(&definition.instance("v1", name, json!({}))).await;
                let patch = async |operations: Value| {
                    cluster.definitions().patch(definition.name(), PatchType::Json, &operations).await
                };
                create("cr-1").await?;
                let path = format!("{SCHEMA}/a/default");
                patch(json!([{"op": "add", "path": path, "value": "A"}])).await?;
                let has_a = |object: &Value| object["a"] == "A";
                objects.until("cr-1", "a default of what is stored", has_a).await?;
                let made = create("cr-2").await?;
                ensure!(made["a"] == "A", "no default at creation: {made}");
                let other = format!("{SCHEMA}/b/default");
                patch(json!([{"op": "remove", "path": path}, {"op": "add", "path": other, "value": "B"}]))
                    .await?;
                let read = objects.until("cr-2", "another default", |object| object["b"] == "B").await?;
                ensure!(read["a"] == "A", "what was stored has gone: {read}");
                Ok(())
            })
            .await
    })
    .await
}

async fn discovered(accept: &str) -> Result<()> {
    spec(async |cluster| {
        cluster
            .defined(Wanted::any(), async |definition| {
                wait("the kind in aggregated discovery", async || {
                    let [_, groups] = documents(cluster, accept).await?;
                    Ok(lists(&groups, definition.group(), "v1", definition.plural()).then_some(()))
                })
                .await
            })
            .await
    })
    .await
}

#[tokio::test]
async fn aggregateddiscovery_raw_accept_headers_crds() -> Result<()> {
    discovered(crate::discovery::ONLY_AGGREGATED).await
}

#[tokio::test]
async fn aggregateddiscovery_client_interface_crds() -> Result<()> {
    discovered(crate::discovery::CLIENT_GO).await
}

/// The next event of a watch, and silence of the other.
async fn told(watch: &mut Events, other: &mut Events, kind: &str, name: &str) -> Result<()> {
    let object = watch.expect(kind).await?;
    ensure!(object["metadata"]["name"] == name, "{kind} {object}");
    let seen = other.next_within(Duration::from_secs(1)).await?;
    ensure!(seen.is_none(), "{seen:?} is told of another object");
    Ok(())
}

#[tokio::test]
async fn crdwatch_watch_cr_objects_create_modify_delete() -> Result<()> {
    spec(async |cluster| {
        cluster
            .defined(Wanted::any().wide(), async |definition| {
                let objects = definition.objects("v1");
                let watch = async |name: &str| {
                    let query = format!("&fieldSelector=metadata.name%3D{name}&timeoutSeconds=600");
                    objects.watch(&query).await
                };
                let (mut a, mut b) = (watch("name1").await?, watch("name2").await?);
                let create = async |name: &str| {
                    let made = objects.create(&definition.instance("v1", name, json!({}))).await?;
                    ensure!(made["metadata"]["uid"].as_str().is_some_and(|uid| !uid.is_empty()), "{made}");
                    ensure!(made["kind"] == definition.kind(), "{made}");
                    ensure!(made["apiVersion"] == definition.api_version("v1"), "{made}");
                    Ok(())
                };
                let patch = json!([{"op": "add", "path": "/dummy", "value": "test"}]);
                create("name1").await?;
                told(&mut a, &mut b, "ADDED", "name1").await?;
                create("name2").await?;
                told(&mut b, &mut a, "ADDED", "name2").await?;
                objects.patch("name1", PatchType::Json, &patch).await?;
                told(&mut a, &mut b, "MODIFIED", "name1").await?;
                objects.patch("name2", PatchType::Json, &patch).await?;
                told(&mut b, &mut a, "MODIFIED", "name2").await?;
                objects.delete("name1").await?;
                told(&mut a, &mut b, "DELETED", "name1").await?;
                objects.delete("name2").await?;
                told(&mut b, &mut a, "DELETED", "name2").await
            })
            .await
    })
    .await
}

/// Two versions that a webhook converts: one field `hostPort`, and two fields.
pub fn host_and_port(cluster: &Cluster, client: Value, selectable: bool) -> Wanted {
    let text = json!({"type": "string"});
    let object = |properties: Value| json!({"type": "object", "properties": properties});
    let mut versions = vec![
        version("v1", true, true, object(json!({"hostPort": text}))),
        version("v2", true, false, object(json!({"host": text, "port": text}))),
    ];
    if selectable {
        versions[0]["selectableFields"] = json!([{"jsonPath": ".hostPort"}]);
        versions[1]["selectableFields"] = json!([{"jsonPath": ".host"}, {"jsonPath": ".port"}]);
    }
    let webhook = json!({"clientConfig": client, "conversionReviewVersions": ["v1", "v1beta1"]});
    let more = json!({"conversion": {"strategy": "Webhook", "webhook": webhook}});
    let group = format!("stable-{}-{}.example.com", cluster.namespace, random::name_suffix(4));
    Wanted { group, versions, more, ..Wanted::any() }
}
