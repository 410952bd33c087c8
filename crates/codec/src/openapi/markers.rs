//! Marks of structs and fields that the schema tables do not carry.

use corten_api::{Field, Schema};

/// Structs that apply replaces as a whole wherever they stand.
const ATOMIC: &[(&str, &[&str])] = &[
    (
        "admissionregistration.v1",
        &["MatchResources", "NamedRuleWithOperations", "ParamKind", "ParamRef", "Variable"],
    ),
    ("autoscaling.v1", &["CrossVersionObjectReference"]),
    (
        "core.v1",
        &[
            "ConfigMapKeySelector",
            "EndpointAddress",
            "EndpointPort",
            "FileKeySelector",
            "LocalObjectReference",
            "NodeSelector",
            "NodeSelectorTerm",
            "ObjectFieldSelector",
            "ObjectReference",
            "ResourceFieldSelector",
            "ScopeSelector",
            "SecretKeySelector",
            "SecretReference",
            "TopologySelectorTerm",
            "TypedLocalObjectReference",
        ],
    ),
    ("discovery.v1", &["EndpointPort"]),
    ("meta.v1", &["LabelSelector", "OwnerReference"]),
    ("networking.v1", &["ServiceBackendPort"]),
    ("rbac.v1", &["RoleRef", "Subject"]),
];

/// Whether apply replaces this struct as a whole (`x-kubernetes-map-type: atomic` on its type).
pub fn is_atomic(schema: &Schema) -> bool {
    ATOMIC.iter().any(|(package, names)| *package == schema.package && names.contains(&schema.name))
}

/// Whether a field must be given. Upstream leaves some of these out of JSON when they are empty, so that the
/// tables do not call them required.
pub fn is_required(schema: &Schema, field: &Field) -> bool {
    field.required
        || matches!(
            (schema.package, schema.name, field.name),
            ("core.v1", "ContainerRestartRule", "action")
                | ("core.v1", "ContainerRestartRuleOnExitCodes", "operator")
                | ("core.v1", "PodCertificateProjection", "keyType" | "signerName")
                | ("networking.v1", "IPAddressSpec", "parentRef")
                | ("networking.v1", "ParentReference", "name" | "resource")
                | ("resource.v1", "CapacityRequestPolicyRange", "min")
                | ("resource.v1", "CounterSet" | "DeviceCounterConsumption", "counters")
        )
}

/// The map type of a field, when it differs from that of the field's type.
pub fn map_type(schema: &Schema, field: &Field) -> Option<&'static str> {
    match (schema.package, schema.name, field.name) {
        ("core.v1", "PersistentVolumeClaimStatus", "allocatedResourceStatuses") => Some("granular"),
        ("core.v1", "PersistentVolumeSpec", "claimRef") => Some("granular"),
        _ if field.atomic => Some("atomic"),
        _ => None,
    }
}

/// How strategic merge patch treats a field, in upstream's words.
pub fn patch_strategy(schema: &Schema, field: &Field) -> Option<&'static str> {
    if (schema.package, schema.name, field.name) == ("policy.v1", "PodDisruptionBudgetSpec", "selector") {
        return Some("replace");
    }
    match (field.merge, field.retain_keys) {
        (true, true) => Some("merge,retainKeys"),
        (true, false) => Some("merge"),
        (false, true) => Some("retainKeys"),
        (false, false) => None,
    }
}

/// A struct of which one member is set: the field that names it, and each member with its name there.
pub struct Union {
    pub discriminator: &'static str,
    pub members: &'static [(&'static str, &'static str)],
}

/// The union that a struct is.
pub fn union(schema: &Schema) -> Option<Union> {
    let (discriminator, members): (_, &[_]) = match (schema.package, schema.name) {
        ("core.v1", "AppArmorProfile" | "SeccompProfile") => {
            ("type", &[("localhostProfile", "LocalhostProfile")])
        }
        ("flowcontrol.v1", "LimitResponse") => ("type", &[("queuing", "Queuing")]),
        ("flowcontrol.v1", "PriorityLevelConfigurationSpec") => {
            ("type", &[("exempt", "Exempt"), ("limited", "Limited")])
        }
        ("flowcontrol.v1", "Subject") => {
            ("kind", &[("group", "Group"), ("serviceAccount", "ServiceAccount"), ("user", "User")])
        }
        _ => return None,
    };
    Some(Union { discriminator, members })
}
