use crate::Api;
use crate::meta::v1::LabelSelector;

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct NodeSelector {
    #[api(tag = 1, required)]
    pub node_selector_terms: Vec<NodeSelectorTerm>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct NodeSelectorTerm {
    #[api(tag = 1, omitempty)]
    pub match_expressions: Vec<NodeSelectorRequirement>,
    #[api(tag = 2, omitempty)]
    pub match_fields: Vec<NodeSelectorRequirement>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct NodeSelectorRequirement {
    #[api(tag = 1, required)]
    pub key: String,
    #[api(tag = 2, required)]
    pub operator: String,
    #[api(tag = 3, omitempty)]
    pub values: Vec<String>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct Affinity {
    #[api(tag = 1)]
    pub node_affinity: Option<Box<NodeAffinity>>,
    #[api(tag = 2)]
    pub pod_affinity: Option<Box<PodAffinity>>,
    #[api(tag = 3)]
    pub pod_anti_affinity: Option<Box<PodAntiAffinity>>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct NodeAffinity {
    #[api(tag = 1)]
    pub required_during_scheduling_ignored_during_execution: Option<Box<NodeSelector>>,
    #[api(tag = 2, omitempty)]
    pub preferred_during_scheduling_ignored_during_execution: Vec<PreferredSchedulingTerm>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct PreferredSchedulingTerm {
    #[api(tag = 1, required)]
    pub weight: i32,
    #[api(tag = 2, required)]
    pub preference: NodeSelectorTerm,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct PodAffinity {
    #[api(tag = 1, omitempty)]
    pub required_during_scheduling_ignored_during_execution: Vec<PodAffinityTerm>,
    #[api(tag = 2, omitempty)]
    pub preferred_during_scheduling_ignored_during_execution: Vec<WeightedPodAffinityTerm>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct PodAffinityTerm {
    #[api(tag = 1)]
    pub label_selector: Option<Box<LabelSelector>>,
    #[api(tag = 2, omitempty)]
    pub namespaces: Vec<String>,
    #[api(tag = 3, required)]
    pub topology_key: String,
    #[api(tag = 4)]
    pub namespace_selector: Option<Box<LabelSelector>>,
    #[api(tag = 5, omitempty)]
    pub match_label_keys: Vec<String>,
    #[api(tag = 6, omitempty)]
    pub mismatch_label_keys: Vec<String>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct WeightedPodAffinityTerm {
    #[api(tag = 1, required)]
    pub weight: i32,
    #[api(tag = 2, required)]
    pub pod_affinity_term: PodAffinityTerm,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct PodAntiAffinity {
    #[api(tag = 1, omitempty)]
    pub required_during_scheduling_ignored_during_execution: Vec<PodAffinityTerm>,
    #[api(tag = 2, omitempty)]
    pub preferred_during_scheduling_ignored_during_execution: Vec<WeightedPodAffinityTerm>,
}
