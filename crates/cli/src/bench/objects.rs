//! What the requests of `corten bench api` carry.

use bytes::Bytes;
use hyper::Method;
use serde_json::{Value, json};

use super::http::Call;

/// Bytes of text in each ConfigMap.
pub const PAYLOAD: usize = 1024;

/// The nth ConfigMap as JSON, with 1 KiB of text and a mark that tells one write from another.
pub fn config_map(n: usize, mark: &str) -> Bytes {
    let text: String =
        (0..PAYLOAD).map(|at| char::from(b'a' + ((at * 7 + n * 3 + at / 26) % 26) as u8)).collect();
    let object = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": format!("cm-{n}")},
        "data": {"payload": text, "seq": mark},
    });
    object.to_string().into()
}

/// A way to patch: what it is called, its media type, and what its path ends with.
#[derive(Clone, Copy, Debug)]
pub struct Patch {
    /// What the figures call it.
    pub operation: &'static str,
    media_type: &'static str,
    query: &'static str,
}

/// The ways to patch that are measured.
pub const PATCHES: [Patch; 3] = [
    Patch {
        operation: "patch, strategic merge",
        media_type: "application/strategic-merge-patch+json",
        query: "",
    },
    Patch { operation: "patch, JSON merge", media_type: "application/merge-patch+json", query: "" },
    Patch {
        operation: "patch, server-side apply",
        media_type: "application/apply-patch+yaml",
        query: "?fieldManager=corten-bench&force=true",
    },
];

impl Patch {
    /// Changes the nth ConfigMap of the collection at `path`. Who applies says all that it owns, 1 KiB; the
    /// others say what changes.
    pub fn call(&self, path: &str, n: usize) -> Call {
        let mark = format!("{}-{n}", self.operation);
        let body = match self.query {
            "" => json!({"data": {"seq": mark}}).to_string().into(),
            _ => config_map(n, &mark),
        };
        Call {
            method: Method::PATCH,
            path: format!("{path}/cm-{n}{}", self.query),
            media_type: self.media_type,
            body,
        }
    }
}

/// The nth Pod as JSON: what a Deployment's pod is like. No scheduler and no node take it.
pub fn pod(n: usize) -> Bytes {
    let http = |path: &str| json!({"httpGet": {"path": path, "port": "http"}, "periodSeconds": 5});
    let labels = json!({"app": "shop", "component": "web", "pod-template-hash": "5d89bdfbf9"});
    let object = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": format!("pod-{n}"), "labels": labels, "annotations": {"team": "shop"}},
        "spec": {
            "schedulerName": "corten-bench",
            "containers": [container("web", http("/ready")), container("proxy", http("/healthz"))],
            "initContainers": [{"name": "setup", "image": "registry.example.com/setup:1.4", "args": ["--once"]}],
            "volumes": [
                {"name": "config", "configMap": {"name": "shop"}},
                {"name": "cache", "emptyDir": {"sizeLimit": "64Mi"}},
            ],
            "securityContext": {"runAsNonRoot": true, "fsGroup": 1000},
            "affinity": {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{
                "weight": 100,
                "podAffinityTerm": {
                    "topologyKey": "kubernetes.io/hostname",
                    "labelSelector": {"matchLabels": {"app": "shop"}},
                },
            }]}},
        },
    });
    object.to_string().into()
}

fn container(name: &str, probe: Value) -> Value {
    json!({
        "name": name,
        "image": format!("registry.example.com/{name}:1.4"),
        "ports": [{"name": "http", "containerPort": 8080}],
        "env": [
            {"name": "LOG", "value": "info"},
            {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        ],
        "resources": {
            "requests": {"cpu": "100m", "memory": "64Mi"},
            "limits": {"cpu": "1", "memory": "256Mi"},
        },
        "readinessProbe": probe,
        "livenessProbe": {"tcpSocket": {"port": 8080}, "initialDelaySeconds": 10},
        "volumeMounts": [
            {"name": "config", "mountPath": "/etc/shop", "readOnly": true},
            {"name": "cache", "mountPath": "/var/cache"},
        ],
        "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}},
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(bytes: &[u8]) -> Value {
        serde_json::from_slice(bytes).expect("valid JSON")
    }

    #[test]
    fn objects_differ_and_hold_a_kibibyte() {
        let object = value(&config_map(3, "7"));
        assert_eq!(object["metadata"]["name"], "cm-3");
        assert_eq!(object["data"]["seq"], "7");
        assert_eq!(object["data"]["payload"].as_str().map(str::len), Some(PAYLOAD));
        assert_ne!(object["data"]["payload"], value(&config_map(4, "7"))["data"]["payload"]);
        assert_eq!(value(&pod(3))["metadata"]["name"], "pod-3");
    }

    #[test]
    fn every_patch_changes_the_object_that_it_names() {
        for patch in PATCHES {
            let call = patch.call("/maps", 5);
            assert!(call.path.starts_with("/maps/cm-5"), "{}", call.path);
            assert_eq!(value(&call.body)["data"]["seq"], format!("{}-5", patch.operation));
            let applies = call.media_type.contains("apply");
            assert_eq!(call.path.contains("fieldManager"), applies);
            assert_eq!(value(&call.body)["data"]["payload"].is_string(), applies);
        }
    }
}
