//! Keeping a number of pods: what ReplicaSets and ReplicationControllers have in common.

use crate::adoption;
use crate::pod_control::PodControl;
use crate::shell::{Controller, wake_by, wake_on};
use crate::{Context, ranking};
use async_trait::async_trait;
use corten_api::Kind;
use corten_api::core::v1::{Pod, PodTemplateSpec};
use corten_api::selector::Selector;
use corten_client::{Informer, Key, WorkQueue};
use corten_semantics::owner::controller_of;
use corten_semantics::pod::{available_at, is_active, is_available, is_ready, is_terminating};
use corten_semantics::{ApiError, ApiResult};
use jiff::Timestamp;
use std::sync::Arc;
use std::time::Duration;

/// The most pods created or deleted in one go.
const BURST: usize = 500;

/// A kind that keeps replicas of a template.
pub trait ReplicaOwner: Kind {
    /// The name that its controller's events carry.
    const COMPONENT: &'static str;
    /// How many pods are wanted.
    fn replicas(&self) -> i32;
    /// Which pods are its own; `None` when the selector is malformed.
    fn selector(&self) -> Option<Selector>;
    fn template(&self) -> &PodTemplateSpec;
    fn min_ready_seconds(&self) -> i32;
    fn status(&self) -> ReplicaStatus;
    /// Writes the counts; conditions other than `ReplicaFailure` stay.
    fn set_status(&mut self, status: ReplicaStatus, now: Timestamp);
}

/// The counts of an owner's status.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReplicaStatus {
    pub replicas: i32,
    pub fully_labeled: i32,
    pub ready: i32,
    pub available: i32,
    pub terminating: Option<i32>,
    pub observed_generation: i64,
    /// Why pods could not be made or removed: reason and message.
    pub failure: Option<(String, String)>,
}

/// What is to be done about the number of pods.
#[derive(Debug, PartialEq)]
pub enum Step {
    Enough,
    Create(usize),
    Delete(Vec<Arc<Pod>>),
}

/// Compares the wanted with the active pods. `related` are all active pods of the same family, for the
/// ranking.
pub fn step(wanted: i32, active: &[Arc<Pod>], related: &[Arc<Pod>], now: Timestamp) -> Step {
    let wanted = usize::try_from(wanted).unwrap_or(0);
    if active.len() < wanted {
        Step::Create((wanted - active.len()).min(BURST))
    } else if active.len() > wanted {
        let mut ranked = ranking::for_deletion(active, related, now);
        ranked.truncate((active.len() - wanted).min(BURST));
        Step::Delete(ranked)
    } else {
        Step::Enough
    }
}

/// Counts an owner's pods.
pub fn count<K: ReplicaOwner>(
    owner: &K,
    pods: &[Arc<Pod>],
    failure: Option<(String, String)>,
    now: Timestamp,
) -> ReplicaStatus {
    let template = Selector::from_map(&owner.template().metadata.labels);
    let mut status = ReplicaStatus {
        observed_generation: owner.meta().generation,
        failure,
        terminating: owner.status().terminating.map(|_| 0),
        ..ReplicaStatus::default()
    };
    for pod in pods {
        if is_terminating(pod) && !corten_semantics::pod::is_terminal(pod) {
            status.terminating = Some(status.terminating.unwrap_or(0) + 1);
        }
        if !is_active(pod) {
            continue;
        }
        status.replicas += 1;
        status.fully_labeled += i32::from(template.matches(&pod.metadata.labels));
        status.ready += i32::from(is_ready(pod));
        status.available += i32::from(is_available(pod, owner.min_ready_seconds(), now));
    }
    status
}

/// When the next ready pod becomes available, so that the counts are looked at again.
fn next_available(min_ready_seconds: i32, pods: &[Arc<Pod>], now: Timestamp) -> Option<Duration> {
    pods.iter()
        .filter_map(|p| available_at(p, min_ready_seconds))
        .filter(|at| *at > now)
        .min()
        .map(|at| Duration::try_from(at.duration_since(now)).unwrap_or_default() + Duration::from_millis(10))
}

/// The controller of one such kind.
pub struct Replicas<K: ReplicaOwner> {
    context: Context,
    owners: Informer<K>,
    pods: Informer<Pod>,
    control: PodControl,
}

#[async_trait]
impl<K: ReplicaOwner> Controller for Replicas<K> {
    // Owners are woken by their own changes and by their pods'.
    fn watch(&self, queue: &WorkQueue<Key>) {
        wake_on(&self.owners, queue);
        let owners = self.owners.clone();
        wake_by(&self.pods, queue, move |pod| match controller_of(&pod.metadata) {
            Some(r) if r.kind == K::INFO.kind => vec![Key::new(&pod.metadata.namespace, &r.name)],
            Some(_) => vec![],
            None => orphan_owners(&owners, pod),
        });
    }

    async fn synced(&self) {
        self.owners.synced().await;
        self.pods.synced().await;
    }

    async fn reconcile(&self, key: &Key) -> ApiResult<Option<Duration>> {
        let Some(owner) = self.owners.get(key) else {
            self.control.expectations.forget(key);
            return Ok(None);
        };
        let Some(selector) = owner.selector() else { return Ok(None) };
        let in_namespace = self.pods.list_in(&key.namespace);
        let by_name =
            |name: &str| self.pods.get(&Key::new(&key.namespace, name)).is_some_and(|p| !is_terminating(&p));
        if !self.control.expectations.met(key, by_name) {
            return Ok(None);
        }
        let claims = adoption::claims(&*owner, &selector, in_namespace.clone());
        let pods = adoption::settle(&self.context.client, &*owner, claims).await?;
        let now = self.context.clock.now();
        let outcome = self.act(&owner, &pods, &in_namespace, now).await;
        let failure = outcome.as_ref().err().map(|(reason, e)| (reason.to_string(), e.to_string()));
        self.write_status(&owner, count(&*owner, &pods, failure, now), now).await?;
        match outcome {
            Ok(()) => Ok(next_available(owner.min_ready_seconds(), &pods, now)),
            Err((_, e)) => Err(e),
        }
    }
}

impl<K: ReplicaOwner> Replicas<K> {
    pub fn new(context: &Context) -> Self {
        Replicas {
            context: context.clone(),
            owners: context.informers.of(),
            pods: context.informers.of(),
            control: PodControl::new(context.client.clone(), context.events(K::COMPONENT)),
        }
    }

    async fn act(
        &self,
        owner: &Arc<K>,
        pods: &[Arc<Pod>],
        in_namespace: &[Arc<Pod>],
        now: Timestamp,
    ) -> Result<(), (&'static str, ApiError)> {
        if owner.meta().deletion_timestamp.is_some() {
            return Ok(());
        }
        let active: Vec<Arc<Pod>> = pods.iter().filter(|p| is_active(p)).cloned().collect();
        match step(owner.replicas(), &active, in_namespace, now) {
            Step::Enough => Ok(()),
            Step::Create(n) => {
                self.control.create(&**owner, owner.template(), n).await.map_err(|e| ("FailedCreate", e))
            }
            Step::Delete(pods) => self.control.delete(&**owner, &pods).await.map_err(|e| ("FailedDelete", e)),
        }
    }

    async fn write_status(&self, owner: &Arc<K>, status: ReplicaStatus, now: Timestamp) -> ApiResult<()> {
        if owner.status() == status {
            return Ok(());
        }
        let mut changed = (**owner).clone();
        changed.set_status(status, now);
        match self.context.client.beside(&**owner).update_status(changed).await {
            // The cache is behind; its next change wakes the owner again.
            Err(e) if e.is_conflict() || e.is_not_found() => Ok(()),
            other => other.map(|_| ()),
        }
    }
}

fn orphan_owners<K: ReplicaOwner>(owners: &Informer<K>, pod: &Pod) -> Vec<Key> {
    owners
        .list_in(&pod.metadata.namespace)
        .iter()
        .filter(|o| o.selector().is_some_and(|s| s.matches(&pod.metadata.labels)))
        .map(|o| Key::of(&**o))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pods(names: &[&str]) -> Vec<Arc<Pod>> {
        names
            .iter()
            .map(|n| {
                let mut pod = Pod::default();
                pod.metadata.name = n.to_string();
                Arc::new(pod)
            })
            .collect()
    }

    #[test]
    fn the_step_fills_or_empties_up_to_the_burst() {
        let now = Timestamp::UNIX_EPOCH;
        let have = pods(&["a", "b"]);
        assert_eq!(step(2, &have, &have, now), Step::Enough);
        assert_eq!(step(5, &have, &have, now), Step::Create(3));
        assert_eq!(step(9999, &have, &have, now), Step::Create(BURST));
        match step(1, &have, &have, now) {
            Step::Delete(gone) => assert_eq!(gone.len(), 1),
            other => panic!("{other:?}"),
        }
        match step(-1, &have, &have, now) {
            Step::Delete(gone) => assert_eq!(gone.len(), 2),
            other => panic!("{other:?}"),
        }
    }
}
