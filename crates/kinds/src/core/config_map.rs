//! ConfigMaps.

use super::CORE;
use crate::columns::{self, AGE, Column, NAME, row};
use crate::rules::Rules;
use crate::strategy::KindStrategy;
use corten_api::core::v1::ConfigMap;
use jiff::Timestamp;
use serde_json::Value;

/// ConfigMaps.
pub struct ConfigMapStrategy;

impl KindStrategy for ConfigMapStrategy {
    type Kind = ConfigMap;
    const RULES: Rules = CORE;
    const COLUMNS: &'static [Column] = &[NAME, Column::text("Data"), AGE];

    fn row(&self, map: &ConfigMap, now: Timestamp) -> Vec<Value> {
        row![
            map.metadata.name.as_str(),
            map.data.len() + map.binary_data.len(),
            columns::age(map.metadata.creation_timestamp, now),
        ]
    }
}
