//! ConfigMaps.

use super::CORE;
use crate::columns::{self, AGE, Column, NAME, row};
use crate::errors::Errors;
use crate::names;
use crate::rules::Rules;
use crate::strategy::KindStrategy;
use corten_api::core::v1::ConfigMap;
use corten_semantics::field::FieldError;
use jiff::Timestamp;
use serde_json::Value;

/// The most bytes that a ConfigMap or Secret holds.
pub(super) const MOST_DATA: usize = 1 << 20;
/// The detail of a change of an object that says it never changes.
pub(super) const SEALED: &str = "field is immutable when `immutable` is set";

/// ConfigMaps.
pub struct ConfigMapStrategy;

impl KindStrategy for ConfigMapStrategy {
    type Kind = ConfigMap;
    const RULES: Rules = CORE;
    const COLUMNS: &'static [Column] = &[NAME, Column::text("Data"), AGE];

    fn validate(&self, map: &ConfigMap) -> Vec<FieldError> {
        let mut errors = Errors::default();
        for key in map.data.keys() {
            let path = format!("data[{key}]");
            errors.format(&path, key, names::config_key);
            if map.binary_data.contains_key(key) {
                errors.invalid(path, key, "duplicate of key present in binaryData");
            }
        }
        for key in map.binary_data.keys() {
            errors.format(&format!("binaryData[{key}]"), key, names::config_key);
        }
        let texts: usize = map.data.values().map(String::len).sum();
        let bytes: usize = map.binary_data.values().map(Vec::len).sum();
        if texts + bytes > MOST_DATA {
            errors.too_long("[]", MOST_DATA);
        }
        errors.into_vec()
    }

    fn validate_update(&self, new: &ConfigMap, old: &ConfigMap) -> Vec<FieldError> {
        let mut errors = Errors::default();
        if old.immutable == Some(true) {
            for (path, changed) in [
                ("immutable", new.immutable != Some(true)),
                ("data", new.data != old.data),
                ("binaryData", new.binary_data != old.binary_data),
            ] {
                if changed {
                    errors.forbidden(path, SEALED);
                }
            }
        }
        errors.extend(KindStrategy::validate(self, new));
        errors.into_vec()
    }

    fn row(&self, map: &ConfigMap, now: Timestamp) -> Vec<Value> {
        row![
            map.metadata.name.as_str(),
            map.data.len() + map.binary_data.len(),
            columns::age(map.metadata.creation_timestamp, now),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_file_names_and_sealed_maps_stay() {
        let mut map = ConfigMap::default();
        map.data.insert("a/b".into(), "x".into());
        let told = KindStrategy::validate(&ConfigMapStrategy, &map);
        assert_eq!(
            told[0].to_string(),
            "data[a/b]: Invalid value: \"a/b\": a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
        );
        let old = ConfigMap { immutable: Some(true), ..Default::default() };
        let mut new = old.clone();
        new.data.insert("a".into(), "b".into());
        let told = KindStrategy::validate_update(&ConfigMapStrategy, &new, &old);
        assert_eq!(told[0].to_string(), "data: Forbidden: field is immutable when `immutable` is set");
    }
}
