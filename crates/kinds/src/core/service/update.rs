//! What an update of a service keeps of the old one, and what it drops with a new type.

use super::{
    externally_accessible, gets_node_ports, needs_cluster_ip, needs_health_check_node_port, needs_node_port,
};
use corten_api::core::v1::{LoadBalancerStatus, Service, ServiceSpec};
use std::collections::{BTreeMap, BTreeSet};

/// Values the server gave out stay where the client left them away.
pub(super) fn keep_allocated(new: &mut ServiceSpec, old: &ServiceSpec) {
    if needs_cluster_ip(old) && needs_cluster_ip(new) {
        if new.cluster_ip.is_empty() {
            new.cluster_ip.clone_from(&old.cluster_ip);
        }
        if new.cluster_ips.is_empty() && new.cluster_ip == old.cluster_ip {
            new.cluster_ips.clone_from(&old.cluster_ips);
        }
    }
    if gets_node_ports(old) && gets_node_ports(new) {
        keep_node_ports(new, old);
    }
    if needs_health_check_node_port(old)
        && needs_health_check_node_port(new)
        && new.health_check_node_port == 0
    {
        new.health_check_node_port = old.health_check_node_port;
    }
}

fn keep_node_ports(new: &mut ServiceSpec, old: &ServiceSpec) {
    let used = |s: &ServiceSpec| s.ports.iter().map(|p| p.node_port).collect::<BTreeSet<i32>>();
    let (in_old, in_new) = (used(old), used(new));
    let by_name: BTreeMap<&str, i32> = old.ports.iter().map(|p| (p.name.as_str(), p.node_port)).collect();
    for port in new.ports.iter_mut().filter(|p| p.node_port == 0) {
        let before = by_name.get(port.name.as_str()).copied().unwrap_or(0);
        if before != 0 && !(in_old.contains(&before) && in_new.contains(&before)) {
            port.node_port = before;
        }
    }
}

/// `clusterIP` and `clusterIPs` follow one another.
pub(super) fn plural_addresses(new: &mut ServiceSpec, old: Option<&ServiceSpec>) {
    let Some(old) = old else {
        if !new.cluster_ip.is_empty() && new.cluster_ips.is_empty() {
            new.cluster_ips = vec![new.cluster_ip.clone()];
        }
        return;
    };
    let (one_same, all_same) = (new.cluster_ip == old.cluster_ip, new.cluster_ips == old.cluster_ips);
    if !one_same {
        if new.cluster_ip.is_empty() && all_same {
            new.cluster_ips.clear();
        } else if !new.cluster_ip.is_empty() && all_same {
            new.cluster_ips = vec![new.cluster_ip.clone()];
        }
    } else if !all_same && new.cluster_ips.is_empty() && !new.cluster_ip.is_empty() {
        new.cluster_ip.clear();
    }
}

/// A Service that is to have one family alone gives up its second address, unless the client has named other ones.
pub(super) fn shrink(new: &mut ServiceSpec, old: &ServiceSpec) {
    if new.ip_family_policy.as_deref() != Some("SingleStack") {
        return;
    }
    if new.cluster_ips == old.cluster_ips {
        new.cluster_ips.truncate(1);
    }
    if new.ip_families == old.ip_families {
        new.ip_families.truncate(1);
    }
}

/// Fields that the new type has no use for, unless the client changed them too.
pub(super) fn drop_what_the_type_has_not(new: &mut Service, old: &Service) {
    let (n, o) = (&mut new.spec, &old.spec);
    if needs_cluster_ip(o) && !needs_cluster_ip(n) {
        if n.cluster_ip == o.cluster_ip && n.cluster_ips == o.cluster_ips {
            n.cluster_ip.clear();
            n.cluster_ips.clear();
        }
        if n.ip_families == o.ip_families {
            n.ip_families.clear();
        }
        if n.ip_family_policy == o.ip_family_policy {
            n.ip_family_policy = None;
        }
    }
    let node_ports = |s: &ServiceSpec| s.ports.iter().map(|p| p.node_port).collect::<BTreeSet<i32>>();
    if needs_node_port(o) && !needs_node_port(n) && node_ports(n) == node_ports(o) {
        for port in &mut n.ports {
            port.node_port = 0;
        }
    }
    if needs_health_check_node_port(o)
        && !needs_health_check_node_port(n)
        && n.health_check_node_port == o.health_check_node_port
    {
        n.health_check_node_port = 0;
    }
    let leaves_balancer = o.type_ == "LoadBalancer" && n.type_ != "LoadBalancer";
    if leaves_balancer && n.allocate_load_balancer_node_ports == o.allocate_load_balancer_node_ports {
        n.allocate_load_balancer_node_ports = None;
    }
    if leaves_balancer && n.load_balancer_class == o.load_balancer_class {
        n.load_balancer_class = None;
    }
    if externally_accessible(o)
        && !externally_accessible(n)
        && n.external_traffic_policy == o.external_traffic_policy
    {
        n.external_traffic_policy.clear();
    }
    if n.type_ != "LoadBalancer" {
        new.status.load_balancer = LoadBalancerStatus::default();
    }
}
