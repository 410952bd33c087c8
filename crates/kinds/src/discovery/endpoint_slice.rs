//! EndpointSlices.

use crate::columns::{self, AGE, Column, NAME, row};
use crate::reflection;
use crate::rules::Rules;
use crate::strategy::KindStrategy;
use corten_api::discovery::v1::EndpointSlice;
use jiff::Timestamp;
use serde_json::Value;

/// EndpointSlices.
pub struct EndpointSliceStrategy;

impl KindStrategy for EndpointSliceStrategy {
    type Kind = EndpointSlice;
    const RULES: Rules = Rules::COUNTED;
    const COLUMNS: &'static [Column] =
        &[NAME, Column::text("AddressType"), Column::text("Ports"), Column::text("Endpoints"), AGE];

    fn default(&self, slice: &mut EndpointSlice) {
        for port in &mut slice.ports {
            port.name.get_or_insert_default();
            port.protocol.get_or_insert_with(|| "TCP".into());
        }
    }

    /// Labels count too.
    fn prepare_update(&self, new: &mut EndpointSlice, old: &EndpointSlice) {
        if reflection::specification_differs(new, old) || new.metadata.labels != old.metadata.labels {
            new.metadata.generation = old.metadata.generation + 1;
        }
    }

    fn row(&self, slice: &EndpointSlice, now: Timestamp) -> Vec<Value> {
        let port = |p: &corten_api::discovery::v1::EndpointPort| {
            let name = p.name.clone().unwrap_or("*".into());
            p.port.map_or(name, |n| n.to_string())
        };
        let ports: Vec<String> = slice.ports.iter().map(port).collect();
        let addresses: Vec<String> = slice.endpoints.iter().flat_map(|e| e.addresses.clone()).collect();
        row![
            slice.metadata.name.as_str(),
            slice.address_type.as_str(),
            columns::first_three(&ports),
            columns::first_three(&addresses),
            columns::age(slice.metadata.creation_timestamp, now),
        ]
    }
}
