use super::*;
use crate::{Attributes, Authorizer};
use corten_api::authentication::v1::UserInfo;
use corten_semantics::identity;
use std::collections::HashSet;

fn everything() -> Authorizer {
    let authorizer = Authorizer::default();
    for object in objects() {
        authorizer.observe(object.as_ref());
    }
    authorizer
}

fn user(name: &str, group: &str) -> UserInfo {
    let groups = vec![group.to_string(), identity::AUTHENTICATED.to_string()];
    UserInfo { username: name.into(), groups, ..UserInfo::default() }
}

#[test]
fn names_are_unique_and_every_binding_has_its_role() {
    let mut seen = HashSet::new();
    for object in objects() {
        let (kind, meta) = (object.info().kind, object.meta());
        assert!(seen.insert((kind, meta.namespace.clone(), meta.name.clone())), "{kind} {}", meta.name);
        assert_eq!(meta.labels["kubernetes.io/bootstrapping"], "rbac-defaults");
    }
    let authorizer = everything();
    for object in objects() {
        use corten_api::rbac::v1::{ClusterRoleBinding, RoleBinding};
        let role = match object.downcast_ref::<ClusterRoleBinding>() {
            Some(binding) => &binding.role_ref,
            None => match object.downcast_ref::<RoleBinding>() {
                Some(binding) => &binding.role_ref,
                None => continue,
            },
        };
        let rules = authorizer.rbac.rules_of(role, &object.meta().namespace);
        assert!(rules.is_some_and(|r| !r.is_empty()), "{} binds {}", object.meta().name, role.name);
    }
}

#[test]
fn everyone_may_what_they_need_and_no_more() {
    let authorizer = everything();
    let account = |name: &str| identity::service_account_user("kube-system", name);
    let apps = "apps";
    for (name, group, verb, api, resource, subresource, expected) in [
        ("jane", "", "create", "authorization.k8s.io", "selfsubjectaccessreviews", "", true),
        ("jane", "", "list", "", "pods", "", false),
        ("root", identity::MASTERS, "delete", "", "nodes", "", true),
        (identity::SCHEDULER, "", "create", "", "pods", "binding", true),
        (identity::SCHEDULER, "", "create", "", "pods", "", false),
        (identity::CONTROLLER_MANAGER, "", "watch", apps, "deployments", "", true),
        (&account("replicaset-controller"), "", "create", "", "pods", "", true),
        (&account("replicaset-controller"), "", "update", apps, "replicasets", "status", true),
        (&account("replicaset-controller"), "", "update", apps, "deployments", "", false),
        (&account("deployment-controller"), "", "create", apps, "replicasets", "", true),
        (&account("namespace-controller"), "", "deletecollection", "x.example", "things", "", true),
        (&account("generic-garbage-collector"), "", "delete", "x.example", "things", "", true),
        (&account("default"), "", "get", "", "secrets", "", false),
        (
            "system:bootstrap:abcdef",
            crate::bootstrap_token::DEFAULT_NODE_GROUP,
            "create",
            "certificates.k8s.io",
            "certificatesigningrequests",
            "",
            true,
        ),
        (
            "system:bootstrap:abcdef",
            crate::bootstrap_token::DEFAULT_NODE_GROUP,
            "create",
            "certificates.k8s.io",
            "certificatesigningrequests",
            "nodeclient",
            true,
        ),
        (
            "system:bootstrap:abcdef",
            crate::bootstrap_token::DEFAULT_NODE_GROUP,
            "list",
            "",
            "secrets",
            "",
            false,
        ),
        (
            "system:node:n1",
            identity::NODES,
            "create",
            "certificates.k8s.io",
            "certificatesigningrequests",
            "selfnodeclient",
            true,
        ),
        ("system:node:n1", identity::NODES, "watch", "discovery.k8s.io", "endpointslices", "", true),
        ("system:node:n1", identity::NODES, "list", "", "secrets", "", false),
        (crate::pki::KUBELET_CLIENT, "", "get", "", "nodes", "proxy", true),
    ] {
        let user = user(name, group);
        let wanted = Attributes { subresource, ..Attributes::resource(&user, verb, api, resource) };
        assert_eq!(authorizer.authorize(&wanted).allowed, expected, "{name} {verb} {resource}/{subresource}");
    }
}

#[test]
fn admins_of_a_namespace_have_what_editors_and_viewers_have() {
    let authorizer = everything();
    let rules =
        |name: &str| authorizer.rbac.rules_of(&role_ref("ClusterRole", name), "").expect("a role").to_vec();
    let lacks = |held: &str, wanted: &str| crate::authorize::missing(&rules(held), &rules(wanted)).len();
    assert_eq!((lacks("admin", "edit"), lacks("edit", "view"), lacks("admin", "view")), (0, 0, 0));
    assert!(lacks("view", "edit") > 0 && lacks("edit", "admin") > 0);
    let reads_secrets = |name: &str| {
        rules(name)
            .iter()
            .any(|r| r.resources.contains(&"secrets".to_string()) && r.verbs.contains(&"get".to_string()))
    };
    assert!(reads_secrets("edit") && !reads_secrets("view"));
}

#[test]
fn anyone_sees_health_and_only_the_authenticated_see_more() {
    let authorizer = everything();
    let (jane, nobody) = (user("jane", ""), crate::authenticate::anonymous());
    for (path, authenticated, anonymous) in [
        ("/healthz", true, true),
        ("/version", true, true),
        ("/apis/apps/v1", true, false),
        ("/metrics", false, false),
    ] {
        let may = |user| authorizer.authorize(&Attributes::path(user, "get", path)).allowed;
        assert_eq!((may(&jane), may(&nobody)), (authenticated, anonymous), "{path}");
    }
}
