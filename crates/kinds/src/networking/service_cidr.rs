//! ServiceCIDRs and the IPAddresses taken from them.

use crate::addresses;
use crate::columns::{self, AGE, Column, NAME, row};
use crate::errors::Errors;
use crate::metadata::{IMMUTABLE, invalid_each, shown, strings};
use crate::names;
use crate::rules::{Rules, StatusMetadata};
use crate::strategy::KindStrategy;
use corten_api::networking::v1::{IPAddress, ServiceCIDR};
use corten_semantics::address::parse_range;
use corten_semantics::field::FieldError;
use jiff::Timestamp;
use serde_json::Value;
use std::net::IpAddr;

/// ServiceCIDRs.
pub struct ServiceCIDRStrategy;

impl KindStrategy for ServiceCIDRStrategy {
    type Kind = ServiceCIDR;
    const RULES: Rules = Rules { status_metadata: StatusMetadata::Kept, ..Rules::USUAL };
    const COLUMNS: &'static [Column] = &[NAME, Column::text("CIDRs"), AGE];

    fn validate(&self, cidr: &ServiceCIDR) -> Vec<FieldError> {
        let (mut errors, list) = (Errors::default(), &cidr.spec.cidrs);
        if list.is_empty() {
            errors.required("spec.cidrs", "at least one CIDR required");
        }
        if list.len() > 2 {
            errors.invalid("spec.cidrs", shown(&cidr.spec), "may only hold up to 2 values");
        }
        for (i, range) in list.iter().enumerate() {
            addresses::written_range(&mut errors, &format!("spec.cidrs[{i}]"), range);
        }
        let readable = list.iter().all(|range| parse_range(range).is_some());
        if readable && !addresses::one_of_each_family(list) {
            let detail =
                "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64";
            errors.invalid("spec.cidrs", strings(list), detail);
        }
        errors.into_vec()
    }

    /// A second range may be added, nothing else may change.
    fn validate_update(&self, new: &ServiceCIDR, old: &ServiceCIDR) -> Vec<FieldError> {
        let (mut errors, has, had) = (Errors::default(), &new.spec.cidrs, &old.spec.cidrs);
        match (had.len(), has.len()) {
            (before, now) if before == now => {
                for (i, (has, _)) in has.iter().zip(had).enumerate().filter(|(_, (a, b))| a != b) {
                    errors.invalid(format!("spec.cidrs[{i}]"), has, IMMUTABLE);
                }
            }
            (1, 2) => {
                if let (Some(has), Some(had)) = (has.first(), had.first())
                    && has != had
                {
                    errors.invalid("spec.cidrs[0]", has, IMMUTABLE);
                }
                errors.extend(KindStrategy::validate(self, new));
            }
            _ => errors.invalid("spec.cidrs", strings(has), IMMUTABLE),
        }
        errors.into_vec()
    }

    fn row(&self, cidr: &ServiceCIDR, now: Timestamp) -> Vec<Value> {
        row![
            cidr.metadata.name.as_str(),
            cidr.spec.cidrs.join(","),
            columns::age(cidr.metadata.creation_timestamp, now)
        ]
    }
}

/// IPAddresses.
pub struct IPAddressStrategy;

impl KindStrategy for IPAddressStrategy {
    type Kind = IPAddress;
    const RULES: Rules = Rules { name: address_name, generation: true, ..Rules::USUAL };
    const COLUMNS: &'static [Column] = &[NAME, Column::text("ParentRef")];

    fn validate(&self, address: &IPAddress) -> Vec<FieldError> {
        let mut errors = Errors::default();
        let Some(parent) = &address.spec.parent_ref else {
            errors.required("spec.parentRef", "");
            return errors.into_vec();
        };
        let at = |field: &str| format!("spec.parentRef.{field}");
        if !parent.group.is_empty() {
            errors.format(&at("group"), &parent.group, names::dns_subdomain);
        }
        for (name, value) in [("resource", &parent.resource), ("name", &parent.name)] {
            if value.is_empty() {
                errors.required(at(name), "");
            }
            errors.extend(invalid_each(&at(name), value, names::path_segment(value, false)));
        }
        if !parent.namespace.is_empty() {
            let wrong = names::path_segment(&parent.namespace, false);
            errors.extend(invalid_each(&at("namespace"), &parent.namespace, wrong));
        }
        errors.into_vec()
    }

    fn validate_update(&self, new: &IPAddress, old: &IPAddress) -> Vec<FieldError> {
        let mut errors = Errors::default();
        if new.spec.parent_ref != old.spec.parent_ref {
            errors.invalid("spec.parentRef", shown(&new.spec.parent_ref), IMMUTABLE);
        }
        errors.into_vec()
    }

    fn row(&self, address: &IPAddress, _now: Timestamp) -> Vec<Value> {
        let parent = address.spec.parent_ref.as_ref().map_or("<none>".to_string(), |p| {
            let resource =
                if p.group.is_empty() { p.resource.clone() } else { format!("{}.{}", p.resource, p.group) };
            let namespace = if p.namespace.is_empty() { String::new() } else { format!("/{}", p.namespace) };
            format!("{}{namespace}/{}", resource.to_lowercase(), p.name)
        });
        row![address.metadata.name.as_str(), parent]
    }
}

/// The name is the address, as one writes it.
fn address_name(name: &str, _prefix: bool) -> Vec<String> {
    match addresses::parse(name) {
        None => vec!["must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)".into()],
        Some(_) if name.parse::<IpAddr>().is_err() => vec!["must not have leading 0s".into()],
        Some(ip) if ip.to_canonical() != ip => vec!["must not be an IPv4-mapped IPv6 address".into()],
        Some(ip) if ip.to_string() != name => vec![format!("must be in canonical form (\"{ip}\")")],
        Some(_) => Vec::new(),
    }
}
