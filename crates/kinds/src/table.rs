//! The plain, ordered list of kinds that differ from the usual.

use crate::names;
use crate::plain::Plain;
use crate::rules::{Rules, StatusMetadata};
use crate::strategy::Strategy;
use corten_api::{Kind, KindInfo};
use corten_api::{admissionregistration, core, flowcontrol, networking, node, rbac, resource, storage};
use corten_semantics::{ApiError, ApiResult};

struct Row {
    kind: &'static KindInfo,
    strategy: &'static dyn Strategy,
}

const fn row<K: Kind>(strategy: &'static dyn Strategy) -> Row {
    Row { kind: K::INFO, strategy }
}

/// The usual rules of core kinds, whose finalizers are checked more strictly.
const CORE: Rules = Rules { standard_finalizers: true, ..Rules::USUAL };
/// RBAC allows any name that fits in a URL.
const RBAC: Rules = Rules { name: names::path_segment, create_on_update: true, ..Rules::USUAL };
/// Kinds that count generations and want a resource version.
const COUNTED_CONDITIONAL: Rules = Rules { unconditional_update: false, ..Rules::COUNTED };
/// Kinds that want a resource version.
const CONDITIONAL: Rules = Rules { unconditional_update: false, ..Rules::USUAL };
/// Kinds whose status updates touch nothing else.
const STATUS_ALONE: Rules = Rules { status_metadata: StatusMetadata::Kept, ..Rules::USUAL };
const FLOW: Rules =
    Rules { create_on_update: true, status_metadata: StatusMetadata::Kept, ..COUNTED_CONDITIONAL };

static ROWS: &[Row] = &[
    row::<core::v1::LimitRange>(&Plain(Rules { create_on_update: true, ..CORE })),
    row::<core::v1::PodTemplate>(&Plain(Rules { generation: true, ..CORE })),
    row::<core::v1::ResourceQuota>(&Plain(CORE)),
    row::<networking::v1::IngressClass>(&Plain(Rules::COUNTED)),
    row::<networking::v1::ServiceCIDR>(&Plain(STATUS_ALONE)),
    row::<rbac::v1::ClusterRole>(&Plain(RBAC)),
    row::<rbac::v1::ClusterRoleBinding>(&Plain(RBAC)),
    row::<rbac::v1::Role>(&Plain(RBAC)),
    row::<rbac::v1::RoleBinding>(&Plain(RBAC)),
    row::<storage::v1::CSIDriver>(&Plain(COUNTED_CONDITIONAL)),
    row::<storage::v1::CSINode>(&Plain(CONDITIONAL)),
    row::<storage::v1::CSIStorageCapacity>(&Plain(CONDITIONAL)),
    row::<storage::v1::VolumeAttachment>(&Plain(Rules { unconditional_update: false, ..STATUS_ALONE })),
    row::<node::v1::RuntimeClass>(&Plain(Rules { create_on_update: true, ..CONDITIONAL })),
    row::<admissionregistration::v1::MutatingWebhookConfiguration>(&Plain(COUNTED_CONDITIONAL)),
    row::<admissionregistration::v1::ValidatingAdmissionPolicy>(&Plain(Rules {
        status_metadata: StatusMetadata::Kept,
        ..COUNTED_CONDITIONAL
    })),
    row::<admissionregistration::v1::ValidatingAdmissionPolicyBinding>(&Plain(COUNTED_CONDITIONAL)),
    row::<admissionregistration::v1::ValidatingWebhookConfiguration>(&Plain(COUNTED_CONDITIONAL)),
    row::<flowcontrol::v1::FlowSchema>(&Plain(FLOW)),
    row::<flowcontrol::v1::PriorityLevelConfiguration>(&Plain(FLOW)),
    row::<resource::v1::DeviceClass>(&Plain(Rules::COUNTED)),
    row::<resource::v1::ResourceClaim>(&Plain(STATUS_ALONE)),
    row::<resource::v1::ResourceSlice>(&Plain(Rules::COUNTED)),
];

static USUAL: Plain = Plain(Rules::USUAL);

/// The strategy of a kind; kinds without behaviour share the plain one.
pub fn strategy_for(kind: &KindInfo) -> &'static dyn Strategy {
    ROWS.iter().find(|row| row.kind == kind).map_or(&USUAL, |row| row.strategy)
}

/// Whether `label` may stand in a field selector for the kind; the error is upstream's 400.
pub fn check_field_label(kind: &KindInfo, label: &str) -> ApiResult<()> {
    let own = strategy_for(kind).field_labels();
    let known = match label {
        "metadata.name" => true,
        "metadata.namespace" => kind.namespaced || own.is_empty(),
        other => own.contains(&other),
    };
    match (known, own.is_empty()) {
        (true, _) => Ok(()),
        (false, false) => Err(ApiError::bad_request(format!("field label not supported: {label}"))),
        (false, true) => Err(ApiError::bad_request(format!(
            "\"{label}\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\""
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_stands_in_the_list_once() {
        for (i, a) in ROWS.iter().enumerate() {
            assert!(!ROWS[..i].iter().any(|b| a.kind == b.kind), "{:?}", a.kind);
        }
    }

    #[test]
    fn columns_and_cells_agree_in_number_for_every_kind() {
        for kind in corten_api::builtin::KINDS {
            let Some(new) = kind.new else { continue };
            let (obj, strategy) = (new(), strategy_for(kind));
            let cells = strategy.row(obj.as_ref(), jiff::Timestamp::UNIX_EPOCH);
            assert_eq!(cells.len(), strategy.columns().len(), "{kind:?}");
        }
    }

    #[test]
    fn unknown_field_labels_are_refused() {
        let error = check_field_label(core::v1::LimitRange::INFO, "spec.x").expect_err("unknown");
        assert_eq!(
            (error.code(), error.to_string().as_str()),
            (400, "\"spec.x\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\"")
        );
    }
}
