//! Endpoints.

use super::CORE;
use super::pod::defaults::text;
use crate::columns::{self, AGE, Column, NAME, row};
use crate::rules::Rules;
use crate::strategy::KindStrategy;
use corten_api::core::v1::Endpoints;
use jiff::Timestamp;
use serde_json::Value;

/// Endpoints.
pub struct EndpointsStrategy;

impl KindStrategy for EndpointsStrategy {
    type Kind = Endpoints;
    const RULES: Rules = Rules { create_on_update: true, ..CORE };
    const COLUMNS: &'static [Column] = &[NAME, Column::text("Endpoints"), AGE];

    fn default(&self, endpoints: &mut Endpoints) {
        for port in endpoints.subsets.iter_mut().flat_map(|s| &mut s.ports) {
            text(&mut port.protocol, "TCP");
        }
    }

    fn row(&self, endpoints: &Endpoints, now: Timestamp) -> Vec<Value> {
        row![
            endpoints.metadata.name.as_str(),
            addresses(endpoints),
            columns::age(endpoints.metadata.creation_timestamp, now),
        ]
    }
}

fn addresses(endpoints: &Endpoints) -> String {
    if endpoints.subsets.is_empty() {
        return "<none>".into();
    }
    let mut list = Vec::new();
    for subset in &endpoints.subsets {
        if subset.ports.is_empty() {
            list.extend(subset.addresses.iter().map(|a| a.ip.clone()));
        }
        for port in &subset.ports {
            list.extend(subset.addresses.iter().map(|a| {
                if a.ip.contains(':') {
                    format!("[{}]:{}", a.ip, port.port)
                } else {
                    format!("{}:{}", a.ip, port.port)
                }
            }));
        }
    }
    if list.is_empty() { String::new() } else { columns::first_three(&list) }
}
