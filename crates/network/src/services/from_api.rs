//! From the API's Services, EndpointSlices and Pods to plain values. Pure: who watches them calls this with
//! what changed.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use corten_api::core::v1::{Container, Pod, Service};
use corten_api::discovery::v1::{Endpoint as SliceEndpoint, EndpointSlice};

use super::frontends::Claim;
use super::model::{Endpoint, HostPort, Protocol, ServicePort, TrafficPolicy};

/// The label by which a slice names its Service.
pub const SERVICE_NAME: &str = "kubernetes.io/service-name";
/// Who carries this label is some other proxy's business.
const OTHER_PROXY: &str = "service.kubernetes.io/service-proxy-name";
/// Endpoints of a Service without an address.
const HEADLESS: &str = "service.kubernetes.io/headless";
const DEFAULT_AFFINITY_SECONDS: i32 = 10_800;

/// The owner's name of a Service's claim.
pub fn owner(namespace: &str, name: &str) -> String {
    format!("{namespace}/{name}")
}

/// The owner's name of the claim to which a slice contributes, if it belongs to a Service.
pub fn owner_of_slice(slice: &EndpointSlice) -> Option<String> {
    let labels = &slice.metadata.labels;
    let ours = !labels.contains_key(OTHER_PROXY) && !labels.contains_key(HEADLESS);
    let name = labels.get(SERVICE_NAME).filter(|_| ours)?;
    Some(owner(&slice.metadata.namespace, name))
}

/// What a Service with these slices wants from the node of this name; nothing when it has no address.
pub fn claim(service: &Service, slices: &[&EndpointSlice], node: &str) -> Claim {
    Claim::of_service(&service_ports(service, slices, node))
}

/// The ports of a Service that has an address, with those that answer.
pub fn service_ports(service: &Service, slices: &[&EndpointSlice], node: &str) -> Vec<ServicePort> {
    let spec = &service.spec;
    let cluster_ips = cluster_ips(service);
    if cluster_ips.is_empty() || service.metadata.labels.contains_key(OTHER_PROXY) {
        return Vec::new();
    }
    let external_ips = external_ips(service);
    let has_node_port = matches!(spec.type_.as_str(), "NodePort" | "LoadBalancer");
    let is_external = has_node_port || !external_ips.is_empty();
    let policy = |text: &str| if text == "Local" { TrafficPolicy::Local } else { TrafficPolicy::Cluster };
    let ports = spec.ports.iter().filter_map(|port| {
        let protocol = protocol(&port.protocol)?;
        Some(ServicePort {
            cluster_ips: cluster_ips.clone(),
            external_ips: external_ips.clone(),
            protocol,
            port: number(port.port)?,
            node_port: number(port.node_port).filter(|_| has_node_port),
            endpoints: endpoints(slices, &port.name, protocol, node),
            internal_policy: policy(spec.internal_traffic_policy.as_deref().unwrap_or_default()),
            external_policy: if is_external {
                policy(&spec.external_traffic_policy)
            } else {
                TrafficPolicy::Cluster
            },
            affinity: affinity(service),
        })
    });
    ports.collect()
}

/// The ports of the node that a pod at these addresses asks for; none for one in the node's own network.
pub fn host_ports(pod: &Pod, addresses: &[IpAddr]) -> Vec<HostPort> {
    if pod.spec.host_network {
        return Vec::new();
    }
    let is_sidecar = |c: &&Container| c.restart_policy.as_deref() == Some("Always");
    let containers = pod.spec.init_containers.iter().filter(is_sidecar).chain(&pod.spec.containers);
    let mut out = Vec::new();
    for port in containers.flat_map(|c| &c.ports) {
        let host_ip: Option<IpAddr> = port.host_ip.parse().ok();
        let (Some(host), Some(inside), Some(protocol)) =
            (number(port.host_port), number(port.container_port), protocol(&port.protocol))
        else {
            continue;
        };
        let fits = |a: &&IpAddr| host_ip.is_none_or(|ip| ip.is_ipv6() == a.is_ipv6());
        out.extend(addresses.iter().filter(fits).map(|address| HostPort {
            host_ip,
            protocol,
            port: host,
            pod: SocketAddr::new(*address, inside),
        }));
    }
    out
}

fn number(port: i32) -> Option<u16> {
    u16::try_from(port).ok().filter(|p| *p != 0)
}

fn protocol(text: &str) -> Option<Protocol> {
    match text {
        "" | "TCP" => Some(Protocol::Tcp),
        "UDP" => Some(Protocol::Udp),
        "SCTP" => Some(Protocol::Sctp),
        _ => None,
    }
}

/// None for a headless or an external-name Service.
fn cluster_ips(service: &Service) -> Vec<IpAddr> {
    let spec = &service.spec;
    if spec.type_ == "ExternalName" {
        return Vec::new();
    }
    let single = std::slice::from_ref(&spec.cluster_ip);
    let all = if spec.cluster_ips.is_empty() { single } else { &spec.cluster_ips[..] };
    all.iter().filter_map(|ip| ip.parse().ok()).collect()
}

fn external_ips(service: &Service) -> Vec<IpAddr> {
    let own = service.spec.external_ips.iter().filter_map(|ip| ip.parse().ok());
    let balanced = service.spec.type_ == "LoadBalancer";
    // A balancer of mode Proxy wants its packets for itself.
    let ingress = service.status.load_balancer.ingress.iter();
    let ingress = ingress.filter(|i| balanced && i.ip_mode.as_deref() != Some("Proxy"));
    own.chain(ingress.filter_map(|i| i.ip.parse().ok())).collect()
}

fn affinity(service: &Service) -> Option<Duration> {
    if service.spec.session_affinity != "ClientIP" {
        return None;
    }
    let config = service.spec.session_affinity_config.as_ref().and_then(|c| c.client_ip.as_ref());
    let seconds = config.and_then(|c| c.timeout_seconds).unwrap_or(DEFAULT_AFFINITY_SECONDS);
    Some(Duration::from_secs(seconds.max(1) as u64))
}

fn endpoints(slices: &[&EndpointSlice], name: &str, protocol_: Protocol, node: &str) -> Vec<Endpoint> {
    let mut out = Vec::new();
    for slice in slices {
        let same = slice.ports.iter().filter(|p| {
            p.name.as_deref().unwrap_or_default() == name
                && protocol(p.protocol.as_deref().unwrap_or_default()) == Some(protocol_)
        });
        for port in same.filter_map(|p| number(p.port?)) {
            out.extend(slice.endpoints.iter().filter_map(|e| endpoint(e, port, node)));
        }
    }
    out
}

/// One that is ready, or still serves while it ends.
fn endpoint(endpoint: &SliceEndpoint, port: u16, node: &str) -> Option<Endpoint> {
    let conditions = &endpoint.conditions;
    let ready = conditions.ready.unwrap_or(true);
    let ending = conditions.serving.unwrap_or(ready) && conditions.terminating.unwrap_or(false);
    if !ready && !ending {
        return None;
    }
    let address: IpAddr = endpoint.addresses.first()?.parse().ok()?;
    let local = endpoint.node_name.as_deref() == Some(node);
    Some(Endpoint { address: SocketAddr::new(address, port), local, ready })
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_api::core::v1::ClientIPConfig;
    use corten_api::core::v1::{ContainerPort, ServicePort as ApiPort, SessionAffinityConfig};
    use corten_api::discovery::v1::{EndpointConditions, EndpointPort};

    fn service() -> Service {
        let mut service = Service::default();
        service.metadata.name = "web".into();
        service.spec.type_ = "ClusterIP".into();
        service.spec.cluster_ip = "10.96.0.9".into();
        service.spec.cluster_ips = vec!["10.96.0.9".into()];
        let port = ApiPort { name: "http".into(), protocol: "TCP".into(), port: 80, ..ApiPort::default() };
        service.spec.ports = vec![port];
        service
    }

    fn slice(endpoints: &[(&str, &str, Option<bool>, bool)]) -> EndpointSlice {
        let mut slice = EndpointSlice { address_type: "IPv4".into(), ..EndpointSlice::default() };
        slice.metadata.namespace = "default".into();
        slice.metadata.labels.insert(SERVICE_NAME.into(), "web".into());
        slice.ports = vec![EndpointPort {
            name: Some("http".into()),
            protocol: Some("TCP".into()),
            port: Some(8080),
            ..EndpointPort::default()
        }];
        slice.endpoints = endpoints
            .iter()
            .map(|(address, node, ready, terminating)| SliceEndpoint {
                addresses: vec![(*address).into()],
                node_name: Some((*node).into()),
                conditions: EndpointConditions {
                    ready: *ready,
                    serving: Some(true),
                    terminating: Some(*terminating),
                },
                ..SliceEndpoint::default()
            })
            .collect();
        slice
    }

    #[test]
    fn endpoints_are_matched_by_port_and_readiness() {
        let slice = slice(&[
            ("10.244.0.2", "here", None, false),
            ("10.244.1.2", "there", Some(true), false),
            ("10.244.1.3", "there", Some(false), false),
            ("10.244.1.4", "there", Some(false), true),
        ]);
        let ports = service_ports(&service(), &[&slice], "here");
        let shown: Vec<_> =
            ports[0].endpoints.iter().map(|e| (e.address.to_string(), e.local, e.ready)).collect();
        let expected = [
            ("10.244.0.2:8080", true, true),
            ("10.244.1.2:8080", false, true),
            ("10.244.1.4:8080", false, false),
        ];
        assert_eq!(shown, expected.map(|(a, l, r)| (a.to_owned(), l, r)));
        let mut other = service();
        other.spec.ports[0].name = "https".into();
        assert!(service_ports(&other, &[&slice], "here")[0].endpoints.is_empty());
        other.spec.ports[0].name = "http".into();
        other.spec.ports[0].protocol = "UDP".into();
        assert!(service_ports(&other, &[&slice], "here")[0].endpoints.is_empty());
    }

    #[test]
    fn services_without_an_address_claim_nothing() {
        type Edit = fn(&mut Service);
        let edits: [Edit; 4] = [
            |s| {
                s.spec.cluster_ip = "None".into();
                s.spec.cluster_ips = vec!["None".into()];
            },
            |s| s.spec.type_ = "ExternalName".into(),
            |s| {
                s.spec.cluster_ip = String::new();
                s.spec.cluster_ips = Vec::new();
            },
            |s| {
                s.metadata.labels.insert(OTHER_PROXY.into(), "cilium".into());
            },
        ];
        for edit in edits {
            let mut service = service();
            edit(&mut service);
            assert_eq!(claim(&service, &[], "here"), Claim::default());
        }
    }

    #[test]
    fn types_policies_and_affinity() {
        let mut service = service();
        service.spec.ports[0].node_port = 30080;
        service.spec.external_traffic_policy = "Local".into();
        let port = |s: &Service| service_ports(s, &[], "here").remove(0);
        assert_eq!(
            (port(&service).node_port, port(&service).external_policy),
            (None, TrafficPolicy::Cluster)
        );
        service.spec.type_ = "NodePort".into();
        assert_eq!(
            (port(&service).node_port, port(&service).external_policy),
            (Some(30080), TrafficPolicy::Local)
        );
        service.spec.session_affinity = "ClientIP".into();
        assert_eq!(port(&service).affinity, Some(Duration::from_secs(10_800)));
        service.spec.session_affinity_config = Some(Box::new(SessionAffinityConfig {
            client_ip: Some(Box::new(ClientIPConfig { timeout_seconds: Some(5) })),
        }));
        assert_eq!(port(&service).affinity, Some(Duration::from_secs(5)));
    }

    #[test]
    fn slices_name_their_service() {
        let mut slice = slice(&[]);
        assert_eq!(owner_of_slice(&slice), Some("default/web".into()));
        slice.metadata.labels.insert(HEADLESS.into(), String::new());
        assert_eq!(owner_of_slice(&slice), None);
        assert_eq!(owner_of_slice(&EndpointSlice::default()), None);
    }

    #[test]
    fn pods_ask_for_host_ports() {
        let mut pod = Pod::default();
        let port = |host, ip: &str| ContainerPort {
            host_port: host,
            container_port: 80,
            host_ip: ip.into(),
            ..ContainerPort::default()
        };
        let container = Container {
            ports: vec![port(0, ""), port(8080, ""), port(8081, "127.0.0.1"), port(8082, "::1")],
            ..Container::default()
        };
        pod.spec.containers = vec![container];
        let own: IpAddr = [10, 244, 0, 2].into();
        let shown: Vec<_> = host_ports(&pod, &[own]).iter().map(|p| (p.port, p.host_ip)).collect();
        assert_eq!(shown, [(8080, None), (8081, Some([127, 0, 0, 1].into()))]);
        pod.spec.host_network = true;
        assert!(host_ports(&pod, &[own]).is_empty());
    }
}
