use super::v1beta1::{MutatingAdmissionPolicyBindingSpec, MutatingAdmissionPolicySpec};
use crate::Api;
use crate::meta::v1::ObjectMeta;

/// As in v1beta1, in which it is stored.
#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "admissionregistration.v1alpha1")]
#[kind(
    group = "admissionregistration.k8s.io",
    version = "v1alpha1",
    plural = "mutatingadmissionpolicies",
    categories = "api-extensions",
    cluster
)]
pub struct MutatingAdmissionPolicy {
    #[api(tag = 1, omitempty)]
    pub metadata: ObjectMeta,
    #[api(tag = 2, omitempty)]
    pub spec: MutatingAdmissionPolicySpec,
}

/// As in v1beta1, in which it is stored.
#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "admissionregistration.v1alpha1")]
#[kind(
    group = "admissionregistration.k8s.io",
    version = "v1alpha1",
    plural = "mutatingadmissionpolicybindings",
    categories = "api-extensions",
    cluster
)]
pub struct MutatingAdmissionPolicyBinding {
    #[api(tag = 1, omitempty)]
    pub metadata: ObjectMeta,
    #[api(tag = 2, omitempty)]
    pub spec: MutatingAdmissionPolicyBindingSpec,
}
