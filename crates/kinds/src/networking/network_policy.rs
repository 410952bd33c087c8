//! NetworkPolicies.

use crate::columns::{self, AGE, Column, NAME, row};
use crate::rules::Rules;
use crate::strategy::KindStrategy;
use corten_api::networking::v1::NetworkPolicy;
use jiff::Timestamp;
use serde_json::Value;

/// NetworkPolicies.
pub struct NetworkPolicyStrategy;

impl KindStrategy for NetworkPolicyStrategy {
    type Kind = NetworkPolicy;
    const RULES: Rules = Rules::COUNTED;
    const COLUMNS: &'static [Column] = &[NAME, Column::text("Pod-Selector"), AGE];

    fn default(&self, policy: &mut NetworkPolicy) {
        let spec = &mut policy.spec;
        if spec.policy_types.is_empty() {
            spec.policy_types.push("Ingress".into());
            if !spec.egress.is_empty() {
                spec.policy_types.push("Egress".into());
            }
        }
        let incoming = spec.ingress.iter_mut().flat_map(|r| &mut r.ports);
        for port in incoming.chain(spec.egress.iter_mut().flat_map(|r| &mut r.ports)) {
            port.protocol.get_or_insert_with(|| "TCP".into());
        }
    }

    fn row(&self, policy: &NetworkPolicy, now: Timestamp) -> Vec<Value> {
        row![
            policy.metadata.name.as_str(),
            columns::selector(Some(&policy.spec.pod_selector)),
            columns::age(policy.metadata.creation_timestamp, now),
        ]
    }
}
