//! ResourceClaims and their templates.

use crate::columns::{self, AGE, Column, NAME, row};
use crate::core::pod::defaults::text;
use crate::errors::Errors;
use crate::metadata::{self, IMMUTABLE, shown};
use crate::names;
use crate::reflection;
use crate::rules::{Rules, StatusMetadata};
use crate::strategy::KindStrategy;
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

    fn validate(&self, claim: &ResourceClaim) -> Vec<FieldError> {
        let mut errors = Errors::default();
        validate_spec(&mut errors, &claim.spec, "spec.devices");
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
        let (has, had) = (&new.status.allocation, &old.status.allocation);
        if has.is_some() && had.is_some() && !reflection::equal(has, had) {
            errors.invalid("status.allocation", shown(has), IMMUTABLE);
        }
        if has.is_none() && !new.status.reserved_for.is_empty() {
            errors.forbidden("status.reservedFor", "may not be specified when `allocated` is not set");
        }
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

    fn validate(&self, template: &ResourceClaimTemplate) -> Vec<FieldError> {
        let mut errors = Errors::default();
        let meta = &template.spec.metadata;
        errors.extend(metadata::annotations(&meta.annotations, "spec.metadata.annotations"));
        errors.extend(metadata::labels(&meta.labels, "spec.metadata.labels"));
        validate_spec(&mut errors, &template.spec.spec, "spec.spec.devices");
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

fn validate_spec(errors: &mut Errors, spec: &ResourceClaimSpec, path: &str) {
    let requests = &spec.devices.requests;
    if requests.len() > 32 {
        errors.extend([FieldError::too_many(format!("{path}.requests"), requests.len(), 32)]);
    }
    for (i, request) in requests.iter().enumerate() {
        let at = format!("{path}.requests[{i}]");
        if request.name.is_empty() {
            errors.required(format!("{at}.name"), "");
        } else {
            errors.format(&format!("{at}.name"), &request.name, names::dns_label);
        }
        if requests[..i].iter().any(|other| other.name == request.name) {
            errors.duplicate(format!("{at}.name"), &request.name);
        }
        match (&request.exactly, request.first_available.is_empty()) {
            (None, true) => {
                errors.required(&at, "exactly one of `exactly` or `firstAvailable` is required");
            }
            (Some(_), false) => {
                let detail =
                    "exactly one of `exactly` or `firstAvailable` is required, but multiple fields are set";
                errors.invalid(&at, crate::metadata::Shown(String::new()), detail);
            }
            (Some(exactly), true) => {
                let at = format!("{at}.exactly");
                class_and_mode(errors, &exactly.device_class_name, &exactly.allocation_mode, &at);
            }
            (None, false) => {
                for (c, choice) in request.first_available.iter().enumerate() {
                    let at = format!("{at}.firstAvailable[{c}]");
                    class_and_mode(errors, &choice.device_class_name, &choice.allocation_mode, &at);
                }
            }
        }
    }
}

fn class_and_mode(errors: &mut Errors, class: &str, mode: &str, path: &str) {
    let at = format!("{path}.deviceClassName");
    if class.is_empty() {
        errors.required(at, "");
    } else {
        errors.format(&at, class, names::dns_subdomain);
    }
    errors.supported(format!("{path}.allocationMode"), mode, &["All", "ExactCount"]);
}
