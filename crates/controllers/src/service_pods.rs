//! The pods behind a Service: which count, and at which port each listens.

use corten_api::IntOrString;
use corten_api::core::v1::{Pod, Service, ServicePort};
use corten_api::selector::Selector;
use corten_client::{Informer, Key};
use corten_semantics::pod::is_terminal;
use std::sync::Arc;

/// The pods that `service` selects and that have an address, by name.
pub fn selected(service: &Service, pods: &Informer<Pod>) -> Vec<Arc<Pod>> {
    let selector = Selector::from_map(&service.spec.selector);
    let mut selected: Vec<Arc<Pod>> = pods
        .list_in(&service.metadata.namespace)
        .into_iter()
        .filter(|p| selector.matches(&p.metadata.labels) && !is_terminal(p) && !p.status.pod_ip.is_empty())
        .collect();
    selected.sort_by(|a, b| a.metadata.name.cmp(&b.metadata.name));
    selected
}

/// The number of the port at which `pod` answers for `port`; `None` when the pod has no port of that name.
pub fn target_port(pod: &Pod, port: &ServicePort) -> Option<i32> {
    match &port.target_port {
        IntOrString::Int(0) => Some(port.port),
        IntOrString::Int(number) => Some(*number),
        IntOrString::String(name) => {
            let sidecars = pod.spec.init_containers.iter().filter(|c| corten_semantics::pod::is_sidecar(c));
            pod.spec
                .containers
                .iter()
                .chain(sidecars)
                .flat_map(|c| &c.ports)
                .find(|p| p.name == *name && protocol(&p.protocol) == protocol(&port.protocol))
                .map(|p| p.container_port)
        }
    }
}

fn protocol(p: &str) -> &str {
    if p.is_empty() { "TCP" } else { p }
}

/// Whether the Service has no address of its own.
pub fn is_headless(service: &Service) -> bool {
    service.spec.cluster_ip == "None"
}

/// The name under which DNS knows the pod below the Service; empty when it asks for none.
pub fn hostname<'a>(pod: &'a Pod, service: &Service) -> &'a str {
    if pod.spec.subdomain == service.metadata.name { &pod.spec.hostname } else { "" }
}

/// The Services of a pod's namespace that select it.
pub fn services_of(services: &Informer<Service>, pod: &Pod) -> Vec<Key> {
    services
        .list_in(&pod.metadata.namespace)
        .iter()
        .filter(|s| {
            !s.spec.selector.is_empty() && Selector::from_map(&s.spec.selector).matches(&pod.metadata.labels)
        })
        .map(|s| Key::of(&**s))
        .collect()
}
