//! Objects of a cluster-scoped kind that are created, read, changed, watched and deleted, three at a time.

use crate::discovery::has;
use anyhow::{Context, Result, ensure};
use corten_conformance::Cluster;
use corten_conformance::rest::{Resource, is_refused};
use corten_rt::random;
use serde_json::{Value, json};

/// What becomes of the objects.
pub struct Crud {
    pub group: &'static str,
    pub plural: &'static str,
    /// As it is created.
    pub object: Value,
    /// A part of the spec that is patched in, and one that is put in.
    pub change: Value,
    pub again: Value,
    /// Whether there is a status, with conditions.
    pub status: bool,
}

async fn discovered(cluster: &Cluster, crud: &Crud) -> Result<()> {
    let Crud { group: name, plural, .. } = crud;
    let groups = cluster.read("/apis").await?;
    ensure!(has(&groups["groups"], "name", name), "/apis has no {name}");
    let group = cluster.read(&format!("/apis/{name}")).await?;
    ensure!(has(&group["versions"], "version", "v1"), "{group}");
    let resources = cluster.read(&format!("/apis/{name}/v1")).await?;
    let status = crud.status.then(|| format!("{plural}/status"));
    for name in [plural.to_string()].into_iter().chain(status) {
        ensure!(has(&resources["resources"], "name", &name), "no {name}");
    }
    Ok(())
}

fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    object["status"]["conditions"].as_array()?.iter().find(|c| c["type"] == kind)
}

impl Crud {
    /// The objects live.
    pub async fn run(&self, cluster: &Cluster) -> Result<()> {
        discovered(cluster, self).await?;
        let all = cluster.wide(&format!("{}/v1", self.group), self.plural);
        let label = random::name_suffix(8);
        let selector = format!("?labelSelector=example-e2e-label%3D{label}");
        let result = lived(&all, &label, &selector, self).await;
        all.delete_all(&selector).await?;
        result
    }
}

async fn lived(all: &Resource<'_>, label: &str, selector: &str, crud: &Crud) -> Result<()> {
    let (mut object, change, again) = (crud.object.clone(), &crud.change, &crud.again);
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
    contains(&patched["spec"], change)?;
    let updated = all
        .change(name, |object| {
            object["metadata"]["annotations"]["updated"] = json!("true");
            put(&mut object["spec"], again);
        })
        .await?;
    ensure!(updated["metadata"]["annotations"]["updated"] == "true", "{updated}");
    contains(&updated["spec"], again)?;
    let seen =
        |kind: &str, o: &Value| kind == "MODIFIED" && o["metadata"]["annotations"]["patched"] == "true";
    watch.until("the patch", seen).await?;

    if crud.status {
        statuses(all, name, &made).await?;
    }
    all.delete(name).await?;
    ensure!(is_refused(all.get(name).await, 404)?, "{name} is not deleted");
    ensure!(all.items(selector).await?.len() == 2, "two must be left");
    all.delete_all(selector).await?;
    ensure!(all.items(selector).await?.is_empty(), "none must be left");
    Ok(())
}

/// The status is read, patched and updated.
async fn statuses(all: &Resource<'_>, name: &str, made: &Value) -> Result<()> {
    let status = format!("{name}/status");
    let read = all.get(&status).await?;
    ensure!(read["metadata"]["uid"] == made["metadata"]["uid"] && read["kind"] == made["kind"], "{read}");
    let patch = json!({
        "type": "PatchStatusFailed", "status": "False", "reason": "e2e",
        "message": "Set from an e2e test", "lastTransitionTime": "2024-01-01T00:00:00Z",
    });
    let patched = all.merge(&status, &json!({"status": {"conditions": [patch]}})).await?;
    ensure!(condition(&patched, "PatchStatusFailed").is_some(), "{patched}");
    let updated = all
        .change(&status, |object| {
            let update = json!({
                "type": "StatusUpdateFailed", "status": "False",
                "reason": "E2E", "message": "Set from an e2e test",
                "lastTransitionTime": "2024-01-01T00:00:00Z",
            });
            match object["status"]["conditions"].as_array_mut() {
                Some(conditions) => conditions.push(update),
                None => object["status"]["conditions"] = json!([update]),
            }
        })
        .await?;
    ensure!(condition(&updated, "StatusUpdateFailed").is_some(), "{updated}");
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
