//! The life of an object in the API: created, read, changed in every way, watched, listed and deleted.

use crate::{Cluster, object, value, wait};
use anyhow::{Context, Result, bail, ensure};
use corten_api::{Kind, Object};
use corten_client::{
    Answer, Api, Call, DeleteOptions, Event, ListOptions, PatchType, Target, WatchOptions, WriteOptions,
};
use corten_rt::timeout;
use futures::StreamExt;
use futures::stream::BoxStream;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// What becomes of an object: its JSON when it is created (with a name), and parts of it that are put in later.
pub struct Life {
    pub initial: Value,
    pub change: Value,
    pub status: Option<Value>,
    /// The ways in which the change and the status are patched.
    pub patches: &'static [PatchType],
}

const USUAL: &[PatchType] = &[PatchType::Strategic, PatchType::Merge];

impl Life {
    /// An object of which only a label changes.
    pub fn labelled(initial: Value) -> Self {
        Life {
            initial,
            change: json!({"metadata": {"labels": {"changed": "true"}}}),
            status: None,
            patches: USUAL,
        }
    }

    /// An object that changes.
    pub fn changed(initial: Value, change: Value) -> Self {
        Life { initial, change, status: None, patches: USUAL }
    }
}

impl Cluster {
    /// Calls on objects of a kind, in the spec's namespace if they have one.
    pub fn of<K: Kind>(&self) -> Api<K> {
        if K::INFO.namespaced { self.api() } else { self.client.all() }
    }

    /// Whether clients find the kind: its group and version among all, and its resource there.
    pub async fn discovered<K: Kind>(&self) -> Result<()> {
        let (group, version) = (K::INFO.group, K::INFO.version);
        let read = async |path: &str| -> Result<Value> {
            Ok(serde_json::from_str(&self.kubectl(&["get", "--raw", path]).await?)?)
        };
        let has = |list: &Value, key: &str, wanted: &str| {
            list.as_array().is_some_and(|all| all.iter().any(|one| one[key] == wanted))
        };
        let prefix = if group.is_empty() { "/api".to_string() } else { format!("/apis/{group}") };
        if !group.is_empty() {
            ensure!(has(&read("/apis").await?["groups"], "name", group), "/apis does not name {group}");
            let versions = read(&prefix).await?["versions"].take();
            ensure!(has(&versions, "version", version), "{prefix} has no {version}: {versions}");
        }
        let resources = read(&format!("{prefix}/{version}")).await?["resources"].take();
        ensure!(has(&resources, "name", K::INFO.plural), "{prefix}/{version}: no {}", K::INFO.plural);
        Ok(())
    }

    /// An object passes through `life`, and through deletion by name and by selector; whoever watches sees it all.
    pub async fn lives<K: Kind>(&self, life: &Life) -> Result<()> {
        self.discovered::<K>().await?;
        let run = Run::<K>::start(self, life).await?;
        let created = run.create().await?;
        let again = run.api.create(object::<K>(&run.initial)?).await;
        let code = again.err().map(|e| (e.code(), e.status().reason.clone()));
        ensure!(code == Some((409, "AlreadyExists".into())), "created twice: {code:?}");
        let read = run.api.get(&run.name).await?;
        ensure!(read.meta().uid == created.meta().uid, "{:?}", read.meta());
        let updated = run.replace().await?;
        ensure!(revision(&*created)? < revision(&*updated)?, "the update did not raise the revision");
        if life.status.is_some() {
            run.statuses().await?;
        }
        for &kind in life.patches {
            run.delete().await?;
            run.create().await?;
            run.has(&*run.patch("", kind, &life.change).await?, &life.change, "the patch")?;
        }
        run.listed(1).await?;
        run.api.delete_collection(run.selection(), DeleteOptions::default()).await?;
        run.gone().await?;
        run.listed(0).await?;
        run.watched().await
    }
}

/// A life that is under way.
struct Run<'a, K: Kind> {
    cluster: &'a Cluster,
    life: &'a Life,
    api: Api<K>,
    name: String,
    /// With the label by which it is found.
    initial: Value,
    watches: std::sync::Mutex<Vec<BoxStream<'static, corten_semantics::ApiResult<Event<K>>>>>,
}

impl<'a, K: Kind> Run<'a, K> {
    async fn start(cluster: &'a Cluster, life: &'a Life) -> Result<Self> {
        let mut initial = life.initial.clone();
        initial["metadata"]["labels"]["spec"] = json!(cluster.namespace);
        let name = initial["metadata"]["name"].as_str().context("an object with a name")?.to_string();
        let label_selector = format!("spec={}", cluster.namespace);
        let mut watches = Vec::new();
        for api in [cluster.of::<K>(), cluster.client.all::<K>()] {
            let options = WatchOptions { label_selector: label_selector.clone(), ..WatchOptions::default() };
            watches.push(api.watch(options).await?);
        }
        let watches = std::sync::Mutex::new(watches);
        Ok(Run { cluster, life, api: cluster.of(), name, initial, watches })
    }

    fn selection(&self) -> ListOptions {
        ListOptions { label_selector: format!("spec={}", self.cluster.namespace), ..ListOptions::default() }
    }

    /// The object has all of `part`.
    fn has(&self, object: &K, part: &Value, what: &str) -> Result<()> {
        let seen = value(object)?;
        ensure!(contains(&seen, part), "after {what}: no {part} in {seen}");
        Ok(())
    }

    async fn create(&self) -> Result<Arc<K>> {
        let created = self.api.create(object::<K>(&self.initial)?).await.context("create")?;
        self.has(&*created, &self.initial, "creation")?;
        Ok(created)
    }

    /// Reads, changes and replaces the object.
    async fn replace(&self) -> Result<Arc<K>> {
        self.put("", &self.life.change).await
    }

    async fn put(&self, subresource: &'static str, part: &Value) -> Result<Arc<K>> {
        for _ in 0..10 {
            let mut whole = value(&*self.api.get(&self.name).await?)?;
            merge(&mut whole, part);
            let call = Call::Update(Arc::new(object::<K>(&whole)?), WriteOptions::default());
            match self.call(subresource, call).await {
                Err(e) if e.to_string().contains("the object has been modified") => {}
                Ok(updated) => {
                    self.has(&*updated, part, "the update")?;
                    return Ok(updated);
                }
                Err(e) => return Err(e).context("update"),
            }
        }
        bail!("{} was changed by others ten times in a row", self.name)
    }

    async fn patch(&self, subresource: &'static str, kind: PatchType, part: &Value) -> Result<Arc<K>> {
        let mut options = WriteOptions::default();
        let mut part = part.clone();
        if kind == PatchType::Apply {
            options = WriteOptions { field_manager: "test-apply".into(), force: true, ..options };
            part["apiVersion"] = json!(K::INFO.api_version());
            part["kind"] = json!(K::INFO.kind);
        }
        let call = Call::Patch(kind, part.to_string().into_bytes(), options);
        self.call(subresource, call).await.with_context(|| format!("{kind:?} {part}"))
    }

    async fn call(&self, subresource: &'static str, call: Call) -> Result<Arc<K>> {
        let namespace = K::INFO.namespaced.then(|| self.cluster.namespace.clone());
        let target = Target { kind: K::INFO, namespace, name: self.name.clone(), subresource };
        match self.cluster.client.call(target, call).await? {
            Answer::Object(object) => object.downcast_arc().context("an answer of the kind"),
            other => bail!("{other:?} instead of an object"),
        }
    }

    /// The status is replaced, read, and patched in every way.
    async fn statuses(&self) -> Result<()> {
        let Some(status) = &self.life.status else { return Ok(()) };
        self.put("status", status).await?;
        self.has(&*self.call("status", Call::Get).await?, status, "the status's update")?;
        for &kind in self.life.patches {
            self.delete().await?;
            self.create().await?;
            self.replace().await?;
            let patched = self.patch("status", kind, status).await?;
            self.has(&*patched, status, "the status's patch")?;
            self.has(&*patched, &self.life.change, "the status's patch")?;
        }
        Ok(())
    }

    async fn delete(&self) -> Result<()> {
        self.api.delete(&self.name, DeleteOptions::default()).await.context("delete")?;
        self.gone().await
    }

    async fn gone(&self) -> Result<()> {
        let what = format!("the end of {} {}", K::INFO.kind, self.name);
        wait(&what, async || Ok(self.api.find(&self.name).await?.is_none().then_some(()))).await
    }

    async fn listed(&self, count: usize) -> Result<()> {
        for api in [&self.api, &self.cluster.client.all::<K>()] {
            let found = api.list(&self.selection()).await?.items.len();
            ensure!(found == count, "{found} {} are listed, not {count}", K::INFO.plural);
        }
        Ok(())
    }

    /// Both watches have told of each life: added, modified, deleted, at revisions that rise.
    async fn watched(self) -> Result<()> {
        let patches = self.life.patches.len();
        let lives = 1 + if self.life.status.is_some() { 2 * patches } else { patches };
        let watches = self.watches.into_inner().unwrap_or_else(|broken| broken.into_inner());
        for mut watch in watches {
            let (mut deleted, mut told, mut last) = (0, String::new(), 0);
            while deleted < lives {
                let event = timeout(Duration::from_secs(30), watch.next()).await;
                let event = event.with_context(|| format!("the watch told only {told}"))?;
                let (letter, object) = match event.context("the watch ended")?? {
                    Event::Added(object) => ('A', object),
                    Event::Modified(object) => ('M', object),
                    Event::Deleted(object) => ('D', object),
                    Event::Bookmark { .. } => continue,
                };
                let now = revision(&*object)?;
                ensure!(last < now, "revision {now} after {last}");
                last = now;
                deleted += usize::from(letter == 'D');
                if !told.ends_with(letter) || letter != 'M' {
                    told.push(letter);
                }
            }
            ensure!(told == "AMD".repeat(lives), "the watch told {told}");
        }
        Ok(())
    }
}

fn revision(object: &dyn Object) -> Result<u64> {
    object.meta().resource_version.parse().with_context(|| format!("{:?}", object.meta().resource_version))
}

/// Whether `part` is in `whole`: its fields, its lists of the same length.
fn contains(whole: &Value, part: &Value) -> bool {
    match (whole, part) {
        (Value::Object(whole), Value::Object(part)) => {
            part.iter().all(|(key, part)| whole.get(key).is_some_and(|whole| contains(whole, part)))
        }
        (Value::Array(whole), Value::Array(part)) => {
            whole.len() == part.len() && whole.iter().zip(part).all(|(whole, part)| contains(whole, part))
        }
        (whole, part) => whole == part,
    }
}

/// Puts `part` into `whole`; lists are replaced.
fn merge(whole: &mut Value, part: &Value) {
    match (whole, part) {
        (Value::Object(whole), Value::Object(part)) => {
            for (key, part) in part {
                merge(whole.entry(key).or_insert(Value::Null), part);
            }
        }
        (whole, part) => *whole = part.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_found_where_they_were_put() {
        let mut whole = json!({"a": {"b": 1, "c": [1, 2]}});
        for (part, there) in [
            (json!({"a": {"b": 1}}), true),
            (json!({"a": {"b": 2}}), false),
            (json!({"a": {"c": [1]}}), false),
            (json!({"d": {"e": {}}}), false),
        ] {
            assert_eq!(contains(&whole, &part), there, "{part}");
        }
        let part = json!({"a": {"c": [3]}, "d": {"e": "f"}});
        merge(&mut whole, &part);
        assert!(contains(&whole, &part) && contains(&whole, &json!({"a": {"b": 1}})), "{whole}");
    }
}
