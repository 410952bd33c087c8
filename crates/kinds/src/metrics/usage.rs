//! The columns of metrics-server.

use crate::columns::{Column, NAME, row};
use crate::rules::Rules;
use crate::strategy::KindStrategy;
use corten_api::Quantity;
use corten_api::metrics::v1beta1::{NodeMetrics, PodMetrics};
use jiff::Timestamp;
use serde_json::Value;
use std::collections::BTreeMap;

const USAGE: &[Column] = &[NAME, Column::text("cpu"), Column::text("memory"), Column::text("Window")];

/// NodeMetrics.
pub struct NodeMetricsStrategy;

impl KindStrategy for NodeMetricsStrategy {
    type Kind = NodeMetrics;
    const RULES: Rules = Rules::USUAL;
    const COLUMNS: &'static [Column] = USAGE;

    fn row(&self, m: &NodeMetrics, _: Timestamp) -> Vec<Value> {
        let of = |name: &str| m.usage.get(name).map(ToString::to_string).unwrap_or_default();
        row![m.metadata.name.as_str(), of("cpu"), of("memory"), m.window.as_str()]
    }
}

/// PodMetrics.
pub struct PodMetricsStrategy;

impl KindStrategy for PodMetricsStrategy {
    type Kind = PodMetrics;
    const RULES: Rules = Rules::USUAL;
    const COLUMNS: &'static [Column] = USAGE;

    fn row(&self, m: &PodMetrics, _: Timestamp) -> Vec<Value> {
        let mut sum: BTreeMap<&str, Quantity> = BTreeMap::new();
        for (name, amount) in m.containers.iter().flat_map(|c| &c.usage) {
            *sum.entry(name).or_default() += *amount;
        }
        let of = |name: &str| sum.get(name).map(ToString::to_string).unwrap_or_default();
        row![m.metadata.name.as_str(), of("cpu"), of("memory"), m.window.as_str()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_api::metrics::v1beta1::ContainerMetrics;

    #[test]
    fn a_pod_shows_the_sum_of_its_containers() {
        let container = |cpu: &str| ContainerMetrics {
            usage: [("cpu".to_string(), cpu.parse().expect("valid"))].into(),
            ..ContainerMetrics::default()
        };
        let m =
            PodMetrics { containers: vec![container("1500n"), container("500n")], ..PodMetrics::default() };
        assert_eq!(PodMetricsStrategy.row(&m, Timestamp::UNIX_EPOCH)[1], "2u");
    }
}
