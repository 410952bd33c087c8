//! Feeds the graph: one watch per kind.

use super::graph::Graph;
use crate::{Context, CustomKinds};
use corten_api::builtin::KINDS;
use corten_api::{KindInfo, Object};
use corten_client::{Client, Event, Key, Target, WatchOptions, WorkQueue};
use corten_rt::{Backoff, Stop, Tasks};
use corten_semantics::ApiResult;
use futures::StreamExt;
use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// The watches of all kinds that can own or be owned.
pub struct Feeds {
    queue: Arc<Mutex<Option<WorkQueue<Key>>>>,
    /// UIDs that were to be looked at before there was a queue.
    early: Arc<Mutex<BTreeSet<String>>>,
    left: watch::Sender<usize>,
}

impl Default for Feeds {
    fn default() -> Self {
        Feeds { queue: Arc::default(), early: Arc::default(), left: watch::Sender::new(usize::MAX) }
    }
}

/// Every kind that can be watched and deleted, each store once. Events come and go by the thousand and own
/// nothing.
fn followed(optional: &[&'static KindInfo]) -> Vec<&'static KindInfo> {
    let mut seen = BTreeSet::new();
    let usual = |k: &KindInfo| !k.plural.is_empty() && (k.verbs.is_empty() || k.verbs.starts_with('-'));
    let all = KINDS.iter().chain(optional).copied();
    all.filter(|k| usual(k) && k.kind != "Event" && seen.insert(k.storage)).collect()
}

impl Feeds {
    /// Starts the watches as tasks.
    pub fn start(&self, context: &Context, graph: &Arc<Mutex<Graph>>, client: &Client, tasks: &Tasks) {
        let (kinds, custom) = (followed(&context.settings.optional), &context.custom);
        // The last of them are the custom kinds, all together.
        self.left.send_replace(kinds.len() + 1);
        let feed = |kind| Feed {
            kind,
            client: client.clone(),
            graph: graph.clone(),
            queue: self.queue.clone(),
            early: self.early.clone(),
            left: self.left.clone(),
        };
        for kind in &kinds {
            let stop = tasks.stop().clone();
            tasks.spawn("garbage-collector feed", feed(kind).follow(stop));
        }
        let (kinds, tasks_of_feeds) = (custom.clone(), tasks.clone());
        let one = feed(kinds_of_definitions());
        tasks.spawn_until_stopped("garbage-collector custom feeds", one.follow_custom(kinds, tasks_of_feeds));
    }

    /// From now on UIDs go into `queue`.
    pub fn connect(&self, queue: &WorkQueue<Key>) {
        *self.queue.lock() = Some(queue.clone());
        let early = std::mem::take(&mut *self.early.lock());
        early.iter().for_each(|uid| queue.add(Key::new("", uid)));
    }

    /// Waits until every kind has given its first snapshot.
    pub async fn synced(&self) {
        let _ = self.left.subscribe().wait_for(|left| *left == 0).await;
    }
}

struct Feed {
    kind: &'static KindInfo,
    client: Client,
    graph: Arc<Mutex<Graph>>,
    queue: Arc<Mutex<Option<WorkQueue<Key>>>>,
    early: Arc<Mutex<BTreeSet<String>>>,
    left: watch::Sender<usize>,
}

/// Stands for the custom kinds until they are known.
fn kinds_of_definitions() -> &'static KindInfo {
    <corten_api::apiextensions::v1::CustomResourceDefinition as corten_api::Kind>::INFO
}

impl Feed {
    /// Starts and ends feeds as custom kinds come and go.
    async fn follow_custom(self, custom: CustomKinds, tasks: Tasks) {
        let mut changes = custom.changes();
        let mut feeds: Vec<(&'static KindInfo, Stop)> = Vec::new();
        let mut first = true;
        loop {
            if changes.borrow_and_update().is_some() {
                let kinds = custom.stores();
                feeds.retain(|(kind, stop)| {
                    let stays = kinds.iter().any(|k| std::ptr::eq(*k, *kind));
                    if !stays {
                        stop.stop();
                        self.forget(kind);
                    }
                    stays
                });
                for kind in kinds {
                    if feeds.iter().any(|(known, _)| std::ptr::eq(*known, kind)) {
                        continue;
                    }
                    let stop = tasks.stop().child();
                    let left = watch::Sender::new(1);
                    let feed = Feed { kind, left: left.clone(), ..self.again() };
                    tasks.spawn("garbage-collector feed", feed.follow(stop.clone()));
                    if first {
                        let _ = left.subscribe().wait_for(|left| *left == 0).await;
                    }
                    feeds.push((kind, stop));
                }
                if std::mem::take(&mut first) {
                    self.left.send_modify(|left| *left -= 1);
                }
            }
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    fn again(&self) -> Feed {
        Feed {
            kind: self.kind,
            client: self.client.clone(),
            graph: self.graph.clone(),
            queue: self.queue.clone(),
            early: self.early.clone(),
            left: self.left.clone(),
        }
    }

    /// Takes the objects of a kind that is gone out of the graph.
    fn forget(&self, kind: &'static KindInfo) {
        let gone = self.graph.lock().missing(kind, &BTreeSet::new());
        for uid in gone {
            let wake = self.graph.lock().remove(&uid);
            self.wake(wake);
        }
    }

    async fn follow(self, stop: Stop) {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(30));
        let mut first = true;
        while !stop.is_stopped() {
            let outcome = stop.run(self.follow_once(&mut first, &mut backoff)).await;
            if let Some(Err(error)) = outcome {
                tracing::debug!(kind = ?self.kind, %error, "watch ended, starting again");
            }
            stop.run(corten_rt::sleep(backoff.step())).await;
        }
    }

    async fn follow_once(&self, first: &mut bool, backoff: &mut Backoff) -> ApiResult<()> {
        let target = Target { kind: self.kind, namespace: None, name: String::new(), subresource: "" };
        let options = WatchOptions { initial_events: true, metadata_only: true, ..WatchOptions::default() };
        let mut events = self.client.transport().watch(target, options).await?;
        // Who knows nothing yet misses nothing.
        let mut present = (!*first).then(BTreeSet::new);
        while let Some(event) = events.next().await {
            match event? {
                Event::Added(o) | Event::Modified(o) => {
                    if let Some(present) = &mut present {
                        present.insert(o.meta().uid.clone());
                    }
                    self.put(&*o);
                }
                Event::Deleted(o) => {
                    let wake = self.graph.lock().remove(&o.meta().uid);
                    self.wake(wake);
                }
                Event::Bookmark { initial_end: true, .. } => {
                    backoff.reset();
                    if let Some(present) = present.take() {
                        let gone = self.graph.lock().missing(self.kind, &present);
                        for uid in gone {
                            let wake = self.graph.lock().remove(&uid);
                            self.wake(wake);
                        }
                    }
                    if std::mem::take(first) {
                        self.left.send_modify(|left| *left -= 1);
                    }
                }
                Event::Bookmark { .. } => {}
            }
        }
        Ok(())
    }

    fn put(&self, object: &dyn Object) {
        let wake = self.graph.lock().put(object);
        self.wake(wake);
    }

    fn wake(&self, uids: Vec<String>) {
        match &*self.queue.lock() {
            Some(queue) => uids.iter().for_each(|uid| queue.add(Key::new("", uid))),
            None => self.early.lock().extend(uids),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_api::Kind;
    use corten_api::admissionregistration::v1::ValidatingAdmissionPolicy;
    use corten_api::builtin::OPTIONAL;

    #[test]
    fn every_store_is_followed_once() {
        let usual = followed(&[]);
        assert!(usual.contains(&ValidatingAdmissionPolicy::INFO));
        let new: BTreeSet<_> = OPTIONAL
            .iter()
            .filter(|k| usual.iter().all(|u| u.storage != k.storage))
            .map(|k| k.storage)
            .collect();
        let stores: Vec<_> = followed(OPTIONAL)[usual.len()..].iter().map(|k| k.storage).collect();
        assert!(new.iter().any(|store| store.ends_with("mutatingadmissionpolicies")), "{new:?}");
        assert_eq!(stores.iter().copied().collect::<BTreeSet<_>>(), new);
        assert_eq!(stores.len(), new.len());
    }
}
