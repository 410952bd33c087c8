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

/// The kinds of a definition, the stored one first.
type Kinds = Box<[&'static KindInfo]>;
/// The kinds of each definition, by the definitions' names.
type Known = BTreeMap<Box<str>, Kinds>;

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
    pub fn changes(&self) -> watch::Receiver<Option<Known>> {
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
                (Event::Added(o) | Event::Modified(o), Some(known)) => {
                    note(known, &o.meta().name, served(&*o));
                }
                (Event::Added(o) | Event::Modified(o), None) => self.change(&o.meta().name, served(&*o)),
                (Event::Deleted(o), Some(known)) => drop(known.remove(o.meta().name.as_str())),
                (Event::Deleted(o), None) => self.change(&o.meta().name, None),
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

    fn change(&self, name: &str, kinds: Option<Kinds>) {
        self.known.send_if_modified(|known| note(known.get_or_insert_default(), name, kinds));
    }
}

/// Notes what a definition declares from now on; whether that is anything else than before.
fn note(known: &mut Known, name: &str, kinds: Option<Kinds>) -> bool {
    let Some(kinds) = kinds else { return known.remove(name).is_some() };
    let is_same = |old: &Kinds| {
        old.len() == kinds.len() && old.iter().zip(&kinds).all(|(old, new)| std::ptr::eq(*old, *new))
    };
    if known.get(name).is_some_and(is_same) {
        return false;
    }
    known.insert(name.into(), kinds);
    true
}

/// What an established definition declares.
fn served(object: &dyn Object) -> Option<Kinds> {
    let crd = object.downcast_ref::<CustomResourceDefinition>()?;
    let is_true = |type_: &str| crd.status.conditions.iter().any(|c| c.type_ == type_ && c.status == "True");
    (is_true("Established") || is_true("NamesAccepted")).then(|| declared_kinds(crd).into())
}

#[cfg(test)]
mod tests {
    use corten_api::core::v1::{ConfigMap, Secret};

    use super::*;

    #[test]
    fn only_what_differs_is_news() {
        let one: fn() -> Option<Kinds> = || Some([ConfigMap::INFO].into());
        let two: fn() -> Option<Kinds> = || Some([ConfigMap::INFO, Secret::INFO].into());
        let mut known = Known::new();
        for (name, kinds, news) in [
            ("a", None, false),
            ("a", one(), true),
            ("a", one(), false),
            ("b", one(), true),
            ("a", two(), true),
            ("a", None, true),
            ("a", None, false),
        ] {
            assert_eq!(note(&mut known, name, kinds), news);
        }
        assert_eq!(known.len(), 1);
    }
}
