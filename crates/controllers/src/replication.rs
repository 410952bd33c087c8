//! ReplicationControllers: the elder form of ReplicaSets.

use crate::replicas::{ReplicaOwner, ReplicaStatus};
use corten_api::Time;
use corten_api::core::v1::{PodTemplateSpec, ReplicationController, ReplicationControllerCondition};
use corten_api::selector::Selector;
use jiff::Timestamp;
use std::sync::LazyLock;

const FAILURE: &str = "ReplicaFailure";

static NO_TEMPLATE: LazyLock<PodTemplateSpec> = LazyLock::new(PodTemplateSpec::default);

impl ReplicaOwner for ReplicationController {
    const COMPONENT: &'static str = "replication-controller";

    fn replicas(&self) -> i32 {
        // Without a template there is nothing to make pods of.
        if self.spec.template.is_some() { self.spec.replicas.unwrap_or(1) } else { 0 }
    }

    fn selector(&self) -> Option<Selector> {
        Some(Selector::from_map(&self.spec.selector)).filter(|s| !s.is_everything())
    }

    fn template(&self) -> &PodTemplateSpec {
        self.spec.template.as_deref().unwrap_or(&NO_TEMPLATE)
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
            terminating: None,
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
        s.observed_generation = status.observed_generation;
        s.conditions.retain(|c| c.type_ != FAILURE);
        if let Some((reason, message)) = status.failure {
            s.conditions.push(ReplicationControllerCondition {
                type_: FAILURE.into(),
                status: "True".into(),
                last_transition_time: Some(Time::new(now)),
                reason,
                message,
            });
        }
    }
}
