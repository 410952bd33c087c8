//! A container's environment.

use super::env_file;
use super::expand::expand;
use crate::downward;
use corten_api::Quantity;
use corten_api::core::v1::{ConfigMap, Container, EnvVarSource, Pod, Secret, Service};
use corten_client::Client;
use corten_semantics::ApiError;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// Where values come from.
pub struct Sources<'a> {
    pub client: &'a Client,
    pub pod: &'a Pod,
    /// Services of the pod's namespace, and `kubernetes` of `default`.
    pub services: Vec<Arc<Service>>,
    pub allocatable: &'a BTreeMap<String, Quantity>,
    /// Where the pod's volumes are: files of variables lie in them.
    pub volumes: &'a BTreeMap<String, PathBuf>,
}

/// The variables in their order; later ones may refer to earlier ones. The error names what is missing, as
/// a `CreateContainerConfigError` shows it.
pub async fn environment(
    sources: &Sources<'_>,
    container: &Container,
) -> Result<Vec<(String, String)>, String> {
    let mut vars = Variables::default();
    for (name, value) in service_variables(&sources.services, sources.pod) {
        vars.set(name, value);
    }
    for from in &container.env_from {
        for (key, value) in bulk(sources, from).await? {
            vars.set(format!("{}{key}", from.prefix), value);
        }
    }
    for var in &container.env {
        let value = match &var.value_from {
            None => Some(expand(&var.value, |name| vars.get(name))),
            Some(from) => single(sources, container, from).await?,
        };
        if let Some(value) = value {
            vars.set(var.name.clone(), value);
        }
    }
    Ok(vars.0)
}

#[derive(Default)]
struct Variables(Vec<(String, String)>);

impl Variables {
    fn get(&self, name: &str) -> Option<String> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone())
    }

    fn set(&mut self, name: String, value: String) {
        match self.0.iter_mut().find(|(n, _)| *n == name) {
            Some((_, v)) => *v = value,
            None => self.0.push((name, value)),
        }
    }
}

type Values = BTreeMap<String, Vec<u8>>;

async fn bulk(
    sources: &Sources<'_>,
    from: &corten_api::core::v1::EnvFromSource,
) -> Result<Vec<(String, String)>, String> {
    let values = if let Some(r) = &from.config_map_ref {
        config_map(sources, &r.local_object_reference.name, r.optional == Some(true)).await?
    } else if let Some(r) = &from.secret_ref {
        secret(sources, &r.local_object_reference.name, r.optional == Some(true)).await?
    } else {
        None
    };
    Ok(values
        .unwrap_or_default()
        .into_iter()
        .filter(|(k, _)| !k.is_empty() && !k.contains('='))
        .map(|(k, v)| (k, String::from_utf8_lossy(&v).into_owned()))
        .collect())
}

async fn single(
    sources: &Sources<'_>,
    container: &Container,
    from: &EnvVarSource,
) -> Result<Option<String>, String> {
    if let Some(f) = &from.field_ref {
        return downward::field(sources.pod, &f.field_path).map(Some);
    }
    if let Some(r) = &from.resource_field_ref {
        let name = if r.container_name.is_empty() { &container.name } else { &r.container_name };
        return downward::resource(sources.pod, name, r, sources.allocatable).map(Some);
    }
    if let Some(f) = &from.file_key_ref {
        let volume = sources.volumes.get(&f.volume_name).ok_or_else(|| {
            format!("cannot find the volume \"{}\" referenced by FileKeyRef", f.volume_name)
        })?;
        return match env_file::lookup(volume, &f.path, &f.key)? {
            value if !value.is_empty() => Ok(Some(value)),
            _ if f.optional == Some(true) => Ok(None),
            _ => Err(format!("environment variable key \"{}\" not found in file \"{}\"", f.key, f.path)),
        };
    }
    let (kind, name, key, optional, values) = if let Some(r) = &from.config_map_key_ref {
        let (name, optional) = (&r.local_object_reference.name, r.optional == Some(true));
        ("ConfigMap", name, &r.key, optional, config_map(sources, name, optional).await?)
    } else if let Some(r) = &from.secret_key_ref {
        let (name, optional) = (&r.local_object_reference.name, r.optional == Some(true));
        ("Secret", name, &r.key, optional, secret(sources, name, optional).await?)
    } else {
        return Ok(None);
    };
    match values.as_ref().and_then(|v| v.get(key)) {
        Some(value) => Ok(Some(String::from_utf8_lossy(value).into_owned())),
        None if optional => Ok(None),
        None => Err(format!("couldn't find key {key} in {kind} {}/{name}", sources.pod.metadata.namespace)),
    }
}

async fn config_map(sources: &Sources<'_>, name: &str, optional: bool) -> Result<Option<Values>, String> {
    let found = sources.client.namespaced::<ConfigMap>(&sources.pod.metadata.namespace).find(name).await;
    let map = present(found, "configmap", name, optional)?;
    Ok(map.map(|m| {
        let text = m.data.iter().map(|(k, v)| (k.clone(), v.clone().into_bytes()));
        text.chain(m.binary_data.clone()).collect()
    }))
}

async fn secret(sources: &Sources<'_>, name: &str, optional: bool) -> Result<Option<Values>, String> {
    let found = sources.client.namespaced::<Secret>(&sources.pod.metadata.namespace).find(name).await;
    Ok(present(found, "secret", name, optional)?.map(|s| s.data.clone()))
}

fn present<T>(
    found: Result<Option<Arc<T>>, ApiError>,
    kind: &str,
    name: &str,
    optional: bool,
) -> Result<Option<Arc<T>>, String> {
    match found {
        Ok(Some(object)) => Ok(Some(object)),
        Ok(None) if optional => Ok(None),
        Ok(None) => Err(format!("{kind} \"{name}\" not found")),
        Err(e) => Err(e.to_string()),
    }
}

/// The variables that tell of Services, in the style of Docker links.
fn service_variables(services: &[Arc<Service>], pod: &Pod) -> Vec<(String, String)> {
    let links = pod.spec.enable_service_links != Some(false);
    let mut out = Vec::new();
    for service in services {
        let master = service.metadata.namespace == "default" && service.metadata.name == "kubernetes";
        let near = service.metadata.namespace == pod.metadata.namespace;
        let ip = service.spec.cluster_ip.as_str();
        if !(master || (near && links)) || matches!(ip, "" | "None") {
            continue;
        }
        let name = variable_name(&service.metadata.name);
        out.push((format!("{name}_SERVICE_HOST"), ip.to_string()));
        let Some(first) = service.spec.ports.first() else { continue };
        out.push((format!("{name}_SERVICE_PORT"), first.port.to_string()));
        for port in service.spec.ports.iter().filter(|p| !p.name.is_empty()) {
            out.push((format!("{name}_SERVICE_PORT_{}", variable_name(&port.name)), port.port.to_string()));
        }
        for (i, port) in service.spec.ports.iter().enumerate() {
            let protocol = if port.protocol.is_empty() { "TCP" } else { &port.protocol };
            let url = format!("{}://{}:{}", protocol.to_lowercase(), ip, port.port);
            let prefix = format!("{name}_PORT_{}_{protocol}", port.port);
            if i == 0 {
                out.push((format!("{name}_PORT"), url.clone()));
            }
            out.push((prefix.clone(), url));
            out.push((format!("{prefix}_PROTO"), protocol.to_lowercase()));
            out.push((format!("{prefix}_PORT"), port.port.to_string()));
            out.push((format!("{prefix}_ADDR"), ip.to_string()));
        }
    }
    out
}

fn variable_name(name: &str) -> String {
    name.replace('-', "_").to_uppercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_api::core::v1::ServicePort;

    fn service(namespace: &str, name: &str) -> Arc<Service> {
        let mut s = Service::default();
        s.metadata.namespace = namespace.into();
        s.metadata.name = name.into();
        s.spec.cluster_ip = "10.96.0.9".into();
        s.spec.ports = vec![ServicePort { name: "http".into(), port: 80, ..Default::default() }];
        Arc::new(s)
    }

    #[test]
    fn services_become_variables() {
        let mut pod = Pod::default();
        pod.metadata.namespace = "ns".into();
        let vars: BTreeMap<_, _> =
            service_variables(&[service("ns", "my-web"), service("far", "x")], &pod).into_iter().collect();
        assert_eq!(vars["MY_WEB_SERVICE_HOST"], "10.96.0.9");
        assert_eq!(vars["MY_WEB_SERVICE_PORT_HTTP"], "80");
        assert_eq!(vars["MY_WEB_PORT_80_TCP"], "tcp://10.96.0.9:80");
        assert!(!vars.keys().any(|k| k.starts_with('X')));
        pod.spec.enable_service_links = Some(false);
        let vars = service_variables(&[service("ns", "my-web"), service("default", "kubernetes")], &pod);
        assert!(vars.iter().all(|(k, _)| k.starts_with("KUBERNETES_")) && !vars.is_empty());
    }
}
