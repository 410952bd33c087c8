//! DeviceClasses.

use super::gated;
use super::parts::{MOST_CONFIGS, configuration, each, selectors};
use crate::columns::{self, AGE, Column, NAME, row};
use crate::errors::Errors;
use crate::rules::Rules;
use crate::strategy::{KindStrategy, plain_create, plain_update};
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

    fn prepare_create(&self, class: &mut DeviceClass) {
        gated::class(&mut class.spec);
        plain_create(&Self::RULES, class);
    }

    fn prepare_update(&self, new: &mut DeviceClass, old: &DeviceClass) {
        gated::class(&mut new.spec);
        plain_update(&Self::RULES, new, old);
    }

    fn validate(&self, class: &DeviceClass) -> Vec<FieldError> {
        let (mut errors, spec) = (Errors::default(), &class.spec);
        selectors(&mut errors, &spec.selectors, "spec.selectors");
        each(&mut errors, &spec.config, MOST_CONFIGS, "spec.config", |errors, config, at| {
            configuration(errors, &config.device_configuration, at);
        });
        errors.into_vec()
    }

    fn row(&self, class: &DeviceClass, now: Timestamp) -> Vec<Value> {
        row![class.metadata.name.as_str(), columns::age(class.metadata.creation_timestamp, now)]
    }
}
