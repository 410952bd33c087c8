//! Endpoints: the elder form of EndpointSlices, one object per Service.

use crate::Context;
use crate::service_pods::{hostname, is_headless, selected, services_of, target_port};
use crate::shell::{Controller, wake_by, wake_on};
use async_trait::async_trait;
use corten_api::core::v1::{
    EndpointAddress, EndpointPort, EndpointSubset, Endpoints, ObjectReference, Pod, Service,
};
use corten_client::{Client, DeleteOptions, Informer, Key, WorkQueue};
use corten_semantics::ApiResult;
use corten_semantics::pod::{is_ready, is_terminating};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

const HEADLESS: &str = "service.kubernetes.io/headless";
const MANAGED_BY: (&str, &str) = ("endpoints.kubernetes.io/managed-by", "endpoint-controller");
const OVER_CAPACITY: &str = "endpoints.kubernetes.io/over-capacity";
/// The most addresses of one object; the rest is cut, and an annotation says so.
const MOST: usize = 1000;

/// The controller.
pub struct EndpointsObjects {
    client: Client,
    services: Informer<Service>,
    pods: Informer<Pod>,
    endpoints: Informer<Endpoints>,
}

impl EndpointsObjects {
    pub fn new(context: &Context) -> Self {
        EndpointsObjects {
            client: context.client.clone(),
            services: context.informers.of(),
            pods: context.informers.of(),
            endpoints: context.informers.of(),
        }
    }
}

/// The subsets of a Service: pods that answer at the same ports stand together.
pub fn subsets(service: &Service, pods: &[Arc<Pod>]) -> Vec<EndpointSubset> {
    let all = service.spec.publish_not_ready_addresses;
    let mut by_ports: BTreeMap<Vec<(String, i32, String)>, EndpointSubset> = BTreeMap::new();
    for pod in pods.iter().filter(|p| all || !is_terminating(p)).take(MOST) {
        let ports: Vec<EndpointPort> = service
            .spec
            .ports
            .iter()
            .filter_map(|port| {
                Some(EndpointPort {
                    name: port.name.clone(),
                    port: target_port(pod, port)?,
                    protocol: if port.protocol.is_empty() { "TCP".into() } else { port.protocol.clone() },
                    app_protocol: port.app_protocol.clone(),
                })
            })
            .collect();
        if ports.is_empty() && !service.spec.ports.is_empty() {
            continue;
        }
        let mut key: Vec<_> = ports.iter().map(|p| (p.name.clone(), p.port, p.protocol.clone())).collect();
        key.sort();
        let subset = by_ports.entry(key).or_insert_with(|| EndpointSubset { ports, ..Default::default() });
        let list = if all || is_ready(pod) { &mut subset.addresses } else { &mut subset.not_ready_addresses };
        list.push(address(service, pod));
    }
    let mut subsets: Vec<EndpointSubset> = by_ports.into_values().collect();
    for s in &mut subsets {
        s.addresses.sort_by(|a, b| a.ip.cmp(&b.ip));
        s.not_ready_addresses.sort_by(|a, b| a.ip.cmp(&b.ip));
    }
    subsets
}

fn address(service: &Service, pod: &Pod) -> EndpointAddress {
    EndpointAddress {
        ip: pod.status.pod_ip.clone(),
        hostname: hostname(pod, service).to_string(),
        node_name: (!pod.spec.node_name.is_empty()).then(|| pod.spec.node_name.clone()),
        target_ref: Some(Box::new(ObjectReference {
            kind: "Pod".into(),
            namespace: pod.metadata.namespace.clone(),
            name: pod.metadata.name.clone(),
            uid: pod.metadata.uid.clone(),
            ..ObjectReference::default()
        })),
    }
}

fn wanted(service: &Service, pods: &[Arc<Pod>], existing: Option<&Endpoints>) -> Endpoints {
    let mut out = existing.cloned().unwrap_or_default();
    out.metadata.name = service.metadata.name.clone();
    out.metadata.namespace = service.metadata.namespace.clone();
    out.metadata.labels = service.metadata.labels.clone();
    out.metadata.labels.insert(MANAGED_BY.0.into(), MANAGED_BY.1.into());
    if is_headless(service) {
        out.metadata.labels.insert(HEADLESS.into(), String::new());
    }
    if pods.len() > MOST {
        out.metadata.annotations.insert(OVER_CAPACITY.into(), "truncated".into());
    } else {
        out.metadata.annotations.remove(OVER_CAPACITY);
    }
    out.subsets = subsets(service, pods);
    out
}

#[async_trait]
impl Controller for EndpointsObjects {
    fn watch(&self, queue: &WorkQueue<Key>) {
        wake_on(&self.services, queue);
        let services = self.services.clone();
        wake_by(&self.pods, queue, move |pod| services_of(&services, pod));
        wake_on(&self.endpoints, queue);
    }

    async fn synced(&self) {
        self.services.synced().await;
        self.pods.synced().await;
        self.endpoints.synced().await;
    }

    async fn reconcile(&self, key: &Key) -> ApiResult<Option<Duration>> {
        let api = self.client.namespaced::<Endpoints>(&key.namespace);
        let existing = self.endpoints.get(key);
        let Some(service) = self.services.get(key) else {
            // What others made for a name without a Service is theirs.
            let ours = existing.is_some_and(|e| e.metadata.labels.contains_key(MANAGED_BY.0));
            return match ours {
                true => match api.delete(&key.name, DeleteOptions::default()).await {
                    Err(e) if !e.is_not_found() => Err(e),
                    _ => Ok(None),
                },
                false => Ok(None),
            };
        };
        if service.spec.selector.is_empty() || service.spec.type_ == "ExternalName" {
            return Ok(None);
        }
        let wanted = wanted(&service, &selected(&service, &self.pods), existing.as_deref());
        let outcome = match existing {
            Some(e) if *e == wanted => return Ok(None),
            Some(_) => api.update(wanted).await,
            None => api.create(wanted).await,
        };
        match outcome {
            Err(e) if e.is_conflict() || e.is_already_exists() || e.is_not_found() || e.code() == 403 => {
                Ok(None)
            }
            other => other.map(|_| None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_api::core::v1::{PodCondition, ServicePort};

    #[test]
    fn ready_and_unready_addresses_stand_apart() {
        let mut service = Service::default();
        service.spec.ports = vec![ServicePort { port: 80, ..Default::default() }];
        let pod = |ip: &str, ready: &str| {
            let mut p = Pod::default();
            p.status.pod_ip = ip.into();
            p.status.conditions =
                vec![PodCondition { type_: "Ready".into(), status: ready.into(), ..Default::default() }];
            Arc::new(p)
        };
        let pods = [pod("10.0.0.2", "True"), pod("10.0.0.1", "True"), pod("10.0.0.3", "False")];
        let got = subsets(&service, &pods);
        assert_eq!(got.len(), 1);
        let ips = |l: &[EndpointAddress]| l.iter().map(|a| a.ip.clone()).collect::<Vec<_>>();
        assert_eq!(ips(&got[0].addresses), ["10.0.0.1", "10.0.0.2"]);
        assert_eq!(ips(&got[0].not_ready_addresses), ["10.0.0.3"]);
        service.spec.publish_not_ready_addresses = true;
        assert_eq!(subsets(&service, &pods)[0].addresses.len(), 3);
    }
}
