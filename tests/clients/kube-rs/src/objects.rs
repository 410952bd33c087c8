//! Single objects and lists of them.

use crate::{NAMESPACE, names};
use anyhow::{Context, Result, ensure};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{
    Api, ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams, Preconditions,
};
use kube::core::Status;
use kube::core::params::{GetParams, VersionMatch};
use kube::{Client, Error, ResourceExt};
use serde_json::{Value, from_value, json};
use std::collections::BTreeMap;

pub fn config_map(name: &str, data: &[(&str, &str)]) -> ConfigMap {
    let mut map = ConfigMap::default();
    map.metadata.name = Some(name.into());
    map.metadata.labels = Some(BTreeMap::from([("name".into(), name.into())]));
    map.data = Some(data.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect());
    map
}

/// The Status that a call was refused with.
fn refused<T: std::fmt::Debug>(result: kube::Result<T>) -> Result<Box<Status>> {
    match result {
        Err(Error::Api(status)) => Ok(status),
        other => anyhow::bail!("should be refused: {other:?}"),
    }
}

pub async fn discovery(client: &Client) -> Result<()> {
    let version = client.apiserver_version().await?;
    ensure!((version.major.as_str(), version.minor.as_str()) == ("1", "35"), "{version:?}");
    let groups = names_of_groups(client).await?;
    ensure!(groups.iter().any(|group| group == "apps"), "{groups:?}");
    let core = client.list_core_api_resources("v1").await?;
    let pods = core.resources.iter().find(|resource| resource.name == "pods");
    ensure!(pods.is_some_and(|pods| pods.namespaced && pods.kind == "Pod"), "{pods:?}");
    Ok(())
}

async fn names_of_groups(client: &Client) -> Result<Vec<String>> {
    Ok(client.list_api_groups().await?.groups.into_iter().map(|group| group.name).collect())
}

pub async fn life(client: &Client) -> Result<()> {
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), NAMESPACE);
    let mut wanted = config_map("life", &[("a", "1")]);
    wanted.binary_data = Some(BTreeMap::from([("b".into(), ByteString(vec![0, 1, 0xff]))]));
    let made = maps.create(&PostParams::default(), &wanted).await?;
    ensure!(made.uid().is_some() && made.creation_timestamp().is_some(), "{:?}", made.metadata);
    let mut read = maps.get("life").await?;
    ensure!(read == made, "read {read:?}, made {made:?}");

    read.data.get_or_insert_default().insert("a".into(), "2".into());
    let replaced = maps.replace("life", &PostParams::default(), &read).await?;
    ensure!(replaced.resource_version() != made.resource_version());
    let stale = refused(maps.replace("life", &PostParams::default(), &read).await)?;
    ensure!(stale.is_conflict() && stale.code == 409, "{stale:?}");

    let mut entry = maps.entry("life").await?.or_insert(|| config_map("life", &[]));
    entry.get_mut().data.get_or_insert_default().insert("entry".into(), "1".into());
    entry.commit(&PostParams::default()).await?;

    let another = Preconditions { uid: Some("another".into()), resource_version: None };
    let kept = refused(maps.delete("life", &DeleteParams::default().preconditions(another)).await)?;
    ensure!(kept.is_conflict(), "{kept:?}");
    let status = maps.delete("life", &DeleteParams::default()).await?.right();
    ensure!(status.as_ref().is_some_and(Status::is_success), "{status:?}");
    ensure!(maps.get_opt("life").await?.is_none());
    Ok(())
}

pub async fn errors(client: &Client) -> Result<()> {
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), NAMESPACE);
    let missing = refused(maps.get("missing").await)?;
    ensure!(missing.is_not_found() && missing.code == 404, "{missing:?}");
    ensure!(missing.message == "configmaps \"missing\" not found", "{missing:?}");
    let details = missing.details.clone().context("no details")?;
    ensure!((details.name.as_str(), details.kind.as_str()) == ("missing", "configmaps"), "{details:?}");

    let object = config_map("once", &[]);
    maps.create(&PostParams::default(), &object).await?;
    let twice = refused(maps.create(&PostParams::default(), &object).await)?;
    ensure!(twice.is_already_exists() && twice.code == 409, "{twice:?}");

    let invalid = refused(maps.create(&PostParams::default(), &config_map("Bad_Name", &[])).await)?;
    let causes = invalid.details.clone().context("no details")?.causes;
    let fields: Vec<&str> = causes.iter().map(|cause| cause.field.as_str()).collect();
    ensure!(invalid.is_invalid() && invalid.code == 422 && fields == ["metadata.name"], "{invalid:?}");

    let selector = refused(maps.list(&ListParams::default().fields("data.a=1")).await)?;
    ensure!(selector.code == 400 && selector.reason == "BadRequest", "{selector:?}");

    let dry = PostParams { dry_run: true, ..PostParams::default() };
    maps.create(&dry, &config_map("dry", &[])).await?;
    ensure!(maps.get_opt("dry").await?.is_none(), "a dry run was kept");
    let read = maps.get_with("once", &GetParams::any()).await?;
    ensure!(read.name_any() == "once");
    Ok(())
}

pub async fn patches(client: &Client) -> Result<()> {
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), NAMESPACE);
    maps.create(&PostParams::default(), &config_map("patched", &[("a", "1")])).await?;
    let as_who = PatchParams::default();
    let merge = json!({"data": {"a": null, "merge": "1"}});
    maps.patch("patched", &as_who, &Patch::Merge(merge)).await?;
    maps.patch("patched", &as_who, &Patch::Strategic(json!({"data": {"strategic": "1"}}))).await?;
    let steps = from_value(json!([
        {"op": "test", "path": "/data/merge", "value": "1"},
        {"op": "add", "path": "/data/json", "value": "1"},
    ]))?;
    let last = maps.patch("patched", &as_who, &Patch::Json::<()>(steps)).await?;
    let keys: Vec<String> = last.data.unwrap_or_default().into_keys().collect();
    ensure!(keys == ["json", "merge", "strategic"], "{keys:?}");

    let steps = from_value(json!([{"op": "remove", "path": "/data/nothing"}]))?;
    let failed = refused(maps.patch("patched", &as_who, &Patch::Json::<()>(steps)).await)?;
    ensure!(failed.is_invalid(), "{failed:?}");
    Ok(())
}

/// Two managers own fields of one object: what is shared is refused, taken by force, and let go.
pub async fn apply(client: &Client) -> Result<()> {
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), NAMESPACE);
    let wanted = |data: Value| {
        Patch::Apply(
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "applied"}, "data": data}),
        )
    };
    let (first, second) = (PatchParams::apply("first"), PatchParams::apply("second"));
    let made = maps.patch("applied", &first, &wanted(json!({"a": "1", "b": "1"}))).await?;
    let managers: Vec<_> = made.managed_fields().iter().map(|m| m.manager.clone()).collect();
    ensure!(managers == [Some("first".to_string())], "{managers:?}");
    let contested = refused(maps.patch("applied", &second, &wanted(json!({"b": "2"}))).await)?;
    let said = r#"conflict with "first": .data.b"#;
    ensure!(contested.is_conflict() && contested.message.contains(said), "{contested:?}");
    maps.patch("applied", &second.force(), &wanted(json!({"b": "2"}))).await?;
    let left = maps.patch("applied", &first, &wanted(json!({}))).await?.data.unwrap_or_default();
    ensure!(left.into_iter().collect::<Vec<_>>() == [("b".into(), "2".into())]);
    Ok(())
}

pub async fn pages(client: &Client) -> Result<()> {
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), NAMESPACE);
    for i in 0..25 {
        let mut object = config_map(&format!("page-{i:02}"), &[]);
        object.labels_mut().insert("suite".into(), "pages".into());
        maps.create(&PostParams::default(), &object).await?;
    }
    let selected = ListParams::default().labels("suite=pages");
    let mut params = selected.clone().limit(10);
    let (mut found, mut sizes) = (Vec::new(), Vec::new());
    let mut first_revision = None;
    loop {
        let page = maps.list(&params).await?;
        first_revision = first_revision.or(page.metadata.resource_version.clone());
        ensure!(page.metadata.resource_version == first_revision, "pages are of one revision");
        sizes.push((page.items.len(), page.metadata.remaining_item_count));
        found.extend(names(&page.items));
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => break,
        }
        // What is made meanwhile does not show in the later pages.
        maps.create(&PostParams::default(), &config_map(&format!("page-99-{}", sizes.len()), &[])).await?;
    }
    // Upstream leaves out how many remain where a selector is set.
    ensure!(sizes == [(10, None), (10, None), (5, None)], "{sizes:?}");
    ensure!(found.len() == 25 && found.is_sorted(), "{found:?}");

    let whole = maps.list(&ListParams::default().limit(10)).await?;
    let all = maps.list(&ListParams::default()).await?.items.len() as i64;
    ensure!(whole.metadata.remaining_item_count == Some(all - 10), "{:?}", whole.metadata);

    let broken = refused(maps.list(&ListParams::default().limit(1).continue_token("nonsense")).await)?;
    ensure!(broken.code == 400, "{broken:?}");

    maps.delete_collection(&DeleteParams::default(), &selected).await?;
    ensure!(maps.list(&selected).await?.items.is_empty());
    let exact = first_revision.unwrap_or_default();
    let past = maps.list(&selected.at(&exact).matching(VersionMatch::Exact)).await?;
    ensure!(past.items.len() == 25, "the past has {}", past.items.len());
    Ok(())
}

pub async fn metadata_only(client: &Client) -> Result<()> {
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), NAMESPACE);
    let one = maps.get_metadata("once").await?;
    ensure!(one.name_any() == "once" && one.uid().is_some());
    let some = maps.list_metadata(&ListParams::default().labels("name=once")).await?;
    ensure!(names(&some.items) == ["once"]);
    let patch = Patch::Merge(json!({"metadata": {"annotations": {"x": "y"}}}));
    let patched = maps.patch_metadata("once", &PatchParams::default(), &patch).await?;
    ensure!(patched.annotations().get("x").is_some_and(|x| x == "y"));
    Ok(())
}

pub async fn dynamic(client: &Client) -> Result<()> {
    let resource = ApiResource::erase::<ConfigMap>(&());
    let maps: Api<DynamicObject> = Api::namespaced_with(client.clone(), NAMESPACE, &resource);
    let object = DynamicObject::new("dynamic", &resource).data(json!({"data": {"a": "1"}}));
    maps.create(&PostParams::default(), &object).await?;
    let read = maps.get("dynamic").await?;
    ensure!(read.data.pointer("/data/a").and_then(Value::as_str) == Some("1"), "{:?}", read.data);
    Ok(())
}
