//! ReplicaSets.

use super::{scale_of, selector_text, validate};
use crate::columns::{self, AGE, Column, NAME, row};
use crate::core::pod::defaults;
use crate::core::pod::warnings;
use crate::errors::Errors;
use crate::rules::Rules;
use crate::strategy::KindStrategy;
use corten_api::apps::v1::ReplicaSet;
use corten_api::autoscaling::v1::Scale;
use corten_semantics::field::FieldError;
use jiff::Timestamp;
use serde_json::Value;
use std::borrow::Cow;

/// ReplicaSets.
pub struct ReplicaSetStrategy;

impl KindStrategy for ReplicaSetStrategy {
    type Kind = ReplicaSet;
    const RULES: Rules = Rules::COUNTED;
    const COLUMNS: &'static [Column] = &[
        NAME,
        Column::number("Desired"),
        Column::number("Current"),
        Column::number("Ready"),
        AGE,
        Column::text("Containers").wide(),
        Column::text("Images").wide(),
        Column::text("Selector").wide(),
    ];
    const FIELD_LABELS: &'static [&'static str] = &["status.replicas"];

    fn default(&self, set: &mut ReplicaSet) {
        set.spec.replicas.get_or_insert(1);
        defaults::template(&mut set.spec.template);
    }

    fn validate(&self, set: &ReplicaSet) -> Vec<FieldError> {
        let mut errors = Errors::default();
        let spec = &set.spec;
        errors.not_negative("spec.replicas", spec.replicas.unwrap_or(0));
        errors.not_negative("spec.minReadySeconds", spec.min_ready_seconds);
        validate::selector(&mut errors, spec.selector.as_deref(), "deployment");
        validate::selects(&mut errors, spec.selector.as_deref(), &spec.template.metadata.labels);
        validate::template(&mut errors, &spec.template, "ReplicaSet");
        errors.into_vec()
    }

    fn validate_update(&self, new: &ReplicaSet, old: &ReplicaSet) -> Vec<FieldError> {
        let mut errors = Errors::default();
        errors.extend(KindStrategy::validate(self, new));
        validate::same_selector(&mut errors, &new.spec.selector, &old.spec.selector);
        errors.into_vec()
    }

    fn validate_status_update(&self, new: &ReplicaSet, _old: &ReplicaSet) -> Vec<FieldError> {
        let mut errors = Errors::default();
        let status = &new.status;
        let parts = [
            ("fullyLabeledReplicas", status.fully_labeled_replicas),
            ("readyReplicas", status.ready_replicas),
            ("availableReplicas", status.available_replicas),
        ];
        let (ready, available) = (status.ready_replicas, status.available_replicas);
        validate::counts(&mut errors, status.replicas, ready, available, &parts);
        errors.into_vec()
    }

    fn warnings(&self, new: &ReplicaSet, old: Option<&ReplicaSet>) -> Vec<String> {
        let old = old.map(|old| &old.metadata);
        warnings::of_template(&new.spec.template, "spec.template", &new.metadata, old, true)
    }

    fn row(&self, set: &ReplicaSet, now: Timestamp) -> Vec<Value> {
        let (names, images) = columns::containers(&set.spec.template.spec.containers);
        row![
            set.metadata.name.as_str(),
            set.spec.replicas.unwrap_or(0),
            set.status.replicas,
            set.status.ready_replicas,
            columns::age(set.metadata.creation_timestamp, now),
            names,
            images,
            columns::selector(set.spec.selector.as_deref()),
        ]
    }

    fn selectable_field<'a>(&self, set: &'a ReplicaSet, _label: &str) -> Cow<'a, str> {
        set.status.replicas.to_string().into()
    }

    fn scale(&self, set: &ReplicaSet) -> Option<Scale> {
        let selector = selector_text(set.spec.selector.as_deref());
        Some(scale_of(&set.metadata, set.spec.replicas, set.status.replicas, selector))
    }

    fn set_replicas(&self, set: &mut ReplicaSet, replicas: i32) {
        set.spec.replicas = Some(replicas);
    }
}
