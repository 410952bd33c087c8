//! Deployments.

use super::{scale_of, selector_text};
use crate::columns::{self, AGE, Column, NAME, row};
use crate::core::pod::defaults::{self, number, text};
use crate::reflection;
use crate::rules::{Rules, StatusMetadata};
use crate::strategy::KindStrategy;
use corten_api::apps::v1::Deployment;
use corten_api::autoscaling::v1::Scale;
use jiff::Timestamp;
use serde_json::Value;

/// Deployments.
pub struct DeploymentStrategy;

impl KindStrategy for DeploymentStrategy {
    type Kind = Deployment;
    const RULES: Rules = Rules { status_metadata: StatusMetadata::LabelsKept, ..Rules::COUNTED };
    const COLUMNS: &'static [Column] = &[
        NAME,
        Column::text("Ready"),
        Column::text("Up-to-date"),
        Column::text("Available"),
        AGE,
        Column::text("Containers").wide(),
        Column::text("Images").wide(),
        Column::text("Selector").wide(),
    ];

    fn default(&self, deployment: &mut Deployment) {
        let spec = &mut deployment.spec;
        spec.replicas.get_or_insert(1);
        text(&mut spec.strategy.type_, "RollingUpdate");
        if spec.strategy.type_ == "RollingUpdate" {
            let rolling = spec.strategy.rolling_update.get_or_insert_default();
            number(&mut rolling.max_unavailable, "25%");
            number(&mut rolling.max_surge, "25%");
        }
        spec.revision_history_limit.get_or_insert(10);
        spec.progress_deadline_seconds.get_or_insert(600);
        defaults::template(&mut spec.template);
    }

    /// Annotations count too: controllers read them as part of what is wanted.
    fn prepare_update(&self, new: &mut Deployment, old: &Deployment) {
        new.status = old.status.clone();
        if !reflection::equal(&new.spec, &old.spec) || new.metadata.annotations != old.metadata.annotations {
            new.metadata.generation = old.metadata.generation + 1;
        }
    }

    fn row(&self, deployment: &Deployment, now: Timestamp) -> Vec<Value> {
        let (spec, status) = (&deployment.spec, &deployment.status);
        let (names, images) = columns::containers(&spec.template.spec.containers);
        row![
            deployment.metadata.name.as_str(),
            format!("{}/{}", status.ready_replicas, spec.replicas.unwrap_or(0)),
            status.updated_replicas,
            status.available_replicas,
            columns::age(deployment.metadata.creation_timestamp, now),
            names,
            images,
            selector_text(spec.selector.as_deref()),
        ]
    }

    fn scale(&self, deployment: &Deployment) -> Option<Scale> {
        let selector = selector_text(deployment.spec.selector.as_deref());
        Some(scale_of(&deployment.metadata, deployment.spec.replicas, deployment.status.replicas, selector))
    }

    fn set_replicas(&self, deployment: &mut Deployment, replicas: i32) {
        deployment.spec.replicas = Some(replicas);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_and_generation() {
        let mut d = Deployment::default();
        KindStrategy::default(&DeploymentStrategy, &mut d);
        let rolling = d.spec.strategy.rolling_update.as_deref().expect("rolling");
        assert_eq!(
            (rolling.max_surge.clone(), rolling.max_unavailable.clone()),
            (Some("25%".into()), Some("25%".into()))
        );
        assert_eq!((d.spec.replicas, d.spec.revision_history_limit), (Some(1), Some(10)));
        assert_eq!(d.spec.progress_deadline_seconds, Some(600));
        assert_eq!(d.spec.template.spec.restart_policy, "Always");
        assert_eq!(d.spec.template.spec.enable_service_links, None);
        let mut new = d.clone();
        new.metadata.annotations.insert("a".into(), "b".into());
        KindStrategy::prepare_update(&DeploymentStrategy, &mut new, &d);
        assert_eq!(new.metadata.generation, d.metadata.generation + 1);
    }
}
