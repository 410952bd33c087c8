//! DeviceClasses.

use crate::columns::{self, AGE, Column, NAME, row};
use crate::core::pod::resources::is_extended;
use crate::errors::Errors;
use crate::rules::Rules;
use crate::strategy::KindStrategy;
use corten_api::resource::v1::DeviceClass;
use corten_semantics::field::FieldError;
use jiff::Timestamp;
use serde_json::Value;

/// DeviceClasses.
pub struct DeviceClassStrategy;

impl KindStrategy for DeviceClassStrategy {
    type Kind = DeviceClass;
    const RULES: Rules = Rules::COUNTED;
    const COLUMNS: &'static [Column] = &[NAME, AGE];

    fn validate(&self, class: &DeviceClass) -> Vec<FieldError> {
        let (mut errors, spec) = (Errors::default(), &class.spec);
        for (name, count) in [("selectors", spec.selectors.len()), ("config", spec.config.len())] {
            if count > 32 {
                errors.extend([FieldError::too_many(format!("spec.{name}"), count, 32)]);
            }
        }
        for (i, _) in spec.selectors.iter().enumerate().filter(|(_, s)| s.cel.is_none()) {
            errors.required(format!("spec.selectors[{i}].cel"), "");
        }
        if let Some(name) = spec.extended_resource_name.as_deref()
            && !is_extended(name)
        {
            let detail = "must be a valid extended resource name";
            errors.invalid("spec.extendedResourceName", name, detail);
        }
        errors.into_vec()
    }

    fn row(&self, class: &DeviceClass, now: Timestamp) -> Vec<Value> {
        row![class.metadata.name.as_str(), columns::age(class.metadata.creation_timestamp, now)]
    }
}
