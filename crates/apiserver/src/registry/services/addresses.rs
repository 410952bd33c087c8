//! IPAddress objects: each cluster IP has one, which names its Service (upstream's `ipallocator`). The pools
//! decide; these objects tell, and are put right now and then.

use std::net::IpAddr;
use std::sync::Arc;

use corten_api::Kind;
use corten_api::core::v1::Service;
use corten_api::networking::v1::{IPAddress, ParentReference};
use corten_semantics::{ApiResult, Lookup, identity};

use crate::registry::{DeleteOptions, Registry, RequestContext, Target, WriteOptions};

const FAMILY: &str = "ipaddress.kubernetes.io/ip-family";
const MANAGED_BY: &str = "ipaddress.kubernetes.io/managed-by";
const MANAGER: &str = "ipallocator.k8s.io";

/// `namespace/name` of the Service that an address belongs to, if it is a Service's.
pub(super) fn parent(address: &IPAddress) -> Option<String> {
    let parent = address.spec.parent_ref.as_ref()?;
    let is_service = parent.group.is_empty() && parent.resource == "services";
    is_service.then(|| format!("{}/{}", parent.namespace, parent.name))
}

fn addresses(service: &Service) -> impl Iterator<Item = &String> {
    service.spec.cluster_ips.iter().filter(|ip| ip.parse::<IpAddr>().is_ok())
}

fn address(ip: &str, service: &Service) -> IPAddress {
    let mut made = IPAddress::default();
    made.metadata.name = ip.into();
    let family = if ip.contains(':') { "IPv6" } else { "IPv4" };
    made.metadata.labels.insert(FAMILY.into(), family.into());
    made.metadata.labels.insert(MANAGED_BY.into(), MANAGER.into());
    made.spec.parent_ref = Some(Box::new(ParentReference {
        group: String::new(),
        resource: "services".into(),
        namespace: service.metadata.namespace.clone(),
        name: service.metadata.name.clone(),
    }));
    made
}

/// What is to be made, and what is to go, so that each cluster IP has its object.
fn repairs(objects: &dyn Lookup) -> (Vec<IPAddress>, Vec<Arc<IPAddress>>) {
    let services = objects.list::<Service>("");
    let mut missing = Vec::new();
    for service in services.iter().filter(|s| s.spec.type_ != "ExternalName") {
        let lacking = addresses(service).filter(|ip| objects.get::<IPAddress>("", ip).is_none());
        missing.extend(lacking.map(|ip| address(ip, service)));
    }
    let is_stale = |address: &Arc<IPAddress>| {
        let ours = address.metadata.labels.get(MANAGED_BY).is_some_and(|m| m == MANAGER);
        let parent = parent(address).unwrap_or_default();
        let (namespace, name) = parent.split_once('/').unwrap_or_default();
        let service = objects.get::<Service>(namespace, name);
        ours && !service.is_some_and(|s| addresses(&s).any(|ip| *ip == address.metadata.name))
    };
    (missing, objects.list::<IPAddress>("").into_iter().filter(is_stale).collect())
}

impl Registry {
    /// Has the objects follow a Service that was written or, without `new`, has gone. What fails is put right by
    /// the next repair.
    pub(crate) async fn follow_addresses(&self, old: Option<&Service>, new: Option<&Service>) {
        let of = |service: Option<&Service>| -> Vec<String> {
            service.map(|s| addresses(s).cloned().collect()).unwrap_or_default()
        };
        let (had, has) = (of(old), of(new));
        for ip in had.iter().filter(|ip| !has.contains(ip)) {
            self.drop_address(ip).await;
        }
        for ip in has.iter().filter(|ip| !had.contains(ip)) {
            let Some(service) = new else { continue };
            self.show_address(address(ip, service)).await;
            // Whoever deleted the Service meanwhile may have found no object.
            let meta = &service.metadata;
            let objects: &dyn Lookup = &*self.cache;
            if objects.get::<Service>(&meta.namespace, &meta.name).is_none() {
                self.drop_address(ip).await;
            }
        }
    }

    /// Makes what is missing and removes what belongs to no Service.
    pub(crate) async fn repair_addresses(&self) {
        let (missing, stale) = repairs(&*self.cache);
        for address in missing {
            self.show_address(address).await;
        }
        for address in stale {
            self.drop_address(&address.metadata.name).await;
        }
    }

    async fn show_address(&self, address: IPAddress) {
        let (ctx, target) = (server(), target(""));
        let name = address.metadata.name.clone();
        let made = Box::pin(self.create(&ctx, &target, Box::new(address), &WriteOptions::default())).await;
        told(made.map(|_| ()), &name);
    }

    async fn drop_address(&self, name: &str) {
        let gone = Box::pin(self.delete(&server(), &target(name), &DeleteOptions::default())).await;
        told(gone.map(|_| ()), name);
    }
}

fn told(outcome: ApiResult<()>, address: &str) {
    if let Err(error) = outcome
        && !error.is_already_exists()
        && !error.is_not_found()
    {
        tracing::debug!(address, %error, "the object of a cluster IP could not be written");
    }
}

fn server() -> RequestContext {
    let (user, agent) = (Arc::new(identity::api_server()), crate::AGENT.into());
    RequestContext { user, agent, ..RequestContext::default() }
}

fn target(name: &str) -> Target {
    Target { kind: IPAddress::INFO, namespace: None, name: name.into(), subresource: "" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_api::Object;

    #[test]
    fn each_cluster_ip_has_its_object() {
        let service = |name: &str, ip: &str| {
            let mut service = Service::default();
            (service.metadata.namespace, service.metadata.name) = ("ns".into(), name.into());
            service.spec.cluster_ips = vec![ip.into()];
            service
        };
        let (shown, hidden, headless) =
            (service("a", "10.96.0.2"), service("b", "10.96.0.3"), service("c", "None"));
        let mut foreign = address("10.96.0.9", &shown);
        foreign.metadata.labels.clear();
        let objects: Vec<Arc<dyn Object>> = vec![
            Arc::new(address("10.96.0.2", &shown)),
            Arc::new(address("10.96.0.4", &service("gone", ""))),
            Arc::new(address("10.96.0.5", &shown)),
            Arc::new(foreign),
            Arc::new(shown),
            Arc::new(hidden),
            Arc::new(headless),
        ];
        let (missing, stale) = repairs(&objects);
        assert_eq!(missing.iter().map(|a| a.metadata.name.as_str()).collect::<Vec<_>>(), ["10.96.0.3"]);
        assert_eq!(parent(&missing[0]).as_deref(), Some("ns/b"));
        let stale: Vec<&str> = stale.iter().map(|a| a.metadata.name.as_str()).collect();
        assert_eq!(stale, ["10.96.0.4", "10.96.0.5"]);
    }
}
