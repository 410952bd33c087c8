use crate::Api;
use crate::core::v1::TypedLocalObjectReference;
use crate::meta::v1::ObjectMeta;

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "networking.v1")]
#[kind(
    group = "networking.k8s.io",
    version = "v1",
    plural = "ingresses",
    storage = "ingress",
    short = "ing",
    subresources = "status"
)]
pub struct Ingress {
    #[api(tag = 1, omitempty)]
    pub metadata: ObjectMeta,
    #[api(tag = 2, omitempty)]
    pub spec: IngressSpec,
    #[api(tag = 3, omitempty)]
    pub status: IngressStatus,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "networking.v1")]
pub struct IngressSpec {
    #[api(tag = 4)]
    pub ingress_class_name: Option<String>,
    #[api(tag = 1)]
    pub default_backend: Option<Box<IngressBackend>>,
    #[api(tag = 2, omitempty)]
    pub tls: Vec<IngressTLS>,
    #[api(tag = 3, omitempty)]
    pub rules: Vec<IngressRule>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "networking.v1")]
pub struct IngressBackend {
    #[api(tag = 4)]
    pub service: Option<Box<IngressServiceBackend>>,
    #[api(tag = 3)]
    pub resource: Option<Box<TypedLocalObjectReference>>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "networking.v1")]
pub struct IngressServiceBackend {
    #[api(tag = 1, required)]
    pub name: String,
    #[api(tag = 2, omitempty)]
    pub port: ServiceBackendPort,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "networking.v1")]
pub struct ServiceBackendPort {
    #[api(tag = 1, omitempty)]
    pub name: String,
    #[api(tag = 2, omitempty)]
    pub number: i32,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "networking.v1")]
pub struct IngressTLS {
    #[api(tag = 1, omitempty)]
    pub hosts: Vec<String>,
    #[api(tag = 2, omitempty)]
    pub secret_name: String,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "networking.v1")]
pub struct IngressRule {
    #[api(tag = 1, omitempty)]
    pub host: String,
    #[api(tag = 2, inline)]
    pub ingress_rule_value: IngressRuleValue,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "networking.v1")]
pub struct IngressRuleValue {
    #[api(tag = 1)]
    pub http: Option<Box<HTTPIngressRuleValue>>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "networking.v1")]
pub struct HTTPIngressRuleValue {
    #[api(tag = 1, required)]
    pub paths: Vec<HTTPIngressPath>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "networking.v1")]
pub struct HTTPIngressPath {
    #[api(tag = 1, omitempty)]
    pub path: String,
    #[api(tag = 3, required)]
    pub path_type: Option<String>,
    #[api(tag = 2, required)]
    pub backend: IngressBackend,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "networking.v1")]
pub struct IngressStatus {
    #[api(tag = 1, omitempty)]
    pub load_balancer: IngressLoadBalancerStatus,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "networking.v1")]
pub struct IngressLoadBalancerStatus {
    #[api(tag = 1, omitempty)]
    pub ingress: Vec<IngressLoadBalancerIngress>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "networking.v1")]
pub struct IngressLoadBalancerIngress {
    #[api(tag = 1, omitempty)]
    pub ip: String,
    #[api(tag = 2, omitempty)]
    pub hostname: String,
    #[api(tag = 4, omitempty)]
    pub ports: Vec<IngressPortStatus>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "networking.v1")]
pub struct IngressPortStatus {
    #[api(tag = 1, required)]
    pub port: i32,
    #[api(tag = 2, required)]
    pub protocol: String,
    #[api(tag = 3)]
    pub error: Option<String>,
}
