//! Validation of whole pod specifications, of pods and of templates (upstream's
//! `apis/core/validation`).

use super::containers::{self, Surroundings};
use super::{annotations, os, resources, scheduling, security, volumes};
use crate::addresses;
use crate::errors::Errors;
use crate::metadata;
use crate::names;
use corten_api::core::v1::{Pod, PodSpec, PodTemplateSpec};
use corten_semantics::field::FieldError;

/// Mistakes of a new pod.
pub(super) fn create(pod: &Pod) -> Vec<FieldError> {
    let mut errors = Errors::default();
    spec(&mut errors, &pod.spec, &pod.metadata.name, true, "spec");
    service_account_tokens(&mut errors, pod);
    annotations::create(&mut errors, pod);
    for (at, c) in os::containers(&pod.spec, "spec") {
        if c.image.trim() != c.image {
            let detail = "must not have leading or trailing whitespace";
            errors.invalid(format!("{at}.image"), &c.image, detail);
        }
    }
    if !pod.spec.ephemeral_containers.is_empty() {
        errors.forbidden("spec.ephemeralContainers", "cannot be set on create");
    }
    if !pod.spec.node_name.is_empty() && !pod.spec.scheduling_gates.is_empty() {
        errors.forbidden("spec.nodeName", "cannot be set until all schedulingGates have been cleared");
    }
    errors.into_vec()
}

/// Tokens need an account.
pub(super) fn service_account_tokens(errors: &mut Errors, pod: &Pod) {
    if !pod.spec.service_account_name.is_empty() {
        return;
    }
    for (v, volume) in pod.spec.volumes.iter().enumerate() {
        for (s, part) in volume.volume_source.projected.iter().flat_map(|p| &p.sources).enumerate() {
            if part.service_account_token.is_some() {
                let at = format!("spec.volumes[{v}].projected.sources[{s}].serviceAccountToken");
                errors.forbidden(at, "must not be specified when serviceAccountName is not set");
            }
        }
    }
}

/// Mistakes of a workload's template.
pub(crate) fn template(errors: &mut Errors, template: &PodTemplateSpec, path: &str) {
    errors.extend(metadata::labels(&template.metadata.labels, &format!("{path}.labels")));
    errors.extend(metadata::annotations(&template.metadata.annotations, &format!("{path}.annotations")));
    spec(errors, &template.spec, "", false, &format!("{path}.spec"));
    if !template.spec.ephemeral_containers.is_empty() {
        let at = format!("{path}.spec.ephemeralContainers");
        errors.forbidden(at, "ephemeral containers not allowed in pod template");
    }
}

/// Mistakes of a specification; `pod` is the pod's name where it is known.
pub(super) fn spec(errors: &mut Errors, spec: &PodSpec, pod: &str, is_pod: bool, path: &str) {
    let at = |field: &str| format!("{path}.{field}");
    if spec.termination_grace_period_seconds.is_none() {
        errors.required(at("terminationGracePeriodSeconds"), "");
    }
    let around = Surroundings {
        spec,
        volumes: volumes::volumes(errors, &spec.volumes, pod, &at("volumes")),
        claims: spec.resource_claims.iter().map(|c| c.name.as_str()).collect(),
    };
    resource_claims(errors, spec, &at("resourceClaims"));
    containers::main(errors, &around, &at("containers"));
    containers::init(errors, &around, &at("initContainers"));
    containers::ephemeral(errors, &around, &at("ephemeralContainers"));
    resources::of_pod(errors, spec, &at("resources"));
    host_network_ports(errors, spec, is_pod, &at("containers"));
    errors.one_of(at("restartPolicy"), &spec.restart_policy, &["Always", "OnFailure", "Never"]);
    let policies = &["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"];
    errors.one_of(at("dnsPolicy"), &spec.dns_policy, policies);
    errors.extend(metadata::labels(&spec.node_selector, &at("nodeSelector")));
    security::of_pod(errors, spec, &at("securityContext"));
    if let Some(affinity) = &spec.affinity {
        scheduling::affinity(errors, affinity, &at("affinity"));
    }
    dns_config(errors, spec, &at("dnsConfig"));
    for (i, gate) in spec.readiness_gates.iter().enumerate() {
        let path = at(&format!("readinessGates[{i}].conditionType"));
        errors.format(&path, &gate.condition_type, names::qualified_name);
    }
    let gates = spec.scheduling_gates.iter().map(|g| g.name.as_str());
    scheduling::gates(errors, gates, &at("schedulingGates"));
    scheduling::spreading(errors, &spec.topology_spread_constraints, &at("topologySpreadConstraints"));
    host_users(errors, spec, path);
    os::validate(errors, spec, path);
    plain_fields(errors, spec, path);
    scheduling::tolerations(errors, &spec.tolerations, &at("tolerations"));
}

/// Fields that stand alone.
fn plain_fields(errors: &mut Errors, spec: &PodSpec, path: &str) {
    let at = |field: &str| format!("{path}.{field}");
    type Check = fn(&str) -> Vec<String>;
    let formats: [(&str, &str, Check); 5] = [
        ("serviceAccountName", &spec.service_account_name, names::dns_subdomain),
        ("nodeName", &spec.node_name, names::dns_subdomain),
        ("hostname", &spec.hostname, names::dns_label),
        ("subdomain", &spec.subdomain, names::dns_label),
        ("priorityClassName", &spec.priority_class_name, names::dns_subdomain),
    ];
    for (name, value, check) in formats.into_iter().filter(|(_, value, _)| !value.is_empty()) {
        errors.format(&at(name), value, check);
    }
    if let Some(class) = &spec.runtime_class_name {
        errors.format(&at("runtimeClassName"), class, names::dns_subdomain);
    }
    resources::overhead(errors, &spec.overhead, &at("overhead"));
    if let Some(seconds) = spec.active_deadline_seconds.filter(|s| !(1..=i32::MAX.into()).contains(s)) {
        errors.invalid(at("activeDeadlineSeconds"), seconds, names::between(1, i32::MAX.into()));
    }
    for (i, alias) in spec.host_aliases.iter().enumerate() {
        addresses::address(errors, &at(&format!("hostAliases[{i}].ip")), &alias.ip);
        for (j, name) in alias.hostnames.iter().enumerate() {
            let path = at(&format!("hostAliases[{i}].hostnames[{j}]"));
            errors.format(&path, name, names::dns_subdomain);
        }
    }
    if let Some(policy) = spec.preemption_policy.as_deref() {
        errors.one_of(at("preemptionPolicy"), policy, &["PreemptLowerPriority", "Never"]);
    }
    if let Some(os) = &spec.os {
        match os.name.as_str() {
            "" => errors.required(at("os.name"), ""),
            name => errors.supported(at("os"), name, &["linux", "windows"]),
        }
    }
    if let Some(hostname) = spec.hostname_override.as_deref() {
        let at = at("hostnameOverride");
        if spec.set_hostname_as_fqdn == Some(true) {
            errors.forbidden(&at, "may not be specified when setHostnameAsFQDN is true");
        }
        if spec.host_network {
            errors.forbidden(&at, "may not be specified when hostNetwork is true");
        }
        if hostname.len() > 64 {
            errors.too_long(&at, 64);
        }
        errors.format(&at, hostname, names::dns_subdomain);
    }
}

fn resource_claims(errors: &mut Errors, spec: &PodSpec, path: &str) {
    for (i, claim) in spec.resource_claims.iter().enumerate() {
        let at = format!("{path}[{i}]");
        if claim.name.is_empty() {
            errors.required(format!("{at}.name"), "");
        } else if spec.resource_claims[..i].iter().any(|c| c.name == claim.name) {
            errors.duplicate(format!("{at}.name"), &claim.name);
        } else {
            errors.format(&format!("{at}.name"), &claim.name, names::dns_label);
        }
        let detail = "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`";
        match (&claim.resource_claim_name, &claim.resource_claim_template_name) {
            (Some(_), Some(_)) => {
                let detail =
                    "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified";
                errors.invalid(&at, metadata::shown(claim), detail);
            }
            (None, None) => errors.invalid(&at, metadata::shown(claim), detail),
            _ => {}
        }
        for (name, value) in [
            ("resourceClaimName", &claim.resource_claim_name),
            ("resourceClaimTemplateName", &claim.resource_claim_template_name),
        ] {
            if let Some(value) = value {
                errors.format(&format!("{at}.{name}"), value, names::dns_subdomain);
            }
        }
    }
}

fn host_network_ports(errors: &mut Errors, spec: &PodSpec, is_pod: bool, path: &str) {
    for (c, container) in spec.containers.iter().enumerate().filter(|_| spec.host_network) {
        for (p, port) in container.ports.iter().enumerate() {
            if (is_pod || port.host_port != 0) && port.host_port != port.container_port {
                let at = format!("{path}[{c}].ports[{p}].hostPort");
                let detail = "must match `containerPort` when `hostNetwork` is true";
                errors.invalid(at, port.host_port, detail);
            }
        }
    }
}

fn dns_config(errors: &mut Errors, spec: &PodSpec, path: &str) {
    let nameservers = format!("{path}.nameservers");
    let Some(config) = &spec.dns_config else {
        if spec.dns_policy == "None" {
            errors.required(path, "must provide `dnsConfig` when `dnsPolicy` is None");
        }
        return;
    };
    if spec.dns_policy == "None" && config.nameservers.is_empty() {
        let detail = "must provide at least one DNS nameserver when `dnsPolicy` is None";
        errors.required(nameservers, detail);
        return;
    }
    if config.nameservers.len() > 3 {
        let shown = metadata::strings(&config.nameservers);
        errors.invalid(&nameservers, shown, "must not have more than 3 nameservers");
    }
    for (i, server) in config.nameservers.iter().enumerate() {
        addresses::address(errors, &format!("{nameservers}[{i}]"), server);
    }
    let at = format!("{path}.searches");
    if config.searches.len() > 32 {
        let shown = metadata::strings(&config.searches);
        errors.invalid(&at, shown, "must not have more than 32 search paths");
    }
    if config.searches.join(" ").len() > 2048 {
        let detail = "must not have more than 2048 characters (including spaces) in the search list";
        errors.invalid(&at, metadata::strings(&config.searches), detail);
    }
    for (i, search) in config.searches.iter().enumerate().filter(|(_, s)| *s != ".") {
        let name = search.strip_suffix('.').unwrap_or(search);
        errors.format(&format!("{at}[{i}]"), name, names::dns_subdomain_with_underscore);
    }
    for (i, option) in config.options.iter().enumerate() {
        if option.name.is_empty() {
            errors.required(format!("{path}.options[{i}]"), "must not be empty");
        }
    }
}

fn host_users(errors: &mut Errors, spec: &PodSpec, path: &str) {
    if spec.host_users != Some(false) {
        return;
    }
    for (name, set) in
        [("hostNetwork", spec.host_network), ("HostPID", spec.host_pid), ("HostIPC", spec.host_ipc)]
    {
        if set {
            errors.forbidden(format!("{path}.{name}"), "when `hostUsers` is false");
        }
    }
    for (i, c) in spec.containers.iter().enumerate() {
        if !c.volume_devices.is_empty() {
            let at = format!("{path}.containers[{i}].volumeDevices");
            errors.forbidden(at, "when `hostUsers` is false");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::defaults;
    use super::*;
    use corten_api::Quantity;
    use corten_api::core::v1::{
        Container, ContainerPort, EnvVar, EnvVarSource, Probe, Toleration, Volume, VolumeMount,
    };

    fn good() -> Pod {
        let mut pod = Pod::default();
        pod.metadata.name = "web".into();
        pod.spec.containers.push(Container { name: "c".into(), image: "i".into(), ..Default::default() });
        pod
    }

    #[test]
    fn bad_pods_are_told_as_upstream_tells_them() {
        type Change = fn(&mut Pod);
        let rows: &[(Change, &str)] = &[
            (|_| {}, ""),
            (|p| p.spec.containers.clear(), "spec.containers: Required value"),
            (|p| p.spec.containers[0].image.clear(), "spec.containers[0].image: Required value"),
            (
                |p| p.spec.containers.push(p.spec.containers[0].clone()),
                "spec.containers[1].name: Duplicate value: \"c\"",
            ),
            (
                |p| p.spec.restart_policy = "Sometimes".into(),
                "spec.restartPolicy: Unsupported value: \"Sometimes\": supported values: \"Always\", \"OnFailure\", \"Never\"",
            ),
            (
                |p| {
                    p.spec.containers[0].volume_mounts.push(VolumeMount {
                        name: "data".into(),
                        mount_path: "/data".into(),
                        ..Default::default()
                    })
                },
                "spec.containers[0].volumeMounts[0].name: Not found: \"data\"",
            ),
            (
                |p| {
                    let c = &mut p.spec.containers[0].resources;
                    c.requests.insert("cpu".into(), Quantity::whole(2));
                    c.limits.insert("cpu".into(), Quantity::whole(1));
                },
                "spec.containers[0].resources.requests: Invalid value: \"2\": must be less than or equal to cpu limit of 1",
            ),
            (
                |p| p.spec.containers[0].resources.limits.extend([("cpu".to_string(), Quantity::whole(-1))]),
                "spec.containers[0].resources.limits[cpu]: Invalid value: \"-1\": must be greater than or equal to 0; \
                 spec.containers[0].resources.requests[cpu]: Invalid value: \"-1\": must be greater than or equal to 0",
            ),
            (
                |p| {
                    p.spec.containers[0]
                        .ports
                        .push(ContainerPort { container_port: 70000, ..Default::default() })
                },
                "spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive",
            ),
            (
                |p| p.spec.containers[0].liveness_probe = Some(Box::new(Probe::default())),
                "spec.containers[0].livenessProbe: Required value: must specify a handler type",
            ),
            (
                |p| {
                    p.spec.containers[0].env.push(EnvVar {
                        name: "A".into(),
                        value: "x".into(),
                        value_from: Some(Box::new(EnvVarSource::default())),
                    })
                },
                "spec.containers[0].env[0].valueFrom: Invalid value: \"\": must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`",
            ),
            (|p| p.spec.volumes.push(Volume::default()), "spec.volumes[0].name: Required value"),
            (
                |p| p.spec.tolerations.push(Toleration { operator: "Equal".into(), ..Default::default() }),
                "spec.tolerations[0].operator: Invalid value: \"Equal\": operator must be Exists when `key` is empty, which means \"match all values and all keys\"",
            ),
            (
                |p| {
                    let mut init = p.spec.containers[0].clone();
                    init.name = "i".into();
                    init.lifecycle = Some(Box::default());
                    p.spec.init_containers.push(init);
                },
                "spec.initContainers[0].lifecycle: Forbidden: may not be set for init containers without restartPolicy=Always",
            ),
        ];
        for (change, want) in rows {
            let mut pod = good();
            change(&mut pod);
            defaults::pod(&mut pod);
            let told: Vec<String> = create(&pod).iter().map(ToString::to_string).collect();
            assert_eq!(told.join("; "), *want);
        }
    }
}
