//! StatefulSets.

use super::{scale_of, selector_text};
use crate::columns::{self, AGE, Column, NAME, row};
use crate::core::default_claim;
use crate::core::pod::defaults::{self, number, text};
use crate::names;
use crate::rules::Rules;
use crate::strategy::KindStrategy;
use corten_api::apps::v1::StatefulSet;
use corten_api::autoscaling::v1::Scale;
use jiff::Timestamp;
use serde_json::Value;

/// StatefulSets.
pub struct StatefulSetStrategy;

impl KindStrategy for StatefulSetStrategy {
    type Kind = StatefulSet;
    const RULES: Rules = Rules { name: names::label, ..Rules::COUNTED };
    const COLUMNS: &'static [Column] =
        &[NAME, Column::text("Ready"), AGE, Column::text("Containers").wide(), Column::text("Images").wide()];

    fn default(&self, set: &mut StatefulSet) {
        let spec = &mut set.spec;
        text(&mut spec.pod_management_policy, "OrderedReady");
        let update = &mut spec.update_strategy;
        if update.type_.is_empty() {
            update.type_ = "RollingUpdate".into();
            update.rolling_update.get_or_insert_default();
        }
        if let Some(rolling) = update.rolling_update.as_mut().filter(|_| update.type_ == "RollingUpdate") {
            rolling.partition.get_or_insert(0);
            number(&mut rolling.max_unavailable, 1);
        }
        let retention = spec.persistent_volume_claim_retention_policy.get_or_insert_default();
        text(&mut retention.when_deleted, "Retain");
        text(&mut retention.when_scaled, "Retain");
        spec.replicas.get_or_insert(1);
        spec.revision_history_limit.get_or_insert(10);
        defaults::template(&mut spec.template);
        for claim in &mut spec.volume_claim_templates {
            default_claim(claim);
        }
    }

    fn row(&self, set: &StatefulSet, now: Timestamp) -> Vec<Value> {
        let (names, images) = columns::containers(&set.spec.template.spec.containers);
        row![
            set.metadata.name.as_str(),
            format!("{}/{}", set.status.ready_replicas, set.spec.replicas.unwrap_or(0)),
            columns::age(set.metadata.creation_timestamp, now),
            names,
            images,
        ]
    }

    fn scale(&self, set: &StatefulSet) -> Option<Scale> {
        let selector = selector_text(set.spec.selector.as_deref());
        Some(scale_of(&set.metadata, set.spec.replicas, set.status.replicas, selector))
    }

    fn set_replicas(&self, set: &mut StatefulSet, replicas: i32) {
        set.spec.replicas = Some(replicas);
    }
}
