//! Ways into the informers' objects: which slices belong to a Service, and who has an address. Kept up to
//! date event by event; holds names only.

use corten_api::core::v1::Service;
use corten_api::discovery::v1::EndpointSlice;
use corten_client::{Change, Key};
use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;

/// The label that names a slice's Service.
const SERVICE: &str = "kubernetes.io/service-name";

/// The ways in.
#[derive(Debug, Default)]
pub struct Index {
    slices: HashMap<Key, BTreeSet<Key>>,
    services_at: HashMap<IpAddr, Key>,
    slices_at: HashMap<IpAddr, BTreeSet<Key>>,
}

impl Index {
    /// The slices of a Service.
    pub fn slices(&self, service: &Key) -> Vec<Key> {
        self.slices.get(service).into_iter().flatten().cloned().collect()
    }

    /// The Service with this cluster address.
    pub fn service_at(&self, address: IpAddr) -> Option<&Key> {
        self.services_at.get(&address)
    }

    /// The slices with an endpoint of this address.
    pub fn slices_at(&self, address: IpAddr) -> Vec<Key> {
        self.slices_at.get(&address).into_iter().flatten().cloned().collect()
    }

    /// Takes over a change of a Service.
    pub fn service_changed(&mut self, change: &Change<Service>) {
        if let Some(old) = &change.old {
            let key = Key::of(&**old);
            for address in cluster_addresses(old) {
                if self.services_at.get(&address) == Some(&key) {
                    self.services_at.remove(&address);
                }
            }
        }
        if let Some(new) = &change.new {
            let key = Key::of(&**new);
            self.services_at.extend(cluster_addresses(new).map(|address| (address, key.clone())));
        }
    }

    /// Takes over a change of a slice.
    pub fn slice_changed(&mut self, change: &Change<EndpointSlice>) {
        if let Some(old) = &change.old {
            let key = Key::of(&**old);
            if let Some(service) = service_of(old) {
                take_from(&mut self.slices, &service, &key);
            }
            addresses(old).for_each(|address| take_from(&mut self.slices_at, &address, &key));
        }
        if let Some(new) = &change.new {
            let key = Key::of(&**new);
            if let Some(service) = service_of(new) {
                self.slices.entry(service).or_default().insert(key.clone());
            }
            for address in addresses(new) {
                self.slices_at.entry(address).or_default().insert(key.clone());
            }
        }
    }
}

/// The Service that a slice belongs to.
pub fn service_of(slice: &EndpointSlice) -> Option<Key> {
    let meta = &slice.metadata;
    meta.labels.get(SERVICE).map(|name| Key::new(&meta.namespace, name))
}

/// The addresses of a Service in the cluster, of both families; none for a headless one.
pub fn cluster_addresses(service: &Service) -> impl Iterator<Item = IpAddr> + '_ {
    let spec = &service.spec;
    let one = if spec.cluster_ips.is_empty() { std::slice::from_ref(&spec.cluster_ip) } else { &[] };
    spec.cluster_ips.iter().chain(one).filter_map(|a| a.parse().ok())
}

fn addresses(slice: &EndpointSlice) -> impl Iterator<Item = IpAddr> + '_ {
    slice.endpoints.iter().flat_map(|e| &e.addresses).filter_map(|a| a.parse().ok())
}

fn take_from<K: std::hash::Hash + Eq>(map: &mut HashMap<K, BTreeSet<Key>>, from: &K, key: &Key) {
    if let Some(set) = map.get_mut(from) {
        set.remove(key);
        if set.is_empty() {
            map.remove(from);
        }
    }
}
