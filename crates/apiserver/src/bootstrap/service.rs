//! The Service `kubernetes`, its endpoints, and the record of the Services' range.

use std::net::SocketAddr;

use corten_api::core::v1::{EndpointAddress, EndpointPort, EndpointSubset, Endpoints, Service, ServicePort};
use corten_api::discovery::v1 as discovery;
use corten_api::meta::v1::Condition;
use corten_api::networking::v1::ServiceCIDR;
use corten_api::{IntOrString, Time};
use corten_semantics::ApiResult;

use super::{System, labels, meta};

const NAME: &str = "kubernetes";
const HTTPS: &str = "https";

pub(super) async fn ensure(system: &System, advertised: SocketAddr) -> ApiResult<()> {
    range(system).await?;
    let port = i32::from(advertised.port());
    let wanted = service(system.registry.kubernetes_address(), port);
    let ports = wanted.spec.ports.clone();
    system
        .ensure_as(wanted, |service| {
            let same = |p: &ServicePort| {
                (p.name.as_str(), p.port, &p.target_port) == (HTTPS, ports[0].port, &ports[0].target_port)
            };
            if !matches!(service.spec.ports.as_slice(), [one] if same(one)) {
                service.spec.ports.clone_from(&ports);
            }
        })
        .await?;
    if advertised.ip().is_loopback() {
        // Nothing but this machine reaches it there: no endpoint is right, and none would be valid.
        return Ok(());
    }
    let ip = advertised.ip().to_string();
    let wanted = endpoints(&ip, port);
    let subsets = wanted.subsets.clone();
    system.ensure_as(wanted, |found| found.subsets = subsets).await?;
    let wanted = slice(&ip, port);
    let (endpoints, ports) = (wanted.endpoints.clone(), wanted.ports.clone());
    system
        .ensure_as(wanted, |found| {
            found.endpoints = endpoints;
            found.ports = ports;
        })
        .await
}

fn service(address: String, port: i32) -> Service {
    let mut service = Service { metadata: meta("default", NAME), ..Service::default() };
    service.metadata.labels = labels(&[("component", "apiserver"), ("provider", NAME)]);
    service.spec.type_ = "ClusterIP".into();
    service.spec.cluster_ips = vec![address.clone()];
    service.spec.cluster_ip = address;
    service.spec.session_affinity = "None".into();
    service.spec.ports = vec![ServicePort {
        name: HTTPS.into(),
        protocol: "TCP".into(),
        port: 443,
        target_port: IntOrString::Int(port),
        ..ServicePort::default()
    }];
    service
}

fn endpoints(ip: &str, port: i32) -> Endpoints {
    let mut endpoints = Endpoints { metadata: meta("default", NAME), ..Endpoints::default() };
    endpoints.metadata.labels = labels(&[("endpointslice.kubernetes.io/skip-mirror", "true")]);
    endpoints.subsets = vec![EndpointSubset {
        addresses: vec![EndpointAddress { ip: ip.into(), ..EndpointAddress::default() }],
        ports: vec![EndpointPort {
            name: HTTPS.into(),
            port,
            protocol: "TCP".into(),
            ..EndpointPort::default()
        }],
        ..EndpointSubset::default()
    }];
    endpoints
}

fn slice(ip: &str, port: i32) -> discovery::EndpointSlice {
    let mut slice =
        discovery::EndpointSlice { metadata: meta("default", NAME), ..discovery::EndpointSlice::default() };
    slice.metadata.labels = labels(&[("kubernetes.io/service-name", NAME)]);
    slice.address_type = if ip.contains(':') { "IPv6" } else { "IPv4" }.into();
    slice.endpoints = vec![discovery::Endpoint {
        addresses: vec![ip.into()],
        conditions: discovery::EndpointConditions { ready: Some(true), ..Default::default() },
        ..discovery::Endpoint::default()
    }];
    slice.ports = vec![discovery::EndpointPort {
        name: Some(HTTPS.into()),
        port: Some(port),
        protocol: Some("TCP".into()),
        ..discovery::EndpointPort::default()
    }];
    slice
}

/// The ServiceCIDR that stands for the configured ranges, ready.
async fn range(system: &System) -> ApiResult<()> {
    let mut cidr = ServiceCIDR { metadata: meta("", NAME), ..ServiceCIDR::default() };
    cidr.spec.cidrs = system.registry.service_cidr().split(',').map(String::from).collect();
    system.create_missing(std::sync::Arc::new(cidr.clone())).await?;
    let Some(found) = system.find(&cidr).await? else { return Ok(()) };
    let Some(found) = found.downcast_ref::<ServiceCIDR>() else { return Ok(()) };
    if found.status.conditions.iter().any(|c| c.type_ == "Ready") {
        return Ok(());
    }
    let mut ready = found.clone();
    ready.status.conditions.push(Condition {
        type_: "Ready".into(),
        status: "True".into(),
        message: "Kubernetes Service CIDR is ready".into(),
        last_transition_time: Some(Time::new(system.registry.clock().now())),
        ..Condition::default()
    });
    system.update(Box::new(ready), "status").await
}
