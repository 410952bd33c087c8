//! How many watches a write will reach: open ones are counted by what they watch.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::http::path::RequestInfo;

/// Open watches by the hash of resource, namespace and name; either of those may be all.
#[derive(Debug, Default)]
pub struct Watches(Mutex<HashMap<u64, u32>>);

fn key(info: &RequestInfo, namespace: &str, name: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    (&info.group, &info.resource, namespace, name).hash(&mut hasher);
    hasher.finish()
}

impl Watches {
    /// Counts a watch for as long as what is given back is held.
    pub fn open(self: &Arc<Self>, info: &RequestInfo) -> Open {
        let key = key(info, &info.namespace, &info.name);
        *self.0.lock().entry(key).or_default() += 1;
        Open { watches: Arc::clone(self), key }
    }

    /// How many watches see what a request writes.
    pub fn seeing(&self, info: &RequestInfo) -> u32 {
        let (namespace, name) = (info.namespace.as_str(), info.name.as_str());
        let mut places = vec![("", ""), (namespace, "")];
        if !name.is_empty() {
            places.extend([("", name), (namespace, name)]);
        }
        if namespace.is_empty() {
            places.dedup();
            places.truncate(if name.is_empty() { 1 } else { 2 });
        }
        let keys: Vec<u64> = places.into_iter().map(|(namespace, name)| key(info, namespace, name)).collect();
        let counts = self.0.lock();
        keys.iter().filter_map(|key| counts.get(key)).sum()
    }
}

/// A watch that is counted.
#[derive(Debug)]
pub struct Open {
    watches: Arc<Watches>,
    key: u64,
}

impl Drop for Open {
    fn drop(&mut self) {
        let mut counts = self.watches.0.lock();
        if let Some(count) = counts.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::query::Query;
    use http::Method;

    #[test]
    fn a_write_is_seen_by_who_watches_it() {
        let watches = Arc::new(Watches::default());
        let info =
            |method: Method, path: &str, query: &str| RequestInfo::new(&method, path, &Query::parse(query));
        let open: Vec<Open> = [
            ("/api/v1/configmaps", "watch=1"),
            ("/api/v1/namespaces/a/configmaps", "watch=1"),
            ("/api/v1/namespaces/a/configmaps", "watch=1&fieldSelector=metadata.name%3Dx"),
            ("/api/v1/nodes", "watch=1"),
        ]
        .iter()
        .map(|(path, query)| watches.open(&info(Method::GET, path, query)))
        .collect();
        for (path, want) in [
            ("/api/v1/namespaces/a/configmaps/x", 3),
            ("/api/v1/namespaces/a/configmaps/y", 2),
            ("/api/v1/namespaces/b/configmaps/x", 1),
            ("/api/v1/namespaces/a/secrets/x", 0),
            ("/api/v1/nodes/n", 1),
        ] {
            assert_eq!(watches.seeing(&info(Method::PUT, path, "")), want, "{path}");
        }
        drop(open);
        assert!(watches.0.lock().is_empty());
    }
}
