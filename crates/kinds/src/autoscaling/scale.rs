//! Scales, which are parts of the kinds that have them.

use crate::columns::{self, AGE, Column, NAME, row};
use crate::strategy::KindStrategy;
use corten_api::autoscaling::v1::Scale;
use jiff::Timestamp;
use serde_json::Value;

/// Scales.
pub struct ScaleStrategy;

impl KindStrategy for ScaleStrategy {
    type Kind = Scale;
    const COLUMNS: &'static [Column] =
        &[Column { format: "", ..NAME }, Column::number("Desired"), Column::number("Available"), AGE];

    fn row(&self, scale: &Scale, now: Timestamp) -> Vec<Value> {
        row![
            scale.metadata.name.as_str(),
            scale.spec.replicas,
            scale.status.replicas,
            columns::age(scale.metadata.creation_timestamp, now),
        ]
    }
}
