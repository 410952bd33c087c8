//! What Services are given: cluster IPs and node ports, each to one Service at a time.

mod addresses;
mod assign;
mod pool;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use corten_api::Object;
use corten_api::core::v1::Service;
use corten_api::networking::v1::{IPAddress, ServiceCIDR};
use corten_rt::Instant;
use corten_semantics::{ApiError, ApiResult, Lookup};
use parking_lot::Mutex;

use assign::{Shortage, assign};
use pool::Pool;

/// The pools. Rebuilt from the Services at start; every change goes through [`Allocator::reserve`].
pub(crate) struct Allocator {
    pools: Mutex<Pools>,
    /// Held by writes that were abandoned on their way: nobody knows yet whether they happened.
    abandoned: Mutex<Vec<(Instant, Holdings)>>,
}

/// After this long an abandoned write has happened or never will.
const SETTLED: Duration = Duration::from_secs(30);

struct Pools {
    four: Pool,
    /// In a cluster with addresses of both families.
    six: Option<Pool>,
    ports: Pool,
}

impl Pools {
    /// The pool of a family's addresses, if the cluster has the family.
    fn of_family(&mut self, family: &str) -> Option<&mut Pool> {
        match family {
            "IPv4" => Some(&mut self.four),
            "IPv6" => self.six.as_mut(),
            _ => None,
        }
    }

    fn of_address(&mut self, address: IpAddr) -> Option<&mut Pool> {
        if address.is_ipv4() { Some(&mut self.four) } else { self.six.as_mut() }
    }
}

/// An address as a number in its family.
fn number_of(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(four) => u32::from(four).into(),
        IpAddr::V6(six) => six.into(),
    }
}

/// The address of a family that a number is.
fn address_of(family: &str, number: u128) -> IpAddr {
    match (family, u32::try_from(number)) {
        ("IPv4", Ok(number)) => Ipv4Addr::from(number).into(),
        _ => Ipv6Addr::from(number).into(),
    }
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
    addresses: Vec<IpAddr>,
    ports: Vec<u32>,
}

impl Holdings {
    fn of(service: &Service) -> Self {
        let spec = &service.spec;
        let addresses = spec.cluster_ips.iter().filter_map(|ip| ip.parse().ok());
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
        fn minus<T: Copy + PartialEq>(a: &[T], b: &[T]) -> Vec<T> {
            a.iter().copied().filter(|x| !b.contains(x)).collect()
        }
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
    /// Empty pools of these ranges: one of IPv4, and perhaps one of IPv6 behind a comma.
    pub fn new(cidrs: &str, ports: (u16, u16)) -> ApiResult<Self> {
        let usable: Option<Vec<Range>> = cidrs.split(',').map(range_of).collect();
        let (four, six) = match usable.as_deref() {
            Some([four]) if !four.six => (four, None),
            Some([four, six]) if !four.six && six.six => (four, Some(Pool::new(six.first, six.last))),
            _ => {
                return Err(ApiError::internal(format!(
                    "{cidrs:?} are no usable ranges for Services; give one of IPv4 like 10.96.0.0/16, and one of IPv6 like fd00:96::/112 behind a comma if need be"
                )));
            }
        };
        let ports = Pool::new(ports.0.into(), ports.1.into());
        let pools = Pools { four: Pool::new(four.first, four.last), six, ports };
        Ok(Allocator { pools: Mutex::new(pools), abandoned: Mutex::default() })
    }

    /// Takes what the existing Services hold.
    pub fn restore(&self, objects: &dyn Lookup) {
        let mut pools = self.pools.lock();
        for service in objects.list::<Service>("") {
            let held = Holdings::of(&service);
            for address in held.addresses {
                _ = pools.of_address(address).map(|pool| pool.take(number_of(address)));
            }
            held.ports.iter().for_each(|p| _ = pools.ports.take((*p).into()));
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

    /// Gives a Service what it lacks, or refuses what it asks for, by the ranges and addresses among `objects`.
    /// Other kinds pass.
    pub fn reserve(
        &self,
        objects: &dyn Lookup,
        new: &mut dyn Object,
        old: Option<&dyn Object>,
    ) -> ApiResult<Reservation<'_>> {
        let mut reservation = Reservation {
            allocator: self,
            taken: Holdings::default(),
            freed: Holdings::default(),
            under_way: false,
        };
        let Some(service) = new.downcast_mut::<Service>() else { return Ok(reservation) };
        let old = old.and_then(|o| o.downcast_ref::<Service>());
        let had = old.map(Holdings::of).unwrap_or_default();
        let settled = old.is_some_and(|old| assign::stays_as_preferred(&service.spec, &old.spec));
        let name = format!("{}/{}", service.metadata.namespace, service.metadata.name);
        let foreign = |address: IpAddr| {
            let address = objects.get::<IPAddress>("", &address.to_string());
            address.is_some_and(|address| addresses::parent(&address).as_ref() != Some(&name))
        };
        let assigned = {
            let mut pools = self.pools.lock();
            let (six, four): (Vec<Range>, Vec<Range>) = ranges(objects).into_iter().partition(|r| r.six);
            pools.four.widen(four.iter().map(|range| (range.first, range.last)));
            if let Some(pool) = &mut pools.six {
                pool.widen(six.iter().map(|range| (range.first, range.last)));
            }
            assign(&mut pools, &mut service.spec, (&had, settled), &mut reservation.taken, &foreign)
        };
        reservation.freed = had.without(&Holdings::of(service));
        match assigned {
            Ok(()) => Ok(reservation),
            Err(Shortage::Asked(error)) => {
                Err(ApiError::invalid("", "Service", &service.metadata.name, &[error]))
            }
            Err(Shortage::Full(why)) => Err(ApiError::internal(why)),
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
            for address in &held.addresses {
                if let Some(pool) = pools.of_address(*address) {
                    pool.free(number_of(*address));
                }
            }
            held.ports.iter().for_each(|p| pools.ports.free((*p).into()));
        }
    }
}

/// The ranges of ServiceCIDRs that addresses may be taken from.
fn ranges(objects: &dyn Lookup) -> Vec<Range> {
    let is_ready = |cidr: &ServiceCIDR| {
        let refused = cidr.status.conditions.iter().any(|c| c.type_ == "Ready" && c.status == "False");
        cidr.metadata.deletion_timestamp.is_none() && !refused
    };
    let all = objects.list::<ServiceCIDR>("");
    let ready = all.iter().filter(|cidr| is_ready(cidr));
    ready.flat_map(|cidr| cidr.spec.cidrs.iter().filter_map(|range| range_of(range))).collect()
}

/// Addresses of a family that Services may get, as numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    six: bool,
    first: u128,
    last: u128,
}

/// First and last address that a Service may get: neither the network's own nor, in IPv4, the broadcast address.
fn range_of(cidr: &str) -> Option<Range> {
    let (address, bits) = cidr.split_once('/')?;
    let bits: u32 = bits.parse().ok()?;
    match address.parse().ok()? {
        IpAddr::V4(address) if (8..=29).contains(&bits) => {
            let network = u32::from(address) & (u32::MAX << (32 - bits));
            let broadcast = network | (u32::MAX >> bits);
            Some(Range { six: false, first: (network + 1).into(), last: (broadcast - 1).into() })
        }
        IpAddr::V6(address) if (8..=125).contains(&bits) => {
            let network = u128::from(address) & (u128::MAX << (128 - bits));
            Some(Range { six: true, first: network + 1, last: network | (u128::MAX >> bits) })
        }
        _ => None,
    }
}

/// The address of the Service `kubernetes`: the first of the first range.
pub(crate) fn first_address(cidrs: &str) -> Option<Ipv4Addr> {
    let range = range_of(cidrs.split(',').next()?).filter(|range| !range.six)?;
    u32::try_from(range.first).ok().map(Ipv4Addr::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_api::core::v1::ServicePort;

    const NOTHING: Vec<std::sync::Arc<dyn Object>> = Vec::new();

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
        allocator.reserve(&NOTHING, &mut first, None).expect("free").keep();
        assert_eq!(first.spec.ports[1].node_port, 30000, "protocols share a port");
        assert_eq!(first.spec.cluster_ips, ["10.96.0.5"]);
        for (mut s, want) in [
            (
                service("ClusterIP", "10.96.0.5", &[]),
                "Service \"s\" is invalid: spec.clusterIPs: Invalid value: [\"10.96.0.5\"]: failed to allocate IP 10.96.0.5: provided IP is already allocated",
            ),
            (
                service("ClusterIP", "10.97.0.5", &[]),
                "Service \"s\" is invalid: spec.clusterIPs: Invalid value: [\"10.97.0.5\"]: failed to allocate IP 10.97.0.5: the provided network does not match the current range",
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
            let error = allocator.reserve(&NOTHING, &mut s, None).err().expect("refused");
            assert_eq!((error.code(), error.to_string().as_str()), (422, want));
        }
        let mut all: Vec<Service> = (0..13).map(|_| service("ClusterIP", "", &[])).collect();
        for s in &mut all {
            allocator.reserve(&NOTHING, s, None).expect("refusals gave back what they took").keep();
        }
        let error =
            allocator.reserve(&NOTHING, &mut service("ClusterIP", "", &[]), None).err().expect("full");
        let full = "Internal error occurred: failed to allocate a serviceIP: range is full";
        assert_eq!((error.code(), error.to_string().as_str()), (500, full));
        allocator.release(&all[0]);
        drop(allocator.reserve(&NOTHING, &mut service("ClusterIP", "", &[]), None).expect("one is free"));
        allocator
            .reserve(&NOTHING, &mut service("ClusterIP", "", &[]), None)
            .expect("a dropped one is free again")
            .keep();
    }

    #[test]
    fn further_ranges_and_others_addresses_count() {
        let allocator = Allocator::new("10.96.0.0/29", (30000, 30000)).expect("valid");
        let mut cidr = ServiceCIDR::default();
        cidr.spec.cidrs = vec!["10.97.0.0/29".into()];
        let mut address = IPAddress::default();
        address.metadata.name = "10.97.0.2".into();
        let mut objects: Vec<std::sync::Arc<dyn Object>> = vec![std::sync::Arc::new(address)];
        let free = |objects: &Vec<std::sync::Arc<dyn Object>>, ip: &str| {
            allocator.reserve(objects, &mut service("ClusterIP", ip, &[]), None).is_ok()
        };
        assert!(!free(&objects, "10.97.0.1"), "no range yet");
        objects.push(std::sync::Arc::new(cidr.clone()));
        assert!(free(&objects, "10.97.0.1") && !free(&objects, "10.97.0.2"), "the second is somebody's");
        for _ in 0..11 {
            let mut made = service("ClusterIP", "", &[]);
            allocator.reserve(&objects, &mut made, None).expect("six and six less one").keep();
            assert_ne!(made.spec.cluster_ip, "10.97.0.2");
        }
        assert!(!free(&objects, ""));
        cidr.metadata.deletion_timestamp = Some(corten_api::Time::default());
        objects[1] = std::sync::Arc::new(cidr);
        assert!(!free(&objects, "10.97.0.1"), "its range goes");
    }

    #[test]
    fn services_of_both_families_get_an_address_of_each() {
        let allocator = Allocator::new("10.96.0.0/24,fd00:96::/112", (30000, 30000)).expect("valid");
        let asking = |policy: &str, families: &[&str]| {
            let mut asking = service("ClusterIP", "", &[]);
            asking.spec.ip_family_policy = Some(policy.into());
            asking.spec.ip_families = families.iter().map(ToString::to_string).collect();
            asking
        };
        let mut dual = asking("PreferDualStack", &["IPv4"]);
        allocator.reserve(&NOTHING, &mut dual, None).expect("both").keep();
        let spec = &dual.spec;
        assert_eq!(spec.ip_families, ["IPv4", "IPv6"]);
        assert!(spec.cluster_ips[0].starts_with("10.96.0."), "{:?}", spec.cluster_ips);
        assert!(spec.cluster_ips[1].starts_with("fd00:96::"), "{:?}", spec.cluster_ips);
        assert_eq!(spec.cluster_ip, spec.cluster_ips[0]);
        let mut six = asking("SingleStack", &["IPv6"]);
        allocator.reserve(&NOTHING, &mut six, None).expect("one of IPv6").keep();
        assert!(six.spec.cluster_ip.starts_with("fd00:96::"), "{}", six.spec.cluster_ip);
        let mut taken = asking("SingleStack", &["IPv6"]);
        taken.spec.cluster_ip.clone_from(&six.spec.cluster_ip);
        assert!(allocator.reserve(&NOTHING, &mut taken, None).is_err());
        // A Service that grows keeps its first address; one that shrinks gives the second back.
        let mut single = asking("SingleStack", &["IPv4"]);
        allocator.reserve(&NOTHING, &mut single, None).expect("one").keep();
        let mut grown = single.clone();
        grown.spec.ip_family_policy = Some("RequireDualStack".into());
        allocator.reserve(&NOTHING, &mut grown, Some(&single)).expect("both").keep();
        assert_eq!((grown.spec.cluster_ips.len(), &grown.spec.cluster_ip), (2, &single.spec.cluster_ip));
        let mut shrunk = single.clone();
        shrunk.spec.cluster_ips.truncate(1);
        allocator.reserve(&NOTHING, &mut shrunk, Some(&grown)).expect("less").keep();
        let mut again = asking("SingleStack", &["IPv6"]);
        again.spec.cluster_ip.clone_from(&grown.spec.cluster_ips[1]);
        allocator.reserve(&NOTHING, &mut again, None).expect("it is free again").keep();
        // What was settled before the cluster had both stays.
        let mut old = single.clone();
        old.spec.ip_family_policy = Some("PreferDualStack".into());
        let mut new = old.clone();
        allocator.reserve(&NOTHING, &mut new, Some(&old)).expect("as before").keep();
        assert_eq!(new.spec.cluster_ips.len(), 1);
        assert!(Allocator::new("fd00:96::/112", (30000, 30000)).is_err());
    }

    #[test]
    fn an_update_gives_back_what_it_no_longer_needs() {
        let allocator = Allocator::new("10.96.0.0/24", (30000, 30000)).expect("valid");
        let mut old = service("NodePort", "", &[("TCP", 80, 0)]);
        allocator.reserve(&NOTHING, &mut old, None).expect("free").keep();
        let mut new = service("ExternalName", "", &[]);
        allocator.reserve(&NOTHING, &mut new, Some(&old)).expect("fine").keep();
        allocator
            .reserve(&NOTHING, &mut service("NodePort", &old.spec.cluster_ip, &[("TCP", 1, 30000)]), None)
            .expect("freed")
            .keep();
    }

    #[tokio::test(start_paused = true)]
    async fn an_abandoned_write_keeps_what_it_took_until_its_end_is_known() {
        let allocator = Allocator::new("10.96.0.0/29", (30000, 30000)).expect("valid");
        let (mut lost, mut made) =
            (service("ClusterIP", "10.96.0.2", &[]), service("ClusterIP", "10.96.0.3", &[]));
        for s in [&mut lost, &mut made] {
            let mut reservation = allocator.reserve(&NOTHING, s, None).expect("free");
            reservation.start();
        }
        let objects: Vec<std::sync::Arc<dyn Object>> = vec![std::sync::Arc::new(made)];
        let free = |ip: &str| allocator.reserve(&NOTHING, &mut service("ClusterIP", ip, &[]), None).is_ok();
        allocator.settle(&objects);
        assert_eq!((free("10.96.0.2"), free("10.96.0.3")), (false, false));
        corten_rt::sleep(SETTLED).await;
        allocator.settle(&objects);
        assert_eq!((free("10.96.0.2"), free("10.96.0.3")), (true, false));
    }
}
