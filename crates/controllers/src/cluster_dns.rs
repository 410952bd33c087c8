//! The Service `kube-dns`: every node answers names on its gateway's address, and each uses its own (the
//! Service's internal traffic stays on the node). One EndpointSlice lists them.

use crate::Context;
use crate::shell::{Controller, wake_by};
use async_trait::async_trait;
use corten_api::core::v1::{Node, Service, ServicePort};
use corten_api::discovery::v1::{Endpoint, EndpointConditions, EndpointPort, EndpointSlice};
use corten_client::{Client, Informer, Key, WorkQueue};
use corten_semantics::ApiResult;
use corten_semantics::owner::controller_reference;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

const NAMESPACE: &str = "kube-system";
const NAME: &str = "kube-dns";
const PORT: i32 = 53;

/// The controller. Its one key stands for the Service.
pub struct ClusterDns {
    client: Client,
    address: String,
    nodes: Informer<Node>,
    services: Informer<Service>,
    slices: Informer<EndpointSlice>,
}

impl ClusterDns {
    pub fn new(context: &Context) -> Self {
        ClusterDns {
            client: context.client.clone(),
            address: context.settings.cluster_dns.clone(),
            nodes: context.informers.of(),
            services: context.informers.of(),
            slices: context.informers.of(),
        }
    }
}

fn service(address: &str) -> Service {
    let mut service = Service::default();
    service.metadata.namespace = NAMESPACE.into();
    service.metadata.name = NAME.into();
    for (key, value) in [
        ("k8s-app", "kube-dns"),
        ("kubernetes.io/cluster-service", "true"),
        ("kubernetes.io/name", "CoreDNS"),
    ] {
        service.metadata.labels.insert(key.into(), value.into());
    }
    service.spec.cluster_ip = address.into();
    service.spec.internal_traffic_policy = Some("Local".into());
    let port = |name: &str, protocol: &str| ServicePort {
        name: name.into(),
        protocol: protocol.into(),
        port: PORT,
        ..ServicePort::default()
    };
    service.spec.ports = vec![port("dns", "UDP"), port("dns-tcp", "TCP")];
    service
}

/// The address on which a node with this pod range answers: its gateway.
pub fn gateway(pod_range: &str) -> Option<String> {
    let base: Ipv4Addr = pod_range.split('/').next()?.parse().ok()?;
    Some(Ipv4Addr::from(u32::from(base).checked_add(1)?).to_string())
}

fn endpoints(nodes: &[Arc<Node>]) -> Vec<Endpoint> {
    nodes
        .iter()
        .filter_map(|n| {
            Some(Endpoint {
                addresses: vec![gateway(&n.spec.pod_cidr)?],
                conditions: EndpointConditions {
                    ready: Some(true),
                    serving: Some(true),
                    terminating: Some(false),
                },
                node_name: Some(n.metadata.name.clone()),
                ..Endpoint::default()
            })
        })
        .collect()
}

fn slice(service: &Service, nodes: &[Arc<Node>], existing: Option<&EndpointSlice>) -> EndpointSlice {
    let mut slice = existing.cloned().unwrap_or_default();
    slice.metadata.namespace = NAMESPACE.into();
    slice.metadata.name = NAME.into();
    slice.metadata.labels.insert("kubernetes.io/service-name".into(), NAME.into());
    slice.metadata.labels.insert("endpointslice.kubernetes.io/managed-by".into(), "corten".into());
    slice.metadata.owner_references = vec![controller_reference(service)];
    slice.address_type = "IPv4".into();
    let port = |name: &str, protocol: &str| EndpointPort {
        name: Some(name.into()),
        protocol: Some(protocol.into()),
        port: Some(PORT),
        ..EndpointPort::default()
    };
    slice.ports = vec![port("dns", "UDP"), port("dns-tcp", "TCP")];
    slice.endpoints = endpoints(nodes);
    slice
}

#[async_trait]
impl Controller for ClusterDns {
    fn workers(&self) -> usize {
        1
    }

    fn watch(&self, queue: &WorkQueue<Key>) {
        if self.address.is_empty() {
            return;
        }
        queue.add(Key::default());
        let ours = |namespace: &str, name: &str| match (namespace, name) {
            (NAMESPACE, NAME) => vec![Key::default()],
            _ => vec![],
        };
        wake_by(&self.nodes, queue, |_| vec![Key::default()]);
        wake_by(&self.services, queue, move |s| ours(&s.metadata.namespace, &s.metadata.name));
        wake_by(&self.slices, queue, move |s| ours(&s.metadata.namespace, &s.metadata.name));
    }

    async fn synced(&self) {
        self.nodes.synced().await;
        self.services.synced().await;
        self.slices.synced().await;
    }

    async fn reconcile(&self, _: &Key) -> ApiResult<Option<Duration>> {
        let key = Key::new(NAMESPACE, NAME);
        let Some(service) = self.services.get(&key) else {
            let api = self.client.namespaced::<Service>(NAMESPACE);
            return match api.create(service(&self.address)).await {
                Err(e) if !e.is_already_exists() => Err(e),
                _ => Ok(None),
            };
        };
        // A Service of this name with a selector is somebody's own DNS: it stays theirs.
        if !service.spec.selector.is_empty() {
            return Ok(None);
        }
        let api = self.client.namespaced::<EndpointSlice>(NAMESPACE);
        let existing = self.slices.get(&key);
        let wanted = slice(&service, &self.nodes.list(), existing.as_deref());
        let outcome = match existing {
            Some(e) if *e == wanted => return Ok(None),
            Some(_) => api.update(wanted).await,
            None => api.create(wanted).await,
        };
        match outcome {
            Err(e) if e.is_conflict() || e.is_already_exists() => Ok(Some(Duration::from_millis(100))),
            other => other.map(|_| None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_answer_on_their_gateways() {
        let mut with = Node::default();
        with.metadata.name = "n1".into();
        with.spec.pod_cidr = "10.244.3.0/24".into();
        let got = endpoints(&[Arc::new(with), Arc::new(Node::default())]);
        assert_eq!(got.len(), 1);
        assert_eq!((got[0].addresses[0].as_str(), got[0].node_name.as_deref()), ("10.244.3.1", Some("n1")));
    }
}
