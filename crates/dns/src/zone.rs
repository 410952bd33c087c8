//! What the cluster's zone is answered from.

use crate::index::{Index, service_of};
use corten_api::core::v1::Service;
use corten_api::discovery::v1::{Endpoint, EndpointSlice};
use corten_client::{Informer, Key};
use hickory_proto::rr::Name;
use parking_lot::RwLock;
use std::net::IpAddr;
use std::sync::Arc;

/// Services and endpoints as the informers have them now.
#[derive(Clone)]
pub struct Zone {
    pub(crate) origin: Name,
    /// The address of the zone's server, `ns.dns`.
    pub(crate) server: Option<IpAddr>,
    services: Informer<Service>,
    slices: Informer<EndpointSlice>,
    index: Arc<RwLock<Index>>,
}

impl Zone {
    /// A zone below `origin` that follows the informers.
    pub fn new(
        origin: Name,
        server: Option<IpAddr>,
        services: Informer<Service>,
        slices: Informer<EndpointSlice>,
    ) -> Self {
        let index: Arc<RwLock<Index>> = Arc::default();
        let of_services = index.clone();
        services.on_change(move |change| of_services.write().service_changed(change));
        let of_slices = index.clone();
        slices.on_change(move |change| of_slices.write().slice_changed(change));
        Zone { origin, server, services, slices, index }
    }

    /// Whether the objects are in: before that, nothing may be said not to exist.
    pub fn is_synced(&self) -> bool {
        self.services.is_synced() && self.slices.is_synced()
    }

    /// A Service.
    pub(crate) fn service(&self, key: &Key) -> Option<Arc<Service>> {
        self.services.get(key)
    }

    /// Whether there is a Service in the namespace.
    pub(crate) fn has_services(&self, namespace: &str) -> bool {
        !self.services.list_in(namespace).is_empty()
    }

    /// The slices of a Service.
    pub(crate) fn slices(&self, service: &Key) -> Vec<Arc<EndpointSlice>> {
        let keys = self.index.read().slices(service);
        keys.iter().filter_map(|key| self.slices.get(key)).collect()
    }

    /// The Service with this cluster address.
    pub(crate) fn service_at(&self, address: IpAddr) -> Option<Key> {
        self.index.read().service_at(address).cloned()
    }

    /// The endpoints with this address, each with its Service.
    pub(crate) fn endpoints_at(&self, address: IpAddr) -> Vec<(Key, Endpoint)> {
        let keys = self.index.read().slices_at(address);
        let slices = keys.iter().filter_map(|key| self.slices.get(key));
        let mut found = Vec::new();
        for slice in slices {
            let Some(service) = service_of(&slice) else { continue };
            let here = |e: &&Endpoint| e.addresses.iter().any(|a| a.parse() == Ok(address));
            found.extend(slice.endpoints.iter().filter(here).map(|e| (service.clone(), e.clone())));
        }
        found
    }
}
