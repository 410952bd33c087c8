//! IngressClasses.

use crate::columns::{self, AGE, Column, NAME, row};
use crate::rules::Rules;
use crate::strategy::KindStrategy;
use corten_api::networking::v1::IngressClass;
use jiff::Timestamp;
use serde_json::Value;

/// IngressClasses.
pub struct IngressClassStrategy;

impl KindStrategy for IngressClassStrategy {
    type Kind = IngressClass;
    const RULES: Rules = Rules::COUNTED;
    const COLUMNS: &'static [Column] = &[NAME, Column::text("Controller"), Column::text("Parameters"), AGE];

    fn default(&self, class: &mut IngressClass) {
        if let Some(parameters) = &mut class.spec.parameters {
            parameters.scope.get_or_insert_with(|| "Cluster".into());
        }
    }

    fn row(&self, class: &IngressClass, now: Timestamp) -> Vec<Value> {
        let parameters = class.spec.parameters.as_ref().map_or("<none>".to_string(), |p| {
            let group = p.api_group.as_ref().map_or(String::new(), |g| format!(".{g}"));
            format!("{}{group}/{}", p.kind, p.name)
        });
        row![
            class.metadata.name.as_str(),
            class.spec.controller.as_str(),
            parameters,
            columns::age(class.metadata.creation_timestamp, now),
        ]
    }
}
