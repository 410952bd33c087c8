//! Validation of environment variables and of the fields they refer to.

use crate::errors::Errors;
use crate::names;
use corten_api::Quantity;
use corten_api::core::v1::{EnvFromSource, EnvVar, EnvVarSource, ObjectFieldSelector, ResourceFieldSelector};

/// Fields of the pod that a variable may take.
const ENV_FIELDS: &[&str] = &[
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
];
/// Fields of the pod that exist, though not every place may take them.
const KNOWN_FIELDS: &[&str] = &[
    "metadata.annotations",
    "metadata.labels",
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.host",
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.schedulerName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.phase",
    "status.podIP",
    "status.podIPs",
];
const RESOURCES: &[&str] = &[
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
];
const DIVISORS: &[&str] =
    &["1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei"];

/// Variables of a container.
pub(super) fn variables(errors: &mut Errors, env: &[EnvVar], path: &str) {
    for (i, variable) in env.iter().enumerate() {
        let at = format!("{path}[{i}]");
        if variable.name.is_empty() {
            errors.required(format!("{at}.name"), "");
        } else {
            errors.format(&format!("{at}.name"), &variable.name, names::env_name);
        }
        if let Some(from) = &variable.value_from {
            source(errors, from, !variable.value.is_empty(), &format!("{at}.valueFrom"));
        }
    }
}

fn source(errors: &mut Errors, from: &EnvVarSource, has_value: bool, path: &str) {
    let mut sources = 0;
    if let Some(selector) = &from.field_ref {
        sources += 1;
        field(errors, selector, ENV_FIELDS, &format!("{path}.fieldRef"));
    }
    if let Some(selector) = &from.resource_field_ref {
        sources += 1;
        resource(errors, selector, false, &format!("{path}.resourceFieldRef"));
    }
    let config_map =
        from.config_map_key_ref.as_ref().map(|s| ("configMapKeyRef", &s.local_object_reference.name, &s.key));
    let secret =
        from.secret_key_ref.as_ref().map(|s| ("secretKeyRef", &s.local_object_reference.name, &s.key));
    for (kind, name, key) in config_map.into_iter().chain(secret) {
        sources += 1;
        errors.format(&format!("{path}.{kind}.name"), name, names::dns_subdomain);
        let at = format!("{path}.{kind}.key");
        if key.is_empty() {
            errors.required(at, "");
        } else {
            errors.format(&at, key, names::config_key);
        }
    }
    if let Some(file) = &from.file_key_ref {
        sources += 1;
        for (name, value) in [("key", &file.key), ("volumeName", &file.volume_name), ("path", &file.path)] {
            if value.is_empty() {
                errors.required(format!("{path}.fileKeyRef.{name}"), "");
            }
        }
    }
    match sources {
        0 => errors.invalid(
            path,
            "",
            "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`",
        ),
        _ if has_value => errors.invalid(path, "", "may not be specified when `value` is not empty"),
        1 => {}
        _ => errors.invalid(path, "", "may not have more than one field specified at a time"),
    }
}

/// A reference to a field of the pod; `allowed` are those this place may take.
pub(super) fn field(errors: &mut Errors, selector: &ObjectFieldSelector, allowed: &[&str], path: &str) {
    if selector.api_version.is_empty() {
        errors.required(format!("{path}.apiVersion"), "");
        return;
    }
    if selector.field_path.is_empty() {
        errors.required(format!("{path}.fieldPath"), "");
        return;
    }
    let at = format!("{path}.fieldPath");
    let told = selector.field_path.as_str();
    let (name, subscript) = match told.strip_suffix("']").and_then(|rest| rest.split_once("['")) {
        Some((name, key)) => (name, Some(key)),
        None => (told, None),
    };
    if !KNOWN_FIELDS.contains(&name) {
        let detail = format!("error converting fieldPath: field label not supported: {name}");
        errors.invalid(at, told, detail);
        return;
    }
    match (name, subscript) {
        ("metadata.annotations", Some(key)) => {
            let lower = key.to_lowercase();
            errors.format(path, &lower, names::qualified_name);
        }
        ("metadata.labels", Some(key)) => errors.format(path, key, names::qualified_name),
        (other, Some(_)) => errors.invalid(path, other, "does not support subscript"),
        (_, None) => errors.supported(at, name, allowed),
    }
}

/// A reference to a container's request or limit; volumes must name the container.
pub(super) fn resource(errors: &mut Errors, selector: &ResourceFieldSelector, volume: bool, path: &str) {
    let name = selector.resource.as_str();
    let huge = name.starts_with("requests.hugepages-") || name.starts_with("limits.hugepages-");
    if volume && selector.container_name.is_empty() {
        errors.required(format!("{path}.containerName"), "");
    } else if name.is_empty() {
        errors.required(format!("{path}.resource"), "");
    } else if !huge {
        errors.supported(format!("{path}.resource"), name, RESOURCES);
    }
    divisor(errors, name, &selector.divisor, path);
}

fn divisor(errors: &mut Errors, name: &str, divisor: &Quantity, path: &str) {
    if divisor.is_zero() {
        return;
    }
    let told = divisor.to_string();
    let (fine, detail) = match name.split_once('.').map_or("", |(_, resource)| resource) {
        "cpu" => (
            ["1m", "1"].contains(&told.as_str()),
            "only divisor's values 1m and 1 are supported with the cpu resource".to_string(),
        ),
        resource => {
            let called = match resource {
                "ephemeral-storage" => "local ephemeral storage",
                huge if huge.starts_with("hugepages-") => "hugepages",
                other => other,
            };
            let list = DIVISORS.join(", ");
            (
                DIVISORS.contains(&told.as_str()),
                format!("only divisor's values {list} are supported with the {called} resource"),
            )
        }
    };
    if !fine {
        errors.invalid(format!("{path}.divisor"), name, detail);
    }
}

/// Whole maps that become variables.
pub(super) fn maps(errors: &mut Errors, list: &[EnvFromSource], path: &str) {
    for (i, from) in list.iter().enumerate() {
        if !from.prefix.is_empty() {
            errors.format(&format!("{path}[{i}].prefix"), &from.prefix, names::env_name);
        }
        let config_map =
            from.config_map_ref.as_ref().map(|s| ("configMapRef", &s.local_object_reference.name));
        let secret = from.secret_ref.as_ref().map(|s| ("secretRef", &s.local_object_reference.name));
        for (kind, name) in config_map.into_iter().chain(secret) {
            let at = format!("{path}[{i}].{kind}.name");
            if name.is_empty() {
                errors.required(at, "");
            } else {
                for message in names::subdomain(name, true) {
                    errors.invalid(&at, name, message);
                }
            }
        }
        match (config_map, secret) {
            (None, None) => errors.invalid(path, "", "must specify one of: `configMapRef` or `secretRef`"),
            (Some(_), Some(_)) => {
                errors.invalid(path, "", "may not have more than one field specified at a time");
            }
            _ => {}
        }
    }
}
