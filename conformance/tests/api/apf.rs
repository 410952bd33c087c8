//! The kinds of flow control.

use crate::discovery::has;
use anyhow::{Context, Result, ensure};
use corten_conformance::rest::{Resource, is_refused};
use corten_conformance::{Cluster, spec};
use corten_rt::random;
use serde_json::{Value, json};

const GROUP: &str = "flowcontrol.apiserver.k8s.io";
const VERSION: &str = "flowcontrol.apiserver.k8s.io/v1";

async fn discovered(cluster: &Cluster, plural: &str) -> Result<()> {
    let groups = cluster.read("/apis").await?;
    ensure!(has(&groups["groups"], "name", GROUP), "/apis has no {GROUP}");
    let group = cluster.read(&format!("/apis/{GROUP}")).await?;
    ensure!(has(&group["versions"], "version", "v1"), "{group}");
    let resources = cluster.read(&format!("/apis/{VERSION}")).await?;
    for name in [plural.to_string(), format!("{plural}/status")] {
        ensure!(has(&resources["resources"], "name", &name), "no {name}");
    }
    Ok(())
}

fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    object["status"]["conditions"].as_array()?.iter().find(|c| c["type"] == kind)
}

/// Three objects of a kind of flow control live: `change` is a part of the spec that is patched in, `again` one that
/// is put in.
async fn lives(cluster: &Cluster, plural: &str, object: Value, change: Value, again: Value) -> Result<()> {
    discovered(cluster, plural).await?;
    let all = cluster.wide(VERSION, plural);
    let label = random::name_suffix(8);
    let selector = format!("?labelSelector=example-e2e-label%3D{label}");
    let result = lived(&all, &label, &selector, object, change, again).await;
    all.delete_all(&selector).await?;
    result
}

async fn lived(
    all: &Resource<'_>,
    label: &str,
    selector: &str,
    mut object: Value,
    change: Value,
    again: Value,
) -> Result<()> {
    object["metadata"] = json!({"generateName": "e2e-example-", "labels": {"example-e2e-label": label}});
    all.create(&object).await?;
    all.create(&object).await?;
    let made = all.create(&object).await?;
    let name = made["metadata"]["name"].as_str().context("a name")?;
    let read = all.get(name).await?;
    ensure!(read["metadata"]["uid"] == made["metadata"]["uid"], "{read}");
    let list = all.list(selector).await?;
    ensure!(list["items"].as_array().is_some_and(|items| items.len() == 3), "not three: {list}");
    let from = list["metadata"]["resourceVersion"].as_str().context("a revision")?;
    let mut watch = all.watch(&format!("&{}&resourceVersion={from}", &selector[1..])).await?;

    let patched =
        all.merge(name, &json!({"metadata": {"annotations": {"patched": "true"}}, "spec": change})).await?;
    ensure!(patched["metadata"]["annotations"]["patched"] == "true", "{patched}");
    contains(&patched["spec"], &change)?;
    let updated = all
        .change(name, |object| {
            object["metadata"]["annotations"]["updated"] = json!("true");
            put(&mut object["spec"], &again);
        })
        .await?;
    ensure!(updated["metadata"]["annotations"]["updated"] == "true", "{updated}");
    contains(&updated["spec"], &again)?;
    let seen =
        |kind: &str, o: &Value| kind == "MODIFIED" && o["metadata"]["annotations"]["patched"] == "true";
    watch.until("the patch", seen).await?;

    let status = format!("{name}/status");
    let read = all.get(&status).await?;
    ensure!(read["metadata"]["uid"] == made["metadata"]["uid"] && read["kind"] == made["kind"], "{read}");
    let patch = json!({"type": "PatchStatusFailed", "status": "False", "reason": "e2e"});
    let patched = all.merge(&status, &json!({"status": {"conditions": [patch]}})).await?;
    ensure!(condition(&patched, "PatchStatusFailed").is_some(), "{patched}");
    let updated = all
        .change(&status, |object| {
            let update = json!({
                "type": "StatusUpdateFailed", "status": "False",
                "reason": "E2E", "message": "Set from an e2e test",
            });
            match object["status"]["conditions"].as_array_mut() {
                Some(conditions) => conditions.push(update),
                None => object["status"]["conditions"] = json!([update]),
            }
        })
        .await?;
    ensure!(condition(&updated, "StatusUpdateFailed").is_some(), "{updated}");

    all.delete(name).await?;
    ensure!(is_refused(all.get(name).await, 404)?, "{name} is not deleted");
    ensure!(all.items(selector).await?.len() == 2, "two must be left");
    all.delete_all(selector).await?;
    ensure!(all.items(selector).await?.is_empty(), "none must be left");
    Ok(())
}

fn contains(whole: &Value, part: &Value) -> Result<()> {
    match part {
        Value::Object(fields) => fields.iter().try_for_each(|(name, part)| contains(&whole[name], part)),
        part => {
            ensure!(whole == part, "{whole} instead of {part}");
            Ok(())
        }
    }
}

fn put(whole: &mut Value, part: &Value) {
    match part {
        Value::Object(fields) => fields.iter().for_each(|(name, part)| put(&mut whole[name], part)),
        part => *whole = part.clone(),
    }
}

#[tokio::test]
async fn apf_flowschema_crud_status_discovery() -> Result<()> {
    let schema = json!({"spec": {
        "matchingPrecedence": 10000,
        "priorityLevelConfiguration": {"name": "global-default"},
        "distinguisherMethod": {"type": "ByUser"},
        "rules": [{
            "subjects": [{"kind": "User", "user": {"name": "example-e2e-non-existent-user"}}],
            "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
        }],
    }});
    spec(async |cluster| {
        let (change, again) = (json!({"matchingPrecedence": 9999}), json!({"matchingPrecedence": 9998}));
        lives(cluster, "flowschemas", schema, change, again).await
    })
    .await
}

#[tokio::test]
async fn apf_prioritylevelconfiguration_crud_status_discovery() -> Result<()> {
    let level = json!({"spec": {
        "type": "Limited",
        "limited": {"nominalConcurrencyShares": 2, "limitResponse": {"type": "Reject"}},
    }});
    let shares = |shares: u32| json!({"limited": {"nominalConcurrencyShares": shares}});
    spec(async |cluster| lives(cluster, "prioritylevelconfigurations", level, shares(4), shares(6)).await)
        .await
}
