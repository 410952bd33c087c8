//! Services. Addresses and node ports are given out by the server, which sees all services; what follows
//! from one service alone is here.

mod update;
mod validate;
mod warnings;

use super::CORE;
use super::pod::defaults::text;
use crate::columns::{self, AGE, Column, NAME, or_none, row};
use crate::names;
use crate::rules::Rules;
use crate::strategy::KindStrategy;
use corten_api::IntOrString;
use corten_api::core::v1::{ClientIPConfig, Service, ServiceSpec, ServiceStatus, SessionAffinityConfig};
use corten_semantics::field::FieldError;
use jiff::Timestamp;
use serde_json::Value;
use std::borrow::Cow;
use std::collections::BTreeSet;

/// Services.
pub struct ServiceStrategy;

impl KindStrategy for ServiceStrategy {
    type Kind = Service;
    const RULES: Rules = Rules { name: names::service, create_on_update: true, ..CORE };
    const COLUMNS: &'static [Column] = &[
        NAME,
        Column::text("Type"),
        Column::text("Cluster-IP"),
        Column::text("External-IP"),
        Column::text("Port(s)"),
        AGE,
        Column::text("Selector").wide(),
    ];
    const FIELD_LABELS: &'static [&'static str] = &["spec.clusterIP", "spec.type"];

    fn default(&self, service: &mut Service) {
        default_spec(&mut service.spec);
        if service.spec.type_ == "LoadBalancer" {
            for ingress in service.status.load_balancer.ingress.iter_mut().filter(|i| !i.ip.is_empty()) {
                ingress.ip_mode.get_or_insert_with(|| "VIP".into());
            }
        }
    }

    fn prepare_create(&self, service: &mut Service) {
        service.status = ServiceStatus::default();
        update::plural_addresses(&mut service.spec, None);
        drop_internal_policy(&mut service.spec);
        fill_families(&mut service.spec, None);
    }

    fn prepare_update(&self, new: &mut Service, old: &Service) {
        new.status = old.status.clone();
        update::keep_allocated(&mut new.spec, &old.spec);
        update::plural_addresses(&mut new.spec, Some(&old.spec));
        update::drop_what_the_type_has_not(new, old);
        update::shrink(&mut new.spec, &old.spec);
        drop_internal_policy(&mut new.spec);
        fill_families(&mut new.spec, Some(&old.spec));
    }

    fn validate(&self, service: &Service) -> Vec<FieldError> {
        validate::create(service)
    }

    fn validate_update(&self, new: &Service, old: &Service) -> Vec<FieldError> {
        validate::update(new, old)
    }

    fn validate_status_update(&self, new: &Service, _old: &Service) -> Vec<FieldError> {
        validate::status(new)
    }

    fn warnings(&self, service: &Service, _: Option<&Service>) -> Vec<String> {
        warnings::of(service)
    }

    fn row(&self, service: &Service, now: Timestamp) -> Vec<Value> {
        row![
            service.metadata.name.as_str(),
            service.spec.type_.as_str(),
            or_none(service.spec.cluster_ips.first().map_or("", |ip| ip)),
            external(service),
            ports(&service.spec),
            columns::age(service.metadata.creation_timestamp, now),
            columns::labels(&service.spec.selector),
        ]
    }

    fn selectable_field<'a>(&self, service: &'a Service, label: &str) -> Cow<'a, str> {
        match label {
            "spec.clusterIP" => service.spec.cluster_ip.as_str().into(),
            _ => service.spec.type_.as_str().into(),
        }
    }
}

fn default_spec(spec: &mut ServiceSpec) {
    text(&mut spec.session_affinity, "None");
    if spec.session_affinity == "None" {
        spec.session_affinity_config = None;
    }
    if spec.session_affinity == "ClientIP" {
        let timeout = |c: &SessionAffinityConfig| c.client_ip.as_ref().and_then(|c| c.timeout_seconds);
        if spec.session_affinity_config.as_deref().and_then(timeout).is_none() {
            let client_ip = Some(Box::new(ClientIPConfig { timeout_seconds: Some(10800) }));
            spec.session_affinity_config = Some(Box::new(SessionAffinityConfig { client_ip }));
        }
    }
    text(&mut spec.type_, "ClusterIP");
    for port in &mut spec.ports {
        text(&mut port.protocol, "TCP");
        let unset = match &port.target_port {
            IntOrString::Int(n) => *n == 0,
            IntOrString::String(s) => s.is_empty(),
        };
        if unset {
            port.target_port = port.port.into();
        }
    }
    if externally_accessible(spec) {
        text(&mut spec.external_traffic_policy, "Cluster");
    }
    if spec.type_ != "ExternalName" {
        spec.internal_traffic_policy.get_or_insert_with(|| "Cluster".into());
    }
    if spec.type_ == "LoadBalancer" {
        spec.allocate_load_balancer_node_ports.get_or_insert(true);
    }
}

/// Names elsewhere have no traffic in the cluster; that they may say how it goes is old, and nobody is shown it.
fn drop_internal_policy(spec: &mut ServiceSpec) {
    let is_valid = |policy: &str| matches!(policy, "Cluster" | "Local");
    if spec.type_ == "ExternalName" && spec.internal_traffic_policy.as_deref().is_some_and(is_valid) {
        spec.internal_traffic_policy = None;
    }
}

/// Whether the service is reached from outside: by load balancer, node port or external addresses.
pub fn externally_accessible(spec: &ServiceSpec) -> bool {
    matches!(spec.type_.as_str(), "LoadBalancer" | "NodePort")
        || (spec.type_ == "ClusterIP" && !spec.external_ips.is_empty())
}

/// Whether the service gets an address in the cluster.
pub fn needs_cluster_ip(spec: &ServiceSpec) -> bool {
    spec.type_ != "ExternalName"
}

/// Whether the service's ports may have node ports.
pub fn needs_node_port(spec: &ServiceSpec) -> bool {
    matches!(spec.type_.as_str(), "NodePort" | "LoadBalancer")
}

/// Whether ports that name no node port get one.
pub fn gets_node_ports(spec: &ServiceSpec) -> bool {
    let balancer = spec.type_ == "LoadBalancer" && spec.allocate_load_balancer_node_ports != Some(false);
    spec.type_ == "NodePort" || balancer
}

/// Whether the service gets a node port for health checks.
pub fn needs_health_check_node_port(spec: &ServiceSpec) -> bool {
    spec.type_ == "LoadBalancer" && spec.external_traffic_policy == "Local"
}

/// Address families of a cluster with IPv4 alone; a headless service without selector may have both.
fn fill_families(spec: &mut ServiceSpec, old: Option<&ServiceSpec>) {
    if !needs_cluster_ip(spec) {
        return;
    }
    if spec.ip_family_policy.is_none() {
        let headless = spec.cluster_ip == "None" && spec.selector.is_empty();
        let usual = if headless { "RequireDualStack" } else { "SingleStack" };
        let before = old.and_then(|o| o.ip_family_policy.clone());
        spec.ip_family_policy = Some(before.unwrap_or_else(|| usual.into()));
    }
    if spec.ip_families.is_empty() {
        for ip in spec.cluster_ips.iter().filter(|ip| *ip != "None") {
            spec.ip_families.push(if ip.contains(':') { "IPv6" } else { "IPv4" }.into());
        }
    }
    if spec.ip_families.is_empty() {
        spec.ip_families.push("IPv4".into());
        let without_selector = spec.cluster_ip == "None" && spec.selector.is_empty();
        if without_selector && spec.ip_family_policy.as_deref() != Some("SingleStack") {
            spec.ip_families.push("IPv6".into());
        }
    }
}

fn external(service: &Service) -> String {
    let spec = &service.spec;
    match spec.type_.as_str() {
        "ClusterIP" | "NodePort" => or_none(spec.external_ips.join(",")),
        "LoadBalancer" => {
            let ingress = &service.status.load_balancer.ingress;
            let shown: BTreeSet<&str> = ingress
                .iter()
                .map(|i| if i.ip.is_empty() { i.hostname.as_str() } else { i.ip.as_str() })
                .filter(|s| !s.is_empty())
                .collect();
            let all: Vec<&str> =
                shown.into_iter().chain(spec.external_ips.iter().map(String::as_str)).collect();
            if all.is_empty() { "<pending>".into() } else { all.join(",") }
        }
        "ExternalName" => spec.external_name.clone(),
        _ => "<unknown>".into(),
    }
}

fn ports(spec: &ServiceSpec) -> String {
    let ports = spec.ports.iter().map(|p| match p.node_port {
        0 => format!("{}/{}", p.port, p.protocol),
        node => format!("{}:{node}/{}", p.port, p.protocol),
    });
    or_none(ports.collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_api::core::v1::ServicePort;

    fn service(type_: &str) -> Service {
        let mut s = Service::default();
        s.spec.type_ = type_.into();
        s.spec.selector.insert("app".into(), "web".into());
        s.spec.ports.push(ServicePort { port: 80, ..Default::default() });
        KindStrategy::default(&ServiceStrategy, &mut s);
        KindStrategy::prepare_create(&ServiceStrategy, &mut s);
        s
    }

    #[test]
    fn a_service_is_filled() {
        let s = service("");
        let spec = &s.spec;
        assert_eq!((spec.type_.as_str(), spec.session_affinity.as_str()), ("ClusterIP", "None"));
        assert_eq!((spec.ports[0].protocol.as_str(), &spec.ports[0].target_port), ("TCP", &80.into()));
        assert_eq!(spec.internal_traffic_policy.as_deref(), Some("Cluster"));
        assert_eq!(
            (spec.ip_family_policy.as_deref(), spec.ip_families.join(",")),
            (Some("SingleStack"), "IPv4".into())
        );
        assert_eq!(spec.external_traffic_policy, "");
        let s = service("LoadBalancer");
        assert_eq!(s.spec.external_traffic_policy, "Cluster");
        assert_eq!(s.spec.allocate_load_balancer_node_ports, Some(true));
        let s = service("ExternalName");
        assert_eq!((s.spec.internal_traffic_policy, s.spec.ip_families.len()), (None, 0));
    }

    #[test]
    fn bad_services_are_told_as_upstream_tells_them() {
        type Change = fn(&mut Service);
        let rows: &[(&str, Change, &str)] = &[
            ("", |_| {}, ""),
            ("", |s| s.spec.ports.clear(), "spec.ports: Required value"),
            (
                "",
                |s| s.spec.ports[0].node_port = 30000,
                "spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'",
            ),
            (
                "",
                |s| s.spec.ports.push(ServicePort { port: 81, ..s.spec.ports[0].clone() }),
                "spec.ports[0].name: Required value; spec.ports[1].name: Required value",
            ),
            (
                "",
                |s| s.spec.ports[0].port = 0,
                "spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive",
            ),
            (
                "ExternalName",
                |s| s.spec.external_name = "Bad_Name".into(),
                "spec.externalName: Invalid value: \"Bad_Name\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
            ),
        ];
        for (type_, change, want) in rows {
            let mut s = service(type_);
            change(&mut s);
            let told: Vec<String> =
                KindStrategy::validate(&ServiceStrategy, &s).iter().map(ToString::to_string).collect();
            assert_eq!(told.join("; "), *want);
        }
        let mut old = service("");
        old.spec.cluster_ip = "10.0.0.1".into();
        old.spec.cluster_ips = vec!["10.0.0.1".into()];
        let mut new = old.clone();
        new.spec.cluster_ip = "10.0.0.2".into();
        new.spec.cluster_ips = vec!["10.0.0.2".into()];
        let told = KindStrategy::validate_update(&ServiceStrategy, &new, &old);
        assert_eq!(
            told[0].to_string(),
            "spec.clusterIPs[0]: Invalid value: [\"10.0.0.2\"]: may not change once set"
        );
    }

    #[test]
    fn an_update_keeps_addresses_and_a_new_type_drops_ports() {
        let mut old = service("NodePort");
        old.spec.cluster_ip = "10.0.0.1".into();
        old.spec.cluster_ips = vec!["10.0.0.1".into()];
        old.spec.ports[0].node_port = 30000;
        let mut new = service("NodePort");
        new.spec.ip_families.clear();
        KindStrategy::prepare_update(&ServiceStrategy, &mut new, &old);
        assert_eq!((new.spec.cluster_ip.as_str(), new.spec.ports[0].node_port), ("10.0.0.1", 30000));
        let mut new = old.clone();
        new.spec.type_ = "ClusterIP".into();
        KindStrategy::prepare_update(&ServiceStrategy, &mut new, &old);
        assert_eq!((new.spec.ports[0].node_port, new.spec.external_traffic_policy.as_str()), (0, ""));
        let mut new = old.clone();
        new.spec.type_ = "ExternalName".into();
        KindStrategy::prepare_update(&ServiceStrategy, &mut new, &old);
        assert_eq!((new.spec.cluster_ip.as_str(), new.spec.cluster_ips.len()), ("", 0));
    }
}
