use crate::Api;
use crate::IntOrString;

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct Probe {
    #[api(tag = 1, inline)]
    pub probe_handler: ProbeHandler,
    #[api(tag = 2, omitempty)]
    pub initial_delay_seconds: i32,
    #[api(tag = 3, omitempty)]
    pub timeout_seconds: i32,
    #[api(tag = 4, omitempty)]
    pub period_seconds: i32,
    #[api(tag = 5, omitempty)]
    pub success_threshold: i32,
    #[api(tag = 6, omitempty)]
    pub failure_threshold: i32,
    #[api(tag = 7)]
    pub termination_grace_period_seconds: Option<i64>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct ProbeHandler {
    #[api(tag = 1)]
    pub exec: Option<Box<ExecAction>>,
    #[api(tag = 2)]
    pub http_get: Option<Box<HTTPGetAction>>,
    #[api(tag = 3)]
    pub tcp_socket: Option<Box<TCPSocketAction>>,
    #[api(tag = 4)]
    pub grpc: Option<Box<GRPCAction>>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct ExecAction {
    #[api(tag = 1, omitempty)]
    pub command: Vec<String>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct HTTPGetAction {
    #[api(tag = 1, omitempty)]
    pub path: String,
    #[api(tag = 2, required)]
    pub port: IntOrString,
    #[api(tag = 3, omitempty)]
    pub host: String,
    #[api(tag = 4, omitempty)]
    pub scheme: String,
    #[api(tag = 5, omitempty)]
    pub http_headers: Vec<HTTPHeader>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct HTTPHeader {
    #[api(tag = 1, required)]
    pub name: String,
    #[api(tag = 2, required)]
    pub value: String,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct TCPSocketAction {
    #[api(tag = 1, required)]
    pub port: IntOrString,
    #[api(tag = 2, omitempty)]
    pub host: String,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct GRPCAction {
    #[api(tag = 1, required)]
    pub port: i32,
    #[api(tag = 2, default = "\"\"")]
    pub service: Option<String>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct Lifecycle {
    #[api(tag = 1)]
    pub post_start: Option<Box<LifecycleHandler>>,
    #[api(tag = 2)]
    pub pre_stop: Option<Box<LifecycleHandler>>,
    #[api(tag = 3)]
    pub stop_signal: Option<String>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct LifecycleHandler {
    #[api(tag = 1)]
    pub exec: Option<Box<ExecAction>>,
    #[api(tag = 2)]
    pub http_get: Option<Box<HTTPGetAction>>,
    #[api(tag = 3)]
    pub tcp_socket: Option<Box<TCPSocketAction>>,
    #[api(tag = 4)]
    pub sleep: Option<Box<SleepAction>>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct SleepAction {
    #[api(tag = 1, required)]
    pub seconds: i64,
}
