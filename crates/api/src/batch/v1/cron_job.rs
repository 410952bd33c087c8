use crate::Api;
use crate::Time;
use crate::core::v1::ObjectReference;
use crate::core::v1::PodTemplateSpec;
use crate::meta::v1::LabelSelector;
use crate::meta::v1::ObjectMeta;

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "batch.v1")]
#[kind(
    group = "batch",
    version = "v1",
    plural = "cronjobs",
    short = "cj",
    categories = "all",
    subresources = "status"
)]
pub struct CronJob {
    #[api(tag = 1, omitempty)]
    pub metadata: ObjectMeta,
    #[api(tag = 2, omitempty)]
    pub spec: CronJobSpec,
    #[api(tag = 3, omitempty)]
    pub status: CronJobStatus,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "batch.v1")]
pub struct CronJobSpec {
    #[api(tag = 1, required)]
    pub schedule: String,
    #[api(tag = 8)]
    pub time_zone: Option<String>,
    #[api(tag = 2)]
    pub starting_deadline_seconds: Option<i64>,
    #[api(tag = 3, omitempty)]
    pub concurrency_policy: String,
    #[api(tag = 4)]
    pub suspend: Option<bool>,
    #[api(tag = 5, required)]
    pub job_template: JobTemplateSpec,
    #[api(tag = 6)]
    pub successful_jobs_history_limit: Option<i32>,
    #[api(tag = 7)]
    pub failed_jobs_history_limit: Option<i32>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "batch.v1")]
pub struct JobTemplateSpec {
    #[api(tag = 1, omitempty)]
    pub metadata: ObjectMeta,
    #[api(tag = 2, omitempty)]
    pub spec: JobSpec,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "batch.v1")]
pub struct JobSpec {
    #[api(tag = 1)]
    pub parallelism: Option<i32>,
    #[api(tag = 2)]
    pub completions: Option<i32>,
    #[api(tag = 3)]
    pub active_deadline_seconds: Option<i64>,
    #[api(tag = 11)]
    pub pod_failure_policy: Option<Box<PodFailurePolicy>>,
    #[api(tag = 16)]
    pub success_policy: Option<Box<SuccessPolicy>>,
    #[api(tag = 7)]
    pub backoff_limit: Option<i32>,
    #[api(tag = 12)]
    pub backoff_limit_per_index: Option<i32>,
    #[api(tag = 13)]
    pub max_failed_indexes: Option<i32>,
    #[api(tag = 4)]
    pub selector: Option<Box<LabelSelector>>,
    #[api(tag = 5)]
    pub manual_selector: Option<bool>,
    #[api(tag = 6, required)]
    pub template: PodTemplateSpec,
    #[api(tag = 8)]
    pub ttl_seconds_after_finished: Option<i32>,
    #[api(tag = 9)]
    pub completion_mode: Option<String>,
    #[api(tag = 10)]
    pub suspend: Option<bool>,
    #[api(tag = 14)]
    pub pod_replacement_policy: Option<String>,
    #[api(tag = 15)]
    pub managed_by: Option<String>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "batch.v1")]
pub struct PodFailurePolicy {
    #[api(tag = 1, required)]
    pub rules: Vec<PodFailurePolicyRule>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "batch.v1")]
pub struct PodFailurePolicyRule {
    #[api(tag = 1, required)]
    pub action: String,
    #[api(tag = 2)]
    pub on_exit_codes: Option<Box<PodFailurePolicyOnExitCodesRequirement>>,
    #[api(tag = 3, omitempty)]
    pub on_pod_conditions: Vec<PodFailurePolicyOnPodConditionsPattern>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "batch.v1")]
pub struct PodFailurePolicyOnExitCodesRequirement {
    #[api(tag = 1)]
    pub container_name: Option<String>,
    #[api(tag = 2, required)]
    pub operator: String,
    #[api(tag = 3, required, list = "set")]
    pub values: Vec<i32>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "batch.v1")]
pub struct PodFailurePolicyOnPodConditionsPattern {
    #[api(tag = 1, required)]
    pub type_: String,
    #[api(tag = 2)]
    pub status: String,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "batch.v1")]
pub struct SuccessPolicy {
    #[api(tag = 1, required)]
    pub rules: Vec<SuccessPolicyRule>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "batch.v1")]
pub struct SuccessPolicyRule {
    #[api(tag = 1)]
    pub succeeded_indexes: Option<String>,
    #[api(tag = 2)]
    pub succeeded_count: Option<i32>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "batch.v1")]
pub struct CronJobStatus {
    #[api(tag = 1, omitempty)]
    pub active: Vec<ObjectReference>,
    #[api(tag = 4)]
    pub last_schedule_time: Option<Time>,
    #[api(tag = 5)]
    pub last_successful_time: Option<Time>,
}
