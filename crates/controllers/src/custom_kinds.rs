//! Which custom kinds there are: one watch on their definitions, of which no more than the kinds is kept.

use corten_api::apiextensions::v1::CustomResourceDefinition;
use corten_api::{Kind, KindInfo, Object};
use corten_client::{Client, Event, Target, WatchOptions};
use corten_custom::declared_kinds;
use corten_rt::{Backoff, Tasks};
use corten_semantics::ApiResult;
use futures::StreamExt;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// The kinds of each definition, the stored one first, by the definitions' names.
type Known = BTreeMap<String, Vec<&'static KindInfo>>;

/// The custom kinds that are served. Cheap to clone.
#[derive(Clone)]
pub struct CustomKinds {
    known: Arc<watch::Sender<Option<Known>>>,
}

impl CustomKinds {
    /// Follows the definitions by a task of `tasks`.
    pub fn start(client: &Client, tasks: &Tasks) -> Self {
        let kinds = CustomKinds { known: Arc::new(watch::Sender::new(None)) };
        let (feed, client) = (kinds.clone(), client.clone());
        tasks.spawn_until_stopped("custom kinds", async move { feed.follow(client).await });
        kinds
    }

    /// One kind per definition: the stored one.
    pub fn stores(&self) -> Vec<&'static KindInfo> {
        let known = self.known.borrow();
        known.iter().flat_map(BTreeMap::values).filter_map(|kinds| kinds.first().copied()).collect()
    }

    /// The kind of this `apiVersion` and `kind`, in any version that is served.
    pub fn find(&self, api_version: &str, kind: &str) -> Option<&'static KindInfo> {
        let known = self.known.borrow();
        let mut all = known.iter().flat_map(BTreeMap::values).flatten().copied();
        all.find(|k| k.kind == kind && k.api_version() == api_version)
    }

    /// Wakes when kinds come or go.
    pub fn changes(&self) -> watch::Receiver<Option<BTreeMap<String, Vec<&'static KindInfo>>>> {
        self.known.subscribe()
    }

    /// Waits until the first definitions have been read.
    pub async fn synced(&self) {
        let _ = self.known.subscribe().wait_for(Option::is_some).await;
    }

    async fn follow(&self, client: Client) {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(30));
        loop {
            if let Err(error) = self.follow_once(&client, &mut backoff).await {
                tracing::debug!(%error, "the watch on definitions ended, starting again");
            }
            corten_rt::sleep(backoff.step()).await;
        }
    }

    async fn follow_once(&self, client: &Client, backoff: &mut Backoff) -> ApiResult<()> {
        let kind = CustomResourceDefinition::INFO;
        let target = Target { kind, namespace: None, name: String::new(), subresource: "" };
        let options = WatchOptions { initial_events: true, ..WatchOptions::default() };
        let mut events = client.transport().watch(target, options).await?;
        let mut first = Some(Known::new());
        while let Some(event) = events.next().await {
            match (event?, &mut first) {
                (Event::Added(o) | Event::Modified(o), Some(known)) => put(known, &*o),
                (Event::Added(o) | Event::Modified(o), None) => self.change(|known| put(known, &*o)),
                (Event::Deleted(o), Some(known)) => drop(known.remove(&o.meta().name)),
                (Event::Deleted(o), None) => self.change(|known| drop(known.remove(&o.meta().name))),
                (Event::Bookmark { initial_end: true, .. }, _) => {
                    backoff.reset();
                    if let Some(known) = first.take() {
                        self.known.send_replace(Some(known));
                    }
                }
                (Event::Bookmark { .. }, _) => {}
            }
        }
        Ok(())
    }

    fn change(&self, change: impl FnOnce(&mut Known)) {
        self.known.send_if_modified(|known| {
            let known = known.get_or_insert_default();
            let before = known.clone();
            change(known);
            let same = before.len() == known.len()
                && before.iter().zip(known.iter()).all(|(a, b)| {
                    a.0 == b.0
                        && a.1.len() == b.1.len()
                        && a.1.iter().zip(b.1).all(|(a, b)| std::ptr::eq(*a, *b))
                });
            !same
        });
    }
}

/// Notes what an established definition declares.
fn put(known: &mut Known, object: &dyn Object) {
    let Some(crd) = object.downcast_ref::<CustomResourceDefinition>() else { return };
    let is_true = |type_: &str| crd.status.conditions.iter().any(|c| c.type_ == type_ && c.status == "True");
    if is_true("Established") || is_true("NamesAccepted") {
        known.insert(crd.metadata.name.clone(), declared_kinds(crd));
    } else {
        known.remove(&crd.metadata.name);
    }
}
