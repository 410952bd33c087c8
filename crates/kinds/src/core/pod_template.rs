//! PodTemplates.

use super::CORE;
use super::pod::warnings;
use super::pod::{defaults, validate};
use crate::columns::{self, Column, NAME, row};
use crate::errors::Errors;
use crate::rules::Rules;
use crate::strategy::KindStrategy;
use corten_api::core::v1::PodTemplate;
use corten_semantics::field::FieldError;
use jiff::Timestamp;
use serde_json::Value;

/// PodTemplates.
pub struct PodTemplateStrategy;

impl KindStrategy for PodTemplateStrategy {
    type Kind = PodTemplate;
    const RULES: Rules = Rules { generation: true, ..CORE };
    const COLUMNS: &'static [Column] =
        &[NAME, Column::text("Containers"), Column::text("Images"), Column::text("Pod Labels")];

    fn default(&self, template: &mut PodTemplate) {
        defaults::template(&mut template.template);
    }

    fn validate(&self, template: &PodTemplate) -> Vec<FieldError> {
        let mut errors = Errors::default();
        validate::template(&mut errors, &template.template, "template");
        errors.into_vec()
    }

    fn warnings(&self, new: &PodTemplate, old: Option<&PodTemplate>) -> Vec<String> {
        let old = old.map(|old| &old.metadata);
        warnings::of_template(&new.template, "template", &new.metadata, old, false)
    }

    fn row(&self, template: &PodTemplate, _now: Timestamp) -> Vec<Value> {
        let (names, images) = columns::containers(&template.template.spec.containers);
        row![
            template.metadata.name.as_str(),
            names,
            images,
            columns::labels(&template.template.metadata.labels)
        ]
    }
}
