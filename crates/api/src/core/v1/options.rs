use crate::Api;
use crate::Time;

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
#[kind(group = "", version = "v1", bare)]
pub struct PodLogOptions {
    #[api(tag = 1, omitempty)]
    pub container: String,
    #[api(tag = 2, omitempty)]
    pub follow: bool,
    #[api(tag = 3, omitempty)]
    pub previous: bool,
    #[api(tag = 4)]
    pub since_seconds: Option<i64>,
    #[api(tag = 5)]
    pub since_time: Option<Time>,
    #[api(tag = 6, omitempty)]
    pub timestamps: bool,
    #[api(tag = 7)]
    pub tail_lines: Option<i64>,
    #[api(tag = 8)]
    pub limit_bytes: Option<i64>,
    #[api(tag = 9, json = "insecureSkipTLSVerifyBackend", omitempty)]
    pub insecure_skip_tls_verify_backend: bool,
    #[api(tag = 10)]
    pub stream: Option<String>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
#[kind(group = "", version = "v1", bare)]
pub struct PodAttachOptions {
    #[api(tag = 1, omitempty)]
    pub stdin: bool,
    #[api(tag = 2, omitempty)]
    pub stdout: bool,
    #[api(tag = 3, omitempty)]
    pub stderr: bool,
    #[api(tag = 4, omitempty)]
    pub tty: bool,
    #[api(tag = 5, omitempty)]
    pub container: String,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
#[kind(group = "", version = "v1", bare)]
pub struct PodExecOptions {
    #[api(tag = 1, omitempty)]
    pub stdin: bool,
    #[api(tag = 2, omitempty)]
    pub stdout: bool,
    #[api(tag = 3, omitempty)]
    pub stderr: bool,
    #[api(tag = 4, omitempty)]
    pub tty: bool,
    #[api(tag = 5, omitempty)]
    pub container: String,
    #[api(tag = 6, required)]
    pub command: Vec<String>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
#[kind(group = "", version = "v1", bare)]
pub struct PodPortForwardOptions {
    #[api(tag = 1, omitempty)]
    pub ports: Vec<i32>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
#[kind(group = "", version = "v1", bare)]
pub struct PodProxyOptions {
    #[api(tag = 1, omitempty)]
    pub path: String,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
#[kind(group = "", version = "v1", bare)]
pub struct NodeProxyOptions {
    #[api(tag = 1, omitempty)]
    pub path: String,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
#[kind(group = "", version = "v1", bare)]
pub struct ServiceProxyOptions {
    #[api(tag = 1, omitempty)]
    pub path: String,
}
