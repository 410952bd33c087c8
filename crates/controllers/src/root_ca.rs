//! Every active namespace has a ConfigMap with the cluster's CA certificate, which pods trust.

use crate::Context;
use crate::shell::{Controller, wake_by};
use async_trait::async_trait;
use corten_api::core::v1::{ConfigMap, Namespace};
use corten_client::{Client, Informer, Key, WatchOptions, WorkQueue};
use corten_semantics::ApiResult;
use std::collections::BTreeMap;
use std::time::Duration;

const NAME: &str = "kube-root-ca.crt";
const FILE: &str = "ca.crt";
const DESCRIPTION: (&str, &str) = (
    "kubernetes.io/description",
    "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters.",
);

/// The controller.
pub struct RootCa {
    client: Client,
    certificate: String,
    namespaces: Informer<Namespace>,
    maps: Informer<ConfigMap>,
}

impl RootCa {
    pub fn new(context: &Context) -> Self {
        let (informers, maps) = (&context.informers, context.informers.client().all::<ConfigMap>());
        let ours =
            WatchOptions { field_selector: format!("metadata.name={NAME}"), ..WatchOptions::default() };
        RootCa {
            client: context.client.clone(),
            certificate: context.settings.root_ca.clone(),
            namespaces: informers.of(),
            maps: Informer::start(maps, ours, informers.tasks()),
        }
    }
}

#[async_trait]
impl Controller for RootCa {
    fn watch(&self, queue: &WorkQueue<Key>) {
        wake_by(&self.namespaces, queue, |n| vec![Key::new("", &n.metadata.name)]);
        wake_by(&self.maps, queue, |m| vec![Key::new("", &m.metadata.namespace)]);
    }

    async fn synced(&self) {
        self.namespaces.synced().await;
        self.maps.synced().await;
    }

    async fn reconcile(&self, key: &Key) -> ApiResult<Option<Duration>> {
        let active = self.namespaces.get(key).is_some_and(|n| n.metadata.deletion_timestamp.is_none());
        if !active {
            return Ok(None);
        }
        let wanted = BTreeMap::from([(FILE.to_string(), self.certificate.clone())]);
        let api = self.client.namespaced::<ConfigMap>(&key.name);
        let outcome = match self.maps.get(&Key::new(&key.name, NAME)) {
            Some(map) if map.data == wanted => return Ok(None),
            Some(map) => {
                let mut map = (*map).clone();
                map.data = wanted;
                api.update(map).await
            }
            None => {
                let mut map = ConfigMap { data: wanted, ..ConfigMap::default() };
                map.metadata.name = NAME.into();
                map.metadata.namespace = key.name.clone();
                map.metadata.annotations.insert(DESCRIPTION.0.into(), DESCRIPTION.1.into());
                api.create(map).await
            }
        };
        match outcome {
            Err(e) if e.is_already_exists() || e.is_not_found() || e.code() == 403 => Ok(None),
            other => other.map(|_| None),
        }
    }
}
