//! What a question about the cluster's zone is answered with: Kubernetes' DNS specification 1.1.0. Pure.

use crate::index::cluster_addresses;
use crate::zone::Zone;
use corten_api::core::v1::Service;
use corten_api::discovery::v1::{Endpoint, EndpointSlice};
use corten_client::Key;
use hickory_proto::op::Query;
use hickory_proto::rr::rdata::{A, AAAA, CNAME, NS, PTR, SOA, SRV, TXT};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use std::net::IpAddr;

/// How long clients may keep answers, in seconds.
const TTL: u32 = 5;
/// The version of the specification that the zone follows.
const SPECIFICATION: &str = "1.1.0";

/// What is known of a name.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// The name is none of ours: others are to be asked.
    NotOurs,
    /// The name does not exist.
    NoName,
    /// The name exists; there may be no record of the wanted type.
    Records {
        answers: Vec<Record>,
        additionals: Vec<Record>,
        /// Another name whose records belong to the answer too.
        follow: Option<Name>,
    },
}

impl Answer {
    fn records(answers: Vec<Record>) -> Self {
        Answer::Records { answers, additionals: Vec::new(), follow: None }
    }
}

/// Answers `query` from what `zone` has.
pub fn answer(query: &Query, zone: &Zone) -> Answer {
    let asked = Asked { name: query.name(), kind: query.query_type(), zone };
    if !zone.origin.zone_of(query.name()) {
        return if is_reverse(query.name()) { asked.reverse() } else { Answer::NotOurs };
    }
    let all: Vec<String> =
        query.name().iter().map(|label| String::from_utf8_lossy(label).to_ascii_lowercase()).collect();
    let below = all.len() - usize::from(zone.origin.num_labels());
    let labels: Vec<&str> = all[..below].iter().map(String::as_str).collect();
    match labels[..] {
        [] => asked.apex(),
        ["dns-version"] => asked.only(RecordType::TXT, RData::TXT(TXT::new(vec![SPECIFICATION.into()]))),
        ["dns"] | ["svc"] | ["pod"] => Answer::records(vec![]),
        ["ns", "dns"] => asked.addresses(zone.server),
        [namespace, "svc" | "pod"] if zone.has_services(namespace) => Answer::records(vec![]),
        [address, _, "pod"] => undash(address).map_or(Answer::NoName, |a| asked.addresses([a])),
        [service, namespace, "svc"] => asked.service(Key::new(namespace, service), None, None),
        [protocol, service, namespace, "svc"] if protocol.starts_with('_') => {
            let exists = zone.service(&Key::new(namespace, service)).is_some();
            if exists { Answer::records(vec![]) } else { Answer::NoName }
        }
        [host, service, namespace, "svc"] => asked.service(Key::new(namespace, service), Some(host), None),
        [port, protocol, service, namespace, "svc"] => {
            match (port.strip_prefix('_'), protocol.strip_prefix('_')) {
                (Some(port), Some(protocol)) => {
                    asked.service(Key::new(namespace, service), None, Some((port, protocol)))
                }
                _ => Answer::NoName,
            }
        }
        _ => Answer::NoName,
    }
}

/// The record that closes answers which say no.
pub fn authority(zone: &Zone) -> Record {
    let below = |label: &str| zone.origin.prepend_label(label).unwrap_or_else(|_| zone.origin.clone());
    let server = below("dns").prepend_label("ns").unwrap_or_else(|_| zone.origin.clone());
    let soa = SOA::new(server, below("hostmaster"), 1, 7200, 1800, 86400, TTL);
    Record::from_rdata(zone.origin.clone(), TTL, RData::SOA(soa))
}

/// Where a record points to: an endpoint's or the Service's own address, with the name that has it.
struct Spot {
    name: Name,
    addresses: Vec<IpAddr>,
    port: u16,
}

struct Asked<'a> {
    name: &'a Name,
    kind: RecordType,
    zone: &'a Zone,
}

impl Asked<'_> {
    fn record(&self, data: RData) -> Record {
        Record::from_rdata(self.name.clone(), TTL, data)
    }

    /// The record if its type is wanted; else the name alone.
    fn only(&self, kind: RecordType, data: RData) -> Answer {
        let wanted = self.kind == kind || self.kind == RecordType::ANY;
        Answer::records(if wanted { vec![self.record(data)] } else { vec![] })
    }

    fn apex(&self) -> Answer {
        let authority = authority(self.zone);
        match &authority.data {
            RData::SOA(soa) if self.kind == RecordType::NS => {
                let server = RData::NS(NS(soa.mname.clone()));
                Answer::records(vec![self.record(server)])
            }
            soa => self.only(RecordType::SOA, soa.clone()),
        }
    }

    /// Addresses of the wanted family, each once.
    fn addresses(&self, addresses: impl IntoIterator<Item = IpAddr>) -> Answer {
        let mut records: Vec<Record> = Vec::new();
        for address in addresses {
            let record = self.record(address_data(address));
            let wanted = self.kind == record.record_type() || self.kind == RecordType::ANY;
            if wanted && !records.contains(&record) {
                records.push(record);
            }
        }
        Answer::records(records)
    }

    /// A Service, one of its endpoints, or one of its ports by name and protocol.
    fn service(&self, key: Key, host: Option<&str>, port: Option<(&str, &str)>) -> Answer {
        let Some(service) = self.zone.service(&key) else { return Answer::NoName };
        if service.spec.type_ == "ExternalName" {
            return if host.is_none() && port.is_none() { self.external(&service) } else { Answer::NoName };
        }
        let spots = if host.is_some() || is_headless(&service) {
            self.endpoints(&key, &service, host, port)
        } else {
            self.ports(&key, &service, port)
        };
        if spots.is_empty() {
            return Answer::NoName;
        }
        match (self.kind, port) {
            (RecordType::SRV, _) => self.locations(spots),
            (_, Some(_)) => Answer::records(vec![]),
            _ => self.addresses(spots.into_iter().flat_map(|s| s.addresses)),
        }
    }

    fn external(&self, service: &Service) -> Answer {
        let Ok(mut target) = Name::from_ascii(&service.spec.external_name) else { return Answer::NoName };
        target.set_fqdn(true);
        let answers = vec![self.record(RData::CNAME(CNAME(target.clone())))];
        match self.kind {
            RecordType::CNAME => Answer::records(answers),
            RecordType::A | RecordType::AAAA | RecordType::ANY => {
                Answer::Records { answers, additionals: Vec::new(), follow: Some(target) }
            }
            _ => Answer::records(vec![]),
        }
    }

    /// The Service's own address, once per port that is asked for.
    fn ports(&self, key: &Key, service: &Service, port: Option<(&str, &str)>) -> Vec<Spot> {
        let Some(name) = self.service_name(key) else { return Vec::new() };
        let addresses: Vec<IpAddr> = cluster_addresses(service).collect();
        let wanted = service.spec.ports.iter().filter(|p| fits(port, &p.name, &p.protocol));
        let spot = |port| Spot { name: name.clone(), addresses: addresses.clone(), port };
        let mut spots: Vec<Spot> = wanted.map(|p| spot(u16::try_from(p.port).unwrap_or(0))).collect();
        if spots.is_empty() && port.is_none() {
            spots.push(spot(0));
        }
        spots
    }

    /// The endpoints that are ready, once per port that is asked for.
    fn endpoints(
        &self,
        key: &Key,
        service: &Service,
        host: Option<&str>,
        port: Option<(&str, &str)>,
    ) -> Vec<Spot> {
        let mut spots = Vec::new();
        for slice in self.zone.slices(key) {
            let ports = slice_ports(&slice, port);
            for endpoint in slice.endpoints.iter().filter(|e| is_served(service, e)) {
                let name = host_name(endpoint);
                if host.is_some_and(|h| h != name) {
                    continue;
                }
                let Some(full) = self.endpoint_name(key, &name) else { continue };
                let addresses: Vec<IpAddr> =
                    endpoint.addresses.iter().filter_map(|a| a.parse().ok()).collect();
                let spot =
                    |port: &u16| Spot { name: full.clone(), addresses: addresses.clone(), port: *port };
                spots.extend(ports.iter().map(spot));
            }
        }
        spots
    }

    fn locations(&self, spots: Vec<Spot>) -> Answer {
        let weight = u16::try_from((100 / spots.len()).max(1)).unwrap_or(1);
        let (mut answers, mut additionals) = (Vec::new(), Vec::new());
        for spot in spots {
            let location = self.record(RData::SRV(SRV::new(0, weight, spot.port, spot.name.clone())));
            if answers.contains(&location) {
                continue;
            }
            answers.push(location);
            for address in spot.addresses {
                let record = Record::from_rdata(spot.name.clone(), TTL, address_data(address));
                if !additionals.contains(&record) {
                    additionals.push(record);
                }
            }
        }
        Answer::Records { answers, additionals, follow: None }
    }

    /// Names of an address; addresses outside the cluster are others' business.
    fn reverse(&self) -> Answer {
        let Ok(net) = self.name.parse_arpa_name() else { return Answer::NotOurs };
        if net.prefix_len() != net.max_prefix_len() {
            return Answer::NotOurs;
        }
        let address = net.addr();
        let mut names = Vec::new();
        if let Some(key) = self.zone.service_at(address) {
            names.extend(self.service_name(&key));
        } else {
            for (key, endpoint) in self.zone.endpoints_at(address) {
                names.extend(self.endpoint_name(&key, &host_name(&endpoint)));
            }
        }
        if names.is_empty() {
            return Answer::NotOurs;
        }
        names.sort();
        names.dedup();
        let wanted = matches!(self.kind, RecordType::PTR | RecordType::ANY);
        let records = names.into_iter().filter(|_| wanted).map(|n| self.record(RData::PTR(PTR(n))));
        Answer::records(records.collect())
    }

    fn service_name(&self, key: &Key) -> Option<Name> {
        let origin = self.zone.origin.prepend_label("svc").ok()?;
        origin.prepend_label(key.namespace.as_str()).ok()?.prepend_label(key.name.as_str()).ok()
    }

    fn endpoint_name(&self, service: &Key, host: &str) -> Option<Name> {
        self.service_name(service)?.prepend_label(host).ok()
    }
}

fn address_data(address: IpAddr) -> RData {
    match address {
        IpAddr::V4(v4) => RData::A(A(v4)),
        IpAddr::V6(v6) => RData::AAAA(AAAA(v6)),
    }
}

fn is_headless(service: &Service) -> bool {
    service.spec.cluster_ip == "None"
}

/// Whether DNS names the endpoint: when it is ready, or the Service wants all of them named.
fn is_served(service: &Service, endpoint: &Endpoint) -> bool {
    service.spec.publish_not_ready_addresses || endpoint.conditions.ready.unwrap_or(true)
}

/// The name of an endpoint below its Service: its hostname, or its address with dashes.
fn host_name(endpoint: &Endpoint) -> String {
    match endpoint.hostname.as_deref().filter(|h| !h.is_empty()) {
        Some(hostname) => hostname.to_ascii_lowercase(),
        None => endpoint.addresses.first().map_or(String::new(), |a| a.replace(['.', ':'], "-")),
    }
}

/// The numbers of a slice's ports that are asked for; one nought when none is asked for and there is none.
fn slice_ports(slice: &EndpointSlice, wanted: Option<(&str, &str)>) -> Vec<u16> {
    let text = |t: &Option<String>| t.clone().unwrap_or_default();
    let ports = slice.ports.iter().filter(|p| fits(wanted, &text(&p.name), &text(&p.protocol)));
    let numbers: Vec<u16> = ports.map(|p| p.port.and_then(|n| u16::try_from(n).ok()).unwrap_or(0)).collect();
    if numbers.is_empty() && wanted.is_none() { vec![0] } else { numbers }
}

fn fits(wanted: Option<(&str, &str)>, name: &str, protocol: &str) -> bool {
    let protocol = if protocol.is_empty() { "TCP" } else { protocol };
    wanted.is_none_or(|(n, p)| n == name && p.eq_ignore_ascii_case(protocol))
}

/// `10-0-0-1` and `fd00--1` as the addresses they stand for.
fn undash(label: &str) -> Option<IpAddr> {
    label.replace('-', ".").parse().or_else(|_| label.replace('-', ":").parse()).ok()
}

fn is_reverse(name: &Name) -> bool {
    let labels: Vec<&[u8]> = name.iter().collect();
    matches!(labels[..], [.., family, top] if top.eq_ignore_ascii_case(b"arpa")
        && (family.eq_ignore_ascii_case(b"in-addr") || family.eq_ignore_ascii_case(b"ip6")))
}

#[cfg(test)]
#[path = "answer_tests.rs"]
mod tests;
