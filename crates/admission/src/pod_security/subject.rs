//! A pod as it is judged, and how verdicts are worded.

use corten_api::core::v1::{ContainerPort, Lifecycle, PodSecurityContext, PodSpec, Probe, SecurityContext};
use corten_api::meta::v1::ObjectMeta;
use std::collections::BTreeSet;

/// A pod.
pub(super) struct Subject<'a> {
    pub meta: &'a ObjectMeta,
    pub spec: &'a PodSpec,
    /// All containers: first those that initialize, last those for debugging.
    pub containers: Vec<Seen<'a>>,
}

/// A container of any sort.
pub(super) struct Seen<'a> {
    pub name: &'a str,
    pub security: Option<&'a SecurityContext>,
    pub ports: &'a [ContainerPort],
    pub probes: [Option<&'a Probe>; 3],
    pub lifecycle: Option<&'a Lifecycle>,
}

impl<'a> Subject<'a> {
    pub fn new(meta: &'a ObjectMeta, spec: &'a PodSpec) -> Self {
        let plain = spec.init_containers.iter().chain(&spec.containers).map(|c| Seen {
            name: &c.name,
            security: c.security_context.as_deref(),
            ports: &c.ports,
            probes: [&c.liveness_probe, &c.readiness_probe, &c.startup_probe].map(Option::as_deref),
            lifecycle: c.lifecycle.as_deref(),
        });
        let debugging =
            spec.ephemeral_containers.iter().map(|c| &c.ephemeral_container_common).map(|c| Seen {
                name: &c.name,
                security: c.security_context.as_deref(),
                ports: &c.ports,
                probes: [&c.liveness_probe, &c.readiness_probe, &c.startup_probe].map(Option::as_deref),
                lifecycle: c.lifecycle.as_deref(),
            });
        Subject { meta, spec, containers: plain.chain(debugging).collect() }
    }

    /// What holds for the pod as a whole.
    pub fn security(&self) -> Option<&'a PodSecurityContext> {
        self.spec.security_context.as_deref()
    }

    pub fn is_windows(&self) -> bool {
        self.spec.os.as_ref().is_some_and(|os| os.name == "windows")
    }

    /// Whether its users are its own, and root within it is nobody outside.
    pub fn has_own_users(&self) -> bool {
        self.spec.host_users == Some(false)
    }

    /// The names of the containers that `is_bad` picks.
    pub fn bad(&self, is_bad: impl Fn(&Seen<'a>) -> bool) -> Vec<&'a str> {
        self.containers.iter().filter(|c| is_bad(c)).map(|c| c.name).collect()
    }

    /// The names of the containers whose security context `is_bad` picks.
    pub fn bad_security(&self, is_bad: impl Fn(&'a SecurityContext) -> bool) -> Vec<&'a str> {
        self.bad(|c| c.security.is_some_and(&is_bad))
    }
}

/// One rule that a pod breaks.
#[derive(Debug, PartialEq)]
pub(super) struct Violation {
    pub reason: &'static str,
    pub detail: String,
}

pub(super) fn violation(reason: &'static str, detail: String) -> Option<Violation> {
    Some(Violation { reason, detail })
}

/// `"a", "b"`.
pub(super) fn quoted<'t>(items: impl IntoIterator<Item = &'t str>) -> String {
    items.into_iter().map(|item| format!("\"{item}\"")).collect::<Vec<_>>().join(", ")
}

/// The same of a set.
pub(super) fn quoted_set<T: AsRef<str>>(items: &BTreeSet<T>) -> String {
    quoted(items.iter().map(AsRef::as_ref))
}

pub(super) fn plural(one: &'static str, more: &'static str, count: usize) -> &'static str {
    if count == 1 { one } else { more }
}

/// `container "a"` or `containers "a", "b"`.
pub(super) fn containers(names: &[&str]) -> String {
    format!("{} {}", plural("container", "containers", names.len()), quoted(names.iter().copied()))
}

/// `pod and container "a"`, of those that set something they must not.
pub(super) fn setters(pod: bool, names: &[&str]) -> Option<String> {
    let of_containers = (!names.is_empty()).then(|| containers(names));
    let all: Vec<String> = pod.then(|| "pod".to_string()).into_iter().chain(of_containers).collect();
    (!all.is_empty()).then(|| all.join(" and "))
}
