//! Namespaces that are being deleted: first their pods, then everything else in them, then themselves.

use crate::shell::{Controller, wake_on};
use crate::{Context, CustomKinds};
use async_trait::async_trait;
use corten_api::builtin::KINDS;
use corten_api::core::v1::{Namespace, NamespaceCondition};
use corten_api::{KindInfo, Time};
use corten_client::{
    Answer, Call, Client, DeleteOptions, Informer, Key, ListOptions, Target, WorkQueue, WriteOptions,
};
use corten_rt::Clock;
use corten_semantics::ApiResult;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

const FINALIZER: &str = "kubernetes";
/// How soon a namespace with content left is looked at again.
const AGAIN: Duration = Duration::from_millis(500);

/// The controller.
pub struct Namespaces {
    client: Client,
    clock: Clock,
    custom: CustomKinds,
    namespaces: Informer<Namespace>,
}

impl Namespaces {
    pub fn new(context: &Context) -> Self {
        Namespaces {
            client: context.client.clone(),
            clock: context.clock,
            custom: context.custom.clone(),
            namespaces: context.informers.of(),
        }
    }
}

/// The kinds that stand in namespaces, each store once, pods first.
fn contents() -> Vec<&'static KindInfo> {
    let mut seen = BTreeSet::new();
    let listable = |k: &KindInfo| {
        k.namespaced && !k.plural.is_empty() && (k.verbs.is_empty() || k.verbs.starts_with('-'))
    };
    let mut kinds: Vec<&KindInfo> =
        KINDS.iter().copied().filter(|k| listable(k) && seen.insert(k.storage)).collect();
    kinds.sort_by_key(|k| k.plural != "pods");
    kinds
}

/// What is left of a namespace: objects per resource, and how many of them wait for each finalizer.
#[derive(Debug, Default, PartialEq)]
pub struct Remaining {
    pub resources: BTreeMap<String, usize>,
    pub finalizers: BTreeMap<String, usize>,
}

/// The conditions that tell what holds the deletion up, worded as upstream words them.
pub fn conditions(remaining: &Remaining, failure: Option<&str>, now: Time) -> Vec<NamespaceCondition> {
    let list = |counts: &BTreeMap<String, usize>, what: fn(&str, usize) -> String| {
        counts.iter().map(|(name, n)| what(name, *n)).collect::<Vec<_>>().join(", ")
    };
    let make = |kind: &str, bad: Option<(&str, String)>, good: (&str, &str)| NamespaceCondition {
        type_: kind.into(),
        status: if bad.is_some() { "True".into() } else { "False".into() },
        last_transition_time: Some(now),
        reason: bad.as_ref().map_or(good.0, |b| b.0).into(),
        message: bad.map_or_else(|| good.1.to_string(), |b| b.1),
    };
    let left = (!remaining.resources.is_empty()).then(|| {
        let names = list(&remaining.resources, |r, n| format!("{r} has {n} resource instances"));
        ("SomeResourcesRemain", format!("Some resources are remaining: {names}"))
    });
    let held = (!remaining.finalizers.is_empty()).then(|| {
        let names = list(&remaining.finalizers, |f, n| format!("{f} in {n} resource instances"));
        ("SomeFinalizersRemain", format!("Some content in the namespace has finalizers remaining: {names}"))
    });
    let failed = failure.map(|f| ("ContentDeletionFailed", f.to_string()));
    vec![
        make(
            "NamespaceDeletionDiscoveryFailure",
            None,
            ("ResourcesDiscovered", "All resources successfully discovered"),
        ),
        make(
            "NamespaceDeletionGroupVersionParsingFailure",
            None,
            ("ParsedGroupVersions", "All legacy kube types successfully parsed"),
        ),
        make(
            "NamespaceDeletionContentFailure",
            failed,
            ("ContentDeleted", "All content successfully deleted, may be waiting on finalization"),
        ),
        make("NamespaceContentRemaining", left, ("ContentRemoved", "All content successfully removed")),
        make(
            "NamespaceFinalizersRemaining",
            held,
            ("ContentHasNoFinalizers", "All content-preserving finalizers finished"),
        ),
    ]
}

/// The conditions as they are to be written: times of those that did not change stay.
fn merged(old: &[NamespaceCondition], new: Vec<NamespaceCondition>) -> Vec<NamespaceCondition> {
    let mut out: Vec<NamespaceCondition> =
        old.iter().filter(|o| new.iter().all(|n| n.type_ != o.type_)).cloned().collect();
    for mut condition in new {
        if let Some(same) = old.iter().find(|o| o.type_ == condition.type_ && o.status == condition.status) {
            condition.last_transition_time = same.last_transition_time;
        }
        out.push(condition);
    }
    out
}

impl Namespaces {
    async fn empty(&self, namespace: &str) -> (Remaining, Option<String>) {
        let (mut remaining, mut failure) = (Remaining::default(), None);
        let custom = self.custom.stores().into_iter().filter(|kind| kind.namespaced);
        for kind in contents().into_iter().chain(custom) {
            match self.empty_of(namespace, kind, &mut remaining).await {
                Ok(()) => {}
                Err(e) => {
                    failure = Some(format!("Failed to delete all resource types, {}: {e}", kind.plural))
                }
            }
            // Pods go before what they use.
            if kind.plural == "pods" && !remaining.resources.is_empty() {
                break;
            }
        }
        (remaining, failure)
    }

    async fn empty_of(
        &self,
        namespace: &str,
        kind: &'static KindInfo,
        remaining: &mut Remaining,
    ) -> ApiResult<()> {
        let target =
            Target { kind, namespace: Some(namespace.to_string()), name: String::new(), subresource: "" };
        match self.list(&target).await {
            Ok(list) if list.is_empty() => return Ok(()),
            // The kind's definition went meanwhile, and its objects with it.
            Err(error) if kind.custom && error.is_not_found() => return Ok(()),
            listed => drop(listed?),
        }
        let delete = Call::DeleteCollection(ListOptions::default(), DeleteOptions::default());
        self.client.call(target.clone(), delete).await?;
        let left = self.list(&target).await?;
        if !left.is_empty() {
            remaining.resources.insert(format!("{}.{}", kind.plural, kind.group), left.len());
        }
        for finalizer in left.iter().flat_map(|o| &o.meta().finalizers) {
            *remaining.finalizers.entry(finalizer.clone()).or_default() += 1;
        }
        Ok(())
    }

    async fn list(&self, target: &Target) -> ApiResult<Vec<Arc<dyn corten_api::Object>>> {
        match self.client.call(target.clone(), Call::List(ListOptions::default())).await? {
            Answer::List(list) => Ok(list.items),
            _ => Ok(Vec::new()),
        }
    }

    async fn report(
        &self,
        namespace: &Namespace,
        remaining: &Remaining,
        failure: Option<&str>,
    ) -> ApiResult<()> {
        let now = Time::new(self.clock.now());
        let mut changed = namespace.clone();
        changed.status.phase = "Terminating".into();
        changed.status.conditions = merged(&namespace.status.conditions, conditions(remaining, failure, now));
        if changed.status == namespace.status {
            return Ok(());
        }
        self.client.all::<Namespace>().update_status(changed).await.map(|_| ())
    }

    async fn finalize(&self, namespace: &Namespace) -> ApiResult<()> {
        let mut changed = (*self.client.all::<Namespace>().get(&namespace.metadata.name).await?).clone();
        changed.spec.finalizers.retain(|f| f != FINALIZER);
        let target = Target {
            kind: <Namespace as corten_api::Kind>::INFO,
            namespace: None,
            name: namespace.metadata.name.clone(),
            subresource: "finalize",
        };
        self.client.call(target, Call::Update(Arc::new(changed), WriteOptions::default())).await.map(|_| ())
    }
}

#[async_trait]
impl Controller for Namespaces {
    fn watch(&self, queue: &WorkQueue<Key>) {
        wake_on(&self.namespaces, queue);
    }

    async fn synced(&self) {
        self.namespaces.synced().await;
        self.custom.synced().await;
    }

    async fn reconcile(&self, key: &Key) -> ApiResult<Option<Duration>> {
        let Some(namespace) = self.namespaces.get(key) else { return Ok(None) };
        let ours = namespace.spec.finalizers.iter().any(|f| f == FINALIZER);
        if namespace.metadata.deletion_timestamp.is_none() || !ours {
            return Ok(None);
        }
        let (remaining, failure) = self.empty(&key.name).await;
        if remaining.resources.is_empty() && failure.is_none() {
            return match self.finalize(&namespace).await {
                Err(e) if e.is_not_found() => Ok(None),
                Err(e) if e.is_conflict() => Ok(Some(AGAIN)),
                other => other.map(|()| None),
            };
        }
        match self.report(&namespace, &remaining, failure.as_deref()).await {
            Err(e) if !e.is_conflict() && !e.is_not_found() => Err(e),
            _ => Ok(Some(AGAIN)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pods_are_the_first_content_and_no_store_stands_twice() {
        let kinds = contents();
        assert_eq!(kinds[0].plural, "pods");
        let stores: BTreeSet<_> = kinds.iter().map(|k| k.storage).collect();
        assert_eq!(stores.len(), kinds.len());
        assert!(kinds.iter().all(|k| k.plural != "bindings" && k.plural != "nodes"));
    }

    #[test]
    fn conditions_name_what_is_left() {
        let now = Time::default();
        let mut remaining = Remaining::default();
        assert!(conditions(&remaining, None, now).iter().all(|c| c.status == "False"));
        remaining.resources.insert("pods.".into(), 2);
        let got = conditions(&remaining, None, now);
        assert_eq!(got[3].message, "Some resources are remaining: pods. has 2 resource instances");
        assert_eq!((got[3].status.as_str(), got[4].status.as_str()), ("True", "False"));
    }
}
