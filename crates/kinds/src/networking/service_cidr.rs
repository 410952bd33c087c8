//! ServiceCIDRs and the IPAddresses taken from them.

use crate::columns::{self, AGE, Column, NAME, row};
use crate::rules::{Rules, StatusMetadata};
use crate::strategy::KindStrategy;
use corten_api::networking::v1::{IPAddress, ServiceCIDR};
use jiff::Timestamp;
use serde_json::Value;

/// ServiceCIDRs.
pub struct ServiceCIDRStrategy;

impl KindStrategy for ServiceCIDRStrategy {
    type Kind = ServiceCIDR;
    const RULES: Rules = Rules { status_metadata: StatusMetadata::Kept, ..Rules::USUAL };
    const COLUMNS: &'static [Column] = &[NAME, Column::text("CIDRs"), AGE];

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
    const COLUMNS: &'static [Column] = &[NAME, Column::text("ParentRef"), AGE];

    fn row(&self, address: &IPAddress, now: Timestamp) -> Vec<Value> {
        let parent = address.spec.parent_ref.as_ref().map_or("<none>".to_string(), |p| {
            let resource =
                if p.group.is_empty() { p.resource.clone() } else { format!("{}.{}", p.resource, p.group) };
            let parts = [resource.to_lowercase(), p.namespace.clone(), p.name.clone()];
            parts.into_iter().filter(|s| !s.is_empty()).collect::<Vec<_>>().join("/")
        });
        row![address.metadata.name.as_str(), parent, columns::age(address.metadata.creation_timestamp, now)]
    }
}
