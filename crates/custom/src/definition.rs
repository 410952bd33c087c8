//! The strategy of definitions: what every kind of field is checked for stands in `corten_kinds`, what only
//! schemas can tell is added here.

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
        KindStrategy::validate(&Plain, crd)
    }
    fn validate_update(
        &self,
        new: &CustomResourceDefinition,
        old: &CustomResourceDefinition,
    ) -> Vec<FieldError> {
        KindStrategy::validate_update(&Plain, new, old)
    }
    fn row(&self, crd: &CustomResourceDefinition, now: Timestamp) -> Vec<Value> {
        KindStrategy::row(&Plain, crd, now)
    }
}
