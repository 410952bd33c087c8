//! Custom kinds in the server: which there are ([`CustomKinds`]), how their objects get from version to version
//! ([`convert`]), the task that keeps both in step with the definitions ([`definitions`]), and what is published of
//! them ([`documents`]).

pub mod convert;
mod definitions;
pub(crate) mod documents;
mod metrics;
mod names;
mod review;
mod status;
pub(crate) mod termination;
mod under_way;

use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use corten_api::apiextensions::v1::CustomResourceDefinition;
use corten_api::{Kind, KindInfo};
use corten_codec::{Problems, json};
use corten_custom::{CustomStrategy, Source};
use corten_kinds::{Plain, Rules, Strategy, StrategyRef};
use corten_metrics::Text;
use corten_rt::Tasks;
use corten_semantics::ApiResult;
use imbl::OrdMap;
use tokio::sync::watch;

use crate::Registry;
use crate::cache::{Entry, Resource, WatchCache};
pub use convert::Converter;

/// A custom resource that is served.
pub(crate) struct Served {
    pub resource: Arc<corten_custom::Resource>,
    /// The behaviour of each version.
    strategies: Vec<Arc<dyn Strategy>>,
    pub cache: Arc<Resource>,
}

/// The custom resources that are served, by the names of their definitions.
#[derive(Default)]
pub struct CustomKinds {
    table: ArcSwap<OrdMap<Arc<str>, Arc<Served>>>,
    converter: OnceLock<Arc<dyn Converter>>,
    conversions: metrics::Conversions,
    under_way: under_way::UnderWay,
    documents: documents::Made,
    /// Counts what has come, changed and gone.
    changed: watch::Sender<u64>,
}

impl CustomKinds {
    /// The resource a kind belongs to.
    pub(crate) fn served_as(&self, kind: &KindInfo) -> Option<Arc<Served>> {
        self.table.load().get(kind.group_resource().as_str()).cloned()
    }

    /// Tells when kinds come, change or go.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// All of them.
    pub(crate) fn all(&self) -> Vec<Arc<Served>> {
        self.table.load().values().cloned().collect()
    }

    /// Every kind that is served.
    pub(crate) fn served(&self) -> Vec<&'static KindInfo> {
        let table = self.table.load();
        let versions = table.values().flat_map(|served| served.resource.versions.iter());
        versions.filter(|v| v.served).map(|v| v.info).collect()
    }

    /// The kind served at `/apis/GROUP/VERSION/.../PLURAL`.
    pub(crate) fn kind(&self, group: &str, version: &str, plural: &str) -> Option<&'static KindInfo> {
        let table = self.table.load();
        let resource = &table.get(format!("{plural}.{group}").as_str())?.resource;
        let version = &resource.versions[resource.version(version)?];
        version.served.then_some(version.info)
    }

    /// Where objects of a kind lie, and its behaviour.
    pub(crate) fn place(&self, kind: &KindInfo) -> Option<(Arc<Resource>, StrategyRef)> {
        let served = self.served_as(kind)?;
        let strategy = served.strategies.get(served.resource.version(kind.version)?)?.clone();
        Some((served.cache.clone(), StrategyRef::Custom(strategy)))
    }

    /// The behaviour of a kind; a plain one when it is gone.
    pub(crate) fn strategy(&self, kind: &KindInfo) -> StrategyRef {
        static GONE: Plain = Plain(Rules::ANY_FINALIZERS);
        self.place(kind).map_or(StrategyRef::Builtin(&GONE), |(_, strategy)| strategy)
    }

    /// What clients of a deprecated version are told.
    pub(crate) fn warning(&self, kind: &KindInfo) -> Option<String> {
        let served = self.served_as(kind)?;
        served.resource.versions[served.resource.version(kind.version)?].warning.clone()
    }

    /// Whether the kind's definition is being deleted.
    pub(crate) fn is_terminating(&self, kind: &KindInfo) -> bool {
        self.served_as(kind).is_some_and(|served| served.resource.terminating)
    }

    /// The version of the kind that is stored.
    pub(crate) fn stored(&self, kind: &KindInfo) -> Option<&'static KindInfo> {
        self.served_as(kind).map(|served| served.resource.stored())
    }

    /// The stored kind of the definition of this name.
    pub(crate) fn stored_of(&self, name: &str) -> Option<&'static KindInfo> {
        self.table.load().get(name).map(|served| served.resource.stored())
    }

    /// Writes what is counted of conversions by webhooks.
    pub(crate) fn write_metrics(&self, out: &mut Text) {
        self.conversions.write(out);
    }

    fn put(&self, resource: Arc<corten_custom::Resource>, cache: Arc<Resource>) {
        let strategies = strategies(&resource);
        let name: Arc<str> = Arc::from(resource.name.as_str());
        let served = Arc::new(Served { resource, strategies, cache });
        self.table.rcu(|table| table.update(name.clone(), served.clone()));
        self.changed.send_modify(|count| *count += 1);
    }

    fn remove(&self, name: &str) -> Option<Arc<Served>> {
        let served = self.table.load().get(name).cloned();
        if served.is_some() {
            self.table.rcu(|table| table.without(name));
            self.changed.send_modify(|count| *count += 1);
        }
        served
    }
}

fn strategies(resource: &Arc<corten_custom::Resource>) -> Vec<Arc<dyn Strategy>> {
    let all = 0..resource.versions.len();
    all.map(|n| Arc::new(CustomStrategy::new(resource.clone(), n)) as Arc<dyn Strategy>).collect()
}

/// Serves what the definitions in the cache declare, and from now on what becomes of them.
pub(crate) async fn start(registry: &Arc<Registry>, tasks: &Tasks) -> ApiResult<()> {
    let definitions = definitions::Definitions::new(registry);
    let from = definitions.load().await?;
    tasks.spawn_until_stopped("custom resources", definitions.follow(from));
    Ok(())
}

/// Definitions as the cache has them. They are large, and seldom looked at, so the typed ones are not kept.
pub(crate) struct CachedDefinitions(pub Arc<WatchCache>);

impl Source for CachedDefinitions {
    fn definition(&self, name: &str) -> Option<CustomResourceDefinition> {
        let resource = self.0.resource(CustomResourceDefinition::INFO)?;
        definition(&*resource.get(&format!("{}{name}", resource.prefix))?)
    }
}

/// The definition of an entry.
pub(crate) fn definition(entry: &Entry) -> Option<CustomResourceDefinition> {
    let mut crd = CustomResourceDefinition::default();
    json::decode(&entry.json(), &mut crd, &mut Problems::ignore()).ok()?;
    Some(crd)
}
