//! A registry to try things on.

use std::sync::Arc;
use std::time::Duration;

use corten_admission::Chain;
use corten_api::authentication::v1::UserInfo;
use corten_api::core::v1::{ConfigMap, Container, Pod};
use corten_api::meta::v1::ObjectMeta;
use corten_api::{Kind, Object};
use corten_apiserver::cache::{Watch, WatchEvent};
use corten_apiserver::registry::{
    Body, Config, DeleteOptions, GetOptions, ListOptions, Registry, Reply, RequestContext, Target,
    WatchOptions, WriteOptions,
};
use corten_rt::{Clock, Stop, Tasks, timeout};
use corten_semantics::ApiResult;
use corten_store::{MemoryStore, Store};

pub struct Cluster {
    pub registry: Arc<Registry>,
    pub store: Arc<dyn Store>,
    pub tasks: Tasks,
}

impl Cluster {
    pub async fn new() -> Self {
        Self::over(Arc::new(MemoryStore::new())).await
    }

    /// Without admission, which has tests of its own.
    pub async fn over(store: Arc<dyn Store>) -> Self {
        Self::with(store, Chain::new(Vec::new())).await
    }

    pub async fn with(store: Arc<dyn Store>, admission: Chain) -> Self {
        let tasks = Tasks::new(Stop::new());
        let clock = Clock::starting_at("2026-01-01T00:00:00Z".parse().expect("valid time"));
        let config = Config { clock, admission: Arc::new(admission), ..Config::default() };
        let registry = Registry::open(store.clone(), config, &tasks).await.expect("opens");
        Cluster { registry, store, tasks }
    }

    pub async fn create<K: Kind>(&self, object: K) -> ApiResult<Arc<K>> {
        let target = of::<K>(&object.meta().namespace, "");
        Ok(typed(self.registry.create(&ctx(), &target, Box::new(object), &WriteOptions::default()).await?))
    }

    pub async fn update<K: Kind>(&self, object: K) -> ApiResult<Arc<K>> {
        self.update_part(object, "").await
    }

    pub async fn update_part<K: Kind>(&self, object: K, subresource: &'static str) -> ApiResult<Arc<K>> {
        let meta = object.meta();
        let target = Target { subresource, ..of::<K>(&meta.namespace, &meta.name) };
        Ok(typed(self.registry.update(&ctx(), &target, Box::new(object), &WriteOptions::default()).await?))
    }

    pub async fn get<K: Kind>(&self, namespace: &str, name: &str) -> ApiResult<Arc<K>> {
        let target = of::<K>(namespace, name);
        let entry = self.registry.get(&ctx(), &target, &GetOptions::default()).await?;
        Ok(entry.object().downcast_arc().expect("of the kind"))
    }

    pub async fn delete<K: Kind>(&self, namespace: &str, name: &str, o: DeleteOptions) -> ApiResult<Reply> {
        self.registry.delete(&ctx(), &of::<K>(namespace, name), &o).await
    }

    /// Names and revision of a list of ConfigMaps in all namespaces.
    pub async fn names(&self, o: ListOptions) -> ApiResult<(Vec<String>, u64)> {
        let list = self.registry.list(&ctx(), &of::<ConfigMap>("", ""), &o).await?;
        Ok((list.items.iter().map(|e| e.object().meta().name.clone()).collect(), list.revision))
    }

    pub async fn watch<K: Kind>(&self, o: WatchOptions) -> Watch {
        self.registry.watch(&ctx(), &of::<K>("", ""), &o).await.expect("opens")
    }

    pub async fn revision(&self) -> u64 {
        self.store.current_revision().await.expect("open")
    }
}

pub fn ctx() -> RequestContext {
    let groups = vec!["system:masters".to_string()];
    let user = UserInfo { username: "admin".into(), groups, ..UserInfo::default() };
    RequestContext { user: Arc::new(user), ..RequestContext::default() }
}

/// Where objects of a kind lie; empty texts for none.
pub fn of<K: Kind>(namespace: &str, name: &str) -> Target {
    let namespace = (!namespace.is_empty()).then(|| namespace.to_string());
    Target { kind: K::INFO, namespace, name: name.into(), subresource: "" }
}

pub fn typed<K: Kind>(reply: Reply) -> Arc<K> {
    match reply.body {
        Body::Object(entry) => {
            let json: serde_json::Value = serde_json::from_slice(&entry.json()).expect("JSON");
            let object = entry.object();
            assert_eq!(
                json["metadata"]["resourceVersion"].as_str().unwrap_or(""),
                object.meta().resource_version
            );
            object.downcast_arc().expect("of the kind")
        }
        Body::Status(status) => panic!("a status came: {status:?}"),
    }
}

pub fn meta(namespace: &str, name: &str) -> ObjectMeta {
    ObjectMeta { namespace: namespace.into(), name: name.into(), ..ObjectMeta::default() }
}

/// A ConfigMap with one pair of data, labelled `app` like its data.
pub fn config(namespace: &str, name: &str, app: &str) -> ConfigMap {
    let mut map = ConfigMap { metadata: meta(namespace, name), ..ConfigMap::default() };
    map.data.insert("app".into(), app.into());
    map.metadata.labels.insert("app".into(), app.into());
    map
}

pub fn pod(name: &str, node: &str) -> Pod {
    let mut pod = Pod { metadata: meta("default", name), ..Pod::default() };
    pod.spec.node_name = node.into();
    pod.spec.containers.push(Container {
        name: "main".into(),
        image: "image:1".into(),
        ..Container::default()
    });
    pod
}

/// `ADDED name revision` and so on; `-` when nothing comes for five minutes.
pub async fn next(watch: &mut Watch) -> String {
    let show = |what: &str, object: Arc<dyn Object>| {
        let meta = object.meta();
        format!("{what} {} {}", meta.name, meta.resource_version)
    };
    match timeout(Duration::from_secs(300), watch.next()).await {
        None => "-".into(),
        Some(None) => "end".into(),
        Some(Some(event)) => match event {
            WatchEvent::Added(e) => show("ADDED", e.object()),
            WatchEvent::Modified(e) => show("MODIFIED", e.object()),
            WatchEvent::Deleted(e) => show("DELETED", e.object()),
            WatchEvent::Bookmark { revision, initial_end: true } => format!("INITIAL-END {revision}"),
            WatchEvent::Bookmark { revision, .. } => format!("BOOKMARK {revision}"),
            WatchEvent::Error(e) => format!("ERROR {} {e}", e.code()),
        },
    }
}
