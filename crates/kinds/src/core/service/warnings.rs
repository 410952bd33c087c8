//! What a Service says in vain or in an old way.

use crate::addresses::{address_warnings as address, range_warnings};
use corten_api::core::v1::Service;

/// Warnings of a Service.
pub(super) fn of(service: &Service) -> Vec<String> {
    let (spec, mut told) = (&service.spec, Vec::new());
    let hints = "service.kubernetes.io/topology-aware-hints";
    if service.metadata.annotations.contains_key(hints) {
        let mode = "service.kubernetes.io/topology-mode";
        told.push(format!("annotation {hints} is deprecated, please use {mode} instead"));
    }
    let headless = spec.type_ == "ClusterIP" && spec.cluster_ip == "None";
    if !headless {
        for (i, ip) in spec.cluster_ips.iter().enumerate() {
            told.extend(address(&format!("spec.clusterIPs[{i}]"), ip));
        }
    }
    if headless {
        for (field, set) in [
            ("loadBalancerIP", !spec.load_balancer_ip.is_empty()),
            ("externalIPs", !spec.external_ips.is_empty()),
            ("SessionAffinity", spec.session_affinity != "None"),
        ] {
            if set {
                told.push(format!("spec.{field} is ignored for headless services"));
            }
        }
    }
    for (i, ip) in spec.external_ips.iter().enumerate() {
        told.extend(address(&format!("spec.externalIPs[{i}]"), ip));
    }
    told.extend(address("spec.loadBalancerIP", &spec.load_balancer_ip));
    for (i, range) in spec.load_balancer_source_ranges.iter().enumerate() {
        told.extend(range_warnings(&format!("spec.loadBalancerSourceRanges[{i}]"), range));
    }
    let external = spec.type_ == "ExternalName";
    if external && !spec.external_ips.is_empty() {
        told.push("spec.externalIPs is ignored when spec.type is \"ExternalName\"".into());
    }
    if !external && !spec.external_name.is_empty() {
        told.push("spec.externalName is ignored when spec.type is not \"ExternalName\"".into());
    }
    if spec.traffic_distribution.as_deref() == Some("PreferClose") {
        told.push("spec.trafficDistribution: \"PreferClose\" is deprecated; use \"PreferSameZone\"".into());
    }
    told
}
