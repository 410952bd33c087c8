use crate::Api;

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct SecurityContext {
    #[api(tag = 1)]
    pub capabilities: Option<Box<Capabilities>>,
    #[api(tag = 2)]
    pub privileged: Option<bool>,
    #[api(tag = 3)]
    pub se_linux_options: Option<Box<SELinuxOptions>>,
    #[api(tag = 10)]
    pub windows_options: Option<Box<WindowsSecurityContextOptions>>,
    #[api(tag = 4)]
    pub run_as_user: Option<i64>,
    #[api(tag = 8)]
    pub run_as_group: Option<i64>,
    #[api(tag = 5)]
    pub run_as_non_root: Option<bool>,
    #[api(tag = 6)]
    pub read_only_root_filesystem: Option<bool>,
    #[api(tag = 7)]
    pub allow_privilege_escalation: Option<bool>,
    #[api(tag = 9)]
    pub proc_mount: Option<String>,
    #[api(tag = 11)]
    pub seccomp_profile: Option<Box<SeccompProfile>>,
    #[api(tag = 12)]
    pub app_armor_profile: Option<Box<AppArmorProfile>>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct Capabilities {
    #[api(tag = 1, omitempty)]
    pub add: Vec<String>,
    #[api(tag = 2, omitempty)]
    pub drop: Vec<String>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct SELinuxOptions {
    #[api(tag = 1, omitempty)]
    pub user: String,
    #[api(tag = 2, omitempty)]
    pub role: String,
    #[api(tag = 3, omitempty)]
    pub type_: String,
    #[api(tag = 4, omitempty)]
    pub level: String,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct WindowsSecurityContextOptions {
    #[api(tag = 1)]
    pub gmsa_credential_spec_name: Option<String>,
    #[api(tag = 2)]
    pub gmsa_credential_spec: Option<String>,
    #[api(tag = 3)]
    pub run_as_user_name: Option<String>,
    #[api(tag = 4)]
    pub host_process: Option<bool>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct SeccompProfile {
    #[api(tag = 1, required)]
    pub type_: String,
    #[api(tag = 2)]
    pub localhost_profile: Option<String>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct AppArmorProfile {
    #[api(tag = 1, required)]
    pub type_: String,
    #[api(tag = 2)]
    pub localhost_profile: Option<String>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct PodSecurityContext {
    #[api(tag = 1)]
    pub se_linux_options: Option<Box<SELinuxOptions>>,
    #[api(tag = 8)]
    pub windows_options: Option<Box<WindowsSecurityContextOptions>>,
    #[api(tag = 2)]
    pub run_as_user: Option<i64>,
    #[api(tag = 6)]
    pub run_as_group: Option<i64>,
    #[api(tag = 3)]
    pub run_as_non_root: Option<bool>,
    #[api(tag = 4, omitempty)]
    pub supplemental_groups: Vec<i64>,
    #[api(tag = 12)]
    pub supplemental_groups_policy: Option<String>,
    #[api(tag = 5)]
    pub fs_group: Option<i64>,
    #[api(tag = 7, omitempty)]
    pub sysctls: Vec<Sysctl>,
    #[api(tag = 9)]
    pub fs_group_change_policy: Option<String>,
    #[api(tag = 10)]
    pub seccomp_profile: Option<Box<SeccompProfile>>,
    #[api(tag = 11)]
    pub app_armor_profile: Option<Box<AppArmorProfile>>,
    #[api(tag = 13)]
    pub se_linux_change_policy: Option<String>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct Sysctl {
    #[api(tag = 1, required)]
    pub name: String,
    #[api(tag = 2, required)]
    pub value: String,
}
