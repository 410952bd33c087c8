use super::*;
use crate::Api;
use crate::Quantity;
use crate::meta::v1::LabelSelector;
use crate::meta::v1::ObjectMeta;
use std::collections::BTreeMap;

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct PodTemplateSpec {
    #[api(tag = 1, omitempty)]
    pub metadata: ObjectMeta,
    #[api(tag = 2, omitempty)]
    pub spec: PodSpec,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct PodSpec {
    #[api(tag = 1, omitempty, list = "map", keys = "name", patch = "merge,retainKeys", key = "name")]
    pub volumes: Vec<Volume>,
    #[api(tag = 20, omitempty, list = "map", keys = "name", patch = "merge", key = "name")]
    pub init_containers: Vec<Container>,
    #[api(tag = 2, required, list = "map", keys = "name", patch = "merge", key = "name")]
    pub containers: Vec<Container>,
    #[api(tag = 34, omitempty, list = "map", keys = "name", patch = "merge", key = "name")]
    pub ephemeral_containers: Vec<EphemeralContainer>,
    #[api(tag = 3, omitempty)]
    pub restart_policy: String,
    #[api(tag = 4)]
    pub termination_grace_period_seconds: Option<i64>,
    #[api(tag = 5)]
    pub active_deadline_seconds: Option<i64>,
    #[api(tag = 6, omitempty)]
    pub dns_policy: String,
    #[api(tag = 7, omitempty, atomic)]
    pub node_selector: BTreeMap<String, String>,
    #[api(tag = 8, omitempty)]
    pub service_account_name: String,
    #[api(tag = 9, omitempty)]
    pub service_account: String,
    #[api(tag = 21)]
    pub automount_service_account_token: Option<bool>,
    #[api(tag = 10, omitempty)]
    pub node_name: String,
    #[api(tag = 11, omitempty)]
    pub host_network: bool,
    #[api(tag = 12, json = "hostPID", omitempty)]
    pub host_pid: bool,
    #[api(tag = 13, json = "hostIPC", omitempty)]
    pub host_ipc: bool,
    #[api(tag = 27)]
    pub share_process_namespace: Option<bool>,
    #[api(tag = 14)]
    pub security_context: Option<Box<PodSecurityContext>>,
    #[api(tag = 15, omitempty, list = "map", keys = "name", patch = "merge", key = "name")]
    pub image_pull_secrets: Vec<LocalObjectReference>,
    #[api(tag = 16, omitempty)]
    pub hostname: String,
    #[api(tag = 17, omitempty)]
    pub subdomain: String,
    #[api(tag = 18)]
    pub affinity: Option<Box<Affinity>>,
    #[api(tag = 19, omitempty)]
    pub scheduler_name: String,
    #[api(tag = 22, omitempty)]
    pub tolerations: Vec<Toleration>,
    #[api(tag = 23, omitempty, list = "map", keys = "ip", patch = "merge", key = "ip")]
    pub host_aliases: Vec<HostAlias>,
    #[api(tag = 24, omitempty)]
    pub priority_class_name: String,
    #[api(tag = 25)]
    pub priority: Option<i32>,
    #[api(tag = 26)]
    pub dns_config: Option<Box<PodDNSConfig>>,
    #[api(tag = 28, omitempty)]
    pub readiness_gates: Vec<PodReadinessGate>,
    #[api(tag = 29)]
    pub runtime_class_name: Option<String>,
    #[api(tag = 30)]
    pub enable_service_links: Option<bool>,
    #[api(tag = 31)]
    pub preemption_policy: Option<String>,
    #[api(tag = 32, omitempty)]
    pub overhead: BTreeMap<String, Quantity>,
    #[api(
        tag = 33,
        omitempty,
        list = "map",
        keys = "topologyKey,whenUnsatisfiable",
        patch = "merge",
        key = "topologyKey"
    )]
    pub topology_spread_constraints: Vec<TopologySpreadConstraint>,
    #[api(tag = 35, json = "setHostnameAsFQDN")]
    pub set_hostname_as_fqdn: Option<bool>,
    #[api(tag = 36)]
    pub os: Option<Box<PodOS>>,
    #[api(tag = 37)]
    pub host_users: Option<bool>,
    #[api(tag = 38, omitempty, list = "map", keys = "name", patch = "merge", key = "name")]
    pub scheduling_gates: Vec<PodSchedulingGate>,
    #[api(tag = 39, omitempty, list = "map", keys = "name", patch = "merge,retainKeys", key = "name")]
    pub resource_claims: Vec<PodResourceClaim>,
    #[api(tag = 40)]
    pub resources: Option<Box<ResourceRequirements>>,
    #[api(tag = 41)]
    pub hostname_override: Option<String>,
    #[api(tag = 42)]
    pub workload_ref: Option<Box<WorkloadReference>>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct HostAlias {
    #[api(tag = 1, required)]
    pub ip: String,
    #[api(tag = 2, omitempty)]
    pub hostnames: Vec<String>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct PodDNSConfig {
    #[api(tag = 1, omitempty)]
    pub nameservers: Vec<String>,
    #[api(tag = 2, omitempty)]
    pub searches: Vec<String>,
    #[api(tag = 3, omitempty)]
    pub options: Vec<PodDNSConfigOption>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct PodDNSConfigOption {
    #[api(tag = 1, omitempty)]
    pub name: String,
    #[api(tag = 2)]
    pub value: Option<String>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct PodReadinessGate {
    #[api(tag = 1, required)]
    pub condition_type: String,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct TopologySpreadConstraint {
    #[api(tag = 1, required)]
    pub max_skew: i32,
    #[api(tag = 2, required)]
    pub topology_key: String,
    #[api(tag = 3, required)]
    pub when_unsatisfiable: String,
    #[api(tag = 4)]
    pub label_selector: Option<Box<LabelSelector>>,
    #[api(tag = 5)]
    pub min_domains: Option<i32>,
    #[api(tag = 6)]
    pub node_affinity_policy: Option<String>,
    #[api(tag = 7)]
    pub node_taints_policy: Option<String>,
    #[api(tag = 8, omitempty)]
    pub match_label_keys: Vec<String>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct PodOS {
    #[api(tag = 1, required)]
    pub name: String,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct PodSchedulingGate {
    #[api(tag = 1, required)]
    pub name: String,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct PodResourceClaim {
    #[api(tag = 1, required)]
    pub name: String,
    #[api(tag = 3)]
    pub resource_claim_name: Option<String>,
    #[api(tag = 4)]
    pub resource_claim_template_name: Option<String>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct WorkloadReference {
    #[api(tag = 1, required)]
    pub name: String,
    #[api(tag = 2, required)]
    pub pod_group: String,
    #[api(tag = 3, omitempty)]
    pub pod_group_replica_key: String,
}
