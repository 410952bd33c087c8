//! DaemonSets.

use super::validate;
use crate::columns::{self, AGE, Column, NAME, row};
use crate::core::pod::defaults::{self, number, text};
use crate::core::pod::warnings;
use crate::errors::Errors;
use crate::metadata::shown;
use crate::reflection;
use crate::rules::Rules;
use crate::strategy::{KindStrategy, plain_status_update};
use corten_api::apps::v1::{DaemonSet, DaemonSetStatus, RollingUpdateDaemonSet};
use corten_semantics::field::FieldError;
use jiff::Timestamp;
use serde_json::Value;

/// DaemonSets.
pub struct DaemonSetStrategy;

/// Counts changes of the template, as old clients expect.
const TEMPLATE_GENERATION: &str = "deprecated.daemonset.template.generation";

impl KindStrategy for DaemonSetStrategy {
    type Kind = DaemonSet;
    const RULES: Rules = Rules::COUNTED;
    const COLUMNS: &'static [Column] = &[
        NAME,
        Column::number("Desired"),
        Column::number("Current"),
        Column::number("Ready"),
        Column::number("Up-to-date"),
        Column::number("Available"),
        Column::text("Node Selector"),
        AGE,
        Column::text("Containers").wide(),
        Column::text("Images").wide(),
        Column::text("Selector").wide(),
    ];

    fn default(&self, set: &mut DaemonSet) {
        let update = &mut set.spec.update_strategy;
        text(&mut update.type_, "RollingUpdate");
        if update.type_ == "RollingUpdate" {
            let rolling = update.rolling_update.get_or_insert_default();
            number(&mut rolling.max_unavailable, 1);
            number(&mut rolling.max_surge, 0);
        }
        set.spec.revision_history_limit.get_or_insert(10);
        defaults::template(&mut set.spec.template);
        // It is there in every version upstream speaks of, and so its writer owns it.
        set.metadata.annotations.entry(TEMPLATE_GENERATION.into()).or_insert_with(|| "0".into());
    }

    fn prepare_create(&self, set: &mut DaemonSet) {
        set.status = DaemonSetStatus::default();
        set.metadata.generation = 1;
        let generation = template_generation(set).max(1);
        set.metadata.annotations.insert(TEMPLATE_GENERATION.into(), generation.to_string());
    }

    fn prepare_update(&self, new: &mut DaemonSet, old: &DaemonSet) {
        new.status = old.status.clone();
        let changed = !reflection::equal(&new.spec.template, &old.spec.template);
        let generation = template_generation(old) + i64::from(changed);
        new.metadata.annotations.insert(TEMPLATE_GENERATION.into(), generation.to_string());
        if !reflection::equal(&new.spec, &old.spec) {
            new.metadata.generation = old.metadata.generation + 1;
        }
    }

    fn prepare_status_update(&self, new: &mut DaemonSet, old: &DaemonSet) {
        plain_status_update(&Self::RULES, new, old);
        let generation = template_generation(old);
        new.metadata.annotations.insert(TEMPLATE_GENERATION.into(), generation.to_string());
    }

    fn validate(&self, set: &DaemonSet) -> Vec<FieldError> {
        let mut errors = Errors::default();
        let spec = &set.spec;
        validate::selector(&mut errors, spec.selector.as_deref(), "daemonset");
        validate::selects(&mut errors, spec.selector.as_deref(), &spec.template.metadata.labels);
        validate::template(&mut errors, &spec.template, "DaemonSet");
        errors.not_negative("spec.minReadySeconds", spec.min_ready_seconds);
        match (spec.update_strategy.type_.as_str(), &spec.update_strategy.rolling_update) {
            ("OnDelete", _) => {}
            ("RollingUpdate", Some(rolling)) => validate_rolling(&mut errors, rolling),
            ("RollingUpdate", None) => errors.required("spec.updateStrategy.rollingUpdate", ""),
            _ => errors.extend([FieldError::not_supported(
                "spec.updateStrategy",
                shown(&spec.update_strategy),
                &["RollingUpdate", "OnDelete"],
            )]),
        }
        errors.not_negative("spec.revisionHistoryLimit", spec.revision_history_limit.unwrap_or(0));
        errors.into_vec()
    }

    fn validate_update(&self, new: &DaemonSet, old: &DaemonSet) -> Vec<FieldError> {
        let mut errors = Errors::default();
        validate::same_selector(&mut errors, &new.spec.selector, &old.spec.selector);
        errors.extend(KindStrategy::validate(self, new));
        errors.into_vec()
    }

    fn validate_status_update(&self, new: &DaemonSet, old: &DaemonSet) -> Vec<FieldError> {
        let mut errors = Errors::default();
        let status = &new.status;
        for (name, count) in [
            ("currentNumberScheduled", status.current_number_scheduled),
            ("numberMisscheduled", status.number_misscheduled),
            ("desiredNumberScheduled", status.desired_number_scheduled),
            ("numberReady", status.number_ready),
            ("updatedNumberScheduled", status.updated_number_scheduled),
            ("numberAvailable", status.number_available),
            ("numberUnavailable", status.number_unavailable),
        ] {
            errors.not_negative(format!("status.{name}"), count);
        }
        errors.not_negative("status.observedGeneration", status.observed_generation);
        validate::collisions(&mut errors, status.collision_count, old.status.collision_count);
        errors.into_vec()
    }

    fn warnings(&self, new: &DaemonSet, old: Option<&DaemonSet>) -> Vec<String> {
        let old = old.map(|old| &old.metadata);
        warnings::of_template(&new.spec.template, "spec.template", &new.metadata, old, false)
    }

    fn row(&self, set: &DaemonSet, now: Timestamp) -> Vec<Value> {
        let (spec, status) = (&set.spec.template.spec, &set.status);
        let (names, images) = columns::containers(&spec.containers);
        row![
            set.metadata.name.as_str(),
            status.desired_number_scheduled,
            status.current_number_scheduled,
            status.number_ready,
            status.updated_number_scheduled,
            status.number_available,
            columns::labels(&spec.node_selector),
            columns::age(set.metadata.creation_timestamp, now),
            names,
            images,
            columns::selector(set.spec.selector.as_deref()),
        ]
    }
}

fn validate_rolling(errors: &mut Errors, rolling: &RollingUpdateDaemonSet) {
    let path = "spec.updateStrategy.rollingUpdate";
    let (unavailable, surge) = (rolling.max_unavailable.as_ref(), rolling.max_surge.as_ref());
    for (name, value) in [("maxUnavailable", unavailable), ("maxSurge", surge)] {
        if let Some(value) = value {
            let at = format!("{path}.{name}");
            validate::number_or_percent(errors, value, &at);
            validate::at_most_all(errors, value, &at);
        }
    }
    match (validate::amount(unavailable), surge, validate::amount(surge)) {
        (0, _, 0) => errors.required(format!("{path}.maxUnavailable"), "cannot be 0 when maxSurge is 0"),
        (1.., Some(surge), 1..) => {
            let detail = "may not be set when maxUnavailable is non-zero";
            errors.invalid(format!("{path}.maxSurge"), shown(surge), detail);
        }
        _ => {}
    }
}

fn template_generation(set: &DaemonSet) -> i64 {
    set.metadata.annotations.get(TEMPLATE_GENERATION).and_then(|n| n.parse().ok()).unwrap_or(0)
}
