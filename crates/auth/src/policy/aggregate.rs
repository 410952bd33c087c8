//! `admin`, `edit` and `view`, and the parts that they gather.

use super::{READ, READ_WRITE, WRITE, cluster_role, rule};
use corten_api::meta::v1::LabelSelector;
use corten_api::rbac::v1::{AggregationRule, ClusterRole, PolicyRule};
use std::collections::BTreeMap;

pub(super) fn roles() -> Vec<ClusterRole> {
    vec![
        gathering("admin", "admin", None),
        gathering("edit", "edit", Some("admin")),
        gathering("view", "view", Some("edit")),
        part("admin", admin()),
        part("edit", edit()),
        part("view", view()),
        metrics_reader(),
    ]
}

fn label(of: &str) -> BTreeMap<String, String> {
    BTreeMap::from([(format!("rbac.authorization.k8s.io/aggregate-to-{of}"), "true".to_string())])
}

/// A role that gathers the parts of `of`, and may be a part itself.
fn gathering(name: &str, of: &str, part_of: Option<&str>) -> ClusterRole {
    let mut role = cluster_role(name, Vec::new());
    role.metadata.labels.extend(part_of.into_iter().flat_map(label));
    let selector = LabelSelector { match_labels: label(of), ..LabelSelector::default() };
    role.aggregation_rule = Some(Box::new(AggregationRule { cluster_role_selectors: vec![selector] }));
    role
}

fn part(of: &str, rules: Vec<PolicyRule>) -> ClusterRole {
    let mut role = cluster_role(&format!("system:aggregate-to-{of}"), rules);
    role.metadata.labels.extend(label(of));
    role
}

/// What metrics-server brings along: who may see pods may see what they use.
fn metrics_reader() -> ClusterRole {
    let rules = vec![rule(READ, "metrics.k8s.io", "pods nodes")];
    let mut role = cluster_role("system:aggregated-metrics-reader", rules);
    role.metadata.labels.extend(["admin", "edit", "view"].into_iter().flat_map(label));
    role
}

fn admin() -> Vec<PolicyRule> {
    vec![
        rule("create", "authorization.k8s.io", "localsubjectaccessreviews"),
        rule(READ_WRITE, "rbac.authorization.k8s.io", "roles rolebindings"),
    ]
}

fn edit() -> Vec<PolicyRule> {
    vec![
        rule(READ, "core", "pods/attach pods/proxy pods/exec pods/portforward secrets services/proxy"),
        rule("impersonate", "core", "serviceaccounts"),
        rule(WRITE, "core", "pods pods/attach pods/proxy pods/exec pods/portforward"),
        rule("create", "core", "pods/eviction"),
        rule(
            WRITE,
            "core",
            "replicationcontrollers replicationcontrollers/scale serviceaccounts services services/proxy \
             persistentvolumeclaims configmaps secrets",
        ),
        rule("create", "core", "serviceaccounts/token"),
        rule(WRITE, "core events.k8s.io", "events"),
        rule(
            WRITE,
            "apps",
            "statefulsets statefulsets/scale daemonsets deployments deployments/scale \
             deployments/rollback replicasets replicasets/scale",
        ),
        rule(WRITE, "autoscaling", "horizontalpodautoscalers"),
        rule(WRITE, "batch", "jobs cronjobs"),
        rule(
            WRITE,
            "extensions",
            "daemonsets deployments deployments/scale deployments/rollback ingresses replicasets \
             replicasets/scale replicationcontrollers/scale networkpolicies",
        ),
        rule(WRITE, "policy", "poddisruptionbudgets"),
        rule(WRITE, "networking.k8s.io", "networkpolicies ingresses"),
        rule(READ_WRITE, "coordination.k8s.io", "leases"),
        rule(WRITE, "resource.k8s.io", "resourceclaims resourceclaimtemplates"),
    ]
}

fn view() -> Vec<PolicyRule> {
    vec![
        rule(
            READ,
            "core",
            "pods replicationcontrollers replicationcontrollers/scale serviceaccounts services \
             services/status endpoints persistentvolumeclaims persistentvolumeclaims/status configmaps",
        ),
        rule(
            READ,
            "core",
            "limitranges resourcequotas bindings pods/status resourcequotas/status namespaces/status \
             replicationcontrollers/status pods/log",
        ),
        rule(READ, "core", "namespaces"),
        rule(READ, "core events.k8s.io", "events"),
        rule(READ, "discovery.k8s.io", "endpointslices"),
        rule(
            READ,
            "apps",
            "controllerrevisions statefulsets statefulsets/status statefulsets/scale daemonsets \
             daemonsets/status deployments deployments/status deployments/scale replicasets \
             replicasets/status replicasets/scale",
        ),
        rule(READ, "autoscaling", "horizontalpodautoscalers horizontalpodautoscalers/status"),
        rule(READ, "batch", "jobs cronjobs cronjobs/status jobs/status"),
        rule(
            READ,
            "extensions",
            "daemonsets daemonsets/status deployments deployments/scale deployments/status ingresses \
             ingresses/status replicasets replicasets/scale replicasets/status \
             replicationcontrollers/scale networkpolicies",
        ),
        rule(READ, "policy", "poddisruptionbudgets poddisruptionbudgets/status"),
        rule(READ, "networking.k8s.io", "networkpolicies ingresses ingresses/status"),
        rule(READ, "resource.k8s.io", "resourceclaims resourceclaims/status resourceclaimtemplates"),
    ]
}
