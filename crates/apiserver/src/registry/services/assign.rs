//! What a Service asks for, and what it gets of the pools. The first refusal ends it, as upstream.

use std::net::Ipv4Addr;

use corten_api::core::v1::ServiceSpec;
use corten_semantics::field::FieldError;

use super::pool::{Pool, Refused};
use super::{Holdings, Pools};

const HEADLESS: &str = "None";

/// Why a Service did not get what it needs.
pub(super) enum Shortage {
    /// It asked for what it cannot have.
    Asked(FieldError),
    /// There is nothing left.
    Full(String),
}

/// Gives the Service its cluster IP and ports. `had` is what it had before; what it gets beyond goes to
/// `taken`. Addresses that are `foreign` belong to others than Services.
pub(super) fn assign(
    pools: &mut Pools,
    spec: &mut ServiceSpec,
    had: &Holdings,
    taken: &mut Holdings,
    foreign: &dyn Fn(u32) -> bool,
) -> Result<(), Shortage> {
    address(&mut pools.addresses, spec, had, taken, foreign)?;
    node_ports(&mut pools.ports, spec, had, taken)?;
    health_check(&mut pools.ports, spec, had, taken)
}

fn address(
    pool: &mut Pool,
    spec: &mut ServiceSpec,
    had: &Holdings,
    taken: &mut Holdings,
    foreign: &dyn Fn(u32) -> bool,
) -> Result<(), Shortage> {
    if spec.type_ == "ExternalName" {
        return Ok(());
    }
    if let Some(error) = unsupported_family(spec) {
        return Err(Shortage::Asked(error));
    }
    if spec.cluster_ip == HEADLESS {
        spec.cluster_ips = vec![HEADLESS.into()];
        return Ok(());
    }
    if spec.cluster_ip.is_empty() {
        spec.cluster_ip = spec.cluster_ips.first().cloned().unwrap_or_default();
    }
    let given = match spec.cluster_ip.as_str() {
        "" => any_but(pool, foreign),
        text => match text.parse::<Ipv4Addr>().map(u32::from) {
            Ok(number) if had.addresses.contains(&number) => return Ok(()),
            Ok(number) if foreign(number) => Err(Refused::Taken),
            Ok(number) => pool.take(number),
            Err(_) => Err(Refused::OutOfRange),
        },
    };
    let number = given.map_err(|why| address_refused(&spec.cluster_ip, why))?;
    taken.addresses.push(number);
    spec.cluster_ip = Ipv4Addr::from(number).to_string();
    spec.cluster_ips = vec![spec.cluster_ip.clone()];
    Ok(())
}

/// Any number that is free and not `foreign`.
fn any_but(pool: &mut Pool, foreign: &dyn Fn(u32) -> bool) -> Result<u32, Refused> {
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

/// The cluster has IPv4 alone; only a headless Service without selector may claim another family.
fn unsupported_family(spec: &ServiceSpec) -> Option<FieldError> {
    if spec.cluster_ip == HEADLESS && spec.selector.is_empty() {
        return None;
    }
    if spec.ip_family_policy.as_deref() == Some("RequireDualStack") {
        let detail = "this cluster is not configured for dual-stack services";
        return Some(FieldError::invalid("spec.ipFamilyPolicy", "RequireDualStack", detail));
    }
    let other = |(_, family): &(usize, &String)| *family != "IPv4";
    let (i, family) = spec.ip_families.iter().enumerate().find(other)?;
    Some(FieldError::invalid(format!("spec.ipFamilies[{i}]"), family, "not configured on this cluster"))
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
            taken
                .ports
                .push(pool.take(number).map_err(|why| port_refused(&path, number, why, pool.range()))?);
        }
    }
    let wanted = match spec.type_.as_str() {
        "NodePort" => true,
        "LoadBalancer" => spec.allocate_load_balancer_node_ports != Some(false),
        _ => false,
    };
    for i in 0..spec.ports.len() {
        if wanted && spec.ports[i].node_port == 0 {
            let number = match shared(spec, i) {
                Some(number) => number,
                None => {
                    let number = pool.any().map_err(|why| port_refused("", 0, why, pool.range()))?;
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
        Some(number) => pool.take(number),
        None => pool.any(),
    };
    let path = "spec.healthCheckNodePort";
    let number = given.map_err(|why| port_refused(path, asked.unwrap_or(0), why, pool.range()))?;
    taken.ports.push(number);
    spec.health_check_node_port = i32::try_from(number).unwrap_or_default();
    Ok(())
}

fn port_refused(path: &str, port: u32, why: Refused, (first, last): (u32, u32)) -> Shortage {
    let detail = match why {
        Refused::Exhausted => return Shortage::Full("failed to allocate a nodePort: range is full".into()),
        Refused::Taken => "provided port is already allocated".to_string(),
        Refused::OutOfRange => {
            format!("provided port is not in the valid range. The range of valid ports is {first}-{last}")
        }
    };
    Shortage::Asked(FieldError::invalid(path, port, detail))
}
