//! Where a Service or host is: the addresses to connect to (upstream's `util/proxy.ResolveEndpoint`). A
//! Service is reached at one of its ready endpoints, so that the server needs no rules of the node it is on.

use std::sync::Arc;

use corten_api::Kind;
use corten_api::core::v1::Service;
use corten_api::discovery::v1::EndpointSlice;
use corten_rt::random;
use corten_semantics::status::Resource;
use corten_semantics::{ApiError, Lookup};

/// Whom a call is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Destination {
    Service { namespace: String, name: String, port: u16 },
    Host { host: String, port: u16 },
}

impl Destination {
    /// The name that the peer's certificate must have.
    pub fn server_name(&self) -> String {
        match self {
            Destination::Service { namespace, name, .. } => format!("{name}.{namespace}.svc"),
            Destination::Host { host, .. } => host.clone(),
        }
    }

    /// `host:port`, as the peer is called.
    pub fn authority(&self) -> String {
        match self {
            Destination::Service { port, .. } => format!("{}:{port}", self.server_name()),
            Destination::Host { host, port } => joined(host, *port),
        }
    }

    /// Whether it is this very machine, by name.
    pub fn is_local(&self) -> bool {
        let Destination::Host { host, .. } = self else { return false };
        host.eq_ignore_ascii_case("localhost")
            || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }

    /// A host and port to connect to.
    ///
    /// # Errors
    /// In words, when there is none.
    pub fn resolve(&self, objects: &dyn Lookup) -> Result<(String, u16), String> {
        match self {
            Destination::Host { host, port } => Ok((host.clone(), *port)),
            Destination::Service { namespace, name, port } => endpoint(objects, namespace, name, *port),
        }
    }
}

/// `host:port`, the host in brackets where it has colons.
pub fn joined(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

fn endpoint(objects: &dyn Lookup, namespace: &str, name: &str, port: u16) -> Result<(String, u16), String> {
    let missing = || ApiError::not_found(Resource { group: "", plural: "service" }, name).to_string();
    let service = objects.get::<Service>(namespace, name).ok_or_else(missing)?;
    match service.spec.type_.as_str() {
        "ClusterIP" | "NodePort" | "LoadBalancer" => {}
        "ExternalName" => return Ok((service.spec.external_name.clone(), port)),
        other => return Err(format!("unsupported service type {other:?}")),
    }
    let wanted = service.spec.ports.iter().find(|p| p.port == i32::from(port));
    let wanted = wanted.ok_or_else(|| format!("no service port {port} found for service {name:?}"))?;
    let family = service.spec.ip_families.first().map_or("IPv4", String::as_str);
    let mut slices = slices(objects, namespace, name);
    // Those of the Service's first family come first.
    slices.sort_by_key(|slice| slice.address_type != family);
    for slice in &slices {
        let port = slice.ports.iter().find(|p| p.name.as_deref().unwrap_or_default() == wanted.name);
        let Some(port) = port.and_then(|p| p.port).and_then(|p| u16::try_from(p).ok()) else { continue };
        let ready = slice.endpoints.iter().filter(|e| e.conditions.ready.unwrap_or(true));
        let ready: Vec<&String> = ready.filter_map(|e| e.addresses.first()).collect();
        if !ready.is_empty() {
            return Ok((ready[random::below(ready.len())].clone(), port));
        }
    }
    Err(format!("no endpoints available for service {name:?}"))
}

/// The EndpointSlices of a Service.
pub fn slices(objects: &dyn Lookup, namespace: &str, service: &str) -> Vec<Arc<EndpointSlice>> {
    debug_assert!(EndpointSlice::INFO.namespaced);
    let of = |slice: &Arc<EndpointSlice>| {
        slice.metadata.labels.get("kubernetes.io/service-name").is_some_and(|name| name == service)
    };
    objects.list::<EndpointSlice>(namespace).into_iter().filter(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_api::Object;
    use corten_api::core::v1::ServicePort;
    use corten_api::discovery::v1::{Endpoint, EndpointConditions, EndpointPort};

    fn cluster() -> Vec<Arc<dyn Object>> {
        let mut service = Service::default();
        (service.metadata.namespace, service.metadata.name) = ("ns".into(), "svc".into());
        service.spec.type_ = "ClusterIP".into();
        service.spec.ports = vec![ServicePort { port: 443, name: "https".into(), ..ServicePort::default() }];
        let mut empty = service.clone();
        empty.metadata.name = "empty".into();
        let mut outside = service.clone();
        outside.metadata.name = "outside".into();
        (outside.spec.type_, outside.spec.external_name) = ("ExternalName".into(), "example.com".into());
        let endpoint = |ip: &str, ready| Endpoint {
            addresses: vec![ip.into()],
            conditions: EndpointConditions { ready, ..EndpointConditions::default() },
            ..Endpoint::default()
        };
        let mut slice = EndpointSlice {
            address_type: "IPv4".into(),
            ports: vec![EndpointPort {
                name: Some("https".into()),
                port: Some(8443),
                ..EndpointPort::default()
            }],
            endpoints: vec![endpoint("10.0.0.1", Some(false)), endpoint("10.0.0.2", None)],
            ..EndpointSlice::default()
        };
        (slice.metadata.namespace, slice.metadata.name) = ("ns".into(), "svc-1".into());
        slice.metadata.labels.insert("kubernetes.io/service-name".into(), "svc".into());
        vec![Arc::new(service), Arc::new(empty), Arc::new(outside), Arc::new(slice)]
    }

    #[test]
    fn a_service_is_at_a_ready_endpoint() {
        let objects = cluster();
        for (name, port, want) in [
            ("svc", 443, Ok(("10.0.0.2".to_string(), 8443))),
            ("svc", 80, Err("no service port 80 found for service \"svc\"".to_string())),
            ("empty", 443, Err("no endpoints available for service \"empty\"".to_string())),
            ("outside", 9443, Ok(("example.com".to_string(), 9443))),
            ("none", 443, Err("service \"none\" not found".to_string())),
        ] {
            let destination = Destination::Service { namespace: "ns".into(), name: name.into(), port };
            assert_eq!(destination.resolve(&objects), want, "{name}:{port}");
        }
    }

    #[test]
    fn destinations_have_names() {
        let host = |host: &str| Destination::Host { host: host.into(), port: 1 };
        for (of, name, authority, local) in [
            (host("::1"), "::1", "[::1]:1", true),
            (host("localhost"), "localhost", "localhost:1", true),
            (host("a.b"), "a.b", "a.b:1", false),
            (
                Destination::Service { namespace: "n".into(), name: "s".into(), port: 2 },
                "s.n.svc",
                "s.n.svc:2",
                false,
            ),
        ] {
            assert_eq!((of.server_name().as_str(), of.authority().as_str()), (name, authority));
            assert_eq!(of.is_local(), local);
        }
    }
}
