//! The plain, ordered list of kinds that differ from the usual.

use crate::plain::Plain;
use crate::rules::Rules;
use crate::strategy::Strategy;
use crate::{
    admissionregistration as admission, apiextensions, apiregistration, apps, autoscaling, batch,
    certificates, coordination, core, discovery, events, flowcontrol, metrics, networking, node, policy,
    rbac, resource, scheduling, storage,
};
use corten_api as api;
use corten_api::{Kind, KindInfo};
use corten_semantics::ApiResult;

struct Row {
    kind: &'static KindInfo,
    strategy: &'static dyn Strategy,
}

const fn row<K: Kind>(strategy: &'static dyn Strategy) -> Row {
    Row { kind: K::INFO, strategy }
}

static ROWS: &[Row] = &[
    row::<api::core::v1::ComponentStatus>(&core::ComponentStatusStrategy),
    row::<api::core::v1::ConfigMap>(&core::ConfigMapStrategy),
    row::<api::core::v1::Endpoints>(&core::EndpointsStrategy),
    row::<api::core::v1::Event>(&core::EventStrategy),
    row::<api::core::v1::LimitRange>(&core::LimitRangeStrategy),
    row::<api::core::v1::Namespace>(&core::NamespaceStrategy),
    row::<api::core::v1::Node>(&core::NodeStrategy),
    row::<api::core::v1::PersistentVolume>(&core::PersistentVolumeStrategy),
    row::<api::core::v1::PersistentVolumeClaim>(&core::PersistentVolumeClaimStrategy),
    row::<api::core::v1::Pod>(&core::PodStrategy),
    row::<api::core::v1::PodTemplate>(&core::PodTemplateStrategy),
    row::<api::core::v1::ReplicationController>(&core::ReplicationControllerStrategy),
    row::<api::core::v1::ResourceQuota>(&core::ResourceQuotaStrategy),
    row::<api::core::v1::Secret>(&core::SecretStrategy),
    row::<api::core::v1::Service>(&core::ServiceStrategy),
    row::<api::core::v1::ServiceAccount>(&core::ServiceAccountStrategy),
    row::<api::apps::v1::ControllerRevision>(&apps::ControllerRevisionStrategy),
    row::<api::apps::v1::DaemonSet>(&apps::DaemonSetStrategy),
    row::<api::apps::v1::Deployment>(&apps::DeploymentStrategy),
    row::<api::apps::v1::ReplicaSet>(&apps::ReplicaSetStrategy),
    row::<api::apps::v1::StatefulSet>(&apps::StatefulSetStrategy),
    row::<api::batch::v1::CronJob>(&batch::CronJobStrategy),
    row::<api::batch::v1::Job>(&batch::JobStrategy),
    row::<api::autoscaling::v1::HorizontalPodAutoscaler>(&autoscaling::HorizontalPodAutoscalerV1Strategy),
    row::<api::autoscaling::v1::Scale>(&autoscaling::ScaleStrategy),
    row::<api::autoscaling::v2::HorizontalPodAutoscaler>(&autoscaling::HorizontalPodAutoscalerStrategy),
    row::<api::networking::v1::IPAddress>(&networking::IPAddressStrategy),
    row::<api::networking::v1::Ingress>(&networking::IngressStrategy),
    row::<api::networking::v1::IngressClass>(&networking::IngressClassStrategy),
    row::<api::networking::v1::NetworkPolicy>(&networking::NetworkPolicyStrategy),
    row::<api::networking::v1::ServiceCIDR>(&networking::ServiceCIDRStrategy),
    row::<api::policy::v1::PodDisruptionBudget>(&policy::PodDisruptionBudgetStrategy),
    row::<api::rbac::v1::ClusterRole>(&rbac::ClusterRoleStrategy),
    row::<api::rbac::v1::ClusterRoleBinding>(&rbac::ClusterRoleBindingStrategy),
    row::<api::rbac::v1::Role>(&rbac::RoleStrategy),
    row::<api::rbac::v1::RoleBinding>(&rbac::RoleBindingStrategy),
    row::<api::storage::v1::CSIDriver>(&storage::CSIDriverStrategy),
    row::<api::storage::v1::CSINode>(&storage::CSINodeStrategy),
    row::<api::storage::v1::CSIStorageCapacity>(&storage::CSIStorageCapacityStrategy),
    row::<api::storage::v1::StorageClass>(&storage::StorageClassStrategy),
    row::<api::storage::v1::VolumeAttachment>(&storage::VolumeAttachmentStrategy),
    row::<api::storage::v1::VolumeAttributesClass>(&storage::VolumeAttributesClassStrategy),
    row::<api::scheduling::v1::PriorityClass>(&scheduling::PriorityClassStrategy),
    row::<api::coordination::v1::Lease>(&coordination::LeaseStrategy),
    row::<api::discovery::v1::EndpointSlice>(&discovery::EndpointSliceStrategy),
    row::<api::events::v1::Event>(&events::EventStrategy),
    row::<api::node::v1::RuntimeClass>(&node::RuntimeClassStrategy),
    row::<api::certificates::v1::CertificateSigningRequest>(&certificates::CertificateSigningRequestStrategy),
    row::<api::metrics::v1beta1::NodeMetrics>(&metrics::NodeMetricsStrategy),
    row::<api::metrics::v1beta1::PodMetrics>(&metrics::PodMetricsStrategy),
    row::<api::admissionregistration::v1beta1::MutatingAdmissionPolicy>(
        &admission::MutatingAdmissionPolicyStrategy,
    ),
    row::<api::admissionregistration::v1beta1::MutatingAdmissionPolicyBinding>(
        &admission::MutatingAdmissionPolicyBindingStrategy,
    ),
    row::<api::admissionregistration::v1alpha1::MutatingAdmissionPolicy>(
        &admission::MutatingAdmissionPolicyAlphaStrategy,
    ),
    row::<api::admissionregistration::v1alpha1::MutatingAdmissionPolicyBinding>(
        &admission::MutatingAdmissionPolicyBindingAlphaStrategy,
    ),
    row::<api::admissionregistration::v1::MutatingWebhookConfiguration>(
        &admission::MutatingWebhookConfigurationStrategy,
    ),
    row::<api::admissionregistration::v1::ValidatingAdmissionPolicy>(
        &admission::ValidatingAdmissionPolicyStrategy,
    ),
    row::<api::admissionregistration::v1::ValidatingAdmissionPolicyBinding>(
        &admission::ValidatingAdmissionPolicyBindingStrategy,
    ),
    row::<api::admissionregistration::v1::ValidatingWebhookConfiguration>(
        &admission::ValidatingWebhookConfigurationStrategy,
    ),
    row::<api::flowcontrol::v1::FlowSchema>(&flowcontrol::FlowSchemaStrategy),
    row::<api::flowcontrol::v1::PriorityLevelConfiguration>(&flowcontrol::PriorityLevelConfigurationStrategy),
    row::<api::resource::v1::DeviceClass>(&resource::DeviceClassStrategy),
    row::<api::resource::v1::ResourceClaim>(&resource::ResourceClaimStrategy),
    row::<api::resource::v1::ResourceClaimTemplate>(&resource::ResourceClaimTemplateStrategy),
    row::<api::resource::v1::ResourceSlice>(&resource::ResourceSliceStrategy),
    row::<api::apiextensions::v1::CustomResourceDefinition>(&apiextensions::CustomResourceDefinitionStrategy),
    row::<api::apiregistration::v1::APIService>(&apiregistration::APIServiceStrategy),
];

static USUAL: Plain = Plain(Rules::USUAL);

/// The strategy of a kind; kinds without behaviour share the plain one.
pub fn strategy_for(kind: &KindInfo) -> &'static dyn Strategy {
    ROWS.iter().find(|row| row.kind == kind).map_or(&USUAL, |row| row.strategy)
}

/// Whether `label` may stand in a field selector for the kind; the error is upstream's 400.
pub fn check_field_label(kind: &KindInfo, label: &str) -> ApiResult<()> {
    strategy_for(kind).check_field_label(kind, label)
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
        let error = check_field_label(api::core::v1::LimitRange::INFO, "spec.x").expect_err("unknown");
        assert_eq!(
            (error.code(), error.to_string().as_str()),
            (400, "\"spec.x\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\"")
        );
    }
}
