//! Which fields a request through a path cannot change, and so cannot own (`GetResetFields` of upstream's
//! strategies).

use corten_api::KindInfo;
use corten_codec::apply::Reset;

/// The fields that a write of the kind's subresource (empty for the object) leaves alone.
pub(crate) fn reset_fields(kind: &KindInfo, subresource: &str) -> Reset {
    let has_status = kind.subresources.contains(&"status");
    match (kind.group, kind.kind, subresource) {
        // Upstream's table names a group that is none.
        ("networking.k8s.io", "ServiceCIDR", _) => Reset::NOTHING,
        ("certificates.k8s.io", "CertificateSigningRequest", "") => Reset::Except(&[&["spec"], &["status"]]),
        ("certificates.k8s.io", "CertificateSigningRequest", "status") => {
            Reset::Except(&[&["spec"], &["status", "conditions"]])
        }
        ("certificates.k8s.io", "CertificateSigningRequest", "approval") => {
            Reset::Except(&[&["spec"], &["status", "certificate"]])
        }
        ("", "Namespace", "finalize") => Reset::Except(&[&["status"]]),
        ("", "Pod", "ephemeralcontainers") => Reset::Only(&[&["spec", "ephemeralContainers"]]),
        ("", "Pod", "resize") => Reset::Only(&[
            &["spec", "containers", "*", "resources"],
            &["spec", "containers", "*", "resizePolicy"],
            &["spec", "initContainers", "*", "resources"],
            &["spec", "initContainers", "*", "resizePolicy"],
        ]),
        ("", "Pod", "status") => {
            Reset::Except(&[&["spec"], &["metadata", "deletionTimestamp"], &["metadata", "ownerReferences"]])
        }
        ("apps", "Deployment", "status") => Reset::Except(&[&["spec"], &["metadata", "labels"]]),
        (group, name, "status") if keeps_metadata(group, name) => Reset::Except(&[&["spec"], &["metadata"]]),
        (_, _, "status") => Reset::Except(&[&["spec"]]),
        (_, _, "") if has_status => Reset::Except(&[&["status"]]),
        _ => Reset::NOTHING,
    }
}

/// Whether a status update leaves the metadata alone.
fn keeps_metadata(group: &str, kind: &str) -> bool {
    matches!(
        (group, kind),
        ("storage.k8s.io", "VolumeAttachment")
            | ("resource.k8s.io", "ResourceClaim")
            | ("flowcontrol.apiserver.k8s.io", "FlowSchema" | "PriorityLevelConfiguration")
            | ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy")
            | ("apiextensions.k8s.io", "CustomResourceDefinition")
            | ("apiregistration.k8s.io", "APIService")
    )
}
