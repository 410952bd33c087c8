//! Ingresses.

use crate::columns::{self, AGE, Column, NAME, row};
use crate::rules::Rules;
use crate::strategy::KindStrategy;
use corten_api::networking::v1::Ingress;
use jiff::Timestamp;
use serde_json::Value;
use std::collections::BTreeSet;

/// Ingresses.
pub struct IngressStrategy;

impl KindStrategy for IngressStrategy {
    type Kind = Ingress;
    const RULES: Rules = Rules::COUNTED;
    const COLUMNS: &'static [Column] = &[
        NAME,
        Column::text("Class"),
        Column::text("Hosts"),
        Column::text("Address"),
        Column::text("Ports"),
        AGE,
    ];

    fn row(&self, ingress: &Ingress, now: Timestamp) -> Vec<Value> {
        let spec = &ingress.spec;
        let addresses: BTreeSet<&str> = ingress
            .status
            .load_balancer
            .ingress
            .iter()
            .map(|i| if i.ip.is_empty() { i.hostname.as_str() } else { i.ip.as_str() })
            .filter(|a| !a.is_empty())
            .collect();
        row![
            ingress.metadata.name.as_str(),
            spec.ingress_class_name.as_deref().unwrap_or("<none>"),
            hosts(ingress),
            addresses.into_iter().collect::<Vec<_>>().join(","),
            if spec.tls.is_empty() { "80" } else { "80, 443" },
            columns::age(ingress.metadata.creation_timestamp, now),
        ]
    }
}

fn hosts(ingress: &Ingress) -> String {
    let rules = &ingress.spec.rules;
    let named: Vec<&str> = rules.iter().map(|r| r.host.as_str()).filter(|h| !h.is_empty()).collect();
    match named.len() {
        0 => "*".into(),
        1..=3 => named.join(","),
        _ => format!("{} + {} more...", named[..3].join(","), rules.len() - 3),
    }
}
