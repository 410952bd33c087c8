//! EndpointSlices.

use crate::addresses;
use crate::columns::{self, AGE, Column, NAME, row};
use crate::errors::Errors;
use crate::metadata::{self, IMMUTABLE};
use crate::names;
use crate::reflection;
use crate::rules::Rules;
use crate::strategy::KindStrategy;
use corten_api::discovery::v1::{Endpoint, EndpointPort, EndpointSlice};
use corten_semantics::field::FieldError;
use jiff::Timestamp;
use serde_json::Value;

const MOST_ENDPOINTS: usize = 1000;
const MOST_ADDRESSES: usize = 100;
const MOST_PORTS: usize = 20000;

const CONTROLLERS: [&str; 2] =
    ["endpointslice-controller.k8s.io", "endpointslicemirroring-controller.k8s.io"];

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

    fn validate(&self, slice: &EndpointSlice) -> Vec<FieldError> {
        let mut errors = Errors::default();
        errors.one_of("addressType", &slice.address_type, &["FQDN", "IPv4", "IPv6"]);
        validate_ports(&mut errors, &slice.ports);
        if slice.endpoints.len() > MOST_ENDPOINTS {
            errors.extend([FieldError::too_many("endpoints", slice.endpoints.len(), MOST_ENDPOINTS)]);
        }
        for (i, endpoint) in slice.endpoints.iter().enumerate() {
            validate_endpoint(&mut errors, endpoint, &slice.address_type, &format!("endpoints[{i}]"));
        }
        errors.into_vec()
    }

    fn validate_update(&self, new: &EndpointSlice, old: &EndpointSlice) -> Vec<FieldError> {
        let mut errors = Errors::default();
        errors.extend(KindStrategy::validate(self, new));
        if new.address_type != old.address_type {
            errors.invalid("addressType", &new.address_type, IMMUTABLE);
        }
        errors.into_vec()
    }

    fn warnings(&self, slice: &EndpointSlice, old: Option<&EndpointSlice>) -> Vec<String> {
        let mut told = Vec::new();
        if old.is_none() && slice.address_type == "FQDN" {
            told.push("spec.addressType: FQDN endpoints are deprecated".to_string());
        }
        // Controllers write addresses as they should be.
        let keeper = slice.metadata.labels.get("endpointslice.kubernetes.io/managed-by").map(String::as_str);
        if keeper.is_some_and(|keeper| CONTROLLERS.contains(&keeper)) {
            return told;
        }
        for (i, endpoint) in slice.endpoints.iter().enumerate() {
            for (j, address) in endpoint.addresses.iter().enumerate() {
                let at = format!("endpoints[{i}].addresses[{j}]");
                told.extend(addresses::address_warnings(&at, address));
            }
        }
        told
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

fn validate_ports(errors: &mut Errors, ports: &[EndpointPort]) {
    if ports.len() > MOST_PORTS {
        errors.extend([FieldError::too_many("ports", ports.len(), MOST_PORTS)]);
    }
    for (i, port) in ports.iter().enumerate() {
        let at = |field: &str| format!("ports[{i}].{field}");
        let name = port.name.as_deref().unwrap_or_default();
        if !name.is_empty() {
            errors.format(&at("name"), name, names::dns_label);
        }
        if ports[..i].iter().any(|other| other.name.as_deref().unwrap_or_default() == name) {
            errors.duplicate(at("name"), name);
        }
        let protocol = port.protocol.as_deref().unwrap_or_default();
        errors.one_of(at("protocol"), protocol, &["SCTP", "TCP", "UDP"]);
        if let Some(protocol) = &port.app_protocol {
            errors.format(&at("appProtocol"), protocol, names::qualified_name);
        }
    }
}

fn validate_endpoint(errors: &mut Errors, endpoint: &Endpoint, kind: &str, path: &str) {
    let at = format!("{path}.addresses");
    let count = endpoint.addresses.len();
    if count == 0 {
        errors.required(&at, "must contain at least 1 address");
    } else if count > MOST_ADDRESSES {
        errors.extend([FieldError::too_many(&at, count, MOST_ADDRESSES)]);
    }
    for (i, address) in endpoint.addresses.iter().enumerate() {
        let one = format!("{at}[{i}]");
        if kind == "FQDN" {
            let name = address.strip_suffix('.').unwrap_or(address);
            errors.format(&one, name, names::dns_subdomain);
            continue;
        }
        let Some(ip) = addresses::address(errors, &one, address) else { continue };
        if ["IPv4", "IPv6"].contains(&kind) && ip.is_ipv4() != (kind == "IPv4") {
            errors.invalid(&at, address, format!("must be an {kind} address"));
        }
        addresses::endpoint(errors, &one, address);
    }
    hints(errors, endpoint, path);
    if let Some(node) = &endpoint.node_name {
        errors.format(&format!("{path}.nodeName"), node, names::dns_subdomain);
    }
    let topology = format!("{path}.deprecatedTopology");
    errors.extend(metadata::labels(&endpoint.deprecated_topology, &topology));
    if let Some(hostname) = &endpoint.hostname {
        errors.format(&format!("{path}.hostname"), hostname, names::dns_label);
    }
}

/// Zones and nodes that an endpoint is meant for: eight of each at most, each once.
fn hints(errors: &mut Errors, endpoint: &Endpoint, path: &str) {
    let Some(hints) = &endpoint.hints else { return };
    let zones: Vec<&str> = hints.for_zones.iter().map(|z| z.name.as_str()).collect();
    let nodes: Vec<&str> = hints.for_nodes.iter().map(|n| n.name.as_str()).collect();
    for (name, list, check) in [
        ("forZones", &zones, names::label_value as fn(&str) -> Vec<String>),
        ("forNodes", &nodes, names::dns_subdomain),
    ] {
        let at = format!("{path}.hints.{name}");
        if list.len() > 8 {
            errors.extend([FieldError::too_many(&at, list.len(), 8)]);
            continue;
        }
        for (i, one) in list.iter().enumerate() {
            let at = format!("{at}[{i}].name");
            if list[..i].contains(one) {
                errors.duplicate(&at, *one);
            }
            errors.format(&at, one, check);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_hold_addresses_of_their_type() {
        let mut slice = EndpointSlice { address_type: "IPv4".into(), ..Default::default() };
        slice.endpoints.push(Endpoint { addresses: vec!["2001:db8::1".into()], ..Default::default() });
        slice.endpoints.push(Endpoint::default());
        let told: Vec<String> =
            KindStrategy::validate(&EndpointSliceStrategy, &slice).iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "endpoints[0].addresses: Invalid value: \"2001:db8::1\": must be an IPv4 address",
                "endpoints[1].addresses: Required value: must contain at least 1 address"
            ]
        );
    }
}
