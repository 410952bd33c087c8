use super::*;
use crate::Api;
use crate::Time;
use crate::meta::v1::ObjectMeta;

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "batch.v1")]
#[kind(group = "batch", version = "v1", plural = "jobs", categories = "all", subresources = "status")]
pub struct Job {
    #[api(tag = 1, omitempty)]
    pub metadata: ObjectMeta,
    #[api(tag = 2, omitempty)]
    pub spec: JobSpec,
    #[api(tag = 3, omitempty)]
    pub status: JobStatus,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "batch.v1")]
pub struct JobStatus {
    #[api(tag = 1, omitempty, patch = "merge", key = "type")]
    pub conditions: Vec<JobCondition>,
    #[api(tag = 2)]
    pub start_time: Option<Time>,
    #[api(tag = 3)]
    pub completion_time: Option<Time>,
    #[api(tag = 4, omitempty)]
    pub active: i32,
    #[api(tag = 5, omitempty)]
    pub succeeded: i32,
    #[api(tag = 6, omitempty)]
    pub failed: i32,
    #[api(tag = 11)]
    pub terminating: Option<i32>,
    #[api(tag = 7, omitempty)]
    pub completed_indexes: String,
    #[api(tag = 10)]
    pub failed_indexes: Option<String>,
    #[api(tag = 8)]
    pub uncounted_terminated_pods: Option<Box<UncountedTerminatedPods>>,
    #[api(tag = 9)]
    pub ready: Option<i32>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "batch.v1")]
pub struct JobCondition {
    #[api(tag = 1, required)]
    pub type_: String,
    #[api(tag = 2, required)]
    pub status: String,
    #[api(tag = 3, omitempty, nullable)]
    pub last_probe_time: Option<Time>,
    #[api(tag = 4, omitempty, nullable)]
    pub last_transition_time: Option<Time>,
    #[api(tag = 5, omitempty)]
    pub reason: String,
    #[api(tag = 6, omitempty)]
    pub message: String,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "batch.v1")]
pub struct UncountedTerminatedPods {
    #[api(tag = 1, omitempty, list = "set")]
    pub succeeded: Vec<String>,
    #[api(tag = 2, omitempty, list = "set")]
    pub failed: Vec<String>,
}
