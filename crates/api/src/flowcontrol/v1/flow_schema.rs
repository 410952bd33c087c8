use crate::Api;
use crate::Time;
use crate::meta::v1::ObjectMeta;

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "flowcontrol.v1")]
#[kind(
    group = "flowcontrol.apiserver.k8s.io",
    version = "v1",
    plural = "flowschemas",
    cluster,
    subresources = "status"
)]
pub struct FlowSchema {
    #[api(tag = 1, omitempty)]
    pub metadata: ObjectMeta,
    #[api(tag = 2, omitempty)]
    pub spec: FlowSchemaSpec,
    #[api(tag = 3, omitempty)]
    pub status: FlowSchemaStatus,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "flowcontrol.v1")]
pub struct FlowSchemaSpec {
    #[api(tag = 1, required)]
    pub priority_level_configuration: PriorityLevelConfigurationReference,
    #[api(tag = 2)]
    pub matching_precedence: i32,
    #[api(tag = 3)]
    pub distinguisher_method: Option<Box<FlowDistinguisherMethod>>,
    #[api(tag = 4, omitempty)]
    pub rules: Vec<PolicyRulesWithSubjects>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "flowcontrol.v1")]
pub struct PriorityLevelConfigurationReference {
    #[api(tag = 1, required)]
    pub name: String,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "flowcontrol.v1")]
pub struct FlowDistinguisherMethod {
    #[api(tag = 1, required)]
    pub type_: String,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "flowcontrol.v1")]
pub struct PolicyRulesWithSubjects {
    #[api(tag = 1, required)]
    pub subjects: Vec<Subject>,
    #[api(tag = 2, omitempty)]
    pub resource_rules: Vec<ResourcePolicyRule>,
    #[api(tag = 3, omitempty)]
    pub non_resource_rules: Vec<NonResourcePolicyRule>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "flowcontrol.v1")]
pub struct Subject {
    #[api(tag = 1, required)]
    pub kind: String,
    #[api(tag = 2)]
    pub user: Option<Box<UserSubject>>,
    #[api(tag = 3)]
    pub group: Option<Box<GroupSubject>>,
    #[api(tag = 4)]
    pub service_account: Option<Box<ServiceAccountSubject>>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "flowcontrol.v1")]
pub struct UserSubject {
    #[api(tag = 1, required)]
    pub name: String,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "flowcontrol.v1")]
pub struct GroupSubject {
    #[api(tag = 1, required)]
    pub name: String,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "flowcontrol.v1")]
pub struct ServiceAccountSubject {
    #[api(tag = 1, required)]
    pub namespace: String,
    #[api(tag = 2, required)]
    pub name: String,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "flowcontrol.v1")]
pub struct ResourcePolicyRule {
    #[api(tag = 1, required, list = "set")]
    pub verbs: Vec<String>,
    #[api(tag = 2, required, list = "set")]
    pub api_groups: Vec<String>,
    #[api(tag = 3, required, list = "set")]
    pub resources: Vec<String>,
    #[api(tag = 4, omitempty)]
    pub cluster_scope: bool,
    #[api(tag = 5, list = "set")]
    pub namespaces: Vec<String>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "flowcontrol.v1")]
pub struct NonResourcePolicyRule {
    #[api(tag = 1, required, list = "set")]
    pub verbs: Vec<String>,
    #[api(tag = 6, json = "nonResourceURLs", required, list = "set")]
    pub non_resource_urls: Vec<String>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "flowcontrol.v1")]
pub struct FlowSchemaStatus {
    #[api(tag = 1, omitempty, list = "map", keys = "type", patch = "merge", key = "type")]
    pub conditions: Vec<FlowSchemaCondition>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "flowcontrol.v1")]
pub struct FlowSchemaCondition {
    #[api(tag = 1, omitempty)]
    pub type_: String,
    #[api(tag = 2, omitempty)]
    pub status: String,
    #[api(tag = 3, omitempty, nullable)]
    pub last_transition_time: Option<Time>,
    #[api(tag = 4, omitempty)]
    pub reason: String,
    #[api(tag = 5, omitempty)]
    pub message: String,
}
