//! The `proxy` subresources: HTTP to a pod, to an endpoint of a service, or to a node's kubelet.

use bytes::Bytes;
use corten_api::Kind;
use corten_api::core::v1::{Node, Pod, Service};
use corten_api::discovery::v1::{Endpoint, EndpointSlice};
use corten_client::Target;
use corten_rt::random;
use corten_semantics::{ApiError, ApiResult, Lookup};
use corten_streaming::upgrade::wants_upgrade;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderValue, LOCATION};
use http::{Method, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use std::net::IpAddr;
use std::sync::Arc;

use super::backend::{self, Backend};
use super::html::Page;
use super::kubelet::{self, Address};
use super::links::Links;
use super::object;
use crate::http::chain::Exchange;
use crate::http::query::{decode, escape};
use crate::http::response::{BodyError, Response, full, streamed, with_body};
use crate::outbound::Failure;
use crate::registry::ListOptions;

/// `[scheme:]name[:port]`, as a proxied name is written.
#[derive(Clone, Debug, PartialEq, Eq)]
struct ProxyName {
    tls: bool,
    name: String,
    port: String,
}

impl ProxyName {
    fn parse(text: &str) -> Option<ProxyName> {
        let parts: Vec<&str> = text.split(':').collect();
        let (scheme, name, port) = match parts.as_slice() {
            [name] => ("", *name, ""),
            [name, port] => ("", *name, *port),
            [scheme, name, port] => (*scheme, *name, *port),
            _ => return None,
        };
        let known = matches!(scheme, "" | "http" | "https");
        (known && !name.is_empty()).then(|| ProxyName {
            tls: scheme == "https",
            name: name.into(),
            port: port.into(),
        })
    }
}

/// Passes the request on, to this path.
pub async fn answer(mut exchange: Exchange, target: Target, asked: &str) -> ApiResult<Response> {
    let whole = exchange.request.uri().path().to_string();
    let upgrading = wants_upgrade(exchange.headers());
    if asked.is_empty() && !whole.ends_with('/') && !upgrading {
        return Ok(with_slash(&exchange, &whole));
    }
    let backend = connect(&exchange, &target, upgrading).await?;
    if let Ok(value) = HeaderValue::from_str(&whole) {
        exchange.request.headers_mut().insert("x-forwarded-uri", value);
    }
    let head = if asked.starts_with('/') { "" } else { "/" };
    let tail = if whole.ends_with('/') && !asked.ends_with('/') { "/" } else { "" };
    let path = format!("{head}{}{tail}", escape(asked, "/!$&'()*+,;=:@"));
    let with_query = match exchange.request.uri().query() {
        Some(query) => format!("{path}?{query}"),
        None => path.clone(),
    };
    if upgrading {
        return backend::upgrade(exchange, backend, &with_query).await;
    }
    let asked_of = exchange.headers().get(HOST).and_then(|h| h.to_str().ok()).unwrap_or_default();
    let asked_of = exchange.request.uri().authority().map_or(asked_of, |a| a.as_str());
    let links = Links::new(backend.authority(), asked_of, &decode(&whole, false), &decode(&path, false));
    let bodiless = exchange.request.method() == Method::HEAD;
    let answer = backend::forward(&mut exchange, backend, &with_query).await?;
    Ok(led_through(answer, links, bodiless))
}

/// An answer whose redirection, or whose page's links, lead through the proxy again.
fn led_through(answer: http::Response<Incoming>, links: Links, bodiless: bool) -> Response {
    let text = |name| answer.headers().get(name).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let location = text(LOCATION);
    if !location.is_empty() {
        let onward = links.through(location).and_then(|l| HeaderValue::from_str(&l).ok());
        let mut answer = backend::through(answer);
        if let Some(value) = onward {
            answer.headers_mut().insert(LOCATION, value);
        }
        return answer;
    }
    let is_page = text(CONTENT_TYPE).split(';').next().is_some_and(|t| t.trim() == "text/html");
    let gzip = match text(CONTENT_ENCODING) {
        "" => false,
        "gzip" => true,
        // Nobody knows how to read it.
        _ => return backend::through(answer),
    };
    if !is_page || bodiless {
        return backend::through(answer);
    }
    let (mut parts, body) = answer.into_parts();
    parts.headers.remove(CONTENT_LENGTH);
    let start = Some((body, Page::new(links, gzip)));
    let pieces = futures::stream::try_unfold(start, |state| async move {
        let Some((mut body, mut page)) = state else { return Ok::<_, BodyError>(None) };
        loop {
            let Some(frame) = body.frame().await.transpose()? else {
                return Ok(Some((Bytes::from(page.end()?), None)));
            };
            let Ok(piece) = frame.into_data() else { continue };
            let out = page.feed(&piece)?;
            if !out.is_empty() {
                return Ok(Some((Bytes::from(out), Some((body, page)))));
            }
        }
    });
    http::Response::from_parts(parts, streamed(pieces))
}

/// Relative links of a page need the slash at the end of its path.
fn with_slash(exchange: &Exchange, path: &str) -> Response {
    let query = exchange.request.uri().query().map(|q| format!("?{q}")).unwrap_or_default();
    let mut answer = with_body(StatusCode::MOVED_PERMANENTLY, "", full(""));
    if let Ok(value) = HeaderValue::from_str(&format!("{path}/{query}")) {
        answer.headers_mut().insert(LOCATION, value);
    }
    answer
}

async fn connect(exchange: &Exchange, target: &Target, upgrading: bool) -> ApiResult<Backend> {
    let failed = |failure: Failure| {
        if upgrading { backend::undialed(failure) } else { backend::unreached(failure) }
    };
    let kind = target.kind.singular();
    let invalid = || ApiError::bad_request(format!("invalid {kind} request {:?}", target.name));
    let asked = ProxyName::parse(&target.name).ok_or_else(invalid)?;
    let namespace = target.namespace.as_deref().unwrap_or_default();
    match target.kind.plural {
        "pods" => {
            let pod = object::<Pod>(exchange, namespace, &asked.name).await?;
            backend::pod(&exchange.api, pod_address(&pod, &asked)?, asked.tls).await.map_err(failed)
        }
        "services" => {
            let service = object::<Service>(exchange, namespace, &asked.name).await?;
            let slices = slices(exchange, &service).await?;
            let objects = exchange.api.registry.lookup();
            let is_pods = |endpoint: &Endpoint| is_of_pod(objects.as_ref(), namespace, endpoint);
            let address = service_address(&service, &slices, &asked, is_pods)?;
            backend::pod(&exchange.api, address, asked.tls).await.map_err(failed)
        }
        _ => {
            let node = object::<Node>(exchange, "", &asked.name).await?;
            let kubelet = kubelet::address(&node)?;
            match asked.port.parse::<u16>() {
                Ok(port) if port != kubelet.port => {
                    let address = Address { port, ..kubelet };
                    backend::pod(&exchange.api, address, asked.tls).await.map_err(failed)
                }
                _ => backend::kubelet(&exchange.api, kubelet).await,
            }
        }
    }
}

fn pod_address(pod: &Pod, asked: &ProxyName) -> ApiResult<Address> {
    let host = pod.status.pod_ip.clone();
    if !host.parse::<IpAddr>().is_ok_and(is_global_unicast) {
        return Err(ApiError::bad_request("address not allowed"));
    }
    let declared = pod.spec.containers.iter().flat_map(|c| &c.ports);
    let port = match asked.port.as_str() {
        "" => declared.map(|p| p.container_port).next().unwrap_or(if asked.tls { 443 } else { 80 }),
        number => number
            .parse()
            .map_err(|_| ApiError::bad_request(format!("invalid pod request {:?}", asked.name)))?,
    };
    let port = u16::try_from(port).map_err(|_| ApiError::bad_request("address not allowed"))?;
    Ok(Address { host, port })
}

/// An address of one machine, beyond its own link (Go's `IsGlobalUnicast`).
fn is_global_unicast(ip: IpAddr) -> bool {
    let link_local = match ip {
        IpAddr::V4(ip) => ip.is_link_local() || ip.is_broadcast(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    };
    !(link_local || ip.is_loopback() || ip.is_unspecified() || ip.is_multicast())
}

/// Whether the endpoint is a pod of the namespace, at that pod's own address: whoever may write endpoints
/// must not lead the server elsewhere.
fn is_of_pod(objects: &dyn Lookup, namespace: &str, endpoint: &Endpoint) -> bool {
    let Some(reference) = &endpoint.target_ref else { return false };
    if reference.namespace != namespace {
        return false;
    }
    let pod = objects.get::<Pod>(namespace, &reference.name);
    pod.is_some_and(|pod| pod.status.pod_ips.iter().any(|ip| Some(&ip.ip) == endpoint.addresses.first()))
}

async fn slices(exchange: &Exchange, service: &Service) -> ApiResult<Vec<Arc<EndpointSlice>>> {
    let target = Target {
        kind: EndpointSlice::INFO,
        namespace: Some(service.metadata.namespace.clone()),
        name: String::new(),
        subresource: "",
    };
    let options = ListOptions {
        label_selector: format!("kubernetes.io/service-name={}", service.metadata.name),
        resource_version: "0".into(),
        ..ListOptions::default()
    };
    let list = exchange.api.registry.list(&exchange.context, &target, &options).await?;
    Ok(list.items.iter().filter_map(|entry| entry.object().downcast_arc()).collect())
}

/// One of the service's ready endpoints, by chance.
fn service_address(
    service: &Service,
    slices: &[Arc<EndpointSlice>],
    asked: &ProxyName,
    is_pods: impl Fn(&Endpoint) -> bool,
) -> ApiResult<Address> {
    let ports = &service.spec.ports;
    let by_number = asked.port.parse::<i32>().ok().and_then(|n| ports.iter().find(|p| p.port == n));
    let name = match (asked.port.as_str(), by_number) {
        (_, Some(port)) => port.name.as_str(),
        ("", None) => ports.first().map_or("", |p| p.name.as_str()),
        (name, None) if name.parse::<i32>().is_ok() => {
            let why = format!("no service port {} found for service {:?}", asked.port, asked.name);
            return Err(ApiError::unavailable(why));
        }
        (name, None) => name,
    };
    let mut found = Vec::new();
    for slice in slices {
        let port = slice.ports.iter().find(|p| p.name.as_deref().unwrap_or_default() == name);
        let Some(port) = port.and_then(|p| p.port).and_then(|p| u16::try_from(p).ok()) else { continue };
        let ready = slice.endpoints.iter().filter(|e| e.conditions.ready.unwrap_or(true) && is_pods(e));
        found.extend(ready.filter_map(|e| Some(Address { host: e.addresses.first()?.clone(), port })));
    }
    if found.is_empty() {
        let why = format!("no endpoints available for service {:?}", asked.name);
        return Err(ApiError::unavailable(why));
    }
    Ok(found.swap_remove(random::below(found.len())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_api::Object;
    use corten_api::core::v1::ServicePort;
    use corten_api::core::v1::{ObjectReference, PodIP};
    use corten_api::discovery::v1::{EndpointConditions, EndpointPort};

    #[test]
    fn names_are_taken_apart() {
        for (text, want) in [
            ("x", Some((false, "x", ""))),
            ("x:80", Some((false, "x", "80"))),
            ("https:x:web", Some((true, "x", "web"))),
            ("http:x:", Some((false, "x", ""))),
            ("ftp:x:1", None),
            (":80", None),
            ("a:b:c:d", None),
        ] {
            let got = ProxyName::parse(text);
            let got = got.as_ref().map(|n| (n.tls, n.name.as_str(), n.port.as_str()));
            assert_eq!(got, want, "{text}");
        }
    }

    #[test]
    fn a_service_leads_to_a_ready_endpoint_of_the_port() {
        let port = |name: &str, port| ServicePort { name: name.into(), port, ..ServicePort::default() };
        let mut service = Service::default();
        service.spec.ports = vec![port("web", 80), port("admin", 81)];
        let endpoint = |ip: &str, ready| Endpoint {
            addresses: vec![ip.into()],
            conditions: EndpointConditions { ready: Some(ready), ..EndpointConditions::default() },
            ..Endpoint::default()
        };
        let slice = Arc::new(EndpointSlice {
            endpoints: vec![endpoint("10.0.0.1", false), endpoint("10.0.0.2", true)],
            ports: vec![
                EndpointPort { name: Some("web".into()), port: Some(8080), ..EndpointPort::default() },
                EndpointPort { name: Some("admin".into()), port: Some(8081), ..EndpointPort::default() },
            ],
            ..EndpointSlice::default()
        });
        let all = std::slice::from_ref(&slice);
        for (asked, slices, want) in [
            ("s", all, "10.0.0.2:8080"),
            ("s:81", all, "10.0.0.2:8081"),
            ("s:admin", all, "10.0.0.2:8081"),
            ("s:82", all, "no service port 82 found for service \"s\""),
            ("s:none", all, "no endpoints available for service \"s\""),
            ("s", &[], "no endpoints available for service \"s\""),
        ] {
            let asked_name = ProxyName::parse(asked).expect("a name");
            let got = service_address(&service, slices, &asked_name, |_| true);
            assert_eq!(got.map_or_else(|e| e.to_string(), |a| a.authority()), want, "{asked}");
        }
    }

    #[test]
    fn only_pods_of_the_namespace_are_led_to() {
        let mut pod = Pod::default();
        (pod.metadata.namespace, pod.metadata.name) = ("ns".into(), "p".into());
        pod.status.pod_ips = vec![PodIP { ip: "10.0.0.1".into() }];
        let objects: Vec<Arc<dyn Object>> = vec![Arc::new(pod)];
        for (namespace, name, ip, want) in [
            ("ns", "p", "10.0.0.1", true),
            ("ns", "p", "169.254.169.254", false),
            ("ns", "q", "10.0.0.1", false),
            ("other", "p", "10.0.0.1", false),
        ] {
            let reference = ObjectReference {
                namespace: namespace.into(),
                name: name.into(),
                ..ObjectReference::default()
            };
            let endpoint = Endpoint {
                addresses: vec![ip.into()],
                target_ref: Some(Box::new(reference)),
                ..Endpoint::default()
            };
            assert_eq!(is_of_pod(&objects, "ns", &endpoint), want, "{namespace}/{name} {ip}");
        }
        assert!(!is_of_pod(&objects, "ns", &Endpoint::default()));
    }

    #[test]
    fn addresses_beyond_the_link_are_allowed() {
        for (ip, want) in [
            ("10.1.2.3", true),
            ("fd00::1", true),
            ("127.0.0.1", false),
            ("169.254.169.254", false),
            ("224.0.0.1", false),
            ("0.0.0.0", false),
            ("fe80::1", false),
            ("::1", false),
        ] {
            assert_eq!(is_global_unicast(ip.parse().expect("an address")), want, "{ip}");
        }
    }
}
