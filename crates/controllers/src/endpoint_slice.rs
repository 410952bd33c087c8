//! EndpointSlices: the addresses behind each Service with a selector, a hundred to a slice.

use crate::Context;
use crate::service_pods::{hostname, is_headless, selected, services_of, target_port};
use crate::shell::{Controller, wake_by, wake_on};
use async_trait::async_trait;
use corten_api::core::v1::{Node, ObjectReference, Pod, Service};
use corten_api::discovery::v1::{Endpoint, EndpointConditions, EndpointPort, EndpointSlice};
use corten_client::{Client, DeleteOptions, Informer, Key, WorkQueue};
use corten_semantics::ApiResult;
use corten_semantics::owner::controller_reference;
use corten_semantics::pod::{is_ready, is_terminating};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

const SERVICE: &str = "kubernetes.io/service-name";
const MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";
const MANAGER: &str = "endpointslice-controller.k8s.io";
const HEADLESS: &str = "service.kubernetes.io/headless";
const ZONE: &str = "topology.kubernetes.io/zone";
/// Upstream's default size of a slice.
const SIZE: usize = 100;

/// The controller.
pub struct EndpointSlices {
    client: Client,
    services: Informer<Service>,
    pods: Informer<Pod>,
    nodes: Informer<Node>,
    slices: Informer<EndpointSlice>,
}

impl EndpointSlices {
    pub fn new(context: &Context) -> Self {
        EndpointSlices {
            client: context.client.clone(),
            services: context.informers.of(),
            pods: context.informers.of(),
            nodes: context.informers.of(),
            slices: context.informers.of(),
        }
    }
}

/// Endpoints that share their ports.
type Group = (Vec<EndpointPort>, Vec<Endpoint>);

/// The endpoints of a Service, grouped by the ports they answer at.
pub fn desired(service: &Service, pods: &[Arc<Pod>], zone_of: impl Fn(&str) -> Option<String>) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for pod in pods {
        let ports = ports_of(service, pod);
        let endpoint = endpoint_of(service, pod, zone_of(&pod.spec.node_name));
        match groups.iter_mut().find(|(p, _)| *p == ports) {
            Some((_, endpoints)) => endpoints.push(endpoint),
            None => groups.push((ports, vec![endpoint])),
        }
    }
    groups
}

fn ports_of(service: &Service, pod: &Pod) -> Vec<EndpointPort> {
    service
        .spec
        .ports
        .iter()
        .filter_map(|port| {
            Some(EndpointPort {
                name: Some(port.name.clone()),
                protocol: Some(if port.protocol.is_empty() { "TCP".into() } else { port.protocol.clone() }),
                port: Some(target_port(pod, port)?),
                app_protocol: port.app_protocol.clone(),
            })
        })
        .collect()
}

fn endpoint_of(service: &Service, pod: &Pod, zone: Option<String>) -> Endpoint {
    let (serving, terminating) = (is_ready(pod), is_terminating(pod));
    let ready = service.spec.publish_not_ready_addresses || (serving && !terminating);
    let name = hostname(pod, service);
    Endpoint {
        addresses: vec![pod.status.pod_ip.clone()],
        conditions: EndpointConditions {
            ready: Some(ready),
            serving: Some(serving),
            terminating: Some(terminating),
        },
        hostname: (!name.is_empty()).then(|| name.to_string()),
        target_ref: Some(Box::new(ObjectReference {
            kind: "Pod".into(),
            namespace: pod.metadata.namespace.clone(),
            name: pod.metadata.name.clone(),
            uid: pod.metadata.uid.clone(),
            ..ObjectReference::default()
        })),
        node_name: (!pod.spec.node_name.is_empty()).then(|| pod.spec.node_name.clone()),
        zone,
        ..Endpoint::default()
    }
}

/// Changes that bring the slices of a Service to what is desired.
#[derive(Debug, Default, PartialEq)]
pub struct Changes {
    pub create: Vec<EndpointSlice>,
    pub update: Vec<EndpointSlice>,
    pub delete: Vec<String>,
}

/// Compares, keeping endpoints in the slices they are in and touching as few slices as possible.
pub fn plan(service: &Service, groups: Vec<Group>, existing: &[Arc<EndpointSlice>]) -> Changes {
    let mut changes = Changes::default();
    let mut left: Vec<&Arc<EndpointSlice>> = existing.iter().collect();
    // A Service without endpoints still has one slice, which says so.
    let groups = if groups.is_empty() { vec![(Vec::new(), Vec::new())] } else { groups };
    let labels = labels(service);
    for (ports, endpoints) in groups {
        let (same, other): (Vec<_>, Vec<_>) = left.into_iter().partition(|s| s.ports == ports);
        left = other;
        place(service, &labels, ports, endpoints, same, &mut changes);
    }
    changes.delete.extend(left.iter().map(|s| s.metadata.name.clone()));
    changes
}

fn place(
    service: &Service,
    labels: &BTreeMap<String, String>,
    ports: Vec<EndpointPort>,
    endpoints: Vec<Endpoint>,
    slices: Vec<&Arc<EndpointSlice>>,
    changes: &mut Changes,
) {
    let mut waiting: Vec<Endpoint> = endpoints;
    let mut filled: Vec<(&Arc<EndpointSlice>, Vec<Endpoint>)> = Vec::new();
    for slice in slices {
        let mut kept = Vec::new();
        for old in &slice.endpoints {
            if let Some(at) = waiting.iter().position(|e| e.addresses == old.addresses) {
                kept.push(waiting.remove(at));
            }
        }
        filled.push((slice, kept));
    }
    for (_, kept) in &mut filled {
        let room = SIZE.saturating_sub(kept.len()).min(waiting.len());
        kept.extend(waiting.drain(..room));
    }
    let mut kept_any = false;
    for (slice, endpoints) in filled {
        if endpoints.is_empty() && (kept_any || !waiting.is_empty()) {
            changes.delete.push(slice.metadata.name.clone());
            continue;
        }
        kept_any = true;
        let mut wanted = (**slice).clone();
        wanted.endpoints = endpoints;
        wanted.metadata.labels = labels.clone();
        if wanted != **slice {
            changes.update.push(wanted);
        }
    }
    if waiting.is_empty() && !kept_any {
        changes.create.push(new_slice(service, labels, ports, Vec::new()));
        return;
    }
    for chunk in waiting.chunks(SIZE) {
        changes.create.push(new_slice(service, labels, ports.clone(), chunk.to_vec()));
    }
}

fn labels(service: &Service) -> BTreeMap<String, String> {
    let mut labels = service.metadata.labels.clone();
    labels.insert(SERVICE.into(), service.metadata.name.clone());
    labels.insert(MANAGED_BY.into(), MANAGER.into());
    if is_headless(service) {
        labels.insert(HEADLESS.into(), String::new());
    } else {
        labels.remove(HEADLESS);
    }
    labels
}

fn new_slice(
    service: &Service,
    labels: &BTreeMap<String, String>,
    ports: Vec<EndpointPort>,
    endpoints: Vec<Endpoint>,
) -> EndpointSlice {
    let mut slice =
        EndpointSlice { address_type: "IPv4".into(), ports, endpoints, ..EndpointSlice::default() };
    slice.metadata.namespace = service.metadata.namespace.clone();
    slice.metadata.generate_name = format!("{}-", service.metadata.name);
    slice.metadata.labels = labels.clone();
    slice.metadata.owner_references = vec![controller_reference(service)];
    slice
}

fn service_of(slice: &EndpointSlice) -> Option<Key> {
    let ours = slice.metadata.labels.get(MANAGED_BY).is_some_and(|m| m == MANAGER);
    let name = slice.metadata.labels.get(SERVICE).filter(|_| ours)?;
    Some(Key::new(&slice.metadata.namespace, name))
}

#[async_trait]
impl Controller for EndpointSlices {
    fn watch(&self, queue: &WorkQueue<Key>) {
        wake_on(&self.services, queue);
        let services = self.services.clone();
        wake_by(&self.pods, queue, move |pod| services_of(&services, pod));
        wake_by(&self.slices, queue, |slice| service_of(slice).into_iter().collect());
    }

    async fn synced(&self) {
        self.services.synced().await;
        self.pods.synced().await;
        self.nodes.synced().await;
        self.slices.synced().await;
    }

    async fn reconcile(&self, key: &Key) -> ApiResult<Option<Duration>> {
        let existing: Vec<Arc<EndpointSlice>> = self
            .slices
            .list_in(&key.namespace)
            .into_iter()
            .filter(|s| service_of(s).as_ref() == Some(key))
            .collect();
        let service = self.services.get(key).filter(|s| s.metadata.deletion_timestamp.is_none());
        let changes = match service {
            Some(s) if s.spec.type_ != "ExternalName" && !s.spec.selector.is_empty() => {
                let pods = selected(&s, &self.pods);
                let zone = |node: &str| {
                    self.nodes.get(&Key::new("", node)).and_then(|n| n.metadata.labels.get(ZONE).cloned())
                };
                plan(&s, desired(&s, &pods, zone), &existing)
            }
            Some(s) if s.spec.selector.is_empty() => Changes::default(),
            _ => Changes {
                delete: existing.iter().map(|s| s.metadata.name.clone()).collect(),
                ..Changes::default()
            },
        };
        match self.carry_out(key, changes).await {
            // The cache is behind; its next change wakes the Service again.
            Err(e) if e.is_conflict() || e.is_not_found() => Ok(Some(Duration::from_millis(50))),
            other => other.map(|()| None),
        }
    }
}

impl EndpointSlices {
    async fn carry_out(&self, key: &Key, changes: Changes) -> ApiResult<()> {
        let api = self.client.namespaced::<EndpointSlice>(&key.namespace);
        for slice in changes.update {
            api.update(slice).await?;
        }
        for slice in changes.create {
            api.create(slice).await?;
        }
        for name in changes.delete {
            match api.delete(&name, DeleteOptions::default()).await {
                Err(e) if e.is_not_found() => {}
                other => other?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_api::core::v1::{PodCondition, ServicePort};

    fn service() -> Service {
        let mut s = Service::default();
        s.metadata.name = "web".into();
        s.metadata.namespace = "ns".into();
        s.spec.ports = vec![ServicePort { port: 80, target_port: 8080.into(), ..Default::default() }];
        s
    }

    fn pod(n: usize, ready: bool, leaving: bool) -> Arc<Pod> {
        let mut p = Pod::default();
        p.metadata.name = format!("p{n}");
        p.status.pod_ip = format!("10.0.{}.{}", n / 250, n % 250);
        let status = if ready { "True" } else { "False" };
        p.status.conditions =
            vec![PodCondition { type_: "Ready".into(), status: status.into(), ..Default::default() }];
        if leaving {
            p.metadata.deletion_timestamp = Some(Default::default());
        }
        Arc::new(p)
    }

    fn groups(pods: &[Arc<Pod>]) -> Vec<Group> {
        desired(&service(), pods, |_| None)
    }

    #[test]
    fn conditions_follow_the_pod() {
        for (ready, leaving, want) in [
            (true, false, [true, true, false]),
            (false, false, [false, false, false]),
            (true, true, [false, true, true]),
        ] {
            let c = groups(&[pod(1, ready, leaving)])[0].1[0].conditions.clone();
            assert_eq!([c.ready, c.serving, c.terminating], want.map(Some), "{ready} {leaving}");
        }
    }

    #[test]
    fn no_pods_make_one_empty_slice_and_many_make_full_ones() {
        let empty = plan(&service(), groups(&[]), &[]);
        assert_eq!((empty.create.len(), empty.create[0].endpoints.len()), (1, 0));
        let pods: Vec<_> = (0..250).map(|n| pod(n, true, false)).collect();
        let full = plan(&service(), groups(&pods), &[]);
        assert_eq!(full.create.iter().map(|s| s.endpoints.len()).collect::<Vec<_>>(), [100, 100, 50]);
    }

    #[test]
    fn one_change_touches_one_slice() {
        let pods: Vec<_> = (0..150).map(|n| pod(n, true, false)).collect();
        let mut slices = plan(&service(), groups(&pods), &[]).create;
        for (i, s) in slices.iter_mut().enumerate() {
            s.metadata.name = format!("web-{i}");
        }
        let slices: Vec<_> = slices.into_iter().map(Arc::new).collect();
        assert_eq!(plan(&service(), groups(&pods), &slices), Changes::default());
        let changes = plan(&service(), groups(&pods[..149]), &slices);
        assert_eq!((changes.update.len(), changes.create.len(), changes.delete.len()), (1, 0, 0));
        let changes = plan(&service(), groups(&[]), &slices);
        assert_eq!(changes.delete.len() + changes.update.len() + changes.create.len(), 3);
    }

    #[test]
    fn a_named_port_that_a_pod_lacks_is_left_out() {
        let mut s = service();
        s.spec.ports[0].target_port = "http".into();
        assert!(desired(&s, &[pod(1, true, false)], |_| None)[0].0.is_empty());
    }
}
