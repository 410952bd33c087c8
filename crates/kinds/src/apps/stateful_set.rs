//! StatefulSets.

use super::{scale_of, selector_text, validate};
use crate::columns::{self, AGE, Column, NAME, row};
use crate::core::pod::defaults::{self, number, text};
use crate::core::pod::warnings;
use crate::core::{claim_spec, default_claim};
use crate::errors::Errors;
use crate::metadata::shown;
use crate::names;
use crate::reflection;
use crate::rules::Rules;
use crate::strategy::KindStrategy;
use corten_api::apps::v1::{StatefulSet, StatefulSetSpec};
use corten_api::autoscaling::v1::Scale;
use corten_api::core::v1::{PersistentVolumeClaimVolumeSource, PodTemplateSpec, Volume, VolumeSource};
use corten_semantics::field::FieldError;
use jiff::Timestamp;
use serde_json::Value;

/// StatefulSets.
pub struct StatefulSetStrategy;

impl KindStrategy for StatefulSetStrategy {
    type Kind = StatefulSet;
    const RULES: Rules = Rules { name: names::label, ..Rules::COUNTED };
    const COLUMNS: &'static [Column] =
        &[NAME, Column::text("Ready"), AGE, Column::text("Containers").wide(), Column::text("Images").wide()];

    fn default(&self, set: &mut StatefulSet) {
        let spec = &mut set.spec;
        text(&mut spec.pod_management_policy, "OrderedReady");
        let update = &mut spec.update_strategy;
        if update.type_.is_empty() {
            update.type_ = "RollingUpdate".into();
            update.rolling_update.get_or_insert_default();
        }
        if let Some(rolling) = update.rolling_update.as_mut().filter(|_| update.type_ == "RollingUpdate") {
            rolling.partition.get_or_insert(0);
            number(&mut rolling.max_unavailable, 1);
        }
        let retention = spec.persistent_volume_claim_retention_policy.get_or_insert_default();
        text(&mut retention.when_deleted, "Retain");
        text(&mut retention.when_scaled, "Retain");
        spec.replicas.get_or_insert(1);
        spec.revision_history_limit.get_or_insert(10);
        defaults::template(&mut spec.template);
        for claim in &mut spec.volume_claim_templates {
            default_claim(claim);
        }
    }

    fn validate(&self, set: &StatefulSet) -> Vec<FieldError> {
        let mut errors = Errors::default();
        for (i, claim) in set.spec.volume_claim_templates.iter().enumerate() {
            claim_spec(&mut errors, &claim.spec, &format!("spec.volumeClaimTemplates[{i}].spec"));
        }
        let service = set.spec.service_name.as_str();
        if !service.is_empty() {
            errors.format("spec.serviceName", service, names::dns_label);
        }
        validate_spec(&mut errors, &set.spec);
        errors.into_vec()
    }

    fn validate_update(&self, new: &StatefulSet, old: &StatefulSet) -> Vec<FieldError> {
        let mut errors = Errors::default();
        validate_spec(&mut errors, &new.spec);
        let had = &old.spec;
        let left = StatefulSetSpec {
            replicas: had.replicas,
            template: had.template.clone(),
            update_strategy: had.update_strategy.clone(),
            min_ready_seconds: had.min_ready_seconds,
            ordinals: had.ordinals.clone(),
            revision_history_limit: had.revision_history_limit,
            persistent_volume_claim_retention_policy: had.persistent_volume_claim_retention_policy.clone(),
            ..new.spec.clone()
        };
        if !reflection::equal(&left, had) {
            errors.forbidden(
                "spec",
                "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden",
            );
        }
        errors.into_vec()
    }

    fn validate_status_update(&self, new: &StatefulSet, old: &StatefulSet) -> Vec<FieldError> {
        let mut errors = Errors::default();
        let status = &new.status;
        errors.not_negative("status.observedGeneration", status.observed_generation);
        let parts = [
            ("readyReplicas", status.ready_replicas),
            ("currentReplicas", status.current_replicas),
            ("updatedReplicas", status.updated_replicas),
            ("availableReplicas", status.available_replicas),
        ];
        validate::counts(&mut errors, status.replicas, 0, 0, &parts);
        if status.available_replicas > status.ready_replicas {
            let detail = "cannot be greater than status.readyReplicas";
            errors.invalid("status.availableReplicas", status.available_replicas, detail);
        }
        validate::collisions(&mut errors, status.collision_count, old.status.collision_count);
        errors.into_vec()
    }

    fn warnings(&self, new: &StatefulSet, old: Option<&StatefulSet>) -> Vec<String> {
        let before = old.map(|old| &old.metadata);
        let mut told =
            warnings::of_template(&new.spec.template, "spec.template", &new.metadata, before, false);
        for (i, claim) in new.spec.volume_claim_templates.iter().enumerate() {
            told.extend(warnings::of_claim(&claim.spec, &format!("spec.volumeClaimTemplates[{i}]")));
        }
        if new.spec.revision_history_limit.is_some_and(|limit| limit < 0) {
            told.push("spec.revisionHistoryLimit: a negative value retains all historical revisions; a value >= 0 is recommended".into());
        }
        told
    }

    fn row(&self, set: &StatefulSet, now: Timestamp) -> Vec<Value> {
        let (names, images) = columns::containers(&set.spec.template.spec.containers);
        row![
            set.metadata.name.as_str(),
            format!("{}/{}", set.status.ready_replicas, set.spec.replicas.unwrap_or(0)),
            columns::age(set.metadata.creation_timestamp, now),
            names,
            images,
        ]
    }

    fn scale(&self, set: &StatefulSet) -> Option<Scale> {
        let selector = selector_text(set.spec.selector.as_deref());
        Some(scale_of(&set.metadata, set.spec.replicas, set.status.replicas, selector))
    }

    fn set_replicas(&self, set: &mut StatefulSet, replicas: i32) {
        set.spec.replicas = Some(replicas);
    }
}

fn validate_spec(errors: &mut Errors, spec: &StatefulSetSpec) {
    match spec.pod_management_policy.as_str() {
        "" => errors.required("spec.podManagementPolicy", ""),
        "OrderedReady" | "Parallel" => {}
        other => {
            errors.invalid("spec.podManagementPolicy", other, "must be 'OrderedReady' or 'Parallel'");
        }
    }
    validate_update_strategy(errors, spec);
    if let Some(policy) = &spec.persistent_volume_claim_retention_policy {
        let path = "spec.persistentVolumeClaimRetentionPolicy";
        errors.supported(format!("{path}.whenDeleted"), &policy.when_deleted, &["Retain", "Delete"]);
        errors.supported(format!("{path}.whenScaled"), &policy.when_scaled, &["Retain", "Delete"]);
    }
    errors.not_negative("spec.replicas", spec.replicas.unwrap_or(0));
    errors.not_negative("spec.minReadySeconds", spec.min_ready_seconds);
    errors.not_negative("spec.ordinals.start", spec.ordinals.as_ref().map_or(0, |o| o.start));
    validate::selector(errors, spec.selector.as_deref(), "statefulset");
    validate::selects(errors, spec.selector.as_deref(), &spec.template.metadata.labels);
    validate::template(errors, &with_claims(spec), "StatefulSet");
}

fn validate_update_strategy(errors: &mut Errors, spec: &StatefulSetSpec) {
    let (path, rolling) = ("spec.updateStrategy.rollingUpdate", &spec.update_strategy.rolling_update);
    match (spec.update_strategy.type_.as_str(), rolling) {
        ("", _) => errors.required("spec.updateStrategy", ""),
        ("OnDelete", Some(rolling)) => {
            let detail = "only allowed for updateStrategy 'RollingUpdate'";
            errors.invalid(path, shown(&**rolling), detail);
        }
        ("RollingUpdate", Some(rolling)) => {
            errors.not_negative(format!("{path}.partition"), rolling.partition.unwrap_or(0));
            if let Some(most) = &rolling.max_unavailable {
                let at = format!("{path}.maxUnavailable");
                validate::number_or_percent(errors, most, &at);
                if validate::amount(Some(most)) == 0 {
                    errors.invalid(&at, shown(most), "cannot be 0");
                }
                validate::at_most_all(errors, most, &at);
            }
        }
        ("OnDelete" | "RollingUpdate", None) => {}
        _ => {
            let detail = "must be 'RollingUpdate' or 'OnDelete'";
            errors.invalid("spec.updateStrategy", shown(&spec.update_strategy), detail);
        }
    }
}

/// The template as its pods will have it: with a volume for each claim, and the names the controller gives.
fn with_claims(spec: &StatefulSetSpec) -> PodTemplateSpec {
    let mut template = spec.template.clone();
    template.spec.hostname.clear();
    template.spec.subdomain.clear();
    for claim in &spec.volume_claim_templates {
        let name = &claim.metadata.name;
        template.spec.volumes.retain(|v| v.name != *name);
        let source = PersistentVolumeClaimVolumeSource { claim_name: name.clone(), ..Default::default() };
        template.spec.volumes.push(Volume {
            name: name.clone(),
            volume_source: VolumeSource {
                persistent_volume_claim: Some(Box::new(source)),
                ..VolumeSource::default()
            },
        });
    }
    template
}
