//! PriorityClasses.

use crate::columns::{self, AGE, Column, NAME, row};
use crate::strategy::KindStrategy;
use corten_api::scheduling::v1::PriorityClass;
use corten_semantics::field::FieldError;
use jiff::Timestamp;
use serde_json::Value;

/// PriorityClasses.
pub struct PriorityClassStrategy;

/// The classes that the system has from the start, with their values.
pub const SYSTEM_CLASSES: [(&str, i32); 2] =
    [("system-node-critical", 2_000_001_000), ("system-cluster-critical", 2_000_000_000)];
/// The highest value that users may give.
const HIGHEST: i32 = 1_000_000_000;

impl KindStrategy for PriorityClassStrategy {
    type Kind = PriorityClass;
    const COLUMNS: &'static [Column] = &[
        NAME,
        Column::number("Value"),
        Column { type_: "boolean", ..Column::text("Global-Default") },
        AGE,
        Column::text("PreemptionPolicy"),
    ];

    fn default(&self, class: &mut PriorityClass) {
        class.preemption_policy.get_or_insert_with(|| "PreemptLowerPriority".into());
    }

    fn prepare_create(&self, class: &mut PriorityClass) {
        class.metadata.generation = 1;
    }

    fn validate(&self, class: &PriorityClass) -> Vec<FieldError> {
        let mut errors = Vec::new();
        let name = class.metadata.name.as_str();
        if name.starts_with("system-") {
            if !SYSTEM_CLASSES.contains(&(name, class.value)) || class.global_default {
                let detail = "priority class names with 'system-' prefix are reserved for system use only";
                let why = match SYSTEM_CLASSES.iter().find(|(n, _)| *n == name) {
                    Some((n, value)) if *value != class.value => {
                        format!(". error: value of {n} PriorityClass must be {value}")
                    }
                    Some((n, _)) => format!(". error: globalDefault of {n} PriorityClass must be false"),
                    None => format!(". error: {name} is not a known system priority class"),
                };
                errors.push(FieldError::forbidden("metadata.name", format!("{detail}{why}")));
            }
        } else if class.value > HIGHEST {
            let detail = format!("maximum allowed value of a user defined priority is {HIGHEST}");
            errors.push(FieldError::forbidden("value", detail));
        }
        if let Some(policy) =
            class.preemption_policy.as_deref().filter(|p| !["PreemptLowerPriority", "Never"].contains(p))
        {
            let supported = &["PreemptLowerPriority", "Never"];
            errors.push(FieldError::not_supported("preemptionPolicy", policy, supported));
        }
        errors
    }

    fn validate_update(&self, new: &PriorityClass, old: &PriorityClass) -> Vec<FieldError> {
        let mut errors = Vec::new();
        if new.value != old.value {
            errors.push(FieldError::forbidden("value", "may not be changed in an update."));
        }
        if new.preemption_policy != old.preemption_policy {
            let policy = new.preemption_policy.as_deref().unwrap_or_default();
            errors.push(FieldError::invalid("preemptionPolicy", policy, crate::metadata::IMMUTABLE));
        }
        errors
    }

    fn row(&self, class: &PriorityClass, now: Timestamp) -> Vec<Value> {
        row![
            class.metadata.name.as_str(),
            class.value,
            class.global_default,
            columns::age(class.metadata.creation_timestamp, now),
            class.preemption_policy.as_deref().unwrap_or_default(),
        ]
    }
}
