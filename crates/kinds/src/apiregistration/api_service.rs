//! APIServices.

use crate::columns::{self, AGE, Column, NAME, row};
use crate::errors::Errors;
use crate::names;
use crate::rules::{Rules, StatusMetadata};
use crate::strategy::{KindStrategy, plain_create};
use corten_api::apiregistration::v1::{APIService, APIServiceCondition};
use corten_semantics::field::FieldError;
use jiff::Timestamp;
use serde_json::Value;

/// APIServices.
pub struct APIServiceStrategy;

impl KindStrategy for APIServiceStrategy {
    type Kind = APIService;
    const RULES: Rules = Rules {
        unconditional_update: false,
        status_metadata: StatusMetadata::Kept,
        name: names::path_segment, // that of the core group, `v1.`, ends in a dot
        ..Rules::ANY_FINALIZERS
    };
    const COLUMNS: &'static [Column] = &[NAME, Column::text("Service"), Column::text("Available"), AGE];

    fn default(&self, service: &mut APIService) {
        if let Some(reference) = &mut service.spec.service {
            reference.port.get_or_insert(443);
        }
    }

    /// What this server serves itself is there at once.
    fn prepare_create(&self, service: &mut APIService) {
        plain_create(&Self::RULES, service);
        if service.spec.service.is_none() {
            service.status.conditions.push(APIServiceCondition {
                type_: "Available".into(),
                status: "True".into(),
                reason: "Local".into(),
                message: "Local APIServices are always available".into(),
                last_transition_time: service.metadata.creation_timestamp,
            });
        }
    }

    fn validate(&self, service: &APIService) -> Vec<FieldError> {
        let mut errors = Errors::default();
        let (spec, name) = (&service.spec, service.metadata.name.as_str());
        let wanted = format!("{}.{}", spec.version, spec.group);
        if name != wanted {
            let detail = format!("must be `spec.version+\".\"+spec.group`: {wanted:?}");
            errors.invalid("metadata.name", name, detail);
        }
        if spec.version.is_empty() {
            errors.required("spec.version", "");
        }
        for (name, priority, most) in [
            ("groupPriorityMinimum", spec.group_priority_minimum, 20000),
            ("versionPriority", spec.version_priority, 1000),
        ] {
            if !(1..=most).contains(&priority) {
                let detail = format!("must be positive and less than {most}");
                errors.invalid(format!("spec.{name}"), priority, detail);
            }
        }
        match &spec.service {
            None if !spec.ca_bundle.is_empty() => {
                let bundle = crate::metadata::Shown(format!("<{} bytes>", spec.ca_bundle.len()));
                errors.invalid("spec.caBundle", bundle, "local APIServices may not have a caBundle");
            }
            None if spec.insecure_skip_tls_verify => {
                let detail = "local APIServices may not have insecureSkipTLSVerify";
                errors.invalid("spec.insecureSkipTLSVerify", true, detail);
            }
            None => {}
            Some(reference) => {
                for (name, value) in [("namespace", &reference.namespace), ("name", &reference.name)] {
                    if value.is_empty() {
                        errors.required(format!("spec.service.{name}"), "");
                    }
                }
                if spec.insecure_skip_tls_verify && !spec.ca_bundle.is_empty() {
                    let detail = "may not be true if caBundle is present";
                    errors.invalid("spec.insecureSkipTLSVerify", true, detail);
                }
            }
        }
        errors.into_vec()
    }

    fn row(&self, service: &APIService, now: Timestamp) -> Vec<Value> {
        let reference = service.spec.service.as_ref();
        let available = service.status.conditions.iter().find(|c| c.type_ == "Available");
        row![
            service.metadata.name.as_str(),
            reference.map_or("Local".to_string(), |s| format!("{}/{}", s.namespace, s.name)),
            match available {
                None => "Unknown".to_string(),
                Some(c) if c.status == "True" => "True".to_string(),
                Some(c) => format!("{} ({})", c.status, c.reason),
            },
            columns::age(service.metadata.creation_timestamp, now),
        ]
    }
}
