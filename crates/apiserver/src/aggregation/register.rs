//! An APIService for every version that this server serves itself, its own kinds' and custom ones' (upstream's
//! `autoregister` and `crdregistration`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use corten_api::apiregistration::v1::APIService;
use corten_client::{Client, DeleteOptions, Informer};
use corten_semantics::ApiResult;

use crate::Registry;

/// Says that an object is kept by this server: from its start on, or always.
const MANAGED: &str = "kube-aggregator.kubernetes.io/automanaged";
/// What custom resources' groups and versions are worth.
const CUSTOM: (i32, i32) = (1000, 100);
/// How long is waited after a failure.
const PAUSE: Duration = Duration::from_secs(5);

/// Group, version, and what both are worth among others, as upstream's.
const PRIORITIES: &[(&str, &str, i32, i32)] = &[
    ("", "v1", 18000, 1),
    ("apps", "v1", 17800, 15),
    ("events.k8s.io", "v1", 17750, 15),
    ("authentication.k8s.io", "v1", 17700, 15),
    ("authorization.k8s.io", "v1", 17600, 15),
    ("autoscaling", "v1", 17500, 15),
    ("autoscaling", "v2", 17500, 30),
    ("batch", "v1", 17400, 15),
    ("certificates.k8s.io", "v1", 17300, 15),
    ("networking.k8s.io", "v1", 17200, 15),
    ("policy", "v1", 17100, 15),
    ("rbac.authorization.k8s.io", "v1", 17000, 15),
    ("storage.k8s.io", "v1", 16800, 15),
    ("apiextensions.k8s.io", "v1", 16700, 15),
    ("admissionregistration.k8s.io", "v1", 16700, 15),
    ("admissionregistration.k8s.io", "v1beta1", 16700, 12),
    ("admissionregistration.k8s.io", "v1alpha1", 16700, 9),
    ("scheduling.k8s.io", "v1", 16600, 15),
    ("coordination.k8s.io", "v1", 16500, 15),
    ("node.k8s.io", "v1", 16300, 15),
    ("discovery.k8s.io", "v1", 16200, 15),
    ("resource.k8s.io", "v1", 16200, 21),
    ("flowcontrol.apiserver.k8s.io", "v1", 16100, 21),
];

/// What a version is worth; nothing for those that no object is made for.
fn priority(group: &str, version: &str) -> Option<(i32, i32)> {
    PRIORITIES.iter().find(|(g, v, ..)| (*g, *v) == (group, version)).map(|(_, _, g, v)| (*g, *v))
}

/// Keeps the objects.
pub(super) struct Registration {
    registry: Arc<Registry>,
    client: Client,
    services: Informer<APIService>,
}

impl Registration {
    pub fn new(registry: Arc<Registry>, client: Client, services: Informer<APIService>) -> Self {
        Registration { registry, client, services }
    }

    /// Makes and removes objects as kinds come and go.
    pub async fn run(self) {
        self.services.synced().await;
        let mut own = BTreeSet::new();
        let mut first = true;
        let mut changes = self.services.changes();
        let mut kinds = self.registry.custom.changes();
        loop {
            changes.mark_unchanged();
            kinds.mark_unchanged();
            let custom = self.custom();
            if first {
                own = self.own();
            }
            match self.reconcile(&own, &custom, first).await {
                Ok(()) => first = false,
                Err(error) => {
                    tracing::warn!(%error, "API services cannot be registered");
                    corten_rt::sleep(PAUSE).await;
                    continue;
                }
            }
            let changed = tokio::select! {
                changed = changes.changed() => changed,
                changed = kinds.changed() => changed,
            };
            if changed.is_err() {
                return;
            }
        }
    }

    fn versions(&self, custom: bool) -> BTreeSet<(String, String)> {
        let kinds = self.registry.kinds();
        let wanted = kinds.iter().filter(|kind| kind.custom == custom);
        wanted.map(|kind| (kind.group.to_string(), kind.version.to_string())).collect()
    }

    fn own(&self) -> BTreeSet<(String, String)> {
        let mut own = self.versions(false);
        own.retain(|(group, version)| priority(group, version).is_some());
        own
    }

    fn custom(&self) -> BTreeSet<(String, String)> {
        self.versions(true)
    }

    async fn reconcile(
        &self,
        own: &BTreeSet<(String, String)>,
        custom: &BTreeSet<(String, String)>,
        first: bool,
    ) -> ApiResult<()> {
        let known: BTreeMap<String, Arc<APIService>> =
            self.services.list().into_iter().map(|s| (s.metadata.name.clone(), s)).collect();
        let of_own = own.iter().filter_map(|(g, v)| Some((g, v, priority(g, v)?, "onstart")));
        let of_custom = custom.iter().filter(|c| !own.contains(c)).map(|(g, v)| (g, v, CUSTOM, "true"));
        let mut wanted = BTreeSet::new();
        for (group, version, priority, mode) in of_own.chain(of_custom) {
            let made = service(group, version, priority, mode);
            wanted.insert(made.metadata.name.clone());
            match known.get(&made.metadata.name) {
                // Whoever takes one of ours away means it, until the next start.
                None if mode == "onstart" && !first => {}
                None => self.create(made).await?,
                Some(old) if old.metadata.labels.contains_key(MANAGED) && old.spec != made.spec => {
                    let mut new = APIService::clone(old);
                    new.spec = made.spec;
                    self.update(new).await?;
                }
                Some(_) => {}
            }
        }
        for (name, old) in known {
            let managed = old.metadata.labels.get(MANAGED).map(String::as_str);
            if !wanted.contains(&name) && (managed == Some("true") || (managed == Some("onstart") && first)) {
                match self.client.all::<APIService>().delete(&name, DeleteOptions::default()).await {
                    Err(error) if !error.is_not_found() => return Err(error),
                    _ => {}
                }
            }
        }
        Ok(())
    }

    async fn create(&self, service: APIService) -> ApiResult<()> {
        match self.client.all::<APIService>().create(service).await {
            Err(error) if !error.is_already_exists() => Err(error),
            _ => Ok(()),
        }
    }

    async fn update(&self, service: APIService) -> ApiResult<()> {
        match self.client.all::<APIService>().update(service).await {
            Err(error) if !error.is_conflict() && !error.is_not_found() => Err(error),
            _ => Ok(()),
        }
    }
}

fn service(group: &str, version: &str, (of_group, of_version): (i32, i32), mode: &str) -> APIService {
    let mut service = APIService::default();
    service.metadata.name = format!("{version}.{group}");
    service.metadata.labels.insert(MANAGED.into(), mode.into());
    service.spec.group = group.into();
    service.spec.version = version.into();
    service.spec.group_priority_minimum = of_group;
    service.spec.version_priority = of_version;
    service
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_own_version_has_its_worth() {
        for kind in corten_api::builtin::KINDS.iter().filter(|k| !k.plural.is_empty()) {
            // Upstream makes none for the aggregator's own group.
            let expected = kind.group != "apiregistration.k8s.io" && kind.group != "metrics.k8s.io";
            assert_eq!(priority(kind.group, kind.version).is_some(), expected, "{kind:?}");
        }
        let made = service("", "v1", (18000, 1), "onstart");
        assert_eq!(made.metadata.name, "v1.");
    }
}
