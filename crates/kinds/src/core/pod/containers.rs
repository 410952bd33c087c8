//! Validation of containers: the main ones, those that run before, and those added to debug.

use super::volumes::{self, Volumes};
use super::{env, probes, resources, security};
use crate::errors::Errors;
use crate::names;
use crate::reflection;
use corten_api::core::v1::{Container, ContainerPort, ContainerResizePolicy, PodSpec};
use std::collections::BTreeSet;

/// What a container is checked against.
pub(super) struct Surroundings<'a> {
    pub spec: &'a PodSpec,
    pub volumes: Volumes<'a>,
    pub claims: BTreeSet<&'a str>,
}

impl Surroundings<'_> {
    fn host_users(&self) -> bool {
        self.spec.host_users.unwrap_or(true)
    }
}

/// The main containers.
pub(super) fn main(errors: &mut Errors, around: &Surroundings<'_>, path: &str) {
    let list = &around.spec.containers;
    if list.is_empty() {
        errors.required(path, "");
        return;
    }
    for (i, c) in list.iter().enumerate() {
        let at = format!("{path}[{i}]");
        common(errors, c, around, &at);
        if list[..i].iter().any(|other| other.name == c.name) {
            errors.duplicate(format!("{at}.name"), &c.name);
        }
        let grace = around.spec.termination_grace_period_seconds;
        probes::of_container(errors, c, grace, around.spec.os.is_some(), &at);
        restart_policy(errors, c, &at);
    }
    host_ports(errors, list, path);
}

/// The containers that run before the main ones, and sidecars among them.
pub(super) fn init(errors: &mut Errors, around: &Surroundings<'_>, path: &str) {
    let spec = around.spec;
    let mut taken: BTreeSet<&str> = spec.containers.iter().map(|c| c.name.as_str()).collect();
    for (i, c) in spec.init_containers.iter().enumerate() {
        let at = format!("{path}[{i}]");
        common(errors, c, around, &at);
        restart_policy(errors, c, &at);
        if !c.name.is_empty() && !taken.insert(&c.name) {
            errors.duplicate(format!("{at}.name"), &c.name);
        }
        host_ports(errors, std::slice::from_ref(c), path);
        if c.restart_policy.as_deref() == Some("Always") {
            if !c.restart_policy_rules.is_empty() {
                let detail =
                    "restartPolicyRules are not allowed for init containers with restart policy Always";
                errors.forbidden(format!("{at}.restartPolicyRules"), detail);
            }
            let grace = spec.termination_grace_period_seconds;
            probes::of_container(errors, c, grace, spec.os.is_some(), &at);
        } else {
            probes::forbid(errors, c, &at);
        }
    }
}

/// The containers added to a running pod.
pub(super) fn ephemeral(errors: &mut Errors, around: &Surroundings<'_>, path: &str) {
    let spec = around.spec;
    let others: BTreeSet<&str> =
        spec.containers.iter().chain(&spec.init_containers).map(|c| c.name.as_str()).collect();
    let mut taken = others.clone();
    for (i, added) in spec.ephemeral_containers.iter().enumerate() {
        let at = format!("{path}[{i}]");
        // Both structs have the same fields in the same order.
        let mut c = Container::default();
        reflection::copy(&mut c, &added.ephemeral_container_common);
        common(errors, &c, around, &at);
        if !taken.insert(&added.ephemeral_container_common.name) {
            errors.duplicate(format!("{at}.name"), &c.name);
        }
        let target = added.target_container_name.as_str();
        if !target.is_empty() && !others.contains(target) {
            errors.not_found(format!("{at}.targetContainerName"), target);
        }
        let detail = "cannot be set for an Ephemeral Container";
        for (name, set) in [
            ("ports", !c.ports.is_empty()),
            ("resources", c.resources != Default::default()),
            ("resizePolicy", !c.resize_policy.is_empty()),
            ("restartPolicy", c.restart_policy.is_some()),
            ("restartPolicyRules", !c.restart_policy_rules.is_empty()),
            ("livenessProbe", c.liveness_probe.is_some()),
            ("readinessProbe", c.readiness_probe.is_some()),
            ("startupProbe", c.startup_probe.is_some()),
            ("lifecycle", c.lifecycle.is_some()),
        ] {
            if set {
                errors.forbidden(format!("{at}.{name}"), detail);
            }
        }
        for (m, mount) in c.volume_mounts.iter().enumerate() {
            for (name, value) in [("subPath", &mount.sub_path), ("subPathExpr", &mount.sub_path_expr)] {
                if !value.is_empty() {
                    errors.forbidden(format!("{at}.volumeMounts[{m}].{name}"), detail);
                }
            }
        }
    }
}

fn common(errors: &mut Errors, c: &Container, around: &Surroundings<'_>, path: &str) {
    let at = |field: &str| format!("{path}.{field}");
    if c.name.is_empty() {
        errors.required(at("name"), "");
    } else {
        errors.format(&at("name"), &c.name, names::dns_label);
    }
    if c.image.is_empty() {
        errors.required(at("image"), "");
    }
    let policies = &["File", "FallbackToLogsOnError"];
    errors.one_of(at("terminationMessagePolicy"), &c.termination_message_policy, policies);
    ports(errors, &c.ports, &at("ports"));
    env::variables(errors, &c.env, &at("env"));
    env::maps(errors, &c.env_from, &at("envFrom"));
    volumes::mounts(errors, c, &around.volumes, path);
    errors.one_of(at("imagePullPolicy"), &c.image_pull_policy, &["Always", "IfNotPresent", "Never"]);
    resources::requirements(errors, &c.resources, &around.claims, &at("resources"));
    resize_policy(errors, &c.resize_policy, &around.spec.restart_policy, &at("resizePolicy"));
    if let Some(context) = &c.security_context {
        security::of_container(errors, context, around.host_users(), &at("securityContext"));
    }
}

fn ports(errors: &mut Errors, list: &[ContainerPort], path: &str) {
    let mut taken = BTreeSet::new();
    for (i, port) in list.iter().enumerate() {
        let at = |field: &str| format!("{path}[{i}].{field}");
        if !port.name.is_empty() {
            if !names::port_name(&port.name).is_empty() {
                errors.format(&at("name"), &port.name, names::port_name);
            } else if !taken.insert(&port.name) {
                errors.duplicate(at("name"), &port.name);
            }
        }
        if port.container_port == 0 {
            errors.required(at("containerPort"), "");
        }
        for (name, number) in [("containerPort", port.container_port), ("hostPort", port.host_port)] {
            for message in names::port_number(number.into()).into_iter().filter(|_| number != 0) {
                errors.invalid(at(name), number, message);
            }
        }
        errors.one_of(at("protocol"), &port.protocol, &["SCTP", "TCP", "UDP"]);
    }
}

/// A port of the host belongs to one container.
fn host_ports(errors: &mut Errors, list: &[Container], path: &str) {
    let mut taken = BTreeSet::new();
    for (c, container) in list.iter().enumerate() {
        for (p, port) in container.ports.iter().enumerate().filter(|(_, p)| p.host_port != 0) {
            let whole = format!("{}/{}/{}", port.protocol, port.host_ip, port.host_port);
            if !taken.insert(whole.clone()) {
                errors.duplicate(format!("{path}[{c}].ports[{p}].hostPort"), whole);
            }
        }
    }
}

fn resize_policy(errors: &mut Errors, list: &[ContainerResizePolicy], pod_policy: &str, path: &str) {
    for (i, policy) in list.iter().enumerate() {
        if list[..i].iter().any(|other| other.resource_name == policy.resource_name) {
            errors.duplicate(format!("{path}[{i}]"), &policy.resource_name);
        }
        errors.one_of(path, &policy.resource_name, &["cpu", "memory"]);
        errors.one_of(path, &policy.restart_policy, &["NotRequired", "RestartContainer"]);
        if pod_policy == "Never" && policy.restart_policy != "NotRequired" {
            let detail = "must be 'NotRequired' when `restartPolicy` is 'Never'";
            errors.invalid(path, &policy.restart_policy, detail);
        }
    }
}

fn restart_policy(errors: &mut Errors, c: &Container, path: &str) {
    let at = format!("{path}.restartPolicy");
    match c.restart_policy.as_deref() {
        None if !c.restart_policy_rules.is_empty() => {
            errors.required(at, "must specify restartPolicy when restart rules are used");
        }
        None => {}
        Some(policy) => errors.supported(at, policy, &["Always", "Never", "OnFailure"]),
    }
    for (i, rule) in c.restart_policy_rules.iter().enumerate() {
        let at = |field: &str| format!("{path}.restartPolicyRules[{i}].{field}");
        errors.supported(at("action"), &rule.action, &["Restart"]);
        match &rule.exit_codes {
            None => errors.required(at("exitCodes"), "must be specified"),
            Some(codes) => {
                errors.supported(at("exitCodes.operator"), &codes.operator, &["In", "NotIn"]);
                if codes.values.len() > 255 {
                    errors.too_long(at("exitCodes.values"), 255);
                }
            }
        }
    }
}
