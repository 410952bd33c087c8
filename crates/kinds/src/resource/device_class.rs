//! DeviceClasses.

use crate::columns::{self, AGE, Column, NAME, row};
use crate::rules::Rules;
use crate::strategy::KindStrategy;
use corten_api::resource::v1::DeviceClass;
use jiff::Timestamp;
use serde_json::Value;

/// DeviceClasses.
pub struct DeviceClassStrategy;

impl KindStrategy for DeviceClassStrategy {
    type Kind = DeviceClass;
    const RULES: Rules = Rules::COUNTED;
    const COLUMNS: &'static [Column] = &[NAME, AGE];

    fn row(&self, class: &DeviceClass, now: Timestamp) -> Vec<Value> {
        row![class.metadata.name.as_str(), columns::age(class.metadata.creation_timestamp, now)]
    }
}
