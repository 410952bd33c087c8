//! Groups, versions, resources and subresources, in the order in which clients see them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use corten_api::KindInfo;
use corten_custom::priority;
use sha2::{Digest, Sha256};

use crate::Registry;

/// Groups in upstream's order of priority; others come behind, by name.
const ORDER: &[&str] = &[
    "",
    "apiregistration.k8s.io",
    "apps",
    "events.k8s.io",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "autoscaling",
    "batch",
    "certificates.k8s.io",
    "networking.k8s.io",
    "policy",
    "rbac.authorization.k8s.io",
    "storage.k8s.io",
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "scheduling.k8s.io",
    "coordination.k8s.io",
    "node.k8s.io",
    "discovery.k8s.io",
    "resource.k8s.io",
    "flowcontrol.apiserver.k8s.io",
];

/// What a resource with routes of its own can do, sorted.
const USUAL: [&str; 8] = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];

/// A group with its versions, the preferred one first.
#[derive(Debug)]
pub struct Group {
    pub name: &'static str,
    pub versions: Vec<Version>,
}

/// One version of a group.
#[derive(Debug)]
pub struct Version {
    pub name: &'static str,
    pub resources: Vec<Resource>,
}

/// A resource.
#[derive(Debug)]
pub struct Resource {
    pub kind: &'static KindInfo,
    pub verbs: Vec<&'static str>,
    pub subresources: Vec<Subresource>,
    /// The kind that is stored, which may be of another version.
    pub stored: &'static KindInfo,
}

/// A part of a resource with a path of its own.
#[derive(Debug)]
pub struct Subresource {
    pub name: &'static str,
    /// Group, version and kind of its bodies.
    pub kind: (&'static str, &'static str, &'static str),
    pub verbs: &'static [&'static str],
}

/// Everything that `kinds` give, grouped.
pub fn groups(kinds: &[&'static KindInfo]) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for kind in kinds.iter().filter(|k| !k.plural.is_empty()) {
        let group = match groups.iter_mut().position(|g| g.name == kind.group) {
            Some(at) => &mut groups[at],
            None => {
                groups.push(Group { name: kind.group, versions: Vec::new() });
                let last = groups.len() - 1;
                &mut groups[last]
            }
        };
        let at = group.versions.iter().position(|v| v.name == kind.version).unwrap_or_else(|| {
            group.versions.push(Version { name: kind.version, resources: Vec::new() });
            group.versions.len() - 1
        });
        group.versions[at].resources.push(resource(kind));
    }
    for group in &mut groups {
        group.versions.sort_by_cached_key(|v| std::cmp::Reverse(priority(v.name)));
        for version in &mut group.versions {
            version.resources.sort_by_key(|r| r.kind.plural);
        }
    }
    let place = |g: &Group| ORDER.iter().position(|name| *name == g.name).unwrap_or(ORDER.len());
    groups.sort_by(|a, b| place(a).cmp(&place(b)).then(a.name.cmp(b.name)));
    groups
}

/// The same with what only the registry knows of custom kinds: those on their way out take nothing new.
pub fn of(registry: &Registry) -> Vec<Group> {
    let mut groups = groups(&registry.kinds());
    let versions = groups.iter_mut().flat_map(|g| &mut g.versions);
    for resource in versions.flat_map(|v| &mut v.resources).filter(|r| r.kind.custom) {
        resource.stored = registry.custom.stored(resource.kind).unwrap_or(resource.kind);
        if registry.custom.is_terminating(resource.kind) {
            resource.verbs = vec!["delete", "deletecollection", "get", "list", "watch"];
        }
    }
    groups
}

/// One version of one group.
pub fn find<'a>(groups: &'a [Group], group: &str, version: &str) -> Option<&'a Version> {
    groups.iter().find(|g| g.name == group)?.versions.iter().find(|v| v.name == version)
}

fn resource(kind: &'static KindInfo) -> Resource {
    let verbs = match kind.verbs {
        "" => USUAL.to_vec(),
        removed if removed.starts_with('-') => {
            USUAL.into_iter().filter(|verb| *verb != &removed[1..]).collect()
        }
        listed => listed.split(',').map(str::trim).collect(),
    };
    let mut subresources: Vec<Subresource> =
        kind.subresources.iter().map(|name| subresource(kind, name)).collect();
    // Of a custom kind the status comes first.
    subresources.sort_by_key(|s| if kind.custom && s.name == "status" { "" } else { s.name });
    Resource { kind, verbs, subresources, stored: kind }
}

fn subresource(parent: &'static KindInfo, name: &'static str) -> Subresource {
    let own = (parent.group, parent.version, parent.kind);
    let core = |kind| ("", "v1", kind);
    const CHANGED: &[&str] = &["get", "patch", "update"];
    const STREAMED: &[&str] = &["create", "get"];
    const CREATED: &[&str] = &["create"];
    let (kind, verbs) = match name {
        "scale" => (("autoscaling", "v1", "Scale"), CHANGED),
        "eviction" => (("policy", "v1", "Eviction"), CREATED),
        "binding" => (core("Binding"), CREATED),
        "token" => (("authentication.k8s.io", "v1", "TokenRequest"), CREATED),
        "exec" => (core("PodExecOptions"), STREAMED),
        "attach" => (core("PodAttachOptions"), STREAMED),
        "portforward" => (core("PodPortForwardOptions"), STREAMED),
        "log" => (own, &["get"][..]),
        "proxy" => {
            let kind = match parent.plural {
                "pods" => "PodProxyOptions",
                "services" => "ServiceProxyOptions",
                _ => "NodeProxyOptions",
            };
            (core(kind), &["create", "delete", "get", "patch", "update"][..])
        }
        "finalize" => (own, &["update"][..]),
        _ => (own, CHANGED),
    };
    Subresource { name, kind, verbs }
}

/// Tells clients in which form objects of a kind are stored; empty for kinds that are not.
pub fn storage_version_hash(kind: &KindInfo) -> String {
    if !kind.verbs.is_empty() && !kind.verbs.starts_with('-') {
        return String::new();
    }
    // Events are one store seen through two groups, autoscalers one seen through two versions.
    let (group, version) = match (kind.group, kind.kind) {
        ("events.k8s.io", "Event") => ("", "v1"),
        ("autoscaling", "HorizontalPodAutoscaler") => ("autoscaling", "v2"),
        _ => (kind.group, kind.version),
    };
    let digest = Sha256::digest(format!("{group}/{version}/{}", kind.kind));
    STANDARD.encode(&digest[..8])
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_api::Kind;

    #[test]
    fn the_tree_follows_from_the_declarations() {
        let groups = groups(corten_api::builtin::KINDS);
        assert_eq!((groups[0].name, groups[2].name), ("", "apps"));
        let scaling = groups.iter().find(|g| g.name == "autoscaling").expect("served");
        assert_eq!(scaling.versions.iter().map(|v| v.name).collect::<Vec<_>>(), ["v2", "v1"]);
        let core = find(&groups, "", "v1").expect("served");
        let pods = core.resources.iter().find(|r| r.kind.plural == "pods").expect("served");
        assert_eq!(pods.verbs, USUAL);
        let eviction = pods.subresources.iter().find(|s| s.name == "eviction").expect("served");
        assert_eq!((eviction.kind, eviction.verbs), (("policy", "v1", "Eviction"), &["create"][..]));
        let namespaces = core.resources.iter().find(|r| r.kind.plural == "namespaces").expect("served");
        assert!(!namespaces.verbs.contains(&"deletecollection") && namespaces.verbs.len() == 7);
    }

    #[test]
    fn hashes_are_upstreams() {
        for (kind, want) in [
            (corten_api::core::v1::Pod::INFO, "xPOwRZ+Yhw8="),
            (corten_api::apps::v1::Deployment::INFO, "8aSe+NMegvE="),
            (corten_api::core::v1::Binding::INFO, ""),
        ] {
            assert_eq!(storage_version_hash(kind), want, "{kind:?}");
        }
    }
}
