//! What is allowed in a pod or a template but hardly meant: told to the client in warnings (upstream's
//! `pkg/api/pod`).

use super::os::containers;
use crate::addresses::address_warnings;
use crate::names;
use corten_api::Quantity;
use corten_api::core::v1::{
    Container, ContainerPort, NodeSelectorTerm, PersistentVolumeClaimSpec, PodAffinityTerm, PodSpec,
    PodTemplateSpec,
};
use corten_api::meta::v1::{LabelSelector, ObjectMeta};
use std::collections::{BTreeMap, BTreeSet};

/// Labels of nodes that have a successor, and which.
const OLD_LABELS: &[(&str, &str)] = &[
    ("beta.kubernetes.io/arch", "deprecated since v1.14; use \"kubernetes.io/arch\" instead"),
    ("beta.kubernetes.io/os", "deprecated since v1.14; use \"kubernetes.io/os\" instead"),
    (
        "failure-domain.beta.kubernetes.io/region",
        "deprecated since v1.17; use \"topology.kubernetes.io/region\" instead",
    ),
    (
        "failure-domain.beta.kubernetes.io/zone",
        "deprecated since v1.17; use \"topology.kubernetes.io/zone\" instead",
    ),
    (
        "beta.kubernetes.io/instance-type",
        "deprecated since v1.17; use \"node.kubernetes.io/instance-type\" instead",
    ),
    ("app.kubernetes.io/created-by", "deprecated since v1.9"),
    (
        "scheduler.alpha.kubernetes.io/preferAvoidPods",
        "deprecated since v1.22; use Taints and Tolerations instead",
    ),
    ("node-role.kubernetes.io/master", "use \"node-role.kubernetes.io/control-plane\" instead"),
];
const OLD_ANNOTATIONS: &[(&str, &str)] = &[
    (
        "scheduler.alpha.kubernetes.io/critical-pod",
        "non-functional in v1.16+; use the \"priorityClassName\" field instead",
    ),
    ("security.alpha.kubernetes.io/sysctls", "non-functional in v1.11+; use the \"sysctls\" field instead"),
    (
        "security.alpha.kubernetes.io/unsafe-sysctls",
        "non-functional in v1.11+; use the \"sysctls\" field instead",
    ),
];
const NO_POD: &str = "a null labelSelector results in matching no pod";
const SECCOMP: &str = "non-functional in v1.27+; use the \"seccompProfile\" field instead";

/// What is to be said about a label of nodes; `None` about those in use.
pub(crate) fn old_label(key: &str) -> Option<&'static str> {
    OLD_LABELS.iter().find(|(old, _)| *old == key).map(|(_, text)| *text)
}

/// Warnings of a pod, whose `path` is empty, or of a template at `path`.
pub(crate) fn of_pod(spec: &PodSpec, meta: &ObjectMeta, path: &str) -> Vec<String> {
    let prefix = if path.is_empty() { String::new() } else { format!("{path}.") };
    let mut out =
        Warnings { list: Vec::new(), spec: format!("{prefix}spec"), meta: format!("{prefix}metadata") };
    out.nodes(spec);
    out.annotations(meta);
    out.volumes(spec);
    out.names(spec);
    out.containers(spec, meta);
    out.ports(spec);
    if spec.termination_grace_period_seconds.is_some_and(|s| s < 0) {
        let text = "must be >= 0; negative values are invalid and will be treated as 1";
        out.say("terminationGracePeriodSeconds", text);
    }
    out.affinity(spec);
    out.addresses(spec);
    out.list
}

/// Warnings of a workload's template at `path`: at its creation, or when the specification changes. `named`
/// says whether the workload's name becomes part of host names.
pub(crate) fn of_template(
    template: &PodTemplateSpec,
    path: &str,
    meta: &ObjectMeta,
    old: Option<&ObjectMeta>,
    named: bool,
) -> Vec<String> {
    let mut told = Vec::new();
    match old {
        Some(old) if old.generation == meta.generation => return told,
        Some(_) => {}
        None => {
            let wrong = names::dns_label(&meta.name);
            if named && !wrong.is_empty() {
                told.push(format!(
                    "metadata.name: this is used in Pod names and hostnames, which can result in surprising behavior; a DNS label is recommended: [{}]",
                    wrong.join(" ")
                ));
            }
        }
    }
    told.extend(of_pod(&template.spec, &template.metadata, path));
    told
}

/// Warnings of the specification of a volume claim at `path`.
pub(crate) fn of_claim(spec: &PersistentVolumeClaimSpec, path: &str) -> Vec<String> {
    let lists = [("requests", &spec.resources.requests), ("limits", &spec.resources.limits)];
    let storage = lists.into_iter().filter_map(|(name, list)| Some((name, list.get("storage")?)));
    let broken = storage.filter(|(_, amount)| !amount.is_whole());
    broken.map(|(name, amount)| format!("{path}.resources.{name}[storage]: {}", fraction(amount))).collect()
}

struct Warnings {
    list: Vec<String>,
    spec: String,
    meta: String,
}

impl Warnings {
    fn say(&mut self, field: &str, text: impl std::fmt::Display) {
        self.list.push(format!("{}.{field}: {text}", self.spec));
    }

    fn nodes(&mut self, spec: &PodSpec) {
        for key in spec.node_selector.keys() {
            if let Some(text) = old_label(key) {
                self.say(&format!("nodeSelector[{key}]"), text);
            }
        }
        if let Some(affinity) = spec.affinity.as_ref().and_then(|a| a.node_affinity.as_ref()) {
            let path = "affinity.nodeAffinity";
            let required = affinity.required_during_scheduling_ignored_during_execution.iter();
            for (i, term) in required.flat_map(|r| &r.node_selector_terms).enumerate() {
                let at =
                    format!("{path}.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[{i}]");
                self.term(term, false, &at);
            }
            let preferred = &affinity.preferred_during_scheduling_ignored_during_execution;
            for (i, weighted) in preferred.iter().enumerate() {
                let at = format!("{path}.preferredDuringSchedulingIgnoredDuringExecution[{i}].preference");
                self.term(&weighted.preference, true, &at);
            }
        }
        for (i, constraint) in spec.topology_spread_constraints.iter().enumerate() {
            let at = format!("topologySpreadConstraints[{i}]");
            if let Some(text) = old_label(&constraint.topology_key) {
                self.say(&format!("{at}.topologyKey"), format!("{} is {text}", constraint.topology_key));
            }
            if constraint.label_selector.is_none() {
                self.say(&format!("{at}.labelSelector"), NO_POD);
            }
        }
    }

    fn term(&mut self, term: &NodeSelectorTerm, values: bool, path: &str) {
        for (i, requirement) in term.match_expressions.iter().enumerate() {
            let at = format!("{path}.matchExpressions[{i}]");
            if let Some(text) = old_label(&requirement.key) {
                self.say(&format!("{at}.key"), format!("{} is {text}", requirement.key));
            }
            for (v, value) in requirement.values.iter().enumerate().filter(|_| values) {
                for wrong in names::label_value(value) {
                    self.say(&format!("{at}.values[{v}]"), format!("{value} is invalid, {wrong}"));
                }
            }
        }
    }

    fn annotations(&mut self, meta: &ObjectMeta) {
        for (key, text) in OLD_ANNOTATIONS.iter().filter(|(key, _)| meta.annotations.contains_key(*key)) {
            self.list.push(format!("{}.annotations[{key}]: {text}", self.meta));
        }
    }

    fn volumes(&mut self, spec: &PodSpec) {
        for (i, volume) in spec.volumes.iter().enumerate() {
            let v = &volume.volume_source;
            if let Some(claim) = v.ephemeral.as_ref().and_then(|e| e.volume_claim_template.as_ref()) {
                let at = format!("{}.volumes[{i}].ephemeral.volumeClaimTemplate.spec", self.spec);
                self.list.extend(of_claim(&claim.spec, &at));
            }
            for (field, there, text) in [
                (
                    "photonPersistentDisk",
                    v.photon_persistent_disk.is_some(),
                    "deprecated in v1.11, non-functional in v1.16+",
                ),
                ("gitRepo", v.git_repo.is_some(), "deprecated in v1.11, and disabled by default in v1.33+"),
                ("scaleIO", v.scale_io.is_some(), "deprecated in v1.16, non-functional in v1.22+"),
                ("flocker", v.flocker.is_some(), "deprecated in v1.22, non-functional in v1.25+"),
                ("storageOS", v.storageos.is_some(), "deprecated in v1.22, non-functional in v1.25+"),
                ("quobyte", v.quobyte.is_some(), "deprecated in v1.22, non-functional in v1.25+"),
                ("glusterfs", v.glusterfs.is_some(), "deprecated in v1.25, non-functional in v1.26+"),
                ("cephfs", v.cephfs.is_some(), "deprecated in v1.28, non-functional in v1.31+"),
                ("rbd", v.rbd.is_some(), "deprecated in v1.28, non-functional in v1.31+"),
            ] {
                if there {
                    self.say(&format!("volumes[{i}].{field}"), text);
                }
            }
        }
    }

    fn names(&mut self, spec: &PodSpec) {
        let mut seen = BTreeSet::new();
        for (i, alias) in spec.host_aliases.iter().enumerate() {
            if !seen.insert(&alias.ip) {
                self.say(&format!("hostAliases[{i}].ip"), format!("duplicate ip {:?}", alias.ip));
            }
        }
        let mut seen = BTreeSet::new();
        for (i, secret) in spec.image_pull_secrets.iter().enumerate() {
            let at = format!("imagePullSecrets[{i}].name");
            if !seen.insert(&secret.name) {
                self.say(&at, format!("duplicate name {:?}", secret.name));
            }
        }
        for (i, secret) in spec.image_pull_secrets.iter().enumerate().filter(|(_, s)| s.name.is_empty()) {
            let at = format!("imagePullSecrets[{i}].name");
            self.say(&at, format!("invalid empty name {:?}", secret.name));
        }
        for name in ["memory", "ephemeral-storage"] {
            if let Some(amount) = spec.overhead.get(name).filter(|a| !a.is_whole()) {
                self.say(&format!("overhead[{name}]"), fraction(amount));
            }
        }
    }

    fn containers(&mut self, spec: &PodSpec, meta: &ObjectMeta) {
        let profile = spec.security_context.as_ref().is_some_and(|c| c.seccomp_profile.is_some());
        let pod_key = "seccomp.security.alpha.kubernetes.io/pod";
        if !profile && meta.annotations.contains_key(pod_key) {
            self.list.push(format!("{}.annotations[{pod_key}]: {SECCOMP}", self.meta));
        }
        for (at, c) in containers(spec, &self.spec) {
            let key = format!("container.seccomp.security.alpha.kubernetes.io/{}", c.name);
            let own = c.security_context.as_ref().is_some_and(|s| s.seccomp_profile.is_some());
            if !own && meta.annotations.contains_key(&key) {
                self.list.push(format!("{}.annotations[{key}]: {SECCOMP}", self.meta));
            }
            for name in ["memory", "ephemeral-storage"] {
                for (kind, list) in [("limits", &c.resources.limits), ("requests", &c.resources.requests)] {
                    if let Some(amount) = list.get(name).filter(|a| !a.is_whole()) {
                        self.list.push(format!("{at}.resources.{kind}[{name}]: {}", fraction(amount)));
                    }
                }
            }
            self.variables(c, &at);
        }
    }

    /// A variable may build upon an earlier one of its name, but not replace it.
    fn variables(&mut self, c: &Container, path: &str) {
        let mut seen = BTreeSet::new();
        for (i, variable) in c.env.iter().enumerate() {
            if seen.insert(&variable.name) {
                continue;
            }
            let reference = format!("$({})", variable.name);
            let replaces = variable.value_from.is_some() || variable.value == reference;
            if replaces || !variable.value.contains(&reference) {
                self.list.push(format!(
                    "{path}.env[{i}]: hides previous definition of {:?}, which may be dropped when using apply",
                    variable.name
                ));
            }
        }
    }

    fn ports(&mut self, spec: &PodSpec) {
        let all: Vec<(String, &ContainerPort)> = containers(spec, &self.spec)
            .into_iter()
            .flat_map(|(at, c)| c.ports.iter().enumerate().map(move |(i, p)| (format!("{at}.ports[{i}]"), p)))
            .collect();
        let mut named: BTreeMap<&str, &str> = BTreeMap::new();
        let mut duplicates = Vec::new();
        for (n, (at, port)) in all.iter().enumerate() {
            if !port.host_ip.is_empty() && port.host_port == 0 {
                self.list.push(format!("{at}: hostIP set without hostPort: {}", go_port(port)));
            }
            for (other_at, other) in &all[..n] {
                if (port.container_port, &port.protocol) == (other.container_port, &other.protocol)
                    && let Some(how) = conflict(port, other)
                {
                    self.list.push(format!("{at}: {how} port definition with {other_at}"));
                }
            }
            match named.get(port.name.as_str()).filter(|_| !port.name.is_empty()) {
                Some(other) => duplicates.push(format!(
                    "{at}: duplicate port name {:?} with {other}, services and probes that select ports by name will use {other}",
                    port.name
                )),
                None => drop(named.insert(&port.name, at)),
            }
        }
        self.list.extend(duplicates);
    }

    fn affinity(&mut self, spec: &PodSpec) {
        let Some(affinity) = spec.affinity.as_deref() else { return };
        let near = affinity.pod_affinity.iter().map(|a| {
            (
                "podAffinity",
                &a.required_during_scheduling_ignored_during_execution,
                &a.preferred_during_scheduling_ignored_during_execution,
            )
        });
        let far = affinity.pod_anti_affinity.iter().map(|a| {
            (
                "podAntiAffinity",
                &a.required_during_scheduling_ignored_during_execution,
                &a.preferred_during_scheduling_ignored_during_execution,
            )
        });
        let everything = |term: &PodAffinityTerm| -> Option<()> {
            let selector: &Option<Box<LabelSelector>> = &term.label_selector;
            selector.is_none().then_some(())
        };
        for (name, required, preferred) in near.chain(far) {
            for (i, _) in required.iter().enumerate().filter(|(_, t)| everything(t).is_some()) {
                let at = format!("affinity.{name}.requiredDuringSchedulingIgnoredDuringExecution[{i}]");
                self.say(&format!("{at}.labelSelector"), NO_POD);
            }
            for (i, _) in
                preferred.iter().enumerate().filter(|(_, t)| everything(&t.pod_affinity_term).is_some())
            {
                let at = format!("affinity.{name}.preferredDuringSchedulingIgnoredDuringExecution[{i}]");
                self.say(&format!("{at}.podAffinityTerm.labelSelector"), NO_POD);
            }
        }
    }

    fn addresses(&mut self, spec: &PodSpec) {
        let servers = spec.dns_config.iter().flat_map(|c| &c.nameservers).enumerate();
        let servers = servers.map(|(i, ip)| (format!("{}.dnsConfig.nameservers[{i}]", self.spec), ip));
        let aliases = spec.host_aliases.iter().enumerate();
        let aliases = aliases.map(|(i, a)| (format!("{}.hostAliases[{i}].ip", self.spec), &a.ip));
        let found: Vec<String> =
            servers.chain(aliases).filter_map(|(at, ip)| address_warnings(&at, ip)).collect();
        self.list.extend(found);
    }
}

fn fraction(amount: &Quantity) -> String {
    format!("fractional byte value \"{amount}\" is invalid, must be an integer")
}

/// How two definitions of one port get into each other's way.
fn conflict(a: &ContainerPort, b: &ContainerPort) -> Option<&'static str> {
    if (&a.host_ip, a.host_port) == (&b.host_ip, b.host_port) {
        Some("duplicate")
    } else if a.host_port == 0 || b.host_port == 0 {
        Some("overlapping")
    } else if a.host_port == b.host_port && a.host_ip.is_empty() != b.host_ip.is_empty() {
        Some("dangerously ambiguous")
    } else {
        None
    }
}

/// A port as Go prints the struct.
fn go_port(p: &ContainerPort) -> String {
    format!(
        "{{Name:{} HostPort:{} ContainerPort:{} Protocol:{} HostIP:{}}}",
        p.name, p.host_port, p.container_port, p.protocol, p.host_ip
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_api::core::v1::EnvVar;

    #[test]
    fn what_is_hardly_meant_is_told() {
        let port = |number, name: &str| ContainerPort {
            container_port: number,
            name: name.into(),
            protocol: "TCP".into(),
            ..Default::default()
        };
        let env =
            |name: &str, value: &str| EnvVar { name: name.into(), value: value.into(), ..Default::default() };
        let mut spec = PodSpec::default();
        spec.containers.push(Container {
            name: "c".into(),
            ports: vec![port(80, "http"), port(80, "web"), port(81, "http")],
            env: vec![env("A", "1"), env("A", "$(A)2"), env("A", "3")],
            ..Default::default()
        });
        spec.containers[0].resources.limits.insert("memory".into(), Quantity::milli(100));
        spec.node_selector.insert("beta.kubernetes.io/os".into(), "linux".into());
        spec.termination_grace_period_seconds = Some(-1);
        let told = of_pod(&spec, &ObjectMeta::default(), "spec.template");
        assert_eq!(
            told,
            [
                "spec.template.spec.nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14; use \"kubernetes.io/os\" instead",
                "spec.template.spec.containers[0].resources.limits[memory]: fractional byte value \"100m\" is invalid, must be an integer",
                "spec.template.spec.containers[0].env[2]: hides previous definition of \"A\", which may be dropped when using apply",
                "spec.template.spec.containers[0].ports[1]: duplicate port definition with spec.template.spec.containers[0].ports[0]",
                "spec.template.spec.containers[0].ports[2]: duplicate port name \"http\" with spec.template.spec.containers[0].ports[0], services and probes that select ports by name will use spec.template.spec.containers[0].ports[0]",
                "spec.template.spec.terminationGracePeriodSeconds: must be >= 0; negative values are invalid and will be treated as 1",
            ]
        );
        assert!(of_pod(&PodSpec::default(), &ObjectMeta::default(), "").is_empty());
    }
}
