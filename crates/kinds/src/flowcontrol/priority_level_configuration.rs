//! PriorityLevelConfigurations.

use super::{RULES, rule};
use crate::columns::{self, AGE, Column, NAME, row};
use crate::errors::Errors;
use crate::rules::Rules;
use crate::strategy::KindStrategy;
use corten_api::flowcontrol::v1::{
    LimitedPriorityLevelConfiguration, PriorityLevelConfiguration, QueuingConfiguration,
};
use corten_semantics::field::FieldError;
use jiff::Timestamp;
use serde_json::Value;

const MOST_QUEUES: i32 = 10_000_000;
/// The bits of the hash by which a flow's hand is dealt.
const MOST_BITS: f64 = 60.0;

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
        let exempt = spec.type_ == "Exempt";
        if exempt != (level.metadata.name == "exempt") {
            let detail = "must be 'Exempt' if and only if `name` is 'exempt'";
            errors.invalid("spec.type", &spec.type_, detail);
        }
        match (spec.type_.as_str(), &spec.limited) {
            ("Exempt", limited) => {
                if limited.is_some() {
                    errors.forbidden("spec.limited", "must be nil if the type is not Limited");
                }
                if let Some(exempt) = &spec.exempt {
                    let (shares, lendable) = (exempt.nominal_concurrency_shares, exempt.lendable_percent);
                    seats(&mut errors, shares, lendable, "spec.exempt");
                }
            }
            ("Limited", limited) => {
                if spec.exempt.is_some() {
                    errors.forbidden("spec.exempt", "must be nil if the type is Limited");
                }
                match limited {
                    None => errors.required("spec.limited", "must not be empty when type is Limited"),
                    Some(limited) => self::limited(&mut errors, limited, "spec.limited"),
                }
            }
            (other, _) => errors.supported("spec.type", other, &["Exempt", "Limited"]),
        }
        errors.into_vec()
    }

    fn validate_status_update(
        &self,
        new: &PriorityLevelConfiguration,
        _old: &PriorityLevelConfiguration,
    ) -> Vec<FieldError> {
        let mut errors = Errors::default();
        rule::conditions(&mut errors, new.status.conditions.iter().map(|c| &c.type_));
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

/// The seats of a level, and what of them it lends.
fn seats(errors: &mut Errors, shares: Option<i32>, lendable: Option<i32>, path: &str) {
    if let Some(shares) = shares.filter(|shares| *shares < 0) {
        let at = format!("{path}.nominalConcurrencyShares");
        errors.invalid(at, shares, "must be a non-negative integer");
    }
    if let Some(percent) = lendable.filter(|percent| !(0..=100).contains(percent)) {
        errors.invalid(format!("{path}.lendablePercent"), percent, "must be between 0 and 100, inclusive");
    }
}

fn limited(errors: &mut Errors, limited: &LimitedPriorityLevelConfiguration, path: &str) {
    seats(errors, limited.nominal_concurrency_shares, limited.lendable_percent, path);
    if let Some(percent) = limited.borrowing_limit_percent.filter(|percent| *percent < 0) {
        let detail = "if specified, must be a non-negative integer";
        errors.invalid(format!("{path}.borrowingLimitPercent"), percent, detail);
    }
    let response = &limited.limit_response;
    let at = format!("{path}.limitResponse.queuing");
    match (response.type_.as_str(), &response.queuing) {
        ("Reject", Some(_)) => {
            errors.forbidden(at, "must be nil if limited.limitResponse.type is not Limited");
        }
        ("Reject", None) => {}
        ("Queue", None) => {
            errors.required(at, "must not be empty if limited.limitResponse.type is Limited");
        }
        ("Queue", Some(queuing)) => self::queuing(errors, queuing, &at),
        (other, _) => errors.supported(format!("{path}.limitResponse.type"), other, &["Queue", "Reject"]),
    }
}

fn queuing(errors: &mut Errors, queuing: &QueuingConfiguration, path: &str) {
    let (queues, hand) = (queuing.queues, queuing.hand_size);
    for (name, value) in
        [("queueLengthLimit", queuing.queue_length_limit), ("queues", queues), ("handSize", hand)]
    {
        if value <= 0 {
            errors.invalid(format!("{path}.{name}"), value, "must be positive");
        }
    }
    if queues > MOST_QUEUES {
        let detail = format!("must not be greater than {MOST_QUEUES}");
        errors.invalid(format!("{path}.queues"), queues, detail);
    }
    let at = format!("{path}.handSize");
    if hand <= 0 {
        return;
    }
    if hand > queues {
        errors.invalid(at, hand, format!("should not be greater than queues ({queues})"));
    } else if (f64::from(queues).log2() * f64::from(hand)).ceil() > MOST_BITS {
        let detail = format!(
            "required entropy bits of deckSize {queues} and handSize {hand} should not be greater than {MOST_BITS}"
        );
        errors.invalid(at, hand, detail);
    }
}
