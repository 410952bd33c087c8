//! ReplicaSets: keep the wanted number of pods of a template.

use crate::replicas::{ReplicaOwner, ReplicaStatus};
use corten_api::Time;
use corten_api::apps::v1::{ReplicaSet, ReplicaSetCondition};
use corten_api::core::v1::PodTemplateSpec;
use corten_api::selector::Selector;
use jiff::Timestamp;

const FAILURE: &str = "ReplicaFailure";

impl ReplicaOwner for ReplicaSet {
    const COMPONENT: &'static str = "replicaset-controller";

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
