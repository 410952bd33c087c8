//! ResourceQuotas: their status says what is limited and what of that is used. Admission charges what is
//! created; here is counted anew what went, or changed by itself, and what a new quota finds.
//!
//! The count is exact: the quota is read first, then the objects, and its status is written only if the
//! quota is as it was read. Whatever is charged meanwhile changes the quota.

use crate::shell::Controller;
use crate::{Context, CustomKinds};
use async_trait::async_trait;
use corten_api::builtin::KINDS;
use corten_api::core::v1::{PersistentVolumeClaim, Pod, ResourceQuota, ResourceQuotaStatus, Service};
use corten_api::{Kind, KindInfo, Object, Quantity};
use corten_client::{
    Answer, Call, Change, Client, Event, Informer, Key, ListOptions, Target, WatchOptions, WorkQueue,
};
use corten_rt::{Backoff, Clock, Tasks, sleep};
use corten_semantics::quota::{Measure, add, attributes_classes, counted, is_charged, mask, same};
use corten_semantics::resources::ResourceList;
use corten_semantics::{ApiError, ApiResult};
use futures::StreamExt;
use jiff::Timestamp;
use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// How often a quota is counted without a reason.
const RESYNC: Duration = Duration::from_secs(300);
/// Objects that go come in bursts: the quota is counted so long after the first.
const SOON: Duration = Duration::from_millis(100);

/// The controller.
pub struct ResourceQuotas {
    client: Client,
    clock: Clock,
    tasks: Tasks,
    custom: CustomKinds,
    quotas: Informer<ResourceQuota>,
    pods: Informer<Pod>,
    services: Informer<Service>,
    claims: Informer<PersistentVolumeClaim>,
    /// The queue, and the resources beside these that are watched because a quota counts them.
    watched: Mutex<(Option<WorkQueue<Key>>, BTreeSet<String>)>,
}

impl ResourceQuotas {
    pub fn new(context: &Context) -> Self {
        ResourceQuotas {
            client: context.client.clone(),
            clock: context.clock,
            tasks: context.informers.tasks().clone(),
            custom: context.custom.clone(),
            quotas: context.informers.of(),
            pods: context.informers.of(),
            services: context.informers.of(),
            claims: context.informers.of(),
            watched: Mutex::default(),
        }
    }

    /// Has a change that can lower or raise what is used wake the namespace's quotas.
    fn wake<K: Kind>(
        &self,
        informer: &Informer<K>,
        queue: &WorkQueue<Key>,
        matters: impl Fn(&Change<K>) -> bool + Send + Sync + 'static,
    ) {
        let (quotas, queue) = (self.quotas.clone(), queue.clone());
        informer.on_change(move |change| {
            if let Some(object) = change.object().filter(|_| matters(change)) {
                wake_quotas(&quotas, &queue, K::INFO, &object.meta().namespace);
            }
        });
    }

    /// Watches what quotas count and no informer follows.
    fn ensure_watched(&self, resource: &str, kind: &'static KindInfo) {
        let followed = [Pod::INFO, Service::INFO, PersistentVolumeClaim::INFO, ResourceQuota::INFO];
        if followed.contains(&kind) {
            return;
        }
        let mut watched = self.watched.lock();
        let Some(queue) = watched.0.clone() else { return };
        if watched.1.insert(resource.to_string()) {
            let (client, quotas) = (self.client.clone(), self.quotas.clone());
            self.tasks.spawn_until_stopped("quota watch", follow(client, kind, quotas, queue));
        }
    }

    async fn used(&self, quota: &ResourceQuota) -> ApiResult<ResourceList> {
        let mut used = ResourceList::new();
        for resource in counted(quota.spec.hard.keys()) {
            let kind = kind_of(&resource).or_else(|| custom_kind_of(&self.custom.stores(), &resource));
            let (Some(measure), Some(kind)) = (Measure::of(&resource), kind) else { continue };
            self.ensure_watched(&resource, kind);
            let objects = list(&self.client, kind, &quota.metadata.namespace).await?;
            let objects = objects.iter().map(AsRef::as_ref);
            used = add(&used, &usage(measure, quota, objects, self.clock.now()));
        }
        Ok(used)
    }
}

/// What these objects use of a quota's resources, each of which the answer has.
fn usage<'a>(
    measure: Measure<'_>,
    quota: &ResourceQuota,
    objects: impl Iterator<Item = &'a dyn Object>,
    now: Timestamp,
) -> ResourceList {
    let tracked = quota.spec.hard.keys().filter(|name| measure.matches(name));
    let none: ResourceList = tracked.map(|name| (name.clone(), Quantity::default())).collect();
    let counted = objects.filter(|object| measure.in_scopes(&quota.spec, *object));
    let sum = counted.fold(none.clone(), |sum, object| add(&sum, &mask(&measure.usage(object, now), &none)));
    mask(&sum, &none)
}

/// The status after a count; what cannot be counted stays as it was.
fn status(quota: &ResourceQuota, counted: &ResourceList) -> ResourceQuotaStatus {
    let hard = quota.spec.hard.clone();
    let mut used = mask(&quota.status.used, &hard);
    used.extend(mask(counted, &hard));
    ResourceQuotaStatus { hard, used }
}

/// The kind whose objects `deployments.apps` are.
fn kind_of(resource: &str) -> Option<&'static KindInfo> {
    let listed = |k: &&&KindInfo| k.namespaced && k.new.is_some() && k.group_resource() == resource;
    KINDS.iter().find(listed).copied()
}

/// The same for `things.example.com`, of custom kinds.
fn custom_kind_of(stores: &[&'static KindInfo], resource: &str) -> Option<&'static KindInfo> {
    stores.iter().find(|k| k.namespaced && k.group_resource() == resource).copied()
}

async fn list(client: &Client, kind: &'static KindInfo, namespace: &str) -> ApiResult<Vec<Arc<dyn Object>>> {
    let target = Target { kind, namespace: Some(namespace.into()), name: String::new(), subresource: "" };
    match client.call(target, Call::List(ListOptions::default())).await? {
        Answer::List(list) => Ok(list.items),
        _ => Err(ApiError::internal("the server answered without a list")),
    }
}

fn wake_quotas(quotas: &Informer<ResourceQuota>, queue: &WorkQueue<Key>, kind: &KindInfo, namespace: &str) {
    let resource = kind.group_resource();
    let Some(measure) = Measure::of(&resource) else { return };
    for quota in quotas.list_in(namespace) {
        if quota.spec.hard.keys().any(|name| measure.matches(name)) {
            queue.add_after(Key::of(&*quota), SOON);
        }
    }
}

/// Wakes quotas when objects of the kind go. After a gap in the watch all quotas are counted.
async fn follow(
    client: Client,
    kind: &'static KindInfo,
    quotas: Informer<ResourceQuota>,
    queue: WorkQueue<Key>,
) {
    let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(30));
    loop {
        let error = follow_once(&client, kind, &quotas, &queue).await.err();
        tracing::debug!(?kind, ?error, "a quota's watch ended, starting again");
        sleep(backoff.step()).await;
    }
}

async fn follow_once(
    client: &Client,
    kind: &'static KindInfo,
    quotas: &Informer<ResourceQuota>,
    queue: &WorkQueue<Key>,
) -> ApiResult<()> {
    let target = Target { kind, namespace: None, name: String::new(), subresource: "" };
    let one = ListOptions { limit: 1, ..ListOptions::default() };
    let Answer::List(start) = client.call(target.clone(), Call::List(one)).await? else { return Ok(()) };
    let from = WatchOptions { resource_version: start.resource_version, ..WatchOptions::default() };
    let mut events = client.transport().watch(target, from).await?;
    quotas.list().iter().for_each(|quota| wake_quotas(quotas, queue, kind, &quota.metadata.namespace));
    while let Some(event) = events.next().await {
        if let Event::Deleted(object) = event? {
            wake_quotas(quotas, queue, kind, &object.meta().namespace);
        }
    }
    Ok(())
}

/// Whether a pod's change is more than what admission has charged already.
fn pod_matters(change: &Change<Pod>, now: Timestamp) -> bool {
    let (Some(old), Some(new)) = (&change.old, &change.new) else { return change.new.is_none() };
    let ends = |pod: &Pod| pod.spec.active_deadline_seconds.is_some_and(|s| s >= 0);
    let held = |pod: &Pod| {
        let all = pod.status.container_statuses.iter().chain(&pod.status.init_container_statuses);
        all.map(|s| (s.name.clone(), s.resources.clone())).collect::<Vec<_>>()
    };
    ends(old) != ends(new)
        || (is_charged(old, now) && !is_charged(new, now))
        || (!old.status.container_statuses.is_empty() && held(old) != held(new))
}

#[async_trait]
impl Controller for ResourceQuotas {
    fn watch(&self, queue: &WorkQueue<Key>) {
        self.watched.lock().0 = Some(queue.clone());
        let (waking, counted) = (queue.clone(), self.quotas.clone());
        self.quotas.on_change(move |change| {
            let Some(quota) = change.object() else { return };
            // Its use alone is what admission or this controller wrote.
            if change
                .old
                .as_ref()
                .is_none_or(|old| old.spec != quota.spec || quota.status.hard != quota.spec.hard)
            {
                waking.add(Key::of(&**quota));
            }
            if change.new.is_none() {
                wake_quotas(&counted, &waking, ResourceQuota::INFO, &quota.metadata.namespace);
            }
        });
        let clock = self.clock;
        self.wake(&self.pods, queue, move |change| pod_matters(change, clock.now()));
        self.wake(&self.services, queue, |change| match (&change.old, &change.new) {
            (Some(old), Some(new)) => old.spec.type_ != new.spec.type_,
            (_, new) => new.is_none(),
        });
        self.wake(&self.claims, queue, |change| match (&change.old, &change.new) {
            (Some(old), Some(new)) => {
                old.status.allocated_resources != new.status.allocated_resources
                    || attributes_classes(old) != attributes_classes(new)
            }
            (_, new) => new.is_none(),
        });
    }

    async fn synced(&self) {
        self.quotas.synced().await;
    }

    async fn reconcile(&self, key: &Key) -> ApiResult<Option<Duration>> {
        let api = self.client.namespaced::<ResourceQuota>(&key.namespace);
        // The controller's role allows it to list quotas, not to get one.
        let named =
            ListOptions { field_selector: format!("metadata.name={}", key.name), ..Default::default() };
        let Some(quota) = api.list(&named).await?.items.into_iter().next() else { return Ok(None) };
        let wanted = status(&quota, &self.used(&quota).await?);
        let known = same(&wanted.hard, &quota.status.hard) && same(&wanted.used, &quota.status.used);
        if !known {
            let mut counted = (*quota).clone();
            counted.status = wanted;
            match api.update_status(counted).await {
                Err(error) if error.is_not_found() => return Ok(None),
                Err(error) => return Err(error),
                Ok(_) => {}
            }
        }
        Ok(Some(RESYNC))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_api::core::v1::ConfigMap;

    fn amounts(text: &str) -> ResourceList {
        let pair = |p: &str| {
            let (name, amount) = p.split_once('=').expect("a pair");
            (name.to_string(), amount.parse().expect("a quantity"))
        };
        text.split_whitespace().map(pair).collect()
    }

    #[test]
    fn a_count_covers_what_is_limited_and_keeps_what_it_cannot_count() {
        let mut quota = ResourceQuota::default();
        quota.spec.hard = amounts("pods=5 configmaps=3 count/things.example.com=2 requests.cpu=1");
        quota.status.used = amounts("count/things.example.com=1 old=7");
        let maps = [ConfigMap::default(), ConfigMap::default()];
        let objects = maps.iter().map(|m| m as &dyn Object);
        let measure = Measure::of("configmaps").expect("measured");
        let found = usage(measure, &quota, objects, Timestamp::UNIX_EPOCH);
        assert_eq!(found, amounts("configmaps=2"));
        let pods = usage(Measure::Pods, &quota, std::iter::empty(), Timestamp::UNIX_EPOCH);
        assert_eq!(pods, amounts("pods=0 requests.cpu=0"));
        let made = status(&quota, &add(&found, &pods));
        assert_eq!(made.hard, quota.spec.hard);
        assert_eq!(made.used, amounts("configmaps=2 pods=0 requests.cpu=0 count/things.example.com=1"));
    }

    #[test]
    fn pods_matter_when_they_end_or_go() {
        let now = Timestamp::UNIX_EPOCH;
        let pod = |phase: &str| {
            let mut pod = Pod::default();
            pod.status.phase = phase.into();
            Some(Arc::new(pod))
        };
        for (old, new, want) in [
            (None, pod("Pending"), false),
            (pod("Pending"), pod("Running"), false),
            (pod("Running"), pod("Failed"), true),
            (pod("Failed"), pod("Failed"), false),
            (pod("Running"), None, true),
        ] {
            assert_eq!(pod_matters(&Change { old, new }, now), want);
        }
    }

    #[test]
    fn resources_have_their_kinds() {
        assert_eq!(kind_of("configmaps"), Some(ConfigMap::INFO));
        assert!(kind_of("deployments.apps").is_some());
        assert_eq!(kind_of("things.example.com"), None);
        let stores = [ConfigMap::INFO];
        assert_eq!(custom_kind_of(&stores, "configmaps"), Some(ConfigMap::INFO));
        assert_eq!(custom_kind_of(&stores, "things.example.com"), None);
    }
}
