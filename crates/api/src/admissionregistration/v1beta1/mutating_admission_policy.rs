use crate::Api;
use crate::admissionregistration::v1::{MatchCondition, MatchResources, ParamKind, Variable};
use crate::meta::v1::ObjectMeta;

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "admissionregistration.v1beta1")]
#[kind(
    group = "admissionregistration.k8s.io",
    version = "v1beta1",
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

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "admissionregistration.v1beta1")]
pub struct MutatingAdmissionPolicySpec {
    #[api(tag = 1)]
    pub param_kind: Option<Box<ParamKind>>,
    #[api(tag = 2)]
    pub match_constraints: Option<Box<MatchResources>>,
    #[api(tag = 3, omitempty)]
    pub variables: Vec<Variable>,
    #[api(tag = 4, omitempty)]
    pub mutations: Vec<Mutation>,
    #[api(tag = 5)]
    pub failure_policy: Option<String>,
    #[api(tag = 6, omitempty, list = "map", keys = "name", patch = "merge", key = "name")]
    pub match_conditions: Vec<MatchCondition>,
    #[api(tag = 7, omitempty)]
    pub reinvocation_policy: String,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "admissionregistration.v1beta1")]
pub struct Mutation {
    #[api(tag = 2, required)]
    pub patch_type: String,
    #[api(tag = 3)]
    pub apply_configuration: Option<Box<ApplyConfiguration>>,
    #[api(tag = 4)]
    pub json_patch: Option<Box<JSONPatch>>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "admissionregistration.v1beta1")]
pub struct ApplyConfiguration {
    #[api(tag = 1, omitempty)]
    pub expression: String,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "admissionregistration.v1beta1")]
pub struct JSONPatch {
    #[api(tag = 1, omitempty)]
    pub expression: String,
}
