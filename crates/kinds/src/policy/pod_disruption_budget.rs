//! PodDisruptionBudgets.

use crate::apps::validate;
use crate::columns::{self, AGE, Column, NAME, row};
use crate::conditions;
use crate::errors::Errors;
use crate::metadata::shown;
use crate::names;
use crate::rules::Rules;
use crate::selectors;
use crate::strategy::KindStrategy;
use corten_api::policy::v1::PodDisruptionBudget;
use corten_semantics::field::FieldError;
use jiff::Timestamp;
use serde_json::Value;

/// PodDisruptionBudgets.
pub struct PodDisruptionBudgetStrategy;

impl KindStrategy for PodDisruptionBudgetStrategy {
    type Kind = PodDisruptionBudget;
    const RULES: Rules = Rules {
        name: names::path_segment,
        unconditional_update: false,
        generation: true,
        ..Rules::ANY_FINALIZERS
    };
    const COLUMNS: &'static [Column] = &[
        NAME,
        Column::text("Min Available"),
        Column::text("Max Unavailable"),
        Column::number("Allowed Disruptions"),
        AGE,
    ];

    fn validate(&self, budget: &PodDisruptionBudget) -> Vec<FieldError> {
        let mut errors = Errors::default();
        let spec = &budget.spec;
        if spec.min_available.is_some() && spec.max_unavailable.is_some() {
            errors.invalid("spec", shown(spec), "minAvailable and maxUnavailable cannot be both set");
        }
        for (name, value) in
            [("minAvailable", &spec.min_available), ("maxUnavailable", &spec.max_unavailable)]
        {
            if let Some(value) = value {
                validate::number_or_percent(&mut errors, value, &format!("spec.{name}"));
                validate::at_most_all(&mut errors, value, &format!("spec.{name}"));
            }
        }
        if let Some(selector) = &spec.selector {
            errors.extend(selectors::validate(selector, "spec.selector"));
        }
        if let Some(policy) = &spec.unhealthy_pod_eviction_policy {
            let known = &["AlwaysAllow", "IfHealthyBudget"];
            errors.supported("spec.unhealthyPodEvictionPolicy", policy, known);
        }
        errors.into_vec()
    }

    fn validate_status_update(&self, new: &PodDisruptionBudget, _: &PodDisruptionBudget) -> Vec<FieldError> {
        let mut errors = Errors::default();
        let status = &new.status;
        conditions::validate(&mut errors, &status.conditions, "status.conditions");
        for (name, count) in [
            ("disruptionsAllowed", status.disruptions_allowed),
            ("currentHealthy", status.current_healthy),
            ("desiredHealthy", status.desired_healthy),
            ("expectedPods", status.expected_pods),
        ] {
            errors.not_negative(format!("status.{name}"), count);
        }
        errors.into_vec()
    }

    fn row(&self, budget: &PodDisruptionBudget, now: Timestamp) -> Vec<Value> {
        let shown =
            |n: &Option<corten_api::IntOrString>| n.as_ref().map_or("N/A".into(), ToString::to_string);
        row![
            budget.metadata.name.as_str(),
            shown(&budget.spec.min_available),
            shown(&budget.spec.max_unavailable),
            budget.status.disruptions_allowed,
            columns::age(budget.metadata.creation_timestamp, now),
        ]
    }
}
