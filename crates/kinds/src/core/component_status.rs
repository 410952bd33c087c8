//! ComponentStatuses.

use crate::columns::{Column, NAME, row};
use crate::rules::Rules;
use crate::strategy::KindStrategy;
use corten_api::core::v1::ComponentStatus;
use jiff::Timestamp;
use serde_json::Value;

/// ComponentStatuses.
pub struct ComponentStatusStrategy;

impl KindStrategy for ComponentStatusStrategy {
    type Kind = ComponentStatus;
    const RULES: Rules = Rules::USUAL;
    const COLUMNS: &'static [Column] =
        &[NAME, Column::text("Status"), Column::text("Message"), Column::text("Error")];

    fn row(&self, component: &ComponentStatus, _now: Timestamp) -> Vec<Value> {
        let healthy = component.conditions.iter().find(|condition| condition.type_ == "Healthy");
        let status = match healthy.map(|condition| condition.status.as_str()) {
            None => "Unknown",
            Some("True") => "Healthy",
            Some(_) => "Unhealthy",
        };
        row![
            component.metadata.name.as_str(),
            status,
            healthy.map_or("", |condition| &condition.message),
            healthy.map_or("", |condition| &condition.error),
        ]
    }
}
