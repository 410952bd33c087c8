//! Where a pod's streams are had: the node's address, the container, the kubelet's path (upstream's
//! `registry/core/pod/strategy.go`).

use corten_api::core::v1::{Node, Pod};
use corten_semantics::field::FieldError;
use corten_semantics::{ApiError, ApiResult};

use crate::http::query::{Query, encode, escape};

/// The kubelet's port where a node tells none.
const KUBELET_PORT: u16 = 10250;

/// A host and a port to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    pub host: String,
    pub port: u16,
}

impl Address {
    /// `host:port`, the host in brackets where it has colons.
    pub fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

/// The kubelet's address, as the node tells it.
pub fn address(node: &Node) -> ApiResult<Address> {
    let of = |wanted: &str| node.status.addresses.iter().find(|a| a.type_ == wanted && !a.address.is_empty());
    let found = ["InternalIP", "ExternalIP", "Hostname"].into_iter().find_map(of);
    let host = found.map(|a| a.address.clone()).ok_or_else(|| {
        ApiError::internal(format!(
            "no preferred addresses found; known addresses: [] of node {}",
            node.metadata.name
        ))
    })?;
    let told = node.status.daemon_endpoints.kubelet_endpoint.port;
    Ok(Address { host, port: u16::try_from(told).ok().filter(|p| *p > 0).unwrap_or(KUBELET_PORT) })
}

/// The container that is meant: the one named, or the only one.
pub fn container<'a>(pod: &'a Pod, asked: &'a str) -> ApiResult<&'a str> {
    let (name, spec) = (&pod.metadata.name, &pod.spec);
    let ephemeral = spec.ephemeral_containers.iter().map(|c| c.ephemeral_container_common.name.as_str());
    let all = || {
        let usual = spec.init_containers.iter().chain(&spec.containers).map(|c| c.name.as_str());
        usual.chain(ephemeral.clone())
    };
    let message = match (asked, spec.containers.as_slice()) {
        ("", [only]) => return Ok(&only.name),
        ("", []) => format!("a container name must be specified for pod {name}"),
        ("", _) => {
            let listed: Vec<&str> = all().collect();
            format!(
                "a container name must be specified for pod {name}, choose one of: [{}]",
                listed.join(" ")
            )
        }
        _ if all().any(|c| c == asked) => return Ok(asked),
        _ => format!("container {asked} is not valid for pod {name}"),
    };
    Err(ApiError::bad_request(message))
}

/// The kubelet's path, with its query, for exec, attach and port-forward.
pub fn stream_path(pod: &Pod, subresource: &str, query: &Query) -> ApiResult<String> {
    let meta = &pod.metadata;
    let (namespace, name) = (escape(&meta.namespace, ""), escape(&meta.name, ""));
    if subresource == "portforward" {
        assigned(pod)?;
        let ports: Vec<(&str, &str)> = query.all("ports").map(|port| ("port", port)).collect();
        return Ok(with_query(format!("/portForward/{namespace}/{name}"), &ports));
    }
    let container = container(pod, query.get("container").unwrap_or_default())?;
    assigned(pod)?;
    let mut parameters = Vec::new();
    for (asked, told) in [("stdin", "input"), ("stdout", "output"), ("stderr", "error"), ("tty", "tty")] {
        if query.flag(asked) {
            parameters.push((told, "1"));
        }
    }
    if subresource == "exec" {
        parameters.extend(query.all("command").map(|word| ("command", word)));
    }
    Ok(with_query(format!("/{subresource}/{namespace}/{name}/{}", escape(container, "")), &parameters))
}

fn assigned(pod: &Pod) -> ApiResult<()> {
    if pod.spec.node_name.is_empty() {
        let name = &pod.metadata.name;
        return Err(ApiError::bad_request(format!("pod {name} does not have a host assigned")));
    }
    Ok(())
}

/// The kubelet's path, with its query, for a container's log; held to upstream's rules.
pub fn log_path(pod: &Pod, query: &Query) -> ApiResult<String> {
    check_log(pod, query)?;
    let meta = &pod.metadata;
    let container = container(pod, query.get("container").unwrap_or_default())?;
    let mut parameters = Vec::new();
    for flag in ["follow", "previous", "timestamps"] {
        if query.flag(flag) {
            parameters.push((flag, "true"));
        }
    }
    for name in ["sinceSeconds", "sinceTime", "tailLines", "limitBytes", "stream"] {
        if let Some(value) = query.get(name).filter(|v| !v.is_empty()) {
            parameters.push((name, value));
        }
    }
    let path = [&meta.namespace, &meta.name, container].map(|part| escape(part, "")).join("/");
    Ok(with_query(format!("/containerLogs/{path}"), &parameters))
}

fn check_log(pod: &Pod, query: &Query) -> ApiResult<()> {
    let mut errors = Vec::new();
    if let Some(lines) = query.integer("tailLines")?.filter(|n| *n < 0) {
        errors.push(FieldError::invalid("tailLines", lines, "must be greater than or equal to 0"));
    }
    for name in ["limitBytes", "sinceSeconds"] {
        if let Some(number) = query.integer(name)?.filter(|n| *n < 1) {
            errors.push(FieldError::invalid(name, number, "must be greater than 0"));
        }
    }
    if query.get("sinceSeconds").is_some() && query.get("sinceTime").is_some_and(|t| !t.is_empty()) {
        let why = "at most one of `sinceTime` or `sinceSeconds` may be specified";
        errors.push(FieldError::forbidden("", why));
    }
    if errors.is_empty() {
        return Ok(());
    }
    Err(ApiError::invalid("", "PodLogOptions", &pod.metadata.name, &errors))
}

fn with_query(path: String, parameters: &[(&str, &str)]) -> String {
    if parameters.is_empty() { path } else { format!("{path}?{}", encode(parameters.iter().copied())) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_api::core::v1::Container;

    fn pod(containers: &[&str], node: &str) -> Pod {
        let mut pod = Pod::default();
        (pod.metadata.namespace, pod.metadata.name) = ("ns".into(), "p".into());
        pod.spec.node_name = node.into();
        pod.spec.containers = containers
            .iter()
            .map(|name| Container { name: (*name).into(), ..Container::default() })
            .collect();
        pod
    }

    #[test]
    fn kubelet_paths_are_upstreams() {
        let stream = |pod: &Pod, sub: &str, query: &str| {
            stream_path(pod, sub, &Query::parse(query)).unwrap_or_else(|e| e.to_string())
        };
        let (one, two, nowhere) = (pod(&["c"], "n"), pod(&["a", "b"], "n"), pod(&["c"], ""));
        for (pod, sub, query, want) in [
            (
                &one,
                "exec",
                "stdin=true&stdout=true&tty=false&command=sh&command=-c+x",
                "/exec/ns/p/c?input=1&output=1&command=sh&command=-c%20x",
            ),
            (&one, "attach", "container=c&stderr=1", "/attach/ns/p/c?error=1"),
            (&one, "portforward", "ports=80&ports=443", "/portForward/ns/p?port=80&port=443"),
            (&two, "exec", "", "a container name must be specified for pod p, choose one of: [a b]"),
            (&two, "exec", "container=z", "container z is not valid for pod p"),
            (&nowhere, "exec", "", "pod p does not have a host assigned"),
        ] {
            assert_eq!(stream(pod, sub, query), want, "{sub} {query}");
        }
        let log = |query: &str| log_path(&one, &Query::parse(query)).unwrap_or_else(|e| e.to_string());
        assert_eq!(log("follow=true&tailLines=5"), "/containerLogs/ns/p/c?follow=true&tailLines=5");
        assert_eq!(
            log("tailLines=-1"),
            "PodLogOptions \"p\" is invalid: tailLines: Invalid value: -1: must be greater than or equal to 0"
        );
    }
}
