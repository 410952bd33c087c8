//! ReplicaSets: keep the wanted number of pods of a template.

use crate::Context;
use crate::replicas::{ReplicaOwner, ReplicaStatus, Replicas};
use crate::shell::Controller;
use async_trait::async_trait;
use corten_api::Time;
use corten_api::apps::v1::{ReplicaSet, ReplicaSetCondition};
use corten_api::core::v1::PodTemplateSpec;
use corten_api::selector::Selector;
use corten_client::{Key, WorkQueue};
use corten_semantics::ApiResult;
use jiff::Timestamp;
use std::time::Duration;

const FAILURE: &str = "ReplicaFailure";

impl ReplicaOwner for ReplicaSet {
    fn replicas(&self) -> i32 {
        self.spec.replicas.unwrap_or(1)
    }

    fn selector(&self) -> Option<Selector> {
        Selector::from_label_selector(self.spec.selector.as_deref()).ok().filter(|s| !s.is_everything())
    }

    fn template(&self) -> &PodTemplateSpec {
        &self.spec.template
    }

    fn min_ready_seconds(&self) -> i32 {
        self.spec.min_ready_seconds
    }

    fn status(&self) -> ReplicaStatus {
        let s = &self.status;
        let failure = s.conditions.iter().find(|c| c.type_ == FAILURE && c.status == "True");
        ReplicaStatus {
            replicas: s.replicas,
            fully_labeled: s.fully_labeled_replicas,
            ready: s.ready_replicas,
            available: s.available_replicas,
            terminating: Some(s.terminating_replicas.unwrap_or(0)),
            observed_generation: s.observed_generation,
            failure: failure.map(|c| (c.reason.clone(), c.message.clone())),
        }
    }

    fn set_status(&mut self, status: ReplicaStatus, now: Timestamp) {
        let s = &mut self.status;
        s.replicas = status.replicas;
        s.fully_labeled_replicas = status.fully_labeled;
        s.ready_replicas = status.ready;
        s.available_replicas = status.available;
        s.terminating_replicas = status.terminating;
        s.observed_generation = status.observed_generation;
        s.conditions.retain(|c| c.type_ != FAILURE);
        if let Some((reason, message)) = status.failure {
            s.conditions.push(ReplicaSetCondition {
                type_: FAILURE.into(),
                status: "True".into(),
                last_transition_time: Some(Time::new(now)),
                reason,
                message,
            });
        }
    }
}

/// The controller.
pub struct ReplicaSets(Replicas<ReplicaSet>);

impl ReplicaSets {
    pub fn new(context: &Context) -> Self {
        ReplicaSets(Replicas::new(context, "replicaset-controller"))
    }
}

#[async_trait]
impl Controller for ReplicaSets {
    fn name(&self) -> &'static str {
        "replicaset"
    }
    fn watch(&self, queue: &WorkQueue<Key>) {
        self.0.watch(queue);
    }
    async fn synced(&self) {
        self.0.synced().await;
    }
    async fn reconcile(&self, key: &Key) -> ApiResult<Option<Duration>> {
        self.0.reconcile(key).await
    }
}
