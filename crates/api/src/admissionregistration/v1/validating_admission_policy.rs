use super::*;
use crate::Api;
use crate::meta::v1::Condition;
use crate::meta::v1::ObjectMeta;

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "admissionregistration.v1")]
#[kind(
    group = "admissionregistration.k8s.io",
    version = "v1",
    plural = "validatingadmissionpolicies",
    categories = "api-extensions",
    cluster,
    subresources = "status"
)]
pub struct ValidatingAdmissionPolicy {
    #[api(tag = 1, omitempty)]
    pub metadata: ObjectMeta,
    #[api(tag = 2, omitempty)]
    pub spec: ValidatingAdmissionPolicySpec,
    #[api(tag = 3, omitempty)]
    pub status: ValidatingAdmissionPolicyStatus,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "admissionregistration.v1")]
pub struct ValidatingAdmissionPolicySpec {
    #[api(tag = 1)]
    pub param_kind: Option<Box<ParamKind>>,
    #[api(tag = 2)]
    pub match_constraints: Option<Box<MatchResources>>,
    #[api(tag = 3, omitempty)]
    pub validations: Vec<Validation>,
    #[api(tag = 4)]
    pub failure_policy: Option<String>,
    #[api(tag = 5, omitempty)]
    pub audit_annotations: Vec<AuditAnnotation>,
    #[api(tag = 6, omitempty, list = "map", keys = "name", patch = "merge", key = "name")]
    pub match_conditions: Vec<MatchCondition>,
    #[api(tag = 7, omitempty, list = "map", keys = "name", patch = "merge", key = "name")]
    pub variables: Vec<Variable>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "admissionregistration.v1")]
pub struct ParamKind {
    #[api(tag = 1, omitempty)]
    pub api_version: String,
    #[api(tag = 2, omitempty)]
    pub kind: String,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "admissionregistration.v1")]
pub struct Validation {
    #[api(tag = 1, required)]
    pub expression: String,
    #[api(tag = 2, omitempty)]
    pub message: String,
    #[api(tag = 3)]
    pub reason: Option<String>,
    #[api(tag = 4, omitempty)]
    pub message_expression: String,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "admissionregistration.v1")]
pub struct AuditAnnotation {
    #[api(tag = 1, required)]
    pub key: String,
    #[api(tag = 2, required)]
    pub value_expression: String,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "admissionregistration.v1")]
pub struct Variable {
    #[api(tag = 1, required)]
    pub name: String,
    #[api(tag = 2, required)]
    pub expression: String,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "admissionregistration.v1")]
pub struct ValidatingAdmissionPolicyStatus {
    #[api(tag = 1, omitempty)]
    pub observed_generation: i64,
    #[api(tag = 2)]
    pub type_checking: Option<Box<TypeChecking>>,
    #[api(tag = 3, omitempty, list = "map", keys = "type")]
    pub conditions: Vec<Condition>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "admissionregistration.v1")]
pub struct TypeChecking {
    #[api(tag = 1, omitempty)]
    pub expression_warnings: Vec<ExpressionWarning>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "admissionregistration.v1")]
pub struct ExpressionWarning {
    #[api(tag = 2, required)]
    pub field_ref: String,
    #[api(tag = 3, required)]
    pub warning: String,
}
