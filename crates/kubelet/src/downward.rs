//! What the downward API tells a pod about itself, in environment variables and in volumes.

use corten_api::Quantity;
use corten_api::core::v1::{Pod, ResourceFieldSelector, ResourceRequirements};
use std::collections::BTreeMap;

/// The value of the field at `path`. The error is upstream's text for a path that nothing stands at.
pub fn field(pod: &Pod, path: &str) -> Result<String, String> {
    let meta = &pod.metadata;
    if let Some((map, key)) = subscript(path) {
        let map = match map {
            "metadata.labels" => &meta.labels,
            "metadata.annotations" => &meta.annotations,
            _ => return Err(format!("fieldPath {path:?} does not support subscript")),
        };
        return Ok(map.get(key).cloned().unwrap_or_default());
    }
    Ok(match path {
        "metadata.name" => meta.name.clone(),
        "metadata.namespace" => meta.namespace.clone(),
        "metadata.uid" => meta.uid.clone(),
        "metadata.labels" => lines(&meta.labels),
        "metadata.annotations" => lines(&meta.annotations),
        "spec.nodeName" => pod.spec.node_name.clone(),
        "spec.serviceAccountName" => pod.spec.service_account_name.clone(),
        "status.podIP" => pod.status.pod_ip.clone(),
        "status.podIPs" => joined(pod.status.pod_ips.iter().map(|ip| ip.ip.as_str()), &pod.status.pod_ip),
        "status.hostIP" => pod.status.host_ip.clone(),
        "status.hostIPs" => joined(pod.status.host_ips.iter().map(|ip| ip.ip.as_str()), &pod.status.host_ip),
        _ => return Err(format!("unsupported fieldPath: {path}")),
    })
}

/// An amount of `container`'s resources in units of the selector's divisor, rounded up. A limit that is not
/// set is the pod's, or else the node's `allocatable`. The error names what is unknown.
pub fn resource(
    pod: &Pod,
    container: &str,
    selector: &ResourceFieldSelector,
    allocatable: &BTreeMap<String, Quantity>,
) -> Result<String, String> {
    let own = resources(pod, container).ok_or_else(|| format!("container {container} not found"))?;
    let unsupported = || format!("unsupported container resource : {}", selector.resource);
    let (kind, name) = selector.resource.split_once('.').ok_or_else(unsupported)?;
    if !matches!(name, "cpu" | "memory" | "ephemeral-storage") && !name.starts_with("hugepages-") {
        return Err(unsupported());
    }
    let amount = match kind {
        "limits" => limit(pod, own, name, allocatable),
        "requests" => own.requests.get(name).copied().unwrap_or_default(),
        _ => return Err(unsupported()),
    };
    let divisor = if selector.divisor.is_zero() { Quantity::whole(1) } else { selector.divisor };
    let (amount, divisor) = match name {
        "cpu" => (amount.milli_value(), divisor.milli_value()),
        _ => (amount.value(), divisor.value()),
    };
    Ok(amount.max(0).unsigned_abs().div_ceil(divisor.max(1).unsigned_abs()).to_string())
}

fn resources<'a>(pod: &'a Pod, container: &str) -> Option<&'a ResourceRequirements> {
    let spec = &pod.spec;
    let named = spec.containers.iter().chain(&spec.init_containers).map(|c| (&c.name, &c.resources));
    let ephemeral = spec.ephemeral_containers.iter().map(|c| &c.ephemeral_container_common);
    named
        .chain(ephemeral.map(|c| (&c.name, &c.resources)))
        .find(|(name, _)| *name == container)
        .map(|(_, r)| r)
}

fn limit(
    pod: &Pod,
    own: &ResourceRequirements,
    name: &str,
    allocatable: &BTreeMap<String, Quantity>,
) -> Quantity {
    let of_pod = pod.spec.resources.as_ref().and_then(|r| r.limits.get(name));
    let rest = if name.starts_with("hugepages-") { None } else { allocatable.get(name) };
    let candidates = [own.limits.get(name), of_pod, rest];
    candidates.into_iter().flatten().find(|q| !q.is_zero()).copied().unwrap_or_default()
}

/// Parts `metadata.labels['key']`.
fn subscript(path: &str) -> Option<(&str, &str)> {
    path.strip_suffix("']")?.split_once("['")
}

/// `key="value"`, one a line, in order of keys.
fn lines(map: &BTreeMap<String, String>) -> String {
    let lines: Vec<String> = map.iter().map(|(key, value)| format!("{key}={}", quoted(value))).collect();
    lines.join("\n")
}

/// As Go's `%q` writes a text.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\x07' => out.push_str("\\a"),
            '\x08' => out.push_str("\\b"),
            '\x0b' => out.push_str("\\v"),
            '\x0c' => out.push_str("\\f"),
            c if c.is_ascii_control() => out.push_str(&format!("\\x{:02x}", c as u32)),
            c if !c.is_control() && (c == ' ' || !c.is_whitespace()) => out.push(c),
            c if (c as u32) < 0x1_0000 => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push_str(&format!("\\U{:08x}", c as u32)),
        }
    }
    out.push('"');
    out
}

fn joined<'a>(addresses: impl Iterator<Item = &'a str>, single: &str) -> String {
    let all: Vec<&str> = addresses.collect();
    if all.is_empty() { single.to_string() } else { all.join(",") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_api::core::v1::{Container, PodIP};

    fn pod() -> Pod {
        let mut pod = Pod::default();
        pod.metadata.name = "web".into();
        pod.metadata.labels = [("b", "two"), ("a", "o\"ne\n")].map(|(k, v)| (k.into(), v.into())).into();
        pod.spec.node_name = "n1".into();
        pod.status.pod_ip = "10.0.0.2".into();
        pod.status.pod_ips = ["10.0.0.2", "fd00::2"].map(|ip| PodIP { ip: ip.into() }).into();
        let mut container = Container { name: "c".into(), ..Default::default() };
        container.resources.limits.insert("cpu".into(), Quantity::milli(1250));
        container.resources.requests.insert("memory".into(), Quantity::bytes(33 << 20));
        pod.spec.containers = vec![container];
        pod
    }

    #[test]
    fn fields() {
        for (path, want) in [
            ("metadata.name", Ok("web")),
            ("metadata.labels", Ok("a=\"o\\\"ne\\n\"\nb=\"two\"")),
            ("metadata.labels['b']", Ok("two")),
            ("metadata.labels['c']", Ok("")),
            ("metadata.annotations", Ok("")),
            ("spec.nodeName", Ok("n1")),
            ("status.podIPs", Ok("10.0.0.2,fd00::2")),
            ("status.hostIPs", Ok("")),
            ("metadata.name['x']", Err("fieldPath \"metadata.name['x']\" does not support subscript")),
            ("status.phase", Err("unsupported fieldPath: status.phase")),
        ] {
            assert_eq!(field(&pod(), path).as_deref().map_err(String::as_str), want, "{path}");
        }
    }

    #[test]
    fn amounts_round_up_and_default_to_the_node() {
        let node = BTreeMap::from([("memory".to_string(), Quantity::bytes(1 << 30))]);
        for (name, divisor, want) in [
            ("limits.cpu", "0", "2"),
            ("limits.cpu", "1m", "1250"),
            ("limits.memory", "1Mi", "1024"),
            ("requests.memory", "10Mi", "4"),
            ("requests.memory", "0", "34603008"),
            ("requests.cpu", "1", "0"),
        ] {
            let selector = ResourceFieldSelector {
                resource: name.into(),
                divisor: divisor.parse().expect("valid"),
                ..Default::default()
            };
            assert_eq!(resource(&pod(), "c", &selector, &node).as_deref(), Ok(want), "{name}/{divisor}");
        }
        let selector = ResourceFieldSelector { resource: "limits.gpu".into(), ..Default::default() };
        assert!(resource(&pod(), "c", &selector, &node).is_err());
        assert_eq!(resource(&pod(), "x", &selector, &node), Err("container x not found".into()));
    }
}
