use super::*;
use crate::Api;
use crate::meta::v1::LabelSelector;
use crate::meta::v1::ObjectMeta;

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "admissionregistration.v1")]
#[kind(
    group = "admissionregistration.k8s.io",
    version = "v1",
    plural = "validatingadmissionpolicybindings",
    categories = "api-extensions",
    cluster
)]
pub struct ValidatingAdmissionPolicyBinding {
    #[api(tag = 1, omitempty)]
    pub metadata: ObjectMeta,
    #[api(tag = 2, omitempty)]
    pub spec: ValidatingAdmissionPolicyBindingSpec,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "admissionregistration.v1")]
pub struct ValidatingAdmissionPolicyBindingSpec {
    #[api(tag = 1, omitempty)]
    pub policy_name: String,
    #[api(tag = 2)]
    pub param_ref: Option<Box<ParamRef>>,
    #[api(tag = 3)]
    pub match_resources: Option<Box<MatchResources>>,
    #[api(tag = 4, omitempty, list = "set")]
    pub validation_actions: Vec<String>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "admissionregistration.v1")]
pub struct ParamRef {
    #[api(tag = 1, omitempty)]
    pub name: String,
    #[api(tag = 2, omitempty)]
    pub namespace: String,
    #[api(tag = 3)]
    pub selector: Option<Box<LabelSelector>>,
    #[api(tag = 4)]
    pub parameter_not_found_action: Option<String>,
}
