use super::*;
use crate::Api;
use crate::Quantity;
use crate::Time;
use std::collections::BTreeMap;

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct ContainerStatus {
    #[api(tag = 1, required)]
    pub name: String,
    #[api(tag = 2, omitempty)]
    pub state: ContainerState,
    #[api(tag = 3, omitempty)]
    pub last_state: ContainerState,
    #[api(tag = 4, required)]
    pub ready: bool,
    #[api(tag = 5, required)]
    pub restart_count: i32,
    #[api(tag = 6, required)]
    pub image: String,
    #[api(tag = 7, json = "imageID", required)]
    pub image_id: String,
    #[api(tag = 8, json = "containerID", omitempty)]
    pub container_id: String,
    #[api(tag = 9)]
    pub started: Option<bool>,
    #[api(tag = 10, omitempty)]
    pub allocated_resources: BTreeMap<String, Quantity>,
    #[api(tag = 11)]
    pub resources: Option<Box<ResourceRequirements>>,
    #[api(tag = 12, omitempty, list = "map", keys = "mountPath", patch = "merge", key = "mountPath")]
    pub volume_mounts: Vec<VolumeMountStatus>,
    #[api(tag = 13)]
    pub user: Option<Box<ContainerUser>>,
    #[api(tag = 14, omitempty, list = "map", keys = "name", patch = "merge", key = "name")]
    pub allocated_resources_status: Vec<ResourceStatus>,
    #[api(tag = 15)]
    pub stop_signal: Option<String>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct ContainerState {
    #[api(tag = 1)]
    pub waiting: Option<Box<ContainerStateWaiting>>,
    #[api(tag = 2)]
    pub running: Option<Box<ContainerStateRunning>>,
    #[api(tag = 3)]
    pub terminated: Option<Box<ContainerStateTerminated>>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct ContainerStateWaiting {
    #[api(tag = 1, omitempty)]
    pub reason: String,
    #[api(tag = 2, omitempty)]
    pub message: String,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct ContainerStateRunning {
    #[api(tag = 1, omitempty, nullable)]
    pub started_at: Option<Time>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct ContainerStateTerminated {
    #[api(tag = 1, required)]
    pub exit_code: i32,
    #[api(tag = 2, omitempty)]
    pub signal: i32,
    #[api(tag = 3, omitempty)]
    pub reason: String,
    #[api(tag = 4, omitempty)]
    pub message: String,
    #[api(tag = 5, omitempty, nullable)]
    pub started_at: Option<Time>,
    #[api(tag = 6, omitempty, nullable)]
    pub finished_at: Option<Time>,
    #[api(tag = 7, json = "containerID", omitempty)]
    pub container_id: String,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct VolumeMountStatus {
    #[api(tag = 1, required)]
    pub name: String,
    #[api(tag = 2, required)]
    pub mount_path: String,
    #[api(tag = 3, omitempty)]
    pub read_only: bool,
    #[api(tag = 4)]
    pub recursive_read_only: Option<String>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct ContainerUser {
    #[api(tag = 1)]
    pub linux: Option<Box<LinuxContainerUser>>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct LinuxContainerUser {
    #[api(tag = 1, required)]
    pub uid: i64,
    #[api(tag = 2, required)]
    pub gid: i64,
    #[api(tag = 3, omitempty)]
    pub supplemental_groups: Vec<i64>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct ResourceStatus {
    #[api(tag = 1, required)]
    pub name: String,
    #[api(tag = 2, omitempty, list = "map", keys = "resourceID")]
    pub resources: Vec<ResourceHealth>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct ResourceHealth {
    #[api(tag = 1, json = "resourceID", required)]
    pub resource_id: String,
    #[api(tag = 2, omitempty)]
    pub health: String,
}
