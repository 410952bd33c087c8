//! PodDisruptionBudgets.

use crate::columns::{self, AGE, Column, NAME, row};
use crate::rules::Rules;
use crate::strategy::KindStrategy;
use corten_api::policy::v1::PodDisruptionBudget;
use jiff::Timestamp;
use serde_json::Value;

/// PodDisruptionBudgets.
pub struct PodDisruptionBudgetStrategy;

impl KindStrategy for PodDisruptionBudgetStrategy {
    type Kind = PodDisruptionBudget;
    const RULES: Rules = Rules { unconditional_update: false, ..Rules::COUNTED };
    const COLUMNS: &'static [Column] = &[
        NAME,
        Column::text("Min Available"),
        Column::text("Max Unavailable"),
        Column::number("Allowed Disruptions"),
        AGE,
    ];

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
