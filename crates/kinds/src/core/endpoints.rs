//! Endpoints.

use super::CORE;
use super::pod::defaults::text;
use crate::addresses as ips;
use crate::columns::{self, AGE, Column, NAME, row};
use crate::errors::Errors;
use crate::names;
use crate::reflection;
use crate::rules::Rules;
use crate::strategy::KindStrategy;
use corten_api::core::v1::{EndpointAddress, EndpointPort, Endpoints};
use corten_semantics::field::FieldError;
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

    fn validate(&self, endpoints: &Endpoints) -> Vec<FieldError> {
        let mut errors = Errors::default();
        for (i, subset) in endpoints.subsets.iter().enumerate() {
            let path = format!("subsets[{i}]");
            if subset.addresses.is_empty() && subset.not_ready_addresses.is_empty() {
                errors.required(&path, "must specify `addresses` or `notReadyAddresses`");
            }
            for (name, list) in
                [("addresses", &subset.addresses), ("notReadyAddresses", &subset.not_ready_addresses)]
            {
                for (a, address) in list.iter().enumerate() {
                    validate_address(&mut errors, address, &format!("{path}.{name}[{a}]"));
                }
            }
            for (p, port) in subset.ports.iter().enumerate() {
                validate_port(&mut errors, port, subset.ports.len() > 1, &format!("{path}.ports[{p}]"));
            }
        }
        errors.into_vec()
    }

    /// What was accepted once may stay.
    fn validate_update(&self, new: &Endpoints, old: &Endpoints) -> Vec<FieldError> {
        if reflection::equal(&new.subsets, &old.subsets) {
            return Vec::new();
        }
        KindStrategy::validate(self, new)
    }

    fn warnings(&self, endpoints: &Endpoints, _: Option<&Endpoints>) -> Vec<String> {
        let mut told = Vec::new();
        for (i, subset) in endpoints.subsets.iter().enumerate() {
            for (name, list) in
                [("addresses", &subset.addresses), ("notReadyAddresses", &subset.not_ready_addresses)]
            {
                for (j, address) in list.iter().enumerate() {
                    told.extend(ips::address_warnings(&format!("subsets[{i}].{name}[{j}].ip"), &address.ip));
                }
            }
        }
        told
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

fn validate_address(errors: &mut Errors, address: &EndpointAddress, path: &str) {
    let at = format!("{path}.ip");
    if ips::address(errors, &at, &address.ip).is_some() {
        ips::endpoint(errors, &at, &address.ip);
    }
    if !address.hostname.is_empty() {
        errors.format(&format!("{path}.hostname"), &address.hostname, names::dns_label);
    }
    if let Some(node) = &address.node_name {
        errors.format(&format!("{path}.nodeName"), node, names::dns_subdomain);
    }
}

fn validate_port(errors: &mut Errors, port: &EndpointPort, named: bool, path: &str) {
    let name = format!("{path}.name");
    if named && port.name.is_empty() {
        errors.required(name, "");
    } else if !port.name.is_empty() {
        errors.format(&name, &port.name, names::dns_label);
    }
    for message in names::port_number(port.port.into()) {
        errors.invalid(format!("{path}.port"), port.port, message);
    }
    errors.one_of(format!("{path}.protocol"), &port.protocol, &["SCTP", "TCP", "UDP"]);
    if let Some(protocol) = &port.app_protocol {
        errors.format(&format!("{path}.appProtocol"), protocol, names::qualified_name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_api::core::v1::EndpointSubset;

    #[test]
    fn addresses_lead_somewhere_else() {
        let mut e = Endpoints::default();
        e.subsets.push(EndpointSubset {
            addresses: vec![EndpointAddress { ip: "127.0.0.1".into(), ..Default::default() }],
            ports: vec![EndpointPort { port: 80, ..Default::default() }],
            ..Default::default()
        });
        KindStrategy::default(&EndpointsStrategy, &mut e);
        let told = KindStrategy::validate(&EndpointsStrategy, &e);
        assert_eq!(
            told[0].to_string(),
            "subsets[0].addresses[0].ip: Invalid value: \"127.0.0.1\": may not be in the loopback range (127.0.0.0/8, ::1/128)"
        );
        assert_eq!(addresses(&e), "127.0.0.1:80");
    }
}
