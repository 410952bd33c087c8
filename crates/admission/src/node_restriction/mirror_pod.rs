//! The only pods that a node creates: mirrors of its static pods, which name nothing of the API.

use super::{Judged, Refused, existing_node, refuse_if, typed, unexpected_type};
use crate::check::Context;
use corten_api::Object;
use corten_api::core::v1::{Pod, Volume, VolumeProjection};
use corten_semantics::pod_references::{MIRROR_ANNOTATION, Referenced, references};

pub(super) fn judge(context: &Context<'_>, node: &str, object: Option<&dyn Object>) -> Judged {
    let Some(pod) = typed::<Pod>(object) else { return unexpected_type() };
    refuse_if(!pod.metadata.annotations.contains_key(MIRROR_ANNOTATION), || {
        format!(
            "pod does not have {MIRROR_ANNOTATION:?} annotation, node {node:?} can only create mirror pods"
        )
    })?;
    refuse_if(pod.spec.node_name != node, || {
        format!("node {node:?} can only create pods with spec.nodeName set to itself")
    })?;
    owner(context, node, pod)?;
    match api_reference(pod) {
        Some(what) => Err(format!("node {node:?} can not create pods that reference {what}").into()),
        None => Ok(()),
    }
}

/// The pod's one owner is the node.
fn owner(context: &Context<'_>, node: &str, pod: &Pod) -> Judged {
    let only = |what: &str| {
        Err(Refused::Because(format!(
            "node {node:?} can only create pods with {what} owner reference set to itself"
        )))
    };
    let owner = match pod.metadata.owner_references.as_slice() {
        [] => return only("an"),
        [one] => one,
        _ => return only("a single"),
    };
    if owner.api_version != "v1" || owner.kind != "Node" || owner.name != node {
        return only("an");
    }
    if owner.controller != Some(true) {
        return only("a controller");
    }
    refuse_if(owner.block_owner_deletion == Some(true), || {
        format!("node {node:?} must not set blockOwnerDeletion on an owner reference")
    })?;
    let uid = existing_node(context, node)?.metadata.uid.clone();
    refuse_if(owner.uid != uid, || format!("node {node} UID mismatch: expected {} got {uid}", owner.uid))
}

/// What of the API the pod names, in upstream's words.
fn api_reference(pod: &Pod) -> Option<&'static str> {
    let named = references(pod);
    let names = |kind| named.iter().any(|(k, _)| *k == kind);
    if names(Referenced::ServiceAccount) {
        return Some("serviceaccounts");
    }
    if names(Referenced::Secret) {
        return Some("secrets");
    }
    if names(Referenced::ConfigMap) {
        return Some("configmaps");
    }
    if !pod.spec.resource_claims.is_empty() {
        return Some("resourceclaims");
    }
    pod.spec.volumes.iter().find_map(volume_reference)
}

fn volume_reference(volume: &Volume) -> Option<&'static str> {
    let source = &volume.volume_source;
    let found = [
        (source.config_map.is_some(), "configmaps (via configmap volumes)"),
        (source.secret.is_some(), "secrets (via secret volumes)"),
        (source.csi.is_some(), "csidrivers (via CSI volumes)"),
        (source.glusterfs.is_some(), "endpoints (via glusterFS volumes)"),
        (source.persistent_volume_claim.is_some(), "persistentvolumeclaims"),
        (source.ephemeral.is_some(), "persistentvolumeclaims (via ephemeral volumes)"),
        (source.azure_file.is_some(), "secrets (via azureFile volumes)"),
    ];
    let found = found.into_iter().find_map(|(is, what)| is.then_some(what));
    found.or_else(|| source.projected.iter().flat_map(|p| &p.sources).find_map(projection_reference))
}

fn projection_reference(source: &VolumeProjection) -> Option<&'static str> {
    let found = [
        (source.config_map.is_some(), "configmaps (via projected volumes)"),
        (source.secret.is_some(), "secrets (via projected volumes)"),
        (source.service_account_token.is_some(), "serviceaccounts (via projected volumes)"),
        (source.cluster_trust_bundle.is_some(), "clustertrustbundles"),
        (source.pod_certificate.is_some(), "podcertificates"),
    ];
    found.into_iter().find_map(|(is, what)| is.then_some(what))
}
