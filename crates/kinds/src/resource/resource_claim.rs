//! ResourceClaims and their templates.

use super::{claim_validate, gated, status_validate};
use crate::columns::{self, AGE, Column, NAME, row};
use crate::core::pod::defaults::text;
use crate::errors::Errors;
use crate::metadata::{self, IMMUTABLE, shown};
use crate::reflection;
use crate::rules::{Rules, StatusMetadata};
use crate::strategy::{KindStrategy, plain_create, plain_status_update, plain_update};
use corten_api::resource::v1::{ResourceClaim, ResourceClaimSpec, ResourceClaimTemplate};
use corten_semantics::field::FieldError;
use jiff::Timestamp;
use serde_json::Value;

/// ResourceClaims.
pub struct ResourceClaimStrategy;

impl KindStrategy for ResourceClaimStrategy {
    type Kind = ResourceClaim;
    const RULES: Rules = Rules { status_metadata: StatusMetadata::Kept, ..Rules::USUAL };
    const COLUMNS: &'static [Column] = &[NAME, Column::text("State"), AGE];

    fn default(&self, claim: &mut ResourceClaim) {
        default_spec(&mut claim.spec);
    }

    fn prepare_create(&self, claim: &mut ResourceClaim) {
        plain_create(&Self::RULES, claim);
        gated::claim(&mut claim.spec);
    }

    fn prepare_update(&self, new: &mut ResourceClaim, old: &ResourceClaim) {
        plain_update(&Self::RULES, new, old);
        gated::claim(&mut new.spec);
    }

    fn prepare_status_update(&self, new: &mut ResourceClaim, old: &ResourceClaim) {
        plain_status_update(&Self::RULES, new, old);
        gated::status(&mut new.status);
        status_validate::forget_taken_back(new, old);
    }

    fn validate(&self, claim: &ResourceClaim) -> Vec<FieldError> {
        let mut errors = Errors::default();
        claim_validate::devices(&mut errors, &claim.spec.devices, "spec.devices");
        errors.into_vec()
    }

    fn validate_update(&self, new: &ResourceClaim, old: &ResourceClaim) -> Vec<FieldError> {
        let mut errors = Errors::default();
        if !reflection::equal(&new.spec, &old.spec) {
            errors.invalid("spec", shown(&new.spec), IMMUTABLE);
        }
        errors.into_vec()
    }

    fn validate_status_update(&self, new: &ResourceClaim, old: &ResourceClaim) -> Vec<FieldError> {
        let mut errors = Errors::default();
        status_validate::status(&mut errors, new, old);
        errors.into_vec()
    }

    fn row(&self, claim: &ResourceClaim, now: Timestamp) -> Vec<Value> {
        let dying = claim.metadata.deletion_timestamp.is_some();
        let allocated = claim.status.allocation.is_some();
        let states = [
            ("deleted", dying),
            ("pending", !allocated && !dying),
            ("allocated", allocated),
            ("reserved", allocated && !claim.status.reserved_for.is_empty()),
        ];
        let told: Vec<&str> = states.into_iter().filter(|(_, is)| *is).map(|(name, _)| name).collect();
        row![
            claim.metadata.name.as_str(),
            told.join(","),
            columns::age(claim.metadata.creation_timestamp, now)
        ]
    }
}

/// ResourceClaimTemplates.
pub struct ResourceClaimTemplateStrategy;

impl KindStrategy for ResourceClaimTemplateStrategy {
    type Kind = ResourceClaimTemplate;
    const COLUMNS: &'static [Column] = &[NAME, AGE];

    fn default(&self, template: &mut ResourceClaimTemplate) {
        default_spec(&mut template.spec.spec);
    }

    fn prepare_create(&self, template: &mut ResourceClaimTemplate) {
        plain_create(&Self::RULES, template);
        gated::claim(&mut template.spec.spec);
    }

    fn prepare_update(&self, new: &mut ResourceClaimTemplate, old: &ResourceClaimTemplate) {
        plain_update(&Self::RULES, new, old);
        gated::claim(&mut new.spec.spec);
    }

    fn validate(&self, template: &ResourceClaimTemplate) -> Vec<FieldError> {
        let mut errors = Errors::default();
        let meta = &template.spec.metadata;
        errors.extend(metadata::annotations(&meta.annotations, "spec.metadata.annotations"));
        errors.extend(metadata::labels(&meta.labels, "spec.metadata.labels"));
        claim_validate::devices(&mut errors, &template.spec.spec.devices, "spec.spec.devices");
        errors.into_vec()
    }

    fn validate_update(&self, new: &ResourceClaimTemplate, old: &ResourceClaimTemplate) -> Vec<FieldError> {
        let mut errors = Errors::default();
        if !reflection::equal(&new.spec, &old.spec) {
            errors.invalid("spec", shown(&new.spec), IMMUTABLE);
        }
        errors.into_vec()
    }

    fn row(&self, template: &ResourceClaimTemplate, now: Timestamp) -> Vec<Value> {
        row![template.metadata.name.as_str(), columns::age(template.metadata.creation_timestamp, now)]
    }
}

/// One device, unless the request says otherwise.
fn default_spec(spec: &mut ResourceClaimSpec) {
    for request in &mut spec.devices.requests {
        let exactly =
            request.exactly.iter_mut().map(|e| (&mut e.allocation_mode, &mut e.count, &mut e.tolerations));
        let choices = request.first_available.iter_mut();
        let choices = choices.map(|c| (&mut c.allocation_mode, &mut c.count, &mut c.tolerations));
        for (mode, count, tolerations) in exactly.chain(choices) {
            text(mode, "ExactCount");
            if mode == "ExactCount" && *count == 0 {
                *count = 1;
            }
            for toleration in tolerations {
                text(&mut toleration.operator, "Equal");
            }
        }
    }
}
