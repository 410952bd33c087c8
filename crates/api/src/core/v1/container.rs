use super::*;
use crate::Api;

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct Container {
    #[api(tag = 1, required)]
    pub name: String,
    #[api(tag = 2, omitempty)]
    pub image: String,
    #[api(tag = 3, omitempty)]
    pub command: Vec<String>,
    #[api(tag = 4, omitempty)]
    pub args: Vec<String>,
    #[api(tag = 5, omitempty)]
    pub working_dir: String,
    #[api(
        tag = 6,
        omitempty,
        list = "map",
        keys = "containerPort,protocol",
        patch = "merge",
        key = "containerPort"
    )]
    pub ports: Vec<ContainerPort>,
    #[api(tag = 19, omitempty)]
    pub env_from: Vec<EnvFromSource>,
    #[api(tag = 7, omitempty, list = "map", keys = "name", patch = "merge", key = "name")]
    pub env: Vec<EnvVar>,
    #[api(tag = 8, omitempty)]
    pub resources: ResourceRequirements,
    #[api(tag = 23, omitempty)]
    pub resize_policy: Vec<ContainerResizePolicy>,
    #[api(tag = 24)]
    pub restart_policy: Option<String>,
    #[api(tag = 25, omitempty)]
    pub restart_policy_rules: Vec<ContainerRestartRule>,
    #[api(tag = 9, omitempty, list = "map", keys = "mountPath", patch = "merge", key = "mountPath")]
    pub volume_mounts: Vec<VolumeMount>,
    #[api(tag = 21, omitempty, list = "map", keys = "devicePath", patch = "merge", key = "devicePath")]
    pub volume_devices: Vec<VolumeDevice>,
    #[api(tag = 10)]
    pub liveness_probe: Option<Box<Probe>>,
    #[api(tag = 11)]
    pub readiness_probe: Option<Box<Probe>>,
    #[api(tag = 22)]
    pub startup_probe: Option<Box<Probe>>,
    #[api(tag = 12)]
    pub lifecycle: Option<Box<Lifecycle>>,
    #[api(tag = 13, omitempty)]
    pub termination_message_path: String,
    #[api(tag = 20, omitempty)]
    pub termination_message_policy: String,
    #[api(tag = 14, omitempty)]
    pub image_pull_policy: String,
    #[api(tag = 15)]
    pub security_context: Option<Box<SecurityContext>>,
    #[api(tag = 16, omitempty)]
    pub stdin: bool,
    #[api(tag = 17, omitempty)]
    pub stdin_once: bool,
    #[api(tag = 18, omitempty)]
    pub tty: bool,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct ContainerPort {
    #[api(tag = 1, omitempty)]
    pub name: String,
    #[api(tag = 2, omitempty)]
    pub host_port: i32,
    #[api(tag = 3, required)]
    pub container_port: i32,
    #[api(tag = 4, omitempty, default = "\"TCP\"")]
    pub protocol: String,
    #[api(tag = 5, json = "hostIP", omitempty)]
    pub host_ip: String,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct ContainerResizePolicy {
    #[api(tag = 1, required)]
    pub resource_name: String,
    #[api(tag = 2, required)]
    pub restart_policy: String,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct ContainerRestartRule {
    #[api(tag = 1, omitempty)]
    pub action: String,
    #[api(tag = 2)]
    pub exit_codes: Option<Box<ContainerRestartRuleOnExitCodes>>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct ContainerRestartRuleOnExitCodes {
    #[api(tag = 1, omitempty)]
    pub operator: String,
    #[api(tag = 2, omitempty, list = "set")]
    pub values: Vec<i32>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct VolumeMount {
    #[api(tag = 1, required)]
    pub name: String,
    #[api(tag = 2, omitempty)]
    pub read_only: bool,
    #[api(tag = 7)]
    pub recursive_read_only: Option<String>,
    #[api(tag = 3, required)]
    pub mount_path: String,
    #[api(tag = 4, omitempty)]
    pub sub_path: String,
    #[api(tag = 5)]
    pub mount_propagation: Option<String>,
    #[api(tag = 6, omitempty)]
    pub sub_path_expr: String,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct VolumeDevice {
    #[api(tag = 1, required)]
    pub name: String,
    #[api(tag = 2, required)]
    pub device_path: String,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct EphemeralContainer {
    #[api(tag = 1, inline)]
    pub ephemeral_container_common: EphemeralContainerCommon,
    #[api(tag = 2, omitempty)]
    pub target_container_name: String,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct EphemeralContainerCommon {
    #[api(tag = 1, required)]
    pub name: String,
    #[api(tag = 2, omitempty)]
    pub image: String,
    #[api(tag = 3, omitempty)]
    pub command: Vec<String>,
    #[api(tag = 4, omitempty)]
    pub args: Vec<String>,
    #[api(tag = 5, omitempty)]
    pub working_dir: String,
    #[api(
        tag = 6,
        omitempty,
        list = "map",
        keys = "containerPort,protocol",
        patch = "merge",
        key = "containerPort"
    )]
    pub ports: Vec<ContainerPort>,
    #[api(tag = 19, omitempty)]
    pub env_from: Vec<EnvFromSource>,
    #[api(tag = 7, omitempty, list = "map", keys = "name", patch = "merge", key = "name")]
    pub env: Vec<EnvVar>,
    #[api(tag = 8, omitempty)]
    pub resources: ResourceRequirements,
    #[api(tag = 23, omitempty)]
    pub resize_policy: Vec<ContainerResizePolicy>,
    #[api(tag = 24)]
    pub restart_policy: Option<String>,
    #[api(tag = 25, omitempty)]
    pub restart_policy_rules: Vec<ContainerRestartRule>,
    #[api(tag = 9, omitempty, list = "map", keys = "mountPath", patch = "merge", key = "mountPath")]
    pub volume_mounts: Vec<VolumeMount>,
    #[api(tag = 21, omitempty, list = "map", keys = "devicePath", patch = "merge", key = "devicePath")]
    pub volume_devices: Vec<VolumeDevice>,
    #[api(tag = 10)]
    pub liveness_probe: Option<Box<Probe>>,
    #[api(tag = 11)]
    pub readiness_probe: Option<Box<Probe>>,
    #[api(tag = 22)]
    pub startup_probe: Option<Box<Probe>>,
    #[api(tag = 12)]
    pub lifecycle: Option<Box<Lifecycle>>,
    #[api(tag = 13, omitempty)]
    pub termination_message_path: String,
    #[api(tag = 20, omitempty)]
    pub termination_message_policy: String,
    #[api(tag = 14, omitempty)]
    pub image_pull_policy: String,
    #[api(tag = 15)]
    pub security_context: Option<Box<SecurityContext>>,
    #[api(tag = 16, omitempty)]
    pub stdin: bool,
    #[api(tag = 17, omitempty)]
    pub stdin_once: bool,
    #[api(tag = 18, omitempty)]
    pub tty: bool,
}
