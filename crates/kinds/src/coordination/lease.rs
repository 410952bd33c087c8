//! Leases.

use crate::columns::{self, AGE, Column, NAME, row};
use crate::rules::Rules;
use crate::strategy::KindStrategy;
use corten_api::coordination::v1::Lease;
use corten_semantics::field::FieldError;
use jiff::Timestamp;
use serde_json::Value;

/// Leases.
pub struct LeaseStrategy;

impl KindStrategy for LeaseStrategy {
    type Kind = Lease;
    const RULES: Rules =
        Rules { create_on_update: true, unconditional_update: false, ..Rules::ANY_FINALIZERS };
    const COLUMNS: &'static [Column] = &[NAME, Column::text("Holder"), AGE];

    /// Leaders are not chosen by a coordinator here: what asks for one is left out, as where its gate is shut.
    fn prepare_create(&self, lease: &mut Lease) {
        lease.spec.strategy = None;
        lease.spec.preferred_holder = None;
    }

    fn prepare_update(&self, new: &mut Lease, old: &Lease) {
        if old.spec.strategy.is_none() {
            new.spec.strategy = None;
        }
        if old.spec.preferred_holder.is_none() {
            new.spec.preferred_holder = None;
        }
    }

    fn validate(&self, lease: &Lease) -> Vec<FieldError> {
        let spec = &lease.spec;
        let mut errors = Vec::new();
        if let Some(seconds) = spec.lease_duration_seconds.filter(|s| *s <= 0) {
            let path = "spec.leaseDurationSeconds";
            errors.push(FieldError::invalid(path, seconds, "must be greater than 0"));
        }
        if let Some(transitions) = spec.lease_transitions.filter(|t| *t < 0) {
            let detail = "must be greater than or equal to 0";
            errors.push(FieldError::invalid("spec.leaseTransitions", transitions, detail));
        }
        let preferred = spec.preferred_holder.as_deref().unwrap_or_default();
        if !preferred.is_empty() && spec.strategy.as_deref().unwrap_or_default().is_empty() {
            let detail = "may only be specified if `strategy` is defined";
            errors.push(FieldError::forbidden("spec.preferredHolder", detail));
        }
        errors
    }

    fn row(&self, lease: &Lease, now: Timestamp) -> Vec<Value> {
        row![
            lease.metadata.name.as_str(),
            lease.spec.holder_identity.as_deref().unwrap_or_default(),
            columns::age(lease.metadata.creation_timestamp, now),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_positive() {
        let mut lease = Lease::default();
        lease.spec.lease_duration_seconds = Some(0);
        lease.spec.lease_transitions = Some(-1);
        let told: Vec<String> =
            KindStrategy::validate(&LeaseStrategy, &lease).iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0",
                "spec.leaseTransitions: Invalid value: -1: must be greater than or equal to 0"
            ]
        );
    }
}
