//! Validation of services.

use super::externally_accessible;
use crate::addresses;
use crate::core::pod::probes;
use crate::errors::Errors;
use crate::metadata::{self, Shown, shown, strings};
use crate::names;
use corten_api::core::v1::{Service, ServicePort, ServiceSpec};
use corten_semantics::field::FieldError;
use std::collections::BTreeSet;

/// The longest time a client stays with one endpoint, in seconds.
const LONGEST_AFFINITY: i32 = 86400;

pub(super) fn create(service: &Service) -> Vec<FieldError> {
    let mut errors = Errors::default();
    validate(&mut errors, service);
    errors.into_vec()
}

pub(super) fn update(new: &Service, old: &Service) -> Vec<FieldError> {
    let mut errors = Errors::default();
    let (n, o) = (&new.spec, &old.spec);
    if n.type_ != "ExternalName" && o.type_ != "ExternalName" {
        same_addresses(&mut errors, n, o);
        if is_headless(n) == is_headless(o) && !is_headless(n) {
            same_families(&mut errors, n, o);
        }
    }
    if n.type_ == "LoadBalancer" && o.type_ == n.type_ && n.load_balancer_class != o.load_balancer_class {
        errors.invalid("spec.loadBalancerClass", shown(&n.load_balancer_class), "may not change once set");
    }
    let checked = super::needs_health_check_node_port;
    if checked(n) && checked(o) && n.health_check_node_port != o.health_check_node_port {
        errors.forbidden("spec.healthCheckNodePort", metadata::IMMUTABLE);
    }
    validate(&mut errors, new);
    errors.into_vec()
}

/// A load balancer's status belongs to services of that type.
pub(super) fn status(new: &Service) -> Vec<FieldError> {
    let mut errors = Errors::default();
    let ingress = &new.status.load_balancer.ingress;
    if new.spec.type_ != "LoadBalancer" && !ingress.is_empty() {
        let detail = "may only be used when `spec.type` is 'LoadBalancer'";
        errors.forbidden("status.loadBalancer.ingress", detail);
        return errors.into_vec();
    }
    for (i, one) in ingress.iter().enumerate() {
        let at = |field: &str| format!("status.loadBalancer.ingress[{i}].{field}");
        if !one.ip.is_empty() {
            addresses::address(&mut errors, &at("ip"), &one.ip);
            match one.ip_mode.as_deref() {
                None => errors.required(at("ipMode"), "must be specified when `ip` is set"),
                Some(mode) => errors.supported(at("ipMode"), mode, &["Proxy", "VIP"]),
            }
        } else if let Some(mode) = &one.ip_mode {
            errors.invalid(at("ipMode"), mode, "may not be specified when `ip` is not set");
        }
        if !one.hostname.is_empty() {
            errors.format(&at("hostname"), &one.hostname, names::dns_subdomain);
            if addresses::parse(&one.hostname).is_some() {
                errors.invalid(at("hostname"), &one.hostname, "must be a DNS name, not an IP address");
            }
        }
    }
    errors.into_vec()
}

fn is_headless(spec: &ServiceSpec) -> bool {
    spec.cluster_ips == ["None"]
}

fn same_addresses(errors: &mut Errors, new: &ServiceSpec, old: &ServiceSpec) {
    if is_headless(new) && is_headless(old) {
        return;
    }
    let (has, had) = (&new.cluster_ips, &old.cluster_ips);
    let once = "may not change once set";
    if has.len() == had.len() {
        for (i, _) in had.iter().zip(has).enumerate().filter(|(_, (a, b))| a != b) {
            errors.invalid(format!("spec.clusterIPs[{i}]"), strings(has), once);
        }
        return;
    }
    if has.len() < had.len() && has.is_empty() {
        errors.invalid("spec.clusterIPs[0]", strings(has), "primary clusterIP can not be unset");
    }
    if !had.is_empty() && !has.is_empty() && has[0] != had[0] {
        errors.invalid("spec.clusterIPs[0]", strings(has), once);
    }
    if had.len() > 1 && has.len() == 1 && new.ip_family_policy.as_deref() != Some("SingleStack") {
        let detail = "must be set to 'SingleStack' when releasing the secondary clusterIP";
        errors.invalid("spec.ipFamilyPolicy", shown(&new.ip_family_policy), detail);
    }
}

fn same_families(errors: &mut Errors, new: &ServiceSpec, old: &ServiceSpec) {
    let free = |spec: &ServiceSpec| is_headless(spec) || spec.type_ == "ExternalName";
    if free(new) || free(old) {
        return;
    }
    let (has, had) = (&new.ip_families, &old.ip_families);
    let once = "may not change once set";
    if has.len() == had.len() {
        for _ in had.iter().zip(has).filter(|(a, b)| a != b) {
            errors.invalid("spec.ipFamilies[0]", strings(has), once);
        }
        return;
    }
    let fewer = has.len() < had.len();
    if fewer && new.cluster_ips.is_empty() {
        errors.invalid("spec.ipFamilies[0]", strings(has), "primary ipFamily can not be unset");
    }
    if !had.is_empty() && !has.is_empty() && has[0] != had[0] {
        errors.invalid("spec.ipFamilies[0]", strings(&new.cluster_ips), once);
    }
    if fewer && has.len() == 1 && new.ip_family_policy.as_deref() != Some("SingleStack") {
        let detail = "must be set to 'SingleStack' when releasing the secondary ipFamily";
        errors.invalid("spec.ipFamilyPolicy", shown(&new.ip_family_policy), detail);
    }
}

fn validate(errors: &mut Errors, service: &Service) {
    let spec = &service.spec;
    if spec.ports.is_empty() && !is_headless(spec) && spec.type_ != "ExternalName" {
        errors.required("spec.ports", "");
    }
    of_type(errors, spec);
    ports(errors, spec);
    errors.extend(metadata::labels(&spec.selector, "spec.selector"));
    affinity(errors, spec);
    cluster_addresses(errors, spec);
    for (i, ip) in spec.external_ips.iter().enumerate() {
        let at = format!("spec.externalIPs[{i}]");
        if addresses::address(errors, &at, ip).is_some() {
            addresses::endpoint(errors, &at, ip);
        }
    }
    let types = &["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];
    errors.one_of("spec.type", &spec.type_, types);
    load_balancer(errors, spec);
    traffic(errors, spec);
}

fn of_type(errors: &mut Errors, spec: &ServiceSpec) {
    match spec.type_.as_str() {
        kind @ ("LoadBalancer" | "NodePort") if is_headless(spec) => {
            let detail = format!("may not be set to 'None' for {kind} services");
            errors.invalid("spec.clusterIPs[0]", "None", detail);
        }
        "ExternalName" => {
            let detail = "may not be set for ExternalName services";
            for (name, set) in [
                ("clusterIPs", !spec.cluster_ips.is_empty()),
                ("ipFamilies", !spec.ip_families.is_empty()),
                ("ipFamilyPolicy", spec.ip_family_policy.is_some()),
            ] {
                if set {
                    errors.forbidden(format!("spec.{name}"), detail);
                }
            }
            let name = spec.external_name.strip_suffix('.').unwrap_or(&spec.external_name);
            if name.is_empty() {
                errors.required("spec.externalName", "");
            } else {
                errors.format("spec.externalName", name, names::dns_subdomain);
            }
        }
        _ => {}
    }
}

fn ports(errors: &mut Errors, spec: &ServiceSpec) {
    let mut taken = BTreeSet::new();
    for (i, port) in spec.ports.iter().enumerate() {
        one_port(errors, port, spec.ports.len() > 1, &mut taken, &format!("spec.ports[{i}]"));
    }
    for (i, port) in spec.ports.iter().enumerate() {
        let at = format!("spec.ports[{i}].nodePort");
        let same = |p: &&ServicePort| p.node_port == port.node_port && p.protocol == port.protocol;
        if port.node_port != 0 {
            if spec.type_ == "ClusterIP" {
                errors.forbidden(&at, "may not be used when `type` is 'ClusterIP'");
            }
            if spec.ports[..i].iter().any(|p| same(&p)) {
                errors.duplicate(at, port.node_port);
            }
        }
    }
    for (i, port) in spec.ports.iter().enumerate() {
        if spec.ports[..i].iter().any(|p| p.port == port.port && p.protocol == port.protocol) {
            let key = serde_json::json!({
                "Name": "", "Protocol": port.protocol, "AppProtocol": null, "Port": port.port,
                "TargetPort": 0, "NodePort": 0,
            });
            errors.duplicate(format!("spec.ports[{i}]"), Shown(key.to_string()));
        }
    }
}

fn one_port<'a>(
    errors: &mut Errors,
    port: &'a ServicePort,
    named: bool,
    taken: &mut BTreeSet<&'a str>,
    path: &str,
) {
    let name = format!("{path}.name");
    if named && port.name.is_empty() {
        errors.required(name, "");
    } else if !port.name.is_empty() {
        errors.format(&name, &port.name, names::dns_label);
        if !taken.insert(&port.name) {
            errors.duplicate(name, &port.name);
        }
    }
    for message in names::port_number(port.port.into()) {
        errors.invalid(format!("{path}.port"), port.port, message);
    }
    errors.one_of(format!("{path}.protocol"), &port.protocol, &["SCTP", "TCP", "UDP"]);
    probes::port(errors, &port.target_port, &format!("{path}.targetPort"));
    if let Some(protocol) = &port.app_protocol {
        errors.format(&format!("{path}.appProtocol"), protocol, names::qualified_name);
    }
}

fn affinity(errors: &mut Errors, spec: &ServiceSpec) {
    errors.one_of("spec.sessionAffinity", &spec.session_affinity, &["ClientIP", "None"]);
    let config = spec.session_affinity_config.as_deref();
    let path = "spec.sessionAffinityConfig";
    if spec.session_affinity == "None" && config.is_some() {
        errors.forbidden(path, "must not be set when session affinity is None");
    }
    if spec.session_affinity == "ClientIP" {
        let seconds = config.and_then(|c| c.client_ip.as_ref()).and_then(|c| c.timeout_seconds);
        match seconds {
            None => errors.required(path, "when session affinity type is ClientIP"),
            Some(seconds) if !(1..=LONGEST_AFFINITY).contains(&seconds) => {
                let detail = format!("must be greater than 0 and less than {LONGEST_AFFINITY}");
                errors.invalid(format!("{path}.clientIP.timeoutSeconds"), seconds, detail);
            }
            Some(_) => {}
        }
    }
}

fn cluster_addresses(errors: &mut Errors, spec: &ServiceSpec) {
    if spec.type_ == "ExternalName" {
        return;
    }
    let (ips, path) = (&spec.cluster_ips, "spec.clusterIPs");
    match (spec.cluster_ip.is_empty(), ips.first()) {
        (false, None) => errors.required(path, ""),
        (false, Some(first)) if *first != spec.cluster_ip => {
            errors.invalid(path, strings(ips), "first value must match `clusterIP`");
        }
        (true, Some(_)) => {
            errors.invalid(path, strings(ips), "must be empty when `clusterIP` is not specified");
        }
        _ => {}
    }
    for (i, family) in spec.ip_families.iter().enumerate() {
        let at = format!("spec.ipFamilies[{i}]");
        errors.supported(&at, family, &["IPv4", "IPv6"]);
        if spec.ip_families[..i].contains(family) {
            errors.duplicate(at, family);
        }
    }
    if let Some(policy) = spec.ip_family_policy.as_deref() {
        let policies = &["PreferDualStack", "RequireDualStack", "SingleStack"];
        errors.supported("spec.ipFamilyPolicy", policy, policies);
    }
    if ips.first().is_some_and(|ip| ip == "None") {
        if ips.len() > 1 {
            errors.invalid(path, strings(ips), "'None' must be the first and only value");
        }
        return;
    }
    if ips.len() > 2 {
        errors.invalid(path, strings(ips), "may only hold up to 2 values");
    }
    let read: Vec<_> = ips
        .iter()
        .enumerate()
        .map(|(i, ip)| addresses::address(errors, &format!("{path}[{i}]"), ip))
        .collect();
    if let [Some(a), Some(b)] = read.as_slice()
        && a.is_ipv4() == b.is_ipv4()
    {
        errors.invalid(path, strings(ips), "may specify no more than one IP for each IP family");
    }
    for (i, (ip, family)) in read.iter().zip(&spec.ip_families).enumerate() {
        if ip.is_some_and(|ip| ip.is_ipv4() != (family == "IPv4")) {
            let detail = format!("expected an {family} value as indicated by `ipFamilies[{i}]`");
            errors.invalid(format!("{path}[{i}]"), &ips[i], detail);
        }
    }
}

fn load_balancer(errors: &mut Errors, spec: &ServiceSpec) {
    let only = "may only be used when `type` is 'LoadBalancer'";
    let balanced = spec.type_ == "LoadBalancer";
    let ranges = &spec.load_balancer_source_ranges;
    if !balanced {
        for (name, set) in [
            ("LoadBalancerSourceRanges", !ranges.is_empty()),
            ("allocateLoadBalancerNodePorts", spec.allocate_load_balancer_node_ports.is_some()),
            ("loadBalancerClass", spec.load_balancer_class.is_some()),
        ] {
            if set {
                errors.forbidden(format!("spec.{name}"), only);
            }
        }
    } else if spec.allocate_load_balancer_node_ports.is_none() {
        errors.required("allocateLoadBalancerNodePorts", "");
    }
    for (i, range) in ranges.iter().enumerate() {
        addresses::range(errors, &format!("spec.LoadBalancerSourceRanges[{i}]"), range.trim());
    }
    if let Some(class) = spec.load_balancer_class.as_deref().filter(|_| balanced) {
        errors.format("spec.loadBalancerClass", class, names::qualified_name);
    }
}

fn traffic(errors: &mut Errors, spec: &ServiceSpec) {
    let (policy, path) = (spec.external_traffic_policy.as_str(), "spec.externalTrafficPolicy");
    if externally_accessible(spec) {
        errors.one_of(path, policy, &["Cluster", "Local"]);
    } else if !policy.is_empty() {
        errors.invalid(path, policy, "may only be set for externally-accessible services");
    }
    // The port itself may still be to be given out.
    let (port, path) = (spec.health_check_node_port, "spec.healthCheckNodePort");
    if port != 0 && !super::needs_health_check_node_port(spec) {
        let detail = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'";
        errors.invalid(path, port, detail);
    } else if port != 0 {
        for message in names::port_number(port.into()) {
            errors.invalid(path, port, message);
        }
    }
    match spec.internal_traffic_policy.as_deref() {
        None if spec.type_ != "ExternalName" => errors.required("spec.internalTrafficPolicy", ""),
        None => {}
        Some(policy) => errors.supported("spec.internalTrafficPolicy", policy, &["Cluster", "Local"]),
    }
    if let Some(distribution) = spec.traffic_distribution.as_deref() {
        let known = &["PreferClose", "PreferSameZone", "PreferSameNode"];
        errors.supported("spec.trafficDistribution", distribution, known);
    }
}
