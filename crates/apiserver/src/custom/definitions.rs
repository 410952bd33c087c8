//! Keeps what is served in step with the definitions: names, conditions, kinds that come, change and go.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use corten_api::apiextensions::v1::{CustomResourceDefinition, CustomResourceDefinitionNames};
use corten_api::authentication::v1::UserInfo;
use corten_api::{Kind, Time};
use corten_client::Target;
use corten_custom::Resource;
use corten_rt::{Instant, sleep_until};
use corten_semantics::{ApiError, ApiResult};

use super::convert::Settled;
use super::names::{Taken, accept};
use super::{CachedDefinitions, definition, status, termination};
use crate::Registry;
use crate::cache::Resource as Cache;
use crate::registry::{RequestContext, WriteOptions};

/// How soon a definition is looked at again after a failure, or while its objects go.
const AGAIN: Duration = Duration::from_millis(200);
/// Changes taken from the ring at once.
const BATCH: usize = 256;

/// The task's state.
pub(super) struct Definitions {
    pub registry: Arc<Registry>,
    pub context: RequestContext,
    cache: Arc<Cache>,
    source: Arc<CachedDefinitions>,
    /// The group and accepted names of every definition.
    names: BTreeMap<String, (String, CustomResourceDefinitionNames)>,
    /// Definitions that are to be looked at.
    queue: VecDeque<String>,
    later: BTreeMap<String, Instant>,
}

impl Definitions {
    pub fn new(registry: &Arc<Registry>) -> Self {
        let user = UserInfo {
            username: "system:apiserver".into(),
            groups: vec!["system:masters".into(), "system:authenticated".into()],
            ..UserInfo::default()
        };
        let cache = registry.lookup_cache();
        Definitions {
            registry: registry.clone(),
            context: RequestContext {
                user: Arc::new(user),
                agent: crate::AGENT.into(),
                ..RequestContext::default()
            },
            cache: cache.resource(CustomResourceDefinition::INFO).unwrap_or_else(|| cache.no_resource()),
            source: Arc::new(CachedDefinitions(cache)),
            names: BTreeMap::new(),
            queue: VecDeque::new(),
            later: BTreeMap::new(),
        }
    }

    /// Serves everything that was established before; the number of the first change that comes after.
    pub async fn load(&self) -> ApiResult<u64> {
        let (snapshot, end) = self.cache.snapshot_and_end();
        for entry in snapshot.range(&self.cache.prefix, "") {
            let Some(crd) = definition(entry) else { continue };
            if status::is_true(&crd, "NamesAccepted") || status::is_true(&crd, "Established") {
                self.serve(&crd).await?;
            }
        }
        Ok(end)
    }

    /// Follows the definitions from change number `from` on.
    pub async fn follow(mut self, mut from: u64) {
        let mut grown = self.cache.grown();
        self.look_at_all();
        loop {
            match self.cache.read(from, BATCH) {
                Ok(changes) => {
                    from += changes.len() as u64;
                    let changed = changes.iter().filter_map(|c| c.current.as_ref().or(c.previous.as_ref()));
                    let names: Vec<String> = changed.map(|e| self.name_of(e.key())).collect();
                    names.into_iter().for_each(|name| self.look_at(name));
                }
                // The ring has run ahead of us.
                Err(_) => {
                    from = self.cache.snapshot_and_end().1;
                    self.look_at_all();
                }
            }
            let now = Instant::now();
            let due: Vec<String> =
                self.later.iter().filter(|(_, at)| **at <= now).map(|(n, _)| n.clone()).collect();
            for name in due {
                self.later.remove(&name);
                self.look_at(name);
            }
            self.registry.custom.documents.sweep();
            if let Some(name) = self.queue.pop_front() {
                match self.reconcile(&name).await {
                    Ok(None) => {}
                    Ok(Some(after)) => drop(self.later.insert(name, Instant::now() + after)),
                    Err(error) => {
                        tracing::warn!(definition = name, %error, "a custom resource definition is not settled yet");
                        self.later.insert(name, Instant::now() + AGAIN);
                    }
                }
                continue;
            }
            let wake = self
                .later
                .values()
                .min()
                .copied()
                .unwrap_or_else(|| Instant::now() + Duration::from_secs(60));
            tokio::select! {
                changed = grown.wait_for(|end| *end > from) => if changed.is_err() { return },
                () = sleep_until(wake) => {}
            }
        }
    }

    fn name_of(&self, key: &str) -> String {
        key.strip_prefix(&self.cache.prefix).unwrap_or(key).to_string()
    }

    fn look_at(&mut self, name: String) {
        if !self.queue.contains(&name) {
            self.queue.push_back(name);
        }
    }

    fn look_at_all(&mut self) {
        let snapshot = self.cache.snapshot();
        let mut names: Vec<String> =
            snapshot.range(&self.cache.prefix, "").map(|e| self.name_of(e.key())).collect();
        // Names first: conflicts are judged by all of them.
        for entry in snapshot.range(&self.cache.prefix, "") {
            if let Some(crd) = definition(entry) {
                self.names.insert(crd.metadata.name.clone(), (crd.spec.group, crd.status.accepted_names));
            }
        }
        names.extend(
            self.names
                .keys()
                .filter(|n| snapshot.get(&format!("{}{n}", self.cache.prefix)).is_none())
                .cloned(),
        );
        names.into_iter().for_each(|name| self.look_at(name));
    }

    /// Looks at the other definitions of a group, which may have waited for a name.
    fn look_at_group(&mut self, group: &str, but: &str) {
        let others = self.names.iter().filter(|(name, (g, _))| g == group && *name != but);
        let others: Vec<String> = others.map(|(name, _)| name.clone()).collect();
        for name in others {
            let waits = self.source_of(&name).is_some_and(|crd| crd.spec.names != crd.status.accepted_names);
            if waits {
                self.look_at(name);
            }
        }
    }

    fn source_of(&self, name: &str) -> Option<CustomResourceDefinition> {
        definition(&*self.cache.get(&format!("{}{name}", self.cache.prefix))?)
    }

    async fn reconcile(&mut self, name: &str) -> ApiResult<Option<Duration>> {
        let Some(mut crd) = self.source_of(name) else {
            if let Some(gone) = self.registry.custom.remove(name) {
                self.registry.lookup_cache().close_resource(gone.resource.stored()).await;
            }
            if let Some((group, _)) = self.names.remove(name) {
                self.look_at_group(&group, name);
            }
            return Ok(None);
        };
        let before = crd.status.clone();
        let now = Time::new(self.registry.clock().now());
        if crd.spec.names != crd.status.accepted_names || !status::is_true(&crd, "NamesAccepted") {
            let mut taken = Taken::default();
            let others =
                self.names.iter().filter(|(other, (group, _))| *group == crd.spec.group && *other != name);
            others.for_each(|(_, (_, names))| taken.add(names));
            let (names, condition) = accept(&crd, &taken);
            crd.status.accepted_names = names;
            status::set(&mut crd, condition, now);
        }
        let accepted = status::is_true(&crd, "NamesAccepted");
        if accepted && !status::is_true(&crd, "Established") {
            let (is_so, reason, message) = match corten_custom::refused_authority(&crd).is_none() {
                true => (true, "InitialNamesAccepted", "the initial names have been accepted"),
                false => (false, "InvalidCABundle", "The conversion webhook CABundle is invalid"),
            };
            let established = status::condition("Established", is_so, reason, message);
            status::set(&mut crd, established, now);
        } else if !accepted && status::find(&crd, "Established").is_none() {
            let waiting =
                status::condition("Established", false, "NotAccepted", "not all names are accepted");
            status::set(&mut crd, waiting, now);
        }
        termination::conformance(&mut crd, now);
        // Served before anybody can read that it is.
        if accepted || status::is_true(&crd, "Established") {
            self.serve(&crd).await?;
        }
        let names = crd.status.accepted_names.clone();
        let freed = self.names.insert(name.to_string(), (crd.spec.group.clone(), names.clone()));
        if crd.status != before {
            let group = crd.spec.group.clone();
            match self.update_status(crd).await {
                Err(e) if e.is_conflict() || e.is_not_found() => return Ok(None),
                outcome => outcome?,
            }
            if freed.is_some_and(|(_, old)| old != names) {
                self.look_at_group(&group, name);
            }
            return Ok(None);
        }
        if crd.metadata.deletion_timestamp.is_some() {
            return self.terminate(crd).await;
        }
        Ok(None)
    }

    pub async fn update_status(&self, crd: CustomResourceDefinition) -> ApiResult<()> {
        self.write(crd, "status").await
    }

    pub async fn write(&self, crd: CustomResourceDefinition, subresource: &'static str) -> ApiResult<()> {
        let target = Target {
            kind: CustomResourceDefinition::INFO,
            namespace: None,
            name: crd.metadata.name.clone(),
            subresource,
        };
        let options = WriteOptions::default();
        self.registry.update(&self.context, &target, Box::new(crd), &options).await.map(drop)
    }

    /// Serves the definition's kinds as they are declared now.
    async fn serve(&self, crd: &CustomResourceDefinition) -> ApiResult<()> {
        let Some(mut resource) = Resource::new(crd, self.source.clone()) else {
            return Err(ApiError::internal("no version is stored"));
        };
        // What is built in stands before definitions, by whole versions of groups.
        for version in &mut resource.versions {
            version.served &= !self.registry.has_version(version.info.group, version.info.version);
        }
        let resource = Arc::new(resource);
        if self.registry.is_builtin(resource.stored()) {
            return Ok(());
        }
        let known = self.registry.custom.served_as(resource.stored());
        if let Some(known) = &known
            && known.resource.is_same(&resource)
        {
            return Ok(());
        }
        // Objects are read anew when what the schema says may have changed.
        let cache = match known {
            Some(known) if known.resource.reads_like(&resource) => known.cache.clone(),
            _ => {
                let reader = Arc::new(Settled(resource.clone()));
                self.registry.lookup_cache().open_resource(resource.stored(), reader).await?
            }
        };
        self.registry.custom.put(resource, cache);
        Ok(())
    }
}
