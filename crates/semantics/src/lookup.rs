//! How rules read the cluster's objects: one small door that a watch cache, or a map in a test, stands behind.

use corten_api::{Kind, KindInfo, Object};
use std::sync::Arc;

/// Current objects, without waiting. Implemented by whoever holds them.
pub trait Lookup: Send + Sync {
    /// The object of that name; `namespace` is empty for cluster-scoped kinds.
    fn object(&self, kind: &'static KindInfo, namespace: &str, name: &str) -> Option<Arc<dyn Object>>;

    /// All objects of a namespace, or of the cluster when `namespace` is empty.
    fn objects(&self, kind: &'static KindInfo, namespace: &str) -> Vec<Arc<dyn Object>>;
}

impl dyn Lookup + '_ {
    /// The `K` of that name.
    pub fn get<K: Kind>(&self, namespace: &str, name: &str) -> Option<Arc<K>> {
        self.object(K::INFO, namespace, name)?.downcast_arc()
    }

    /// All `K` of a namespace, or of the cluster when `namespace` is empty.
    pub fn list<K: Kind>(&self, namespace: &str) -> Vec<Arc<K>> {
        self.objects(K::INFO, namespace).into_iter().filter_map(|o| o.downcast_arc()).collect()
    }
}

/// Objects held in a list: for tests and for start-up, before there is a cache.
impl Lookup for Vec<Arc<dyn Object>> {
    fn object(&self, kind: &'static KindInfo, namespace: &str, name: &str) -> Option<Arc<dyn Object>> {
        let is_it = |o: &&Arc<dyn Object>| {
            o.info() == kind && o.meta().namespace == namespace && o.meta().name == name
        };
        self.iter().find(is_it).cloned()
    }

    fn objects(&self, kind: &'static KindInfo, namespace: &str) -> Vec<Arc<dyn Object>> {
        self.iter()
            .filter(|o| o.info() == kind && (namespace.is_empty() || o.meta().namespace == namespace))
            .cloned()
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_api::core::v1::{ConfigMap, Namespace};
    use corten_api::meta::v1::ObjectMeta;

    fn meta(namespace: &str, name: &str) -> ObjectMeta {
        ObjectMeta { namespace: namespace.into(), name: name.into(), ..ObjectMeta::default() }
    }

    #[test]
    fn objects_are_found_by_kind_namespace_and_name() {
        let objects: Vec<Arc<dyn Object>> = vec![
            Arc::new(Namespace { metadata: meta("", "a"), ..Namespace::default() }),
            Arc::new(ConfigMap { metadata: meta("a", "x"), ..ConfigMap::default() }),
            Arc::new(ConfigMap { metadata: meta("b", "x"), ..ConfigMap::default() }),
        ];
        let lookup: &dyn Lookup = &objects;
        assert!(lookup.get::<Namespace>("", "a").is_some());
        assert!(lookup.get::<ConfigMap>("", "x").is_none());
        assert!(lookup.get::<ConfigMap>("a", "x").is_some());
        assert_eq!((lookup.list::<ConfigMap>("a").len(), lookup.list::<ConfigMap>("").len()), (1, 2));
    }
}
