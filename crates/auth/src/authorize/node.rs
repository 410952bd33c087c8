//! The Node authorizer: a node reads what its pods need, and writes what is its own (upstream's `node`
//! authorizer with `AuthorizeNodeWithSelectors`, KEP-4601). What a write may contain is for the
//! NodeRestriction admission check.

use super::{Attributes, Decision, NodeGraph, Reason, rules};
use crate::policy::node_rules;
use corten_semantics::identity;
use corten_semantics::pod_references::Referenced;

/// Whether the node may; no opinion for whoever is no node.
pub(super) fn authorize(graph: &NodeGraph, wanted: &Attributes<'_>) -> Decision {
    let Some(node) = identity::node_of(wanted.user) else { return Decision::no_opinion("") };
    if node.is_empty() {
        return Decision::no_opinion(format!("unknown node for user {:?}", wanted.user.username));
    }
    let judged = match (wanted.group, wanted.resource) {
        ("", "secrets") => read_named(graph, node, Referenced::Secret, wanted),
        ("", "configmaps") => read_named(graph, node, Referenced::ConfigMap, wanted),
        ("", "persistentvolumeclaims") => claim(graph, node, wanted),
        ("", "persistentvolumes") => {
            get_one(wanted).and_then(|()| related(node, graph.has_volume(node, wanted.name)))
        }
        ("resource.k8s.io", "resourceclaims") => {
            get_one(wanted).and_then(|()| named(graph, node, Referenced::ResourceClaim, wanted))
        }
        ("storage.k8s.io", "volumeattachments") => {
            get_one(wanted).and_then(|()| related(node, graph.has_attachment(node, wanted.name)))
        }
        ("", "serviceaccounts") => service_account(graph, node, wanted),
        ("coordination.k8s.io", "leases") => lease(node, wanted),
        ("storage.k8s.io", "csinodes") => csi_node(node, wanted),
        ("resource.k8s.io", "resourceslices") => resource_slice(graph, node, wanted),
        ("", "nodes") => own_node(node, wanted),
        ("", "pods") => pod(graph, node, wanted),
        _ => deny_unless(node_rules().iter().any(|rule| rules::allows(rule, wanted)), ""),
    };
    match judged {
        Ok(()) => Decision::allow(Reason::Text(String::new())),
        Err(reason) => Decision::no_opinion(reason),
    }
}

type Judged = Result<(), String>;

fn deny_unless(allowed: bool, reason: &str) -> Judged {
    if allowed { Ok(()) } else { Err(reason.to_string()) }
}

fn related(node: &str, is_related: bool) -> Judged {
    if is_related {
        Ok(())
    } else {
        Err(format!("no relationship found between node '{node}' and this object"))
    }
}

fn named(graph: &NodeGraph, node: &str, kind: Referenced, wanted: &Attributes<'_>) -> Judged {
    deny_unless(!wanted.name.is_empty(), "No Object name found")?;
    related(node, graph.has_named(node, kind, wanted.namespace, wanted.name))
}

fn get_one(wanted: &Attributes<'_>) -> Judged {
    deny_unless(wanted.verb == "get", "can only get individual resources of this type")?;
    deny_unless(wanted.subresource.is_empty(), "cannot get subresource")?;
    deny_unless(!wanted.name.is_empty(), "No Object name found")
}

fn read_named(graph: &NodeGraph, node: &str, kind: Referenced, wanted: &Attributes<'_>) -> Judged {
    deny_unless(is_read(wanted.verb), "can only read resources of this type")?;
    deny_unless(wanted.subresource.is_empty(), "cannot read subresource")?;
    deny_unless(!wanted.namespace.is_empty(), "can only read namespaced object of this type")?;
    named(graph, node, kind, wanted)
}

fn is_read(verb: &str) -> bool {
    matches!(verb, "get" | "list" | "watch")
}

fn claim(graph: &NodeGraph, node: &str, wanted: &Attributes<'_>) -> Judged {
    if wanted.subresource == "status" {
        let update = matches!(wanted.verb, "update" | "patch");
        deny_unless(update, "can only get/update/patch this type")?;
    } else {
        get_one(wanted)?;
    }
    named(graph, node, Referenced::PersistentVolumeClaim, wanted)
}

fn service_account(graph: &NodeGraph, node: &str, wanted: &Attributes<'_>) -> Judged {
    if wanted.verb == "get" && wanted.subresource.is_empty() {
        return read_named(graph, node, Referenced::ServiceAccount, wanted);
    }
    let one = wanted.verb == "create" && !wanted.name.is_empty();
    deny_unless(one, "can only create tokens for individual service accounts")?;
    let token = wanted.subresource == "token";
    deny_unless(token, "can only create token subresource of serviceaccount")?;
    related(node, graph.has_named(node, Referenced::ServiceAccount, wanted.namespace, wanted.name))
}

fn is_own_verb(verb: &str) -> bool {
    matches!(verb, "get" | "create" | "update" | "patch" | "delete")
}

fn lease(node: &str, wanted: &Attributes<'_>) -> Judged {
    let verb = is_own_verb(wanted.verb);
    deny_unless(verb, "can only get, create, update, patch, or delete a node lease")?;
    let place = wanted.namespace == "kube-node-lease";
    deny_unless(place, "can only access leases in the \"kube-node-lease\" system namespace")?;
    let own = wanted.verb == "create" || wanted.name == node;
    deny_unless(own, "can only access node lease with the same name as the requesting node")
}

fn csi_node(node: &str, wanted: &Attributes<'_>) -> Judged {
    let verb = is_own_verb(wanted.verb);
    deny_unless(verb, "can only get, create, update, patch, or delete a CSINode")?;
    deny_unless(wanted.subresource.is_empty(), "cannot authorize CSINode subresources")?;
    let own = wanted.verb == "create" || wanted.name == node;
    deny_unless(own, "can only access CSINode with the same name as the requesting node")
}

fn resource_slice(graph: &NodeGraph, node: &str, wanted: &Attributes<'_>) -> Judged {
    deny_unless(wanted.subresource.is_empty(), "cannot authorize ResourceSlice subresources")?;
    match wanted.verb {
        "create" => Ok(()),
        "get" | "update" | "patch" | "delete" => {
            deny_unless(!wanted.name.is_empty(), "No Object name found")?;
            related(node, graph.has_slice(node, wanted.name))
        }
        "watch" | "list" | "deletecollection" => deny_unless(
            narrowed_to(wanted, "spec.nodeName", node),
            "can only list/watch/deletecollection resourceslices with nodeName field selector",
        ),
        _ => Err("only the following verbs are allowed for a ResourceSlice: \
                  get, watch, list, create, update, patch, delete, deletecollection"
            .into()),
    }
}

fn narrowed_to(wanted: &Attributes<'_>, field: &str, node: &str) -> bool {
    wanted.fields.and_then(|f| f.required(field)) == Some(node)
}

fn own_node(node: &str, wanted: &Attributes<'_>) -> Judged {
    match (wanted.subresource, wanted.verb) {
        ("", "create" | "update" | "patch") | ("status", "update" | "patch") => Ok(()),
        ("", verb) if is_read(verb) => match wanted.name {
            name if name == node => Ok(()),
            // A list or watch of one object by its name is a read of that object.
            "" if narrowed_to(wanted, "metadata.name", node) => Ok(()),
            "" => Err(format!("node '{node}' cannot read all nodes, only its own Node object")),
            name => Err(format!("node '{node}' cannot read '{name}', only its own Node object")),
        },
        _ => Err(String::new()),
    }
}

fn pod(graph: &NodeGraph, node: &str, wanted: &Attributes<'_>) -> Judged {
    let own = || related(node, graph.has_pod(node, wanted.namespace, wanted.name));
    match (wanted.subresource, wanted.verb) {
        ("", "get") => get_one(wanted).and_then(|()| own()),
        ("", "list" | "watch") if narrowed_to(wanted, "spec.nodeName", node) => Ok(()),
        ("", "list" | "watch") if !wanted.name.is_empty() => own(),
        ("", "list" | "watch") => Err("can only list/watch pods with spec.nodeName field selector".into()),
        ("", "create" | "delete") | ("status", "update" | "patch") | ("eviction", "create") => Ok(()),
        _ => Err(String::new()),
    }
}
