//! ResourceQuotas.

use super::CORE;
use super::pod::defaults::amounts;
use crate::columns::{self, AGE, Column, NAME, row};
use crate::rules::Rules;
use crate::strategy::KindStrategy;
use corten_api::core::v1::ResourceQuota;
use jiff::Timestamp;
use serde_json::Value;

/// ResourceQuotas.
pub struct ResourceQuotaStrategy;

impl KindStrategy for ResourceQuotaStrategy {
    type Kind = ResourceQuota;
    const RULES: Rules = CORE;
    const COLUMNS: &'static [Column] = &[NAME, Column::text("Request"), Column::text("Limit"), AGE];

    fn default(&self, quota: &mut ResourceQuota) {
        amounts(&mut quota.spec.hard);
        amounts(&mut quota.status.hard);
        amounts(&mut quota.status.used);
    }

    fn row(&self, quota: &ResourceQuota, now: Timestamp) -> Vec<Value> {
        let (mut requests, mut limits) = (Vec::new(), Vec::new());
        for (name, hard) in &quota.status.hard {
            let used = quota.status.used.get(name).copied().unwrap_or_default();
            let list = if name.starts_with("limits.") { &mut limits } else { &mut requests };
            list.push(format!("{name}: {used}/{hard}"));
        }
        row![
            quota.metadata.name.as_str(),
            requests.join(", "),
            limits.join(", "),
            columns::age(quota.metadata.creation_timestamp, now),
        ]
    }
}
