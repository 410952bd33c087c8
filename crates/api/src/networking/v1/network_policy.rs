use crate::Api;
use crate::IntOrString;
use crate::meta::v1::LabelSelector;
use crate::meta::v1::ObjectMeta;

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "networking.v1")]
#[kind(group = "networking.k8s.io", version = "v1", plural = "networkpolicies", short = "netpol")]
pub struct NetworkPolicy {
    #[api(tag = 1, omitempty)]
    pub metadata: ObjectMeta,
    #[api(tag = 2, omitempty)]
    pub spec: NetworkPolicySpec,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "networking.v1")]
pub struct NetworkPolicySpec {
    #[api(tag = 1)]
    pub pod_selector: LabelSelector,
    #[api(tag = 2, omitempty)]
    pub ingress: Vec<NetworkPolicyIngressRule>,
    #[api(tag = 3, omitempty)]
    pub egress: Vec<NetworkPolicyEgressRule>,
    #[api(tag = 4, omitempty)]
    pub policy_types: Vec<String>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "networking.v1")]
pub struct NetworkPolicyIngressRule {
    #[api(tag = 1, omitempty)]
    pub ports: Vec<NetworkPolicyPort>,
    #[api(tag = 2, omitempty)]
    pub from: Vec<NetworkPolicyPeer>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "networking.v1")]
pub struct NetworkPolicyPort {
    #[api(tag = 1)]
    pub protocol: Option<String>,
    #[api(tag = 2)]
    pub port: Option<IntOrString>,
    #[api(tag = 3)]
    pub end_port: Option<i32>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "networking.v1")]
pub struct NetworkPolicyPeer {
    #[api(tag = 1)]
    pub pod_selector: Option<Box<LabelSelector>>,
    #[api(tag = 2)]
    pub namespace_selector: Option<Box<LabelSelector>>,
    #[api(tag = 3)]
    pub ip_block: Option<Box<IPBlock>>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "networking.v1")]
pub struct IPBlock {
    #[api(tag = 1, required)]
    pub cidr: String,
    #[api(tag = 2, omitempty)]
    pub except: Vec<String>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "networking.v1")]
pub struct NetworkPolicyEgressRule {
    #[api(tag = 1, omitempty)]
    pub ports: Vec<NetworkPolicyPort>,
    #[api(tag = 2, omitempty)]
    pub to: Vec<NetworkPolicyPeer>,
}
