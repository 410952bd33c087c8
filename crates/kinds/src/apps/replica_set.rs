//! ReplicaSets.

use super::{scale_of, selector_text};
use crate::columns::{self, AGE, Column, NAME, row};
use crate::core::pod::defaults;
use crate::rules::Rules;
use crate::strategy::KindStrategy;
use corten_api::apps::v1::ReplicaSet;
use corten_api::autoscaling::v1::Scale;
use jiff::Timestamp;
use serde_json::Value;
use std::borrow::Cow;

/// ReplicaSets.
pub struct ReplicaSetStrategy;

impl KindStrategy for ReplicaSetStrategy {
    type Kind = ReplicaSet;
    const RULES: Rules = Rules::COUNTED;
    const COLUMNS: &'static [Column] = &[
        NAME,
        Column::number("Desired"),
        Column::number("Current"),
        Column::number("Ready"),
        AGE,
        Column::text("Containers").wide(),
        Column::text("Images").wide(),
        Column::text("Selector").wide(),
    ];
    const FIELD_LABELS: &'static [&'static str] = &["status.replicas"];

    fn default(&self, set: &mut ReplicaSet) {
        set.spec.replicas.get_or_insert(1);
        defaults::template(&mut set.spec.template);
    }

    fn row(&self, set: &ReplicaSet, now: Timestamp) -> Vec<Value> {
        let (names, images) = columns::containers(&set.spec.template.spec.containers);
        row![
            set.metadata.name.as_str(),
            set.spec.replicas.unwrap_or(0),
            set.status.replicas,
            set.status.ready_replicas,
            columns::age(set.metadata.creation_timestamp, now),
            names,
            images,
            columns::selector(set.spec.selector.as_deref()),
        ]
    }

    fn selectable_field<'a>(&self, set: &'a ReplicaSet, _label: &str) -> Cow<'a, str> {
        set.status.replicas.to_string().into()
    }

    fn scale(&self, set: &ReplicaSet) -> Option<Scale> {
        let selector = selector_text(set.spec.selector.as_deref());
        Some(scale_of(&set.metadata, set.spec.replicas, set.status.replicas, selector))
    }

    fn set_replicas(&self, set: &mut ReplicaSet, replicas: i32) {
        set.spec.replicas = Some(replicas);
    }
}
