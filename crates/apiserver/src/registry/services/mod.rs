//! What Services are given: cluster IPs and node ports, each to one Service at a time.

mod pool;

use std::net::Ipv4Addr;
use std::time::Duration;

use corten_api::Object;
use corten_api::core::v1::{Service, ServiceSpec};
use corten_rt::Instant;
use corten_semantics::field::FieldError;
use corten_semantics::{ApiError, ApiResult, Lookup};
use parking_lot::Mutex;

use pool::{Pool, Refused};

const HEADLESS: &str = "None";

/// The pools. Rebuilt from the Services at start; every change goes through [`Allocator::reserve`].
pub(crate) struct Allocator {
    cidr: String,
    pools: Mutex<Pools>,
    /// Held by writes that were abandoned on their way: nobody knows yet whether they happened.
    abandoned: Mutex<Vec<(Instant, Holdings)>>,
}

/// After this long an abandoned write has happened or never will.
const SETTLED: Duration = Duration::from_secs(30);

struct Pools {
    addresses: Pool,
    ports: Pool,
}

/// What one write took from the pools. It ends with [`Reservation::keep`] or, dropped, gives back.
pub(crate) struct Reservation<'a> {
    allocator: &'a Allocator,
    taken: Holdings,
    freed: Holdings,
    under_way: bool,
}

/// Addresses and ports of one Service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Holdings {
    addresses: Vec<u32>,
    ports: Vec<u32>,
}

impl Holdings {
    fn of(service: &Service) -> Self {
        let spec = &service.spec;
        let addresses = spec.cluster_ips.iter().filter_map(|ip| ip.parse::<Ipv4Addr>().ok()).map(u32::from);
        let ports = spec.ports.iter().map(|p| p.node_port).chain([spec.health_check_node_port]);
        let mut ports: Vec<u32> = ports.filter_map(|p| u32::try_from(p).ok()).filter(|p| *p > 0).collect();
        ports.sort_unstable();
        ports.dedup();
        Holdings { addresses: addresses.collect(), ports }
    }

    fn is_empty(&self) -> bool {
        self.addresses.is_empty() && self.ports.is_empty()
    }

    /// What is held here but not there.
    fn without(&self, other: &Holdings) -> Holdings {
        let minus = |a: &[u32], b: &[u32]| a.iter().copied().filter(|x| !b.contains(x)).collect();
        Holdings {
            addresses: minus(&self.addresses, &other.addresses),
            ports: minus(&self.ports, &other.ports),
        }
    }
}

impl Reservation<'_> {
    /// The write is handed to the store: dropped before its end is known, it may happen all the same.
    pub fn start(&mut self) {
        self.under_way = true;
    }

    /// The write is committed.
    pub fn keep(mut self) {
        self.taken = Holdings::default();
        self.allocator.give_back(&std::mem::take(&mut self.freed));
    }

    /// The write did not happen.
    pub fn give_back(mut self) {
        self.under_way = false;
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        let taken = std::mem::take(&mut self.taken);
        if self.under_way && !taken.is_empty() {
            self.allocator.abandoned.lock().push((Instant::now(), taken));
        } else {
            self.allocator.give_back(&taken);
        }
    }
}

impl Allocator {
    /// Empty pools of these ranges.
    pub fn new(cidr: &str, ports: (u16, u16)) -> ApiResult<Self> {
        let (first, last) = range_of(cidr).ok_or_else(|| {
            ApiError::internal(format!(
                "{cidr:?} is no usable IPv4 range for Services; give one like 10.96.0.0/16"
            ))
        })?;
        let pools =
            Pools { addresses: Pool::new(first, last), ports: Pool::new(ports.0.into(), ports.1.into()) };
        Ok(Allocator { cidr: cidr.into(), pools: Mutex::new(pools), abandoned: Mutex::default() })
    }

    /// Takes what the existing Services hold.
    pub fn restore(&self, objects: &dyn Lookup) {
        let mut pools = self.pools.lock();
        for service in objects.list::<Service>("") {
            let held = Holdings::of(&service);
            held.addresses.iter().for_each(|a| _ = pools.addresses.take(*a));
            held.ports.iter().for_each(|p| _ = pools.ports.take(*p));
        }
    }

    /// Gives back what abandoned writes hold that did not happen.
    pub fn settle(&self, objects: &dyn Lookup) {
        let now = Instant::now();
        let settled: Vec<Holdings> = {
            let mut abandoned = self.abandoned.lock();
            abandoned
                .extract_if(.., |(since, _)| now.duration_since(*since) >= SETTLED)
                .map(|(_, h)| h)
                .collect()
        };
        if settled.is_empty() {
            return;
        }
        let mut used = Holdings::default();
        for service in objects.list::<Service>("") {
            let held = Holdings::of(&service);
            used.addresses.extend(held.addresses);
            used.ports.extend(held.ports);
        }
        settled.iter().for_each(|held| self.give_back(&held.without(&used)));
    }

    /// Gives a Service what it lacks, or refuses what it asks for. Other kinds pass.
    pub fn reserve(&self, new: &mut dyn Object, old: Option<&dyn Object>) -> ApiResult<Reservation<'_>> {
        let mut reservation = Reservation {
            allocator: self,
            taken: Holdings::default(),
            freed: Holdings::default(),
            under_way: false,
        };
        let Some(service) = new.downcast_mut::<Service>() else { return Ok(reservation) };
        let had = old.and_then(|o| o.downcast_ref()).map(Holdings::of).unwrap_or_default();
        let errors = {
            let mut pools = self.pools.lock();
            let mut errors = self.addresses(&mut pools, service, &had, &mut reservation.taken);
            errors.extend(ports(&mut pools, &mut service.spec, &had, &mut reservation.taken));
            errors
        };
        reservation.freed = had.without(&Holdings::of(service));
        match errors.as_slice() {
            [] => Ok(reservation),
            errors => Err(ApiError::invalid("", "Service", &service.metadata.name, errors)),
        }
    }

    /// Takes back what a deleted Service held.
    pub fn release(&self, object: &dyn Object) {
        if let Some(service) = object.downcast_ref() {
            self.give_back(&Holdings::of(service));
        }
    }

    fn give_back(&self, held: &Holdings) {
        if !held.is_empty() {
            let mut pools = self.pools.lock();
            held.addresses.iter().for_each(|a| pools.addresses.free(*a));
            held.ports.iter().for_each(|p| pools.ports.free(*p));
        }
    }

    fn addresses(
        &self,
        pools: &mut Pools,
        service: &mut Service,
        had: &Holdings,
        taken: &mut Holdings,
    ) -> Vec<FieldError> {
        let spec = &mut service.spec;
        if spec.type_ == "ExternalName" {
            return Vec::new();
        }
        if let Some(error) = unsupported_family(spec) {
            return vec![error];
        }
        if spec.cluster_ip == HEADLESS {
            spec.cluster_ips = vec![HEADLESS.into()];
            return Vec::new();
        }
        if spec.cluster_ip.is_empty() {
            spec.cluster_ip = spec.cluster_ips.first().cloned().unwrap_or_default();
        }
        let asked = match spec.cluster_ip.as_str() {
            "" => None,
            text => match text.parse::<Ipv4Addr>() {
                Ok(address) => Some(u32::from(address)),
                Err(_) => {
                    return vec![FieldError::invalid(
                        "spec.clusterIPs",
                        &spec.cluster_ips,
                        "must be a valid IPv4 address",
                    )];
                }
            },
        };
        if asked.is_some_and(|a| had.addresses.contains(&a)) {
            return Vec::new();
        }
        let given = match asked {
            None => pools.addresses.any(),
            Some(address) => pools.addresses.take(address),
        };
        match given {
            Ok(address) => {
                taken.addresses.push(address);
                spec.cluster_ip = Ipv4Addr::from(address).to_string();
                spec.cluster_ips = vec![spec.cluster_ip.clone()];
                Vec::new()
            }
            Err(Refused::Exhausted) => {
                let shown = format!("failed to allocate a serviceIP: {}", "range is full");
                let mut error = FieldError::invalid("spec.clusterIPs", "", shown);
                error.mistake = corten_semantics::field::Mistake::Internal;
                error.value.clear();
                vec![error]
            }
            Err(why) => {
                let ip = &spec.cluster_ip;
                let why = match why {
                    Refused::Taken => "provided IP is already allocated".to_string(),
                    _ => format!(
                        "the provided IP ({ip}) is not in the valid range. The range of valid IPs is {}",
                        self.cidr
                    ),
                };
                let mut error =
                    FieldError::invalid("spec.clusterIPs", "", format!("failed to allocate IP {ip}: {why}"));
                error.value = format!("[{ip:?}]");
                vec![error]
            }
        }
    }
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

fn ports(pools: &mut Pools, spec: &mut ServiceSpec, had: &Holdings, taken: &mut Holdings) -> Vec<FieldError> {
    let wanted = match spec.type_.as_str() {
        "NodePort" => true,
        "LoadBalancer" => spec.allocate_load_balancer_node_ports != Some(false),
        _ => false,
    };
    let mut errors = Vec::new();
    let range = pools.ports.range();
    // Ports that the client names go first, so that no chosen one takes theirs.
    for (i, port) in spec.ports.iter().enumerate() {
        let Some(number) = u32::try_from(port.node_port).ok().filter(|n| *n > 0) else { continue };
        if had.ports.contains(&number) || taken.ports.contains(&number) {
            continue;
        }
        match pools.ports.take(number) {
            Ok(number) => taken.ports.push(number),
            Err(why) => {
                errors.push(port_refused(&format!("spec.ports[{i}].nodePort"), port.node_port, why, range))
            }
        }
    }
    for i in 0..spec.ports.len() {
        if !wanted || spec.ports[i].node_port != 0 || !errors.is_empty() {
            continue;
        }
        // The same port over another protocol shares the node port.
        let (number, protocol) = (spec.ports[i].port, spec.ports[i].protocol.clone());
        let twin = spec.ports.iter().find(|p| p.port == number && p.protocol != protocol && p.node_port != 0);
        let clash =
            |node_port: i32| spec.ports.iter().any(|p| p.node_port == node_port && p.protocol == protocol);
        spec.ports[i].node_port = match twin.map(|p| p.node_port).filter(|n| !clash(*n)) {
            Some(shared) => shared,
            None => match pools.ports.any() {
                Ok(number) => {
                    taken.ports.push(number);
                    i32::try_from(number).unwrap_or_default()
                }
                Err(why) => {
                    errors.push(port_refused(&format!("spec.ports[{i}].nodePort"), 0, why, range));
                    0
                }
            },
        };
    }
    errors.extend(health_check(pools, spec, had, taken));
    errors
}

/// A load balancer that prefers local endpoints asks each node on a port of its own.
fn health_check(
    pools: &mut Pools,
    spec: &mut ServiceSpec,
    had: &Holdings,
    taken: &mut Holdings,
) -> Option<FieldError> {
    if spec.type_ != "LoadBalancer" || spec.external_traffic_policy != "Local" {
        return None;
    }
    let asked = u32::try_from(spec.health_check_node_port).ok().filter(|n| *n > 0);
    let range = pools.ports.range();
    let given = match asked {
        Some(number) if had.ports.contains(&number) => return None,
        Some(number) => pools.ports.take(number),
        None => pools.ports.any(),
    };
    match given {
        Ok(number) => {
            taken.ports.push(number);
            spec.health_check_node_port = i32::try_from(number).unwrap_or_default();
            None
        }
        Err(why) => Some(port_refused("spec.healthCheckNodePort", spec.health_check_node_port, why, range)),
    }
}

fn port_refused(path: &str, port: i32, why: Refused, (first, last): (u32, u32)) -> FieldError {
    let detail = match why {
        Refused::Taken => "provided port is already allocated".to_string(),
        Refused::OutOfRange => {
            format!("provided port is not in the valid range. The range of valid ports is {first}-{last}")
        }
        Refused::Exhausted => "failed to allocate a nodePort: range is full".to_string(),
    };
    FieldError::invalid(path, port, detail)
}

/// First and last address that a Service may get: neither the network's own nor the broadcast address.
pub(crate) fn range_of(cidr: &str) -> Option<(u32, u32)> {
    let (address, bits) = cidr.split_once('/')?;
    let bits: u32 = bits.parse().ok().filter(|b| (8..=29).contains(b))?;
    let network = u32::from(address.parse::<Ipv4Addr>().ok()?) & (u32::MAX << (32 - bits));
    let broadcast = network | (u32::MAX >> bits);
    Some((network + 1, broadcast - 1))
}

/// The address of the Service `kubernetes`: the first of the range.
pub(crate) fn first_address(cidr: &str) -> Option<Ipv4Addr> {
    Some(Ipv4Addr::from(range_of(cidr)?.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_api::core::v1::ServicePort;

    fn service(kind: &str, ip: &str, ports: &[(&str, i32, i32)]) -> Service {
        let mut s = Service::default();
        s.metadata.name = "s".into();
        s.spec.type_ = kind.into();
        s.spec.cluster_ip = ip.into();
        s.spec.selector.insert("a".into(), "b".into());
        let port = |(protocol, port, node_port): &(&str, i32, i32)| ServicePort {
            protocol: (*protocol).into(),
            port: *port,
            node_port: *node_port,
            ..ServicePort::default()
        };
        s.spec.ports = ports.iter().map(port).collect();
        s
    }

    #[test]
    fn services_get_what_they_ask_for_or_are_told_why_not() {
        let allocator = Allocator::new("10.96.0.0/28", (30000, 30001)).expect("valid");
        let mut first = service("NodePort", "10.96.0.5", &[("TCP", 53, 30000), ("UDP", 53, 0)]);
        allocator.reserve(&mut first, None).expect("free").keep();
        assert_eq!(first.spec.ports[1].node_port, 30000, "protocols share a port");
        assert_eq!(first.spec.cluster_ips, ["10.96.0.5"]);
        for (mut s, want) in [
            (
                service("ClusterIP", "10.96.0.5", &[]),
                "Service \"s\" is invalid: spec.clusterIPs: Invalid value: [\"10.96.0.5\"]: failed to allocate IP 10.96.0.5: provided IP is already allocated",
            ),
            (
                service("ClusterIP", "10.97.0.5", &[]),
                "Service \"s\" is invalid: spec.clusterIPs: Invalid value: [\"10.97.0.5\"]: failed to allocate IP 10.97.0.5: the provided IP (10.97.0.5) is not in the valid range. The range of valid IPs is 10.96.0.0/28",
            ),
            (
                service("NodePort", "", &[("TCP", 80, 30000)]),
                "Service \"s\" is invalid: spec.ports[0].nodePort: Invalid value: 30000: provided port is already allocated",
            ),
            (
                service("NodePort", "", &[("TCP", 80, 80)]),
                "Service \"s\" is invalid: spec.ports[0].nodePort: Invalid value: 80: provided port is not in the valid range. The range of valid ports is 30000-30001",
            ),
        ] {
            let error = allocator.reserve(&mut s, None).err().expect("refused");
            assert_eq!((error.code(), error.to_string().as_str()), (422, want));
        }
        let mut all: Vec<Service> = (0..13).map(|_| service("ClusterIP", "", &[])).collect();
        for s in &mut all {
            allocator.reserve(s, None).expect("refusals gave back what they took").keep();
        }
        let error = allocator.reserve(&mut service("ClusterIP", "", &[]), None).err().expect("full");
        assert!(error.to_string().contains("range is full"), "{error}");
        allocator.release(&all[0]);
        drop(allocator.reserve(&mut service("ClusterIP", "", &[]), None).expect("one is free"));
        allocator
            .reserve(&mut service("ClusterIP", "", &[]), None)
            .expect("a dropped one is free again")
            .keep();
    }

    #[test]
    fn an_update_gives_back_what_it_no_longer_needs() {
        let allocator = Allocator::new("10.96.0.0/24", (30000, 30000)).expect("valid");
        let mut old = service("NodePort", "", &[("TCP", 80, 0)]);
        allocator.reserve(&mut old, None).expect("free").keep();
        let mut new = service("ExternalName", "", &[]);
        allocator.reserve(&mut new, Some(&old)).expect("fine").keep();
        allocator
            .reserve(&mut service("NodePort", &old.spec.cluster_ip, &[("TCP", 1, 30000)]), None)
            .expect("freed")
            .keep();
    }

    #[tokio::test(start_paused = true)]
    async fn an_abandoned_write_keeps_what_it_took_until_its_end_is_known() {
        let allocator = Allocator::new("10.96.0.0/29", (30000, 30000)).expect("valid");
        let (mut lost, mut made) =
            (service("ClusterIP", "10.96.0.2", &[]), service("ClusterIP", "10.96.0.3", &[]));
        for s in [&mut lost, &mut made] {
            let mut reservation = allocator.reserve(s, None).expect("free");
            reservation.start();
        }
        let objects: Vec<std::sync::Arc<dyn Object>> = vec![std::sync::Arc::new(made)];
        let free = |ip: &str| allocator.reserve(&mut service("ClusterIP", ip, &[]), None).is_ok();
        allocator.settle(&objects);
        assert_eq!((free("10.96.0.2"), free("10.96.0.3")), (false, false));
        corten_rt::sleep(SETTLED).await;
        allocator.settle(&objects);
        assert_eq!((free("10.96.0.2"), free("10.96.0.3")), (true, false));
    }
}
