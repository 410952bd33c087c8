//! The garbage collector: deletes objects whose owners are all gone, and carries out foreground and orphan
//! deletion. It follows every kind in a [`graph::Graph`]; keys of its queue are UIDs.

mod feed;
mod graph;

use crate::Context;
use crate::shell::Controller;
use async_trait::async_trait;
use corten_api::builtin::KINDS;
use corten_api::meta::v1::{OwnerReference, Preconditions};
use corten_api::{KindInfo, Object};
use corten_client::{Answer, Call, Client, DeleteOptions, Key, PatchType, Target, WorkQueue, WriteOptions};
use corten_semantics::ApiResult;
use graph::{Graph, Item};
use parking_lot::Mutex;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// The controller.
pub struct GarbageCollector {
    context: Context,
    graph: Arc<Mutex<Graph>>,
    feeds: feed::Feeds,
}

impl GarbageCollector {
    pub fn new(context: &Context) -> Self {
        GarbageCollector { context: context.clone(), graph: Arc::default(), feeds: feed::Feeds::default() }
    }

    fn client(&self) -> &Client {
        &self.context.client
    }

    /// A waiting owner: deletes what holds it back, and lets it go when nothing does.
    async fn foreground(&self, uid: &str, item: &Item) -> ApiResult<()> {
        let blocking = self.graph.lock().blocking(uid);
        if blocking.is_empty() {
            return self.without_finalizer(uid, item, "foregroundDeletion").await;
        }
        for (dependent, deleting) in blocking {
            let found = self.graph.lock().get(&dependent).cloned();
            if let Some(found) = found.filter(|_| !deleting) {
                self.collect(&dependent, &found).await?;
            }
        }
        Ok(())
    }

    /// An owner that leaves its dependents behind: they let go of it first.
    async fn orphan(&self, uid: &str, item: &Item) -> ApiResult<()> {
        let dependents = self.graph.lock().dependents_of(uid);
        for dependent in dependents {
            let found = self.graph.lock().get(&dependent).cloned();
            if let Some(found) = found {
                self.drop_owners(&dependent, &found, |o| o.uid != uid).await?;
            }
        }
        self.without_finalizer(uid, item, "orphan").await
    }

    /// An object with owners: deleted when none is left to keep it.
    async fn collect(&self, uid: &str, item: &Item) -> ApiResult<()> {
        let owners = self.graph.lock().owners_of(item);
        let (mut solid, mut gone) = (owners.solid, Vec::new());
        for reference in owners.unknown {
            if self.exists(&reference, &item.key.namespace).await? {
                solid.push(reference)
            } else {
                gone.push(reference)
            }
        }
        if !solid.is_empty() {
            if gone.is_empty() && owners.waiting.is_empty() {
                return Ok(());
            }
            return self.drop_owners(uid, item, |o| solid.iter().any(|s| s.uid == o.uid)).await;
        }
        let has_dependents = !self.graph.lock().dependents_of(uid).is_empty();
        if !owners.waiting.is_empty() && self.graph.lock().in_circle(uid) {
            self.unblock(uid, item).await?;
        }
        let policy = match item {
            Item { orphan: true, .. } => "Orphan",
            Item { foreground: true, .. } => "Foreground",
            _ if !owners.waiting.is_empty() && has_dependents => "Foreground",
            _ => "Background",
        };
        self.delete(uid, item, policy).await
    }

    /// The object holds none of its owners back any more.
    async fn unblock(&self, uid: &str, item: &Item) -> ApiResult<()> {
        let mut item = item.clone();
        for owner in item.owners.iter_mut().filter(|o| o.block_owner_deletion == Some(true)) {
            owner.block_owner_deletion = Some(false);
        }
        self.drop_owners(uid, &item, |_| true).await
    }

    /// Asks the server whether an owner that the graph does not know exists.
    async fn exists(&self, reference: &OwnerReference, namespace: &str) -> ApiResult<bool> {
        let mut all = KINDS.iter().chain(&self.context.settings.optional);
        let found = all.find(|k| k.kind == reference.kind && k.api_version() == reference.api_version);
        // A kind that this server does not know cannot be judged, so its dependents stay.
        let custom = || self.context.custom.find(&reference.api_version, &reference.kind);
        let Some(kind) = found.copied().filter(|k| !k.plural.is_empty()).or_else(custom) else {
            return Ok(true);
        };
        match self.client().call(target(kind, namespace, &reference.name), Call::Get).await {
            Ok(Answer::Object(owner)) => Ok(owner.meta().uid == reference.uid),
            Ok(_) => Ok(false),
            Err(e) if e.is_not_found() => Ok(false),
            Err(e) => Err(e),
        }
    }

    async fn delete(&self, uid: &str, item: &Item, policy: &str) -> ApiResult<()> {
        let options = DeleteOptions {
            preconditions: Some(Preconditions { uid: Some(uid.to_string()), ..Preconditions::default() }),
            propagation_policy: Some(policy.to_string()),
            ..DeleteOptions::default()
        };
        let target = target(item.kind, &item.key.namespace, &item.key.name);
        gone_is_fine(self.client().call(target, Call::Delete(options)).await)
    }

    async fn drop_owners(
        &self,
        uid: &str,
        item: &Item,
        keep: impl Fn(&OwnerReference) -> bool,
    ) -> ApiResult<()> {
        let kept: Vec<_> = item
            .owners
            .iter()
            .filter(|o| keep(o))
            .map(|o| {
                json!({"apiVersion": o.api_version, "kind": o.kind, "name": o.name, "uid": o.uid,
                       "controller": o.controller, "blockOwnerDeletion": o.block_owner_deletion})
            })
            .collect();
        self.patch(uid, item, json!({"uid": uid, "ownerReferences": kept})).await
    }

    async fn without_finalizer(&self, uid: &str, item: &Item, finalizer: &str) -> ApiResult<()> {
        let target = target(item.kind, &item.key.namespace, &item.key.name);
        let current: Arc<dyn Object> = match self.client().call(target, Call::Get).await {
            Ok(Answer::Object(object)) if object.meta().uid == uid => object,
            Ok(_) => return Ok(()),
            Err(e) if e.is_not_found() => return Ok(()),
            Err(e) => return Err(e),
        };
        let meta = current.meta();
        let kept: Vec<&String> = meta.finalizers.iter().filter(|f| *f != finalizer).collect();
        if kept.len() == meta.finalizers.len() {
            return Ok(());
        }
        let patch = json!({"uid": uid, "resourceVersion": meta.resource_version, "finalizers": kept});
        self.patch(uid, item, patch).await
    }

    async fn patch(&self, uid: &str, item: &Item, metadata: serde_json::Value) -> ApiResult<()> {
        let patch = json!({ "metadata": metadata }).to_string().into_bytes();
        let call = Call::Patch(PatchType::Merge, patch, WriteOptions::default());
        let outcome = self.client().call(target(item.kind, &item.key.namespace, &item.key.name), call).await;
        tracing::trace!(uid, ok = outcome.is_ok(), "owner references or finalizers were changed");
        gone_is_fine(outcome)
    }
}

fn target(kind: &'static KindInfo, namespace: &str, name: &str) -> Target {
    let namespace = kind.namespaced.then(|| namespace.to_string());
    Target { kind, namespace, name: name.to_string(), subresource: "" }
}

/// Another object of the same name is as good as none.
fn gone_is_fine(outcome: ApiResult<Answer>) -> ApiResult<()> {
    match outcome {
        Err(e) if e.is_not_found() => Ok(()),
        other => other.map(|_| ()),
    }
}

#[async_trait]
impl Controller for GarbageCollector {
    fn workers(&self) -> usize {
        8
    }

    fn watch(&self, queue: &WorkQueue<Key>) {
        self.feeds.connect(queue);
    }

    /// Judging an owner by an incomplete graph costs a call, never a wrong deletion; still wait for it.
    async fn synced(&self) {
        self.feeds.start(&self.context, &self.graph, self.client(), self.context.informers.tasks());
        self.feeds.synced().await;
    }

    async fn reconcile(&self, key: &Key) -> ApiResult<Option<Duration>> {
        let uid = key.name.as_str();
        let Some(item) = self.graph.lock().get(uid).cloned() else { return Ok(None) };
        let outcome = if item.deleting && item.orphan {
            self.orphan(uid, &item).await
        } else if item.is_waiting() {
            self.foreground(uid, &item).await
        } else if item.deleting || item.owners.is_empty() {
            Ok(())
        } else {
            self.collect(uid, &item).await
        };
        match outcome {
            // The graph is behind; the object's next event wakes it again.
            Err(e) if e.is_conflict() => Ok(Some(Duration::from_millis(100))),
            other => other.map(|()| None),
        }
    }
}
