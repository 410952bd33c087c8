//! Deployments.

use super::{scale_of, selector_text, validate};
use crate::columns::{self, AGE, Column, NAME, row};
use crate::core::pod::defaults::{self, number, text};
use crate::core::pod::warnings;
use crate::errors::Errors;
use crate::metadata::shown;
use crate::reflection;
use crate::rules::{Rules, StatusMetadata};
use crate::strategy::KindStrategy;
use corten_api::apps::v1::{Deployment, DeploymentSpec, RollingUpdateDeployment};
use corten_api::autoscaling::v1::Scale;
use corten_semantics::field::FieldError;
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

    fn validate(&self, deployment: &Deployment) -> Vec<FieldError> {
        let mut errors = Errors::default();
        validate_spec(&mut errors, &deployment.spec);
        errors.into_vec()
    }

    fn validate_update(&self, new: &Deployment, old: &Deployment) -> Vec<FieldError> {
        let mut errors = Errors::default();
        validate_spec(&mut errors, &new.spec);
        validate::same_selector(&mut errors, &new.spec.selector, &old.spec.selector);
        errors.into_vec()
    }

    fn validate_status_update(&self, new: &Deployment, old: &Deployment) -> Vec<FieldError> {
        let mut errors = Errors::default();
        let status = &new.status;
        errors.not_negative("status.observedGeneration", status.observed_generation);
        validate::collisions(&mut errors, status.collision_count, old.status.collision_count);
        let parts = [
            ("updatedReplicas", status.updated_replicas),
            ("readyReplicas", status.ready_replicas),
            ("availableReplicas", status.available_replicas),
        ];
        let (ready, available) = (status.ready_replicas, status.available_replicas);
        validate::counts(&mut errors, status.replicas, ready, available, &parts);
        errors.into_vec()
    }

    fn warnings(&self, new: &Deployment, old: Option<&Deployment>) -> Vec<String> {
        let old = old.map(|old| &old.metadata);
        warnings::of_template(&new.spec.template, "spec.template", &new.metadata, old, true)
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

fn validate_spec(errors: &mut Errors, spec: &DeploymentSpec) {
    errors.not_negative("spec.replicas", spec.replicas.unwrap_or(0));
    validate::selector(errors, spec.selector.as_deref(), "deployment");
    validate::selects(errors, spec.selector.as_deref(), &spec.template.metadata.labels);
    validate::template(errors, &spec.template, "ReplicaSet");
    let rolling = spec.strategy.rolling_update.as_deref();
    match (spec.strategy.type_.as_str(), rolling) {
        ("Recreate", Some(_)) => {
            let detail = "may not be specified when strategy `type` is 'Recreate'";
            errors.forbidden("spec.strategy.rollingUpdate", detail);
        }
        ("Recreate", None) => {}
        ("RollingUpdate", None) => {
            let detail = "this should be defaulted and never be nil";
            errors.required("spec.strategy.rollingUpdate", detail);
        }
        ("RollingUpdate", Some(rolling)) => validate_rolling(errors, rolling),
        _ => errors.extend([FieldError::not_supported(
            "spec.strategy",
            shown(&spec.strategy),
            &["Recreate", "RollingUpdate"],
        )]),
    }
    errors.not_negative("spec.minReadySeconds", spec.min_ready_seconds);
    errors.not_negative("spec.revisionHistoryLimit", spec.revision_history_limit.unwrap_or(0));
    if let Some(seconds) = spec.progress_deadline_seconds {
        let path = "spec.progressDeadlineSeconds";
        errors.not_negative(path, seconds);
        if seconds <= spec.min_ready_seconds {
            errors.invalid(path, seconds, "must be greater than minReadySeconds");
        }
    }
}

fn validate_rolling(errors: &mut Errors, rolling: &RollingUpdateDeployment) {
    let path = "spec.strategy.rollingUpdate";
    let (unavailable, surge) = (rolling.max_unavailable.as_ref(), rolling.max_surge.as_ref());
    for (name, value) in [("maxUnavailable", unavailable), ("maxSurge", surge)] {
        if let Some(value) = value {
            validate::number_or_percent(errors, value, &format!("{path}.{name}"));
        }
    }
    let Some(value) = unavailable else { return };
    if validate::amount(unavailable) == 0 && validate::amount(surge) == 0 {
        let detail = "may not be 0 when `maxSurge` is 0";
        errors.invalid(format!("{path}.maxUnavailable"), shown(value), detail);
    }
    validate::at_most_all(errors, value, &format!("{path}.maxUnavailable"));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Deployment {
        let mut d = Deployment::default();
        d.spec.selector = Some(Box::default());
        let labels = &mut d.spec.selector.get_or_insert_default().match_labels;
        labels.insert("app".into(), "web".into());
        d.spec.template.metadata.labels.insert("app".into(), "web".into());
        d.spec.template.spec.containers.push(corten_api::core::v1::Container {
            name: "c".into(),
            image: "i".into(),
            ..Default::default()
        });
        KindStrategy::default(&DeploymentStrategy, &mut d);
        d
    }

    #[test]
    fn bad_deployments_are_told_as_upstream_tells_them() {
        type Change = fn(&mut Deployment);
        let rows: &[(Change, &str)] = &[
            (|_| {}, ""),
            (
                |d| d.spec.template.metadata.labels.clear(),
                "spec.template.metadata.labels: Invalid value: null: `selector` does not match template `labels`",
            ),
            // No selector selects nothing, the template's labels neither.
            (
                |d| d.spec.selector = None,
                "spec.selector: Required value; spec.template.metadata.labels: Invalid value: {\"app\":\"web\"}: `selector` does not match template `labels`",
            ),
            (
                |d| d.spec.replicas = Some(-1),
                "spec.replicas: Invalid value: -1: must be greater than or equal to 0",
            ),
            (
                |d| d.spec.template.spec.restart_policy = "Never".into(),
                "spec.template.spec.restartPolicy: Unsupported value: \"Never\": supported values: \"Always\"",
            ),
            (
                |d| {
                    let r = d.spec.strategy.rolling_update.get_or_insert_default();
                    r.max_surge = Some(0.into());
                    r.max_unavailable = Some(0.into());
                },
                "spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0",
            ),
        ];
        for (change, want) in rows {
            let mut d = good();
            change(&mut d);
            let told: Vec<String> =
                KindStrategy::validate(&DeploymentStrategy, &d).iter().map(ToString::to_string).collect();
            assert_eq!(told.join("; "), *want);
        }
        let (old, mut new) = (good(), good());
        for labels in [
            &mut new.spec.selector.get_or_insert_default().match_labels,
            &mut new.spec.template.metadata.labels,
        ] {
            labels.insert("tier".into(), "x".into());
        }
        let told = KindStrategy::validate_update(&DeploymentStrategy, &new, &old);
        assert_eq!(
            told[0].to_string(),
            "spec.selector: Invalid value: {\"matchLabels\":{\"app\":\"web\",\"tier\":\"x\"}}: field is immutable"
        );
    }

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
