//! What a Service asks for, and what it gets of the pools. The first refusal ends it, as upstream.

use std::net::IpAddr;

use corten_api::core::v1::ServiceSpec;
use corten_kinds::core::service::gets_node_ports;
use corten_semantics::field::FieldError;

use super::pool::{Pool, Refused};
use super::{Holdings, Pools, address_of, number_of};

const HEADLESS: &str = "None";

/// Why a Service did not get what it needs.
pub(super) enum Shortage {
    /// It asked for what it cannot have.
    Asked(FieldError),
    /// There is nothing left.
    Full(String),
}

/// Gives the Service its cluster IPs and ports. `had` is what it had before, and whether its families stay; what
/// it gets beyond goes to `taken`. Addresses that are `foreign` belong to others than Services.
pub(super) fn assign(
    pools: &mut Pools,
    spec: &mut ServiceSpec,
    (had, settled): (&Holdings, bool),
    taken: &mut Holdings,
    foreign: &dyn Fn(IpAddr) -> bool,
) -> Result<(), Shortage> {
    if spec.type_ != "ExternalName" {
        families(pools, spec, settled)?;
        addresses(pools, spec, had, taken, foreign)?;
    }
    node_ports(&mut pools.ports, spec, had, taken)?;
    health_check(&mut pools.ports, spec, had, taken)
}

/// Whether an update leaves a Service as it is that takes both families where it can: it neither grows nor shrinks
/// because the cluster has changed.
pub(super) fn stays_as_preferred(new: &ServiceSpec, old: &ServiceSpec) -> bool {
    let prefers = |spec: &ServiceSpec| spec.ip_family_policy.as_deref() == Some("PreferDualStack");
    let is_of_cluster = |spec: &ServiceSpec| spec.type_ != "ExternalName";
    prefers(new)
        && prefers(old)
        && is_of_cluster(old)
        && new.cluster_ips == old.cluster_ips
        && new.ip_families == old.ip_families
}

/// The families must be the cluster's; a Service that wants both gets the second beside its first. Only a headless
/// Service without selector may claim any.
fn families(pools: &mut Pools, spec: &mut ServiceSpec, settled: bool) -> Result<(), Shortage> {
    if settled || spec.cluster_ip == HEADLESS && spec.selector.is_empty() {
        return Ok(());
    }
    let both = pools.six.is_some();
    if spec.ip_family_policy.as_deref() == Some("RequireDualStack") && !both {
        let detail = "this cluster is not configured for dual-stack services";
        return Err(Shortage::Asked(FieldError::invalid("spec.ipFamilyPolicy", "RequireDualStack", detail)));
    }
    for (i, family) in spec.ip_families.iter().enumerate() {
        if pools.of_family(family).is_none() {
            let at = format!("spec.ipFamilies[{i}]");
            return Err(Shortage::Asked(FieldError::invalid(at, family, "not configured on this cluster")));
        }
    }
    if spec.ip_families.is_empty() {
        spec.ip_families.push("IPv4".into());
    }
    if both && spec.ip_families.len() == 1 && spec.ip_family_policy.as_deref() != Some("SingleStack") {
        let other = if spec.ip_families[0] == "IPv4" { "IPv6" } else { "IPv4" };
        spec.ip_families.push(other.into());
    }
    Ok(())
}

fn addresses(
    pools: &mut Pools,
    spec: &mut ServiceSpec,
    had: &Holdings,
    taken: &mut Holdings,
    foreign: &dyn Fn(IpAddr) -> bool,
) -> Result<(), Shortage> {
    if spec.cluster_ip == HEADLESS {
        spec.cluster_ips = vec![HEADLESS.into()];
        return Ok(());
    }
    if spec.cluster_ips.is_empty() {
        spec.cluster_ips.push(spec.cluster_ip.clone());
    }
    let wanted = spec.ip_families.len().max(1);
    spec.cluster_ips.resize(wanted.max(spec.cluster_ips.len()), String::new());
    for i in 0..wanted {
        let family = spec.ip_families.get(i).map_or("IPv4", String::as_str).to_string();
        let Some(pool) = pools.of_family(&family) else { continue };
        let asked = spec.cluster_ips[i].clone();
        let given = match asked.as_str() {
            "" => any_but(pool, &|number| foreign(address_of(&family, number))),
            text => match corten_semantics::address::parse(text) {
                Some(address) if had.addresses.contains(&address) => continue,
                Some(address) if foreign(address) => Err(Refused::Taken),
                Some(address) if address.is_ipv4() == (family == "IPv4") => pool.take(number_of(address)),
                _ => Err(Refused::OutOfRange),
            },
        };
        let number = given.map_err(|why| address_refused(&asked, why))?;
        let address = address_of(&family, number);
        taken.addresses.push(address);
        spec.cluster_ips[i] = address.to_string();
    }
    spec.cluster_ip.clone_from(&spec.cluster_ips[0]);
    Ok(())
}

/// Any number that is free and not `foreign`.
fn any_but(pool: &mut Pool, foreign: &dyn Fn(u128) -> bool) -> Result<u128, Refused> {
    let mut skipped = Vec::new();
    let found = loop {
        match pool.any() {
            Ok(number) if foreign(number) => skipped.push(number),
            other => break other,
        }
    };
    skipped.into_iter().for_each(|number| pool.free(number));
    found
}

fn address_refused(ip: &str, why: Refused) -> Shortage {
    let why = match why {
        Refused::Exhausted => return Shortage::Full("failed to allocate a serviceIP: range is full".into()),
        Refused::Taken => "provided IP is already allocated",
        Refused::OutOfRange => "the provided network does not match the current range",
    };
    let mut error = FieldError::invalid("spec.clusterIPs", "", format!("failed to allocate IP {ip}: {why}"));
    error.value = format!("[{ip:?}]");
    Shortage::Asked(error)
}

fn node_ports(
    pool: &mut Pool,
    spec: &mut ServiceSpec,
    had: &Holdings,
    taken: &mut Holdings,
) -> Result<(), Shortage> {
    // Ports that the client names go first, so that no chosen one takes theirs.
    for (i, port) in spec.ports.iter().enumerate() {
        let Some(number) = u32::try_from(port.node_port).ok().filter(|n| *n > 0) else { continue };
        if !had.ports.contains(&number) && !taken.ports.contains(&number) {
            let path = format!("spec.ports[{i}].nodePort");
            let range = pool.range();
            pool.take(number.into()).map_err(|why| port_refused(&path, number, why, range))?;
            taken.ports.push(number);
        }
    }
    let wanted = gets_node_ports(spec);
    for i in 0..spec.ports.len() {
        if wanted && spec.ports[i].node_port == 0 {
            let number = match shared(spec, i) {
                Some(number) => number,
                None => {
                    let number = any_port(pool).map_err(|why| port_refused("", 0, why, pool.range()))?;
                    taken.ports.push(number);
                    i32::try_from(number).unwrap_or_default()
                }
            };
            spec.ports[i].node_port = number;
        }
    }
    Ok(())
}

/// The node port of the same port over another protocol, which this one may share.
fn shared(spec: &ServiceSpec, i: usize) -> Option<i32> {
    let this = &spec.ports[i];
    let twin =
        spec.ports.iter().find(|p| p.port == this.port && p.protocol != this.protocol && p.node_port != 0);
    let clash = |n: i32| spec.ports.iter().any(|p| p.node_port == n && p.protocol == this.protocol);
    twin.map(|p| p.node_port).filter(|n| !clash(*n))
}

/// A load balancer that prefers local endpoints asks each node on a port of its own.
fn health_check(
    pool: &mut Pool,
    spec: &mut ServiceSpec,
    had: &Holdings,
    taken: &mut Holdings,
) -> Result<(), Shortage> {
    if spec.type_ != "LoadBalancer" || spec.external_traffic_policy != "Local" {
        return Ok(());
    }
    let asked = u32::try_from(spec.health_check_node_port).ok().filter(|n| *n > 0);
    let given = match asked {
        Some(number) if had.ports.contains(&number) => return Ok(()),
        Some(number) => pool.take(number.into()).map(|_| number),
        None => any_port(pool),
    };
    let path = "spec.healthCheckNodePort";
    let number = given.map_err(|why| port_refused(path, asked.unwrap_or(0), why, pool.range()))?;
    taken.ports.push(number);
    spec.health_check_node_port = i32::try_from(number).unwrap_or_default();
    Ok(())
}

fn any_port(pool: &mut Pool) -> Result<u32, Refused> {
    pool.any().and_then(|number| u32::try_from(number).map_err(|_| Refused::OutOfRange))
}

fn port_refused(path: &str, port: u32, why: Refused, (first, last): (u128, u128)) -> Shortage {
    let detail = match why {
        Refused::Exhausted => return Shortage::Full("failed to allocate a nodePort: range is full".into()),
        Refused::Taken => "provided port is already allocated".to_string(),
        Refused::OutOfRange => {
            format!("provided port is not in the valid range. The range of valid ports is {first}-{last}")
        }
    };
    Shortage::Asked(FieldError::invalid(path, port, detail))
}
