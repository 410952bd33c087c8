//! Which nodes a pod may or would rather run on: `nodeSelector` and `affinity.nodeAffinity`
//! (component-helpers `scheduling/corev1/nodeaffinity`), compiled once and asked per node.

use corten_api::core::v1::{Node, NodeSelector, NodeSelectorRequirement, NodeSelectorTerm, Pod};
use corten_api::selector::{Operator, Requirement};
use std::collections::{BTreeMap, BTreeSet};

/// The nodes that a pod may run on.
#[derive(Clone, Debug, Default)]
pub struct RequiredNodes {
    labels: BTreeMap<String, String>,
    terms: Option<Vec<Term>>,
}

/// The nodes that a pod would rather run on, each with its weight.
#[derive(Clone, Debug, Default)]
pub struct PreferredNodes(Vec<(i64, Term)>);

/// One alternative of a node selector: all its conditions must hold.
#[derive(Clone, Debug)]
struct Term {
    labels: Vec<Requirement>,
    /// On `metadata.name`, the only field there is.
    name: Vec<Requirement>,
}

impl RequiredNodes {
    /// What `pod` requires while it is being scheduled.
    pub fn of(pod: &Pod) -> Self {
        let affinity = pod.spec.affinity.as_ref().and_then(|a| a.node_affinity.as_ref());
        let required =
            affinity.and_then(|a| a.required_during_scheduling_ignored_during_execution.as_deref());
        RequiredNodes { labels: pod.spec.node_selector.clone(), terms: required.map(compile) }
    }

    /// What a selector alone requires (of a volume, say).
    pub fn of_selector(selector: &NodeSelector) -> Self {
        RequiredNodes { labels: BTreeMap::new(), terms: Some(compile(selector)) }
    }

    /// Whether every node will do.
    pub fn is_any(&self) -> bool {
        self.labels.is_empty() && self.terms.is_none()
    }

    /// Whether `node` will do.
    pub fn matches(&self, node: &Node) -> bool {
        let have = &node.metadata.labels;
        self.labels.iter().all(|(key, value)| have.get(key) == Some(value))
            && self.terms.as_ref().is_none_or(|terms| terms.iter().any(|t| t.matches(node)))
    }

    /// The names of the only nodes that can match, when every alternative names its nodes.
    pub fn names(&self) -> Option<BTreeSet<String>> {
        let mut names = BTreeSet::new();
        for term in self.terms.as_ref().filter(|terms| !terms.is_empty())? {
            let mut wanted = term.name.iter().filter(|r| r.operator == Operator::In);
            let mut of_term = wanted.next()?.values.clone();
            for requirement in wanted {
                of_term.retain(|name| requirement.values.contains(name));
            }
            names.extend(of_term);
        }
        Some(names)
    }
}

impl PreferredNodes {
    /// What `pod` prefers.
    pub fn of(pod: &Pod) -> Self {
        let affinity = pod.spec.affinity.as_ref().and_then(|a| a.node_affinity.as_ref());
        let preferred = affinity.map(|a| &a.preferred_during_scheduling_ignored_during_execution);
        let terms = preferred.into_iter().flatten().filter(|p| p.weight != 0);
        PreferredNodes(terms.filter_map(|p| Some((i64::from(p.weight), term(&p.preference)?))).collect())
    }

    /// Whether there is no preference.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The weights of the preferences that `node` meets, added up.
    pub fn weight(&self, node: &Node) -> i64 {
        self.0.iter().filter(|(_, term)| term.matches(node)).map(|(weight, _)| weight).sum()
    }
}

impl Term {
    fn matches(&self, node: &Node) -> bool {
        let meta = &node.metadata;
        self.labels.iter().all(|r| r.matches(meta.labels.get(&r.key).map(String::as_str)))
            && self.name.iter().all(|r| r.matches(Some(&meta.name)))
    }
}

fn compile(selector: &NodeSelector) -> Vec<Term> {
    selector.node_selector_terms.iter().filter_map(term).collect()
}

/// A term without conditions, or with one that cannot be read, matches nothing and is left out.
fn term(term: &NodeSelectorTerm) -> Option<Term> {
    if term.match_expressions.is_empty() && term.match_fields.is_empty() {
        return None;
    }
    let labels = term.match_expressions.iter().map(requirement).collect::<Option<_>>()?;
    let name = term.match_fields.iter().map(name_requirement).collect::<Option<_>>()?;
    Some(Term { labels, name })
}

fn requirement(r: &NodeSelectorRequirement) -> Option<Requirement> {
    let operator = match r.operator.as_str() {
        "In" => Operator::In,
        "NotIn" => Operator::NotIn,
        "Exists" => Operator::Exists,
        "DoesNotExist" => Operator::DoesNotExist,
        "Gt" => Operator::GreaterThan,
        "Lt" => Operator::LessThan,
        _ => return None,
    };
    Some(Requirement { key: r.key.clone(), operator, values: r.values.iter().cloned().collect() })
}

fn name_requirement(r: &NodeSelectorRequirement) -> Option<Requirement> {
    let one_name = r.key == "metadata.name" && r.values.len() == 1;
    requirement(r).filter(|r| one_name && matches!(r.operator, Operator::In | Operator::NotIn))
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_api::core::v1::{Affinity, NodeAffinity, PreferredSchedulingTerm};

    fn node(name: &str, labels: &str) -> Node {
        let mut node = Node::default();
        node.metadata.name = name.into();
        node.metadata.labels =
            labels.split(',').filter_map(|l| l.split_once('=')).map(|(k, v)| (k.into(), v.into())).collect();
        node
    }

    fn wants(list: &[(&str, &str, &[&str])]) -> Vec<NodeSelectorRequirement> {
        list.iter()
            .map(|(key, operator, values)| NodeSelectorRequirement {
                key: key.to_string(),
                operator: operator.to_string(),
                values: values.iter().map(|v| v.to_string()).collect(),
            })
            .collect()
    }

    fn pod(terms: Vec<NodeSelectorTerm>) -> Pod {
        let mut pod = Pod::default();
        let required = Some(Box::new(NodeSelector { node_selector_terms: terms }));
        let affinity = NodeAffinity {
            required_during_scheduling_ignored_during_execution: required,
            ..Default::default()
        };
        pod.spec.affinity =
            Some(Box::new(Affinity { node_affinity: Some(Box::new(affinity)), ..Default::default() }));
        pod
    }

    fn labels(list: &[(&str, &str, &[&str])]) -> NodeSelectorTerm {
        NodeSelectorTerm { match_expressions: wants(list), match_fields: vec![] }
    }

    fn fields(list: &[(&str, &str, &[&str])]) -> NodeSelectorTerm {
        NodeSelectorTerm { match_expressions: vec![], match_fields: wants(list) }
    }

    #[test]
    fn required_terms_match_as_upstream() {
        let n = node("n1", "zone=a,size=5");
        for (terms, want) in [
            (vec![labels(&[("zone", "In", &["a", "b"])])], true),
            (vec![labels(&[("zone", "NotIn", &["a"])])], false),
            (vec![labels(&[("zone", "Exists", &[]), ("gpu", "DoesNotExist", &[])])], true),
            (vec![labels(&[("size", "Gt", &["4"])])], true),
            (vec![labels(&[("size", "Lt", &["4"])])], false),
            (vec![labels(&[("zone", "Gt", &["4"])])], false),
            (vec![labels(&[])], false),
            (vec![], false),
            (vec![labels(&[("gpu", "Exists", &[])]), labels(&[("zone", "Exists", &[])])], true),
            (vec![fields(&[("metadata.name", "In", &["n1"])])], true),
            (vec![fields(&[("metadata.name", "NotIn", &["n1"])])], false),
            (vec![fields(&[("metadata.uid", "In", &["n1"])])], false),
            (vec![labels(&[("zone", "Near", &["a"])])], false),
        ] {
            assert_eq!(RequiredNodes::of(&pod(terms.clone())).matches(&n), want, "{terms:?}");
        }
    }

    #[test]
    fn the_node_selector_must_hold_too() {
        let mut pod = pod(vec![labels(&[("zone", "Exists", &[])])]);
        pod.spec.node_selector.insert("disk".into(), "ssd".into());
        assert!(!RequiredNodes::of(&pod).matches(&node("n", "zone=a")));
        assert!(RequiredNodes::of(&pod).matches(&node("n", "zone=a,disk=ssd")));
        assert!(RequiredNodes::of(&Pod::default()).is_any());
    }

    #[test]
    fn names_are_known_when_every_term_gives_them() {
        let name = |n: &'static str| fields(&[("metadata.name", "In", &[n])]);
        let both = RequiredNodes::of(&pod(vec![name("a"), name("b")])).names().expect("names");
        assert_eq!(both.into_iter().collect::<Vec<_>>(), ["a", "b"]);
        let open = vec![name("a"), labels(&[("zone", "Exists", &[])])];
        assert_eq!(RequiredNodes::of(&pod(open)).names(), None);
        let torn = fields(&[("metadata.name", "In", &["a"]), ("metadata.name", "In", &["b"])]);
        assert_eq!(RequiredNodes::of(&pod(vec![torn])).names(), Some(BTreeSet::new()));
    }

    #[test]
    fn preferences_add_their_weights() {
        let mut pod = pod(vec![]);
        let affinity = pod.spec.affinity.as_mut().and_then(|a| a.node_affinity.as_mut()).expect("set above");
        affinity.preferred_during_scheduling_ignored_during_execution =
            [(3, "zone"), (5, "disk"), (7, "gpu")]
                .map(|(weight, key)| PreferredSchedulingTerm {
                    weight,
                    preference: labels(&[(key, "Exists", &[])]),
                })
                .to_vec();
        assert_eq!(PreferredNodes::of(&pod).weight(&node("n", "zone=a,disk=b")), 8);
    }
}
