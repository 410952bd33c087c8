use super::*;
use corten_api::core::v1::{
    Container, EnvFromSource, LocalObjectReference, ObjectReference, PersistentVolume,
    PersistentVolumeClaimVolumeSource, Pod, SecretEnvSource, Volume, VolumeSource,
};
use corten_api::meta::v1::{LabelSelector, ObjectMeta};
use corten_api::rbac::v1::{
    AggregationRule, ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding, RoleRef, Subject,
};
use std::collections::BTreeMap;

fn user(name: &str, groups: &[&str]) -> UserInfo {
    let groups = groups.iter().map(ToString::to_string).collect();
    UserInfo { username: name.into(), groups, ..UserInfo::default() }
}

fn meta(namespace: &str, name: &str) -> ObjectMeta {
    ObjectMeta { namespace: namespace.into(), name: name.into(), ..ObjectMeta::default() }
}

fn rule(verbs: &str, groups: &str, resources: &str) -> PolicyRule {
    let list = |s: &str| s.split(' ').map(String::from).collect();
    PolicyRule {
        verbs: list(verbs),
        api_groups: list(groups),
        resources: list(resources),
        ..PolicyRule::default()
    }
}

fn role_ref(kind: &str, name: &str) -> RoleRef {
    RoleRef { api_group: "rbac.authorization.k8s.io".into(), kind: kind.into(), name: name.into() }
}

fn subject(kind: &str, namespace: &str, name: &str) -> Subject {
    Subject { kind: kind.into(), namespace: namespace.into(), name: name.into(), ..Subject::default() }
}

fn role(namespace: &str, name: &str, rules: Vec<PolicyRule>) -> Role {
    Role { metadata: meta(namespace, name), rules }
}

fn cluster_role(name: &str, rules: Vec<PolicyRule>) -> ClusterRole {
    ClusterRole { metadata: meta("", name), rules, ..ClusterRole::default() }
}

fn bind(namespace: &str, name: &str, role: RoleRef, subject: Subject) -> RoleBinding {
    RoleBinding { metadata: meta(namespace, name), role_ref: role, subjects: vec![subject] }
}

fn bind_everywhere(name: &str, role: &str, subject: Subject) -> ClusterRoleBinding {
    let role_ref = role_ref("ClusterRole", role);
    ClusterRoleBinding { metadata: meta("", name), role_ref, subjects: vec![subject] }
}

fn sample() -> Authorizer {
    let authorizer = Authorizer::default();
    for object in [
        &cluster_role("reader", vec![rule("get list", "", "pods")]) as &dyn Object,
        &role("a", "editor", vec![rule("update", "", "pods"), rule("*", "apps", "*")]),
        &bind_everywhere("readers", "reader", subject("Group", "", "dev")),
        &bind("a", "editors", role_ref("Role", "editor"), subject("User", "", "jane")),
        &bind("a", "robots", role_ref("ClusterRole", "reader"), subject("ServiceAccount", "", "robot")),
        &bind("b", "guests", role_ref("ClusterRole", "reader"), subject("ServiceAccount", "a", "robot")),
        &bind_everywhere("broken", "absent", subject("User", "", "joe")),
    ] {
        authorizer.observe(object);
    }
    authorizer
}

#[test]
fn roles_grant_what_their_bindings_say() {
    let authorizer = sample();
    let robot = "system:serviceaccount:a:robot";
    for (name, groups, verb, group, resource, namespace, reason) in [
        (
            "jane",
            &["dev"][..],
            "get",
            "",
            "pods",
            "z",
            Ok("RBAC: allowed by ClusterRoleBinding \"readers\" of ClusterRole \"reader\" to Group \"dev\""),
        ),
        (
            "jane",
            &["dev"],
            "list",
            "",
            "pods",
            "",
            Ok("RBAC: allowed by ClusterRoleBinding \"readers\" of ClusterRole \"reader\" to Group \"dev\""),
        ),
        (
            "jane",
            &[],
            "update",
            "",
            "pods",
            "a",
            Ok("RBAC: allowed by RoleBinding \"editors/a\" of Role \"editor\" to User \"jane\""),
        ),
        (
            "jane",
            &[],
            "delete",
            "apps",
            "deployments",
            "a",
            Ok("RBAC: allowed by RoleBinding \"editors/a\" of Role \"editor\" to User \"jane\""),
        ),
        (
            robot,
            &[],
            "get",
            "",
            "pods",
            "a",
            Ok(
                "RBAC: allowed by RoleBinding \"robots/a\" of ClusterRole \"reader\" to ServiceAccount \"robot/a\"",
            ),
        ),
        (
            robot,
            &[],
            "get",
            "",
            "pods",
            "b",
            Ok(
                "RBAC: allowed by RoleBinding \"guests/b\" of ClusterRole \"reader\" to ServiceAccount \"robot/a\"",
            ),
        ),
        (robot, &[], "get", "", "pods", "c", Err("")),
        (robot, &[], "get", "", "pods", "", Err("")),
        ("jane", &[], "update", "", "pods", "b", Err("")),
        ("jane", &[], "get", "", "pods", "a", Err("")),
        (
            "joe",
            &[],
            "get",
            "",
            "pods",
            "a",
            Err("RBAC: clusterrole.rbac.authorization.k8s.io \"absent\" not found"),
        ),
        ("root", &["system:masters"], "delete", "", "secrets", "a", Ok("")),
    ] {
        let user = user(name, groups);
        let wanted = Attributes { namespace, ..Attributes::resource(&user, verb, group, resource) };
        let decision = authorizer.authorize(&wanted);
        let (allowed, reason) = reason.map_or_else(|r| (false, r), |r| (true, r));
        assert_eq!(
            (decision.allowed, decision.reason.to_string().as_str()),
            (allowed, reason),
            "{name} {verb} {namespace}"
        );
    }
}

#[test]
fn changes_take_effect_at_once() {
    let authorizer = sample();
    let jane = user("jane", &["dev"]);
    let may = |verb, namespace| {
        let wanted = Attributes { namespace, ..Attributes::resource(&jane, verb, "", "pods") };
        authorizer.authorize(&wanted).allowed
    };
    assert!(may("update", "a"));
    authorizer.observe(&bind("a", "editors", role_ref("Role", "editor"), subject("User", "", "john")));
    assert!(!may("update", "a"), "the binding is another's now");
    authorizer.observe(&bind("a", "editors", role_ref("Role", "editor"), subject("Group", "", "dev")));
    assert!(may("update", "a"));
    authorizer.forget(&role("a", "editor", Vec::new()));
    assert!(!may("update", "a"));
    authorizer.observe(&cluster_role("reader", vec![rule("watch", "", "pods")]));
    assert!(may("watch", "z") && !may("get", "z"));
    authorizer.forget(&bind_everywhere("readers", "reader", subject("Group", "", "dev")));
    assert!(!may("watch", "z"));
}

#[test]
fn aggregated_roles_gather_their_parts() {
    let label = |of: &str| BTreeMap::from([(of.to_string(), "true".to_string())]);
    let gathering = |name: &str, of: &str, labels: BTreeMap<String, String>| {
        let mut role = cluster_role(name, vec![rule("own", "", "rules")]);
        role.metadata.labels = labels;
        let selector = LabelSelector { match_labels: label(of), ..LabelSelector::default() };
        role.aggregation_rule = Some(Box::new(AggregationRule { cluster_role_selectors: vec![selector] }));
        role
    };
    let part = |name: &str, of: &str, verb: &str| {
        let mut role = cluster_role(name, vec![rule(verb, "", "pods")]);
        role.metadata.labels = label(of);
        role
    };
    let authorizer = Authorizer::default();
    authorizer.observe(&bind_everywhere("b", "admin", subject("User", "", "jane")));
    authorizer.observe(&gathering("admin", "to-admin", BTreeMap::new()));
    authorizer.observe(&gathering("edit", "to-edit", label("to-admin")));
    authorizer.observe(&part("editing", "to-edit", "update"));
    let jane = user("jane", &[]);
    let may = |verb| authorizer.authorize(&Attributes::resource(&jane, verb, "", "pods")).allowed;
    assert!(may("update") && !may("delete"));
    assert!(!authorizer.authorize(&Attributes::resource(&jane, "own", "", "rules")).allowed);
    authorizer.observe(&part("deleting", "to-admin", "delete"));
    assert!(may("delete"));
    authorizer.observe(&gathering("edit", "to-edit", BTreeMap::new()));
    assert!(!may("update"));
    authorizer.observe(&gathering("edit", "to-admin", label("to-edit")));
    authorizer.observe(&gathering("admin", "to-edit", label("to-admin")));
    assert!(may("update") && may("delete"), "roles that gather each other end");
    authorizer.forget(&part("deleting", "to-admin", "delete"));
    assert!(!may("delete"));
}

#[test]
fn refusals_read_as_upstreams() {
    let jane = user("jane", &[]);
    let pods = Attributes {
        namespace: "a",
        name: "p",
        subresource: "log",
        ..Attributes::resource(&jane, "get", "", "pods")
    };
    let nodes = Attributes::resource(&jane, "list", "apps", "deployments");
    let path = Attributes::path(&jane, "get", "/metrics?<b>");
    for (wanted, reason, message) in [
        (
            pods,
            "",
            "pods \"p\" is forbidden: User \"jane\" cannot get resource \"pods/log\" in API group \"\" in the namespace \"a\"",
        ),
        (
            nodes,
            "why",
            "deployments.apps is forbidden: User \"jane\" cannot list resource \"deployments\" in API group \"apps\" at the cluster scope: why",
        ),
        (path, "", "forbidden: User \"jane\" cannot get path \"/metrics?&lt;b&gt;\""),
    ] {
        let error = wanted.forbidden(reason);
        assert_eq!((error.code(), error.to_string().as_str()), (403, message));
    }
}

#[test]
fn nobody_grants_what_they_lack() {
    let authorizer = sample();
    authorizer.observe(&bind_everywhere("writers", "writer", subject("User", "", "jane")));
    authorizer.observe(&cluster_role("writer", vec![rule("escalate", "rbac.authorization.k8s.io", "roles")]));
    let (jane, dev) = (user("jane", &["dev"]), user("joan", &["dev"]));
    let check = |user: &UserInfo, rules: &[PolicyRule]| {
        authorizer.check_role(user, "roles", "a", "new", rules).map_err(|e| e.to_string())
    };
    assert_eq!(check(&dev, &[rule("get list", "", "pods")]), Ok(()));
    assert_eq!(check(&jane, &[rule("*", "*", "*")]), Ok(()), "may escalate");
    assert_eq!(check(&user("root", &["system:masters"]), &[rule("*", "*", "*")]), Ok(()));
    assert_eq!(
        check(&dev, &[rule("get delete watch", "", "pods secrets")]),
        Err("roles.rbac.authorization.k8s.io \"new\" is forbidden: user \"joan\" (groups=[\"dev\"]) is attempting to grant RBAC permissions not currently held:\n\
             {APIGroups:[\"\"], Resources:[\"pods\"], Verbs:[\"delete\" \"watch\"]}\n\
             {APIGroups:[\"\"], Resources:[\"secrets\"], Verbs:[\"get\" \"delete\" \"watch\"]}"
            .to_string())
    );
    let bound = |user: &UserInfo, role: RoleRef| authorizer.check_binding(user, "a", "new", &role);
    assert_eq!(bound(&dev, role_ref("ClusterRole", "reader")), Ok(()));
    let error = bound(&dev, role_ref("Role", "editor")).expect_err("more than they have");
    assert_eq!(error.code(), 403);
    let error = bound(&dev, role_ref("Role", "none")).expect_err("absent");
    assert_eq!(error.to_string(), "role.rbac.authorization.k8s.io \"none\" not found");
    let mut gathering = cluster_role("all", Vec::new());
    gathering.aggregation_rule =
        Some(Box::new(AggregationRule { cluster_role_selectors: vec![LabelSelector::default()] }));
    let error = authorizer.check_cluster_role(&dev, &gathering, None).expect_err("refused");
    assert!(error.to_string().ends_with("must have cluster-admin privileges to use the aggregationRule"));
}

#[test]
fn coverage_is_by_single_grants() {
    let path = |url: &str| PolicyRule {
        verbs: vec!["get".into()],
        non_resource_urls: vec![url.into()],
        ..PolicyRule::default()
    };
    let named = |name: &str| PolicyRule { resource_names: vec![name.into()], ..rule("get", "", "pods") };
    for (held, wanted, lacking) in [
        (rule("get", "", "pods"), rule("get", "", "pods"), 0),
        (rule("get", "", "pods"), rule("get list", "", "pods"), 1),
        (rule("*", "*", "*"), rule("get list", "apps", "a b/c"), 0),
        (rule("get", "*", "*/scale"), rule("get", "apps", "deployments/scale"), 0),
        (rule("get", "", "pods"), named("a"), 0),
        (named("a"), rule("get", "", "pods"), 1),
        (named("a"), named("b"), 1),
        (path("/api/*"), path("/api/v1"), 0),
        (path("/api"), path("/api/*"), 1),
    ] {
        assert_eq!(
            missing(std::slice::from_ref(&held), std::slice::from_ref(&wanted)).len(),
            lacking,
            "{held:?} {wanted:?}"
        );
    }
}

fn pod(name: &str, node: &str) -> Pod {
    let mut pod = Pod { metadata: meta("a", name), ..Pod::default() };
    pod.spec.node_name = node.into();
    pod.spec.service_account_name = "sa".into();
    let secret_ref = Some(Box::new(SecretEnvSource {
        local_object_reference: LocalObjectReference { name: "secret".into() },
        ..SecretEnvSource::default()
    }));
    let env_from = vec![EnvFromSource { secret_ref, ..EnvFromSource::default() }];
    pod.spec.containers = vec![Container { env_from, ..Container::default() }];
    let claim = PersistentVolumeClaimVolumeSource { claim_name: "claim".into(), ..Default::default() };
    let volume_source =
        VolumeSource { persistent_volume_claim: Some(Box::new(claim)), ..VolumeSource::default() };
    pod.spec.volumes = vec![Volume { name: "v".into(), volume_source }];
    pod
}

#[test]
fn nodes_reach_only_what_is_theirs() {
    let authorizer = Authorizer::default();
    authorizer.observe(&pod("mine", "n1"));
    authorizer.observe(&Pod { metadata: meta("a", "other"), ..pod("other", "n2") });
    let mut volume = PersistentVolume { metadata: meta("", "pv"), ..PersistentVolume::default() };
    let claim = ObjectReference { namespace: "a".into(), name: "claim".into(), ..ObjectReference::default() };
    volume.spec.claim_ref = Some(Box::new(claim));
    authorizer.observe(&volume);
    let related = "no relationship found between node 'n1' and this object";
    let fields = |text: &str| FieldSelector::parse(text).expect("a selector");
    let (own, others) = (fields("spec.nodeName=n1"), fields("spec.nodeName=n2"));
    let node = user("system:node:n1", &["system:nodes"]);
    let wants = |verb, group, resource, namespace, name| Attributes {
        namespace,
        name,
        ..Attributes::resource(&node, verb, group, resource)
    };
    let sub = |attributes, subresource| Attributes { subresource, ..attributes };
    let narrowed = |attributes, fields| Attributes { fields: Some(fields), ..attributes };
    let lease = "coordination.k8s.io";
    for (wanted, reason) in [
        (wants("get", "", "secrets", "a", "secret"), None),
        (wants("watch", "", "secrets", "a", "secret"), None),
        (wants("get", "", "secrets", "b", "secret"), Some(related)),
        (wants("get", "", "secrets", "a", "elsewhere"), Some(related)),
        (wants("list", "", "secrets", "a", ""), Some("No Object name found")),
        (wants("list", "", "secrets", "", ""), Some("can only read namespaced object of this type")),
        (wants("update", "", "secrets", "a", "secret"), Some("can only read resources of this type")),
        (wants("get", "", "configmaps", "a", "map"), Some(related)),
        (wants("get", "", "persistentvolumeclaims", "a", "claim"), None),
        (wants("get", "", "persistentvolumes", "", "pv"), None),
        (wants("get", "", "persistentvolumes", "", "pv2"), Some(related)),
        (
            wants("list", "", "persistentvolumes", "", ""),
            Some("can only get individual resources of this type"),
        ),
        (sub(wants("create", "", "serviceaccounts", "a", "sa"), "token"), None),
        (sub(wants("create", "", "serviceaccounts", "a", "default"), "token"), Some(related)),
        (wants("update", lease, "leases", "kube-node-lease", "n1"), None),
        (
            wants("update", lease, "leases", "kube-node-lease", "n2"),
            Some("can only access node lease with the same name as the requesting node"),
        ),
        (
            wants("get", lease, "leases", "a", "n1"),
            Some("can only access leases in the \"kube-node-lease\" system namespace"),
        ),
        (wants("get", "storage.k8s.io", "csinodes", "", "n1"), None),
        (wants("get", "", "nodes", "", "n1"), None),
        (wants("get", "", "nodes", "", "n2"), Some("node 'n1' cannot read 'n2', only its own Node object")),
        (
            wants("list", "", "nodes", "", ""),
            Some("node 'n1' cannot read all nodes, only its own Node object"),
        ),
        (sub(wants("patch", "", "nodes", "", "n1"), "status"), None),
        (wants("delete", "", "nodes", "", "n1"), Some("")),
        (wants("get", "", "pods", "a", "mine"), None),
        (wants("get", "", "pods", "a", "other"), Some(related)),
        (narrowed(wants("list", "", "pods", "", ""), &own), None),
        (
            narrowed(wants("list", "", "pods", "", ""), &others),
            Some("can only list/watch pods with spec.nodeName field selector"),
        ),
        (
            wants("watch", "", "pods", "", ""),
            Some("can only list/watch pods with spec.nodeName field selector"),
        ),
        (sub(wants("create", "", "pods", "a", "mine"), "eviction"), None),
        (sub(wants("create", "", "pods", "a", "mine"), "exec"), Some("")),
        (wants("list", "", "services", "", ""), None),
        (wants("create", "", "services", "a", ""), Some("")),
    ] {
        let decision = authorizer.authorize(&wanted);
        assert_eq!(decision.allowed, reason.is_none(), "{wanted:?}");
        assert_eq!(decision.reason.to_string(), reason.unwrap_or_default(), "{wanted:?}");
    }
    authorizer.forget(&pod("mine", "n1"));
    assert!(!authorizer.authorize(&wants("get", "", "secrets", "a", "secret")).allowed);
    assert!(!authorizer.authorize(&wants("get", "", "persistentvolumes", "", "pv")).allowed);
    let nobody = user("system:node:", &["system:nodes"]);
    let decision = authorizer.authorize(&Attributes::resource(&nobody, "list", "", "services"));
    assert_eq!(decision.reason.to_string(), "unknown node for user \"system:node:\"");
}
