//! PriorityLevelConfigurations.

use super::RULES;
use crate::columns::{self, AGE, Column, NAME, row};
use crate::errors::Errors;
use crate::rules::Rules;
use crate::strategy::KindStrategy;
use corten_api::flowcontrol::v1::PriorityLevelConfiguration;
use corten_semantics::field::FieldError;
use jiff::Timestamp;
use serde_json::Value;

/// PriorityLevelConfigurations.
pub struct PriorityLevelConfigurationStrategy;

impl KindStrategy for PriorityLevelConfigurationStrategy {
    type Kind = PriorityLevelConfiguration;
    const RULES: Rules = RULES;
    const COLUMNS: &'static [Column] = &[
        NAME,
        Column::text("Type"),
        Column::text("NominalConcurrencyShares"),
        Column::text("Queues"),
        Column::text("HandSize"),
        Column::text("QueueLengthLimit"),
        AGE,
    ];

    fn default(&self, level: &mut PriorityLevelConfiguration) {
        if let Some(exempt) = &mut level.spec.exempt {
            exempt.nominal_concurrency_shares.get_or_insert(0);
            exempt.lendable_percent.get_or_insert(0);
        }
        let Some(limited) = &mut level.spec.limited else { return };
        limited.nominal_concurrency_shares.get_or_insert(30);
        limited.lendable_percent.get_or_insert(0);
        if let Some(queuing) = &mut limited.limit_response.queuing {
            for (field, value) in [
                (&mut queuing.hand_size, 8),
                (&mut queuing.queues, 64),
                (&mut queuing.queue_length_limit, 50),
            ] {
                if *field == 0 {
                    *field = value;
                }
            }
        }
    }

    fn validate(&self, level: &PriorityLevelConfiguration) -> Vec<FieldError> {
        let mut errors = Errors::default();
        let spec = &level.spec;
        errors.supported("spec.type", &spec.type_, &["Exempt", "Limited"]);
        match (spec.type_.as_str(), &spec.limited) {
            ("Exempt", Some(_)) => {
                errors.forbidden("spec.limited", "must be nil if the type is not Limited");
            }
            ("Limited", None) => errors.required("spec.limited", "must not be empty"),
            _ => {}
        }
        if spec.type_ == "Limited" && spec.exempt.is_some() {
            errors.forbidden("spec.exempt", "must be nil if the type is Limited");
        }
        let Some(response) = spec.limited.as_ref().map(|l| &l.limit_response) else {
            return errors.into_vec();
        };
        let path = "spec.limited.limitResponse";
        errors.supported(format!("{path}.type"), &response.type_, &["Queue", "Reject"]);
        match (response.type_.as_str(), &response.queuing) {
            ("Reject", Some(_)) => {
                let detail = "must be nil if limited.limitResponse.type is not Limited";
                errors.forbidden(format!("{path}.queuing"), detail);
            }
            ("Queue", None) => {
                let detail = "must not be empty if limited.limitResponse.type is Limited";
                errors.required(format!("{path}.queuing"), detail);
            }
            ("Queue", Some(queuing)) if queuing.hand_size > queuing.queues => {
                let detail = format!(
                    "should not be greater than queues ({}) or lead to a hash overflow",
                    queuing.queues
                );
                errors.invalid(format!("{path}.queuing.handSize"), queuing.hand_size, detail);
            }
            _ => {}
        }
        errors.into_vec()
    }

    fn row(&self, level: &PriorityLevelConfiguration, now: Timestamp) -> Vec<Value> {
        let none = || Value::from("<none>");
        let limited = level.spec.limited.as_ref();
        let queuing = limited.and_then(|l| l.limit_response.queuing.as_ref());
        row![
            level.metadata.name.as_str(),
            level.spec.type_.as_str(),
            limited.and_then(|l| l.nominal_concurrency_shares).map_or_else(none, Value::from),
            queuing.map_or_else(none, |q| q.queues.into()),
            queuing.map_or_else(none, |q| q.hand_size.into()),
            queuing.map_or_else(none, |q| q.queue_length_limit.into()),
            columns::age(level.metadata.creation_timestamp, now),
        ]
    }
}
