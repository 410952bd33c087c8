use crate::Api;
use crate::admissionregistration::v1::{MatchResources, ParamRef};
use crate::meta::v1::ObjectMeta;

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "admissionregistration.v1beta1")]
#[kind(
    group = "admissionregistration.k8s.io",
    version = "v1beta1",
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

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "admissionregistration.v1beta1")]
pub struct MutatingAdmissionPolicyBindingSpec {
    #[api(tag = 1, omitempty)]
    pub policy_name: String,
    #[api(tag = 2)]
    pub param_ref: Option<Box<ParamRef>>,
    #[api(tag = 3)]
    pub match_resources: Option<Box<MatchResources>>,
}
