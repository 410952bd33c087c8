//! The strategy of definitions: what may stand in them, and what an update may change.

pub(crate) mod authority;
pub(crate) mod field_path;
mod openapi;
mod rules;
mod spec;
mod structural;
mod suggested;
mod versions;

use corten_api::apiextensions::v1::CustomResourceDefinition;
use corten_kinds::apiextensions::CustomResourceDefinitionStrategy as Plain;
use corten_kinds::{Column, KindStrategy, Rules};
use corten_semantics::field::FieldError;
use jiff::Timestamp;
use serde_json::Value;

/// The strategy of `CustomResourceDefinition`s.
pub struct DefinitionStrategy;

impl KindStrategy for DefinitionStrategy {
    type Kind = CustomResourceDefinition;
    const RULES: Rules = Plain::RULES;
    const COLUMNS: &'static [Column] = Plain::COLUMNS;

    fn default(&self, crd: &mut CustomResourceDefinition) {
        KindStrategy::default(&Plain, crd);
    }

    fn prepare_create(&self, crd: &mut CustomResourceDefinition) {
        KindStrategy::prepare_create(&Plain, crd);
    }

    fn prepare_update(&self, new: &mut CustomResourceDefinition, old: &CustomResourceDefinition) {
        KindStrategy::prepare_update(&Plain, new, old);
    }

    fn validate(&self, crd: &CustomResourceDefinition) -> Vec<FieldError> {
        spec::check(crd, None)
    }

    fn validate_update(
        &self,
        new: &CustomResourceDefinition,
        old: &CustomResourceDefinition,
    ) -> Vec<FieldError> {
        spec::check(new, Some(old))
    }

    fn validate_status_update(
        &self,
        new: &CustomResourceDefinition,
        _old: &CustomResourceDefinition,
    ) -> Vec<FieldError> {
        spec::check_names(&new.status.accepted_names, "status.acceptedNames")
    }

    fn warnings(
        &self,
        new: &CustomResourceDefinition,
        old: Option<&CustomResourceDefinition>,
    ) -> Vec<String> {
        let known = old.map(openapi::unknown_formats).unwrap_or_default();
        let found = openapi::unknown_formats(new);
        found
            .into_iter()
            .filter(|format| !known.contains(format))
            .map(|format| format!("unrecognized format {format:?}"))
            .collect()
    }

    fn row(&self, crd: &CustomResourceDefinition, now: Timestamp) -> Vec<Value> {
        KindStrategy::row(&Plain, crd, now)
    }
}

#[cfg(test)]
mod tests;
