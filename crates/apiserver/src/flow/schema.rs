//! Which FlowSchema a request belongs to, and to which of its flows (apiserver `flowcontrol/rule.go`).

use std::hash::{DefaultHasher, Hash, Hasher};

use corten_api::authentication::v1::UserInfo;
use corten_api::flowcontrol::v1::{FlowSchema, NonResourcePolicyRule, ResourcePolicyRule, Subject};

use crate::http::path::RequestInfo;

/// Whether the schema is for the request.
pub fn fits(schema: &FlowSchema, user: &UserInfo, request: &RequestInfo) -> bool {
    schema.spec.rules.iter().any(|rule| {
        rule.subjects.iter().any(|subject| is(subject, user))
            && if request.is_resource {
                rule.resource_rules.iter().any(|r| resource(r, request))
            } else {
                rule.non_resource_rules.iter().any(|r| path(r, request))
            }
    })
}

/// The hash of the flow that the request belongs to.
pub fn flow(schema: &FlowSchema, user: &UserInfo, request: &RequestInfo) -> u64 {
    let mut hasher = DefaultHasher::new();
    schema.metadata.name.hash(&mut hasher);
    match schema.spec.distinguisher_method.as_ref().map(|m| m.type_.as_str()) {
        Some("ByUser") => user.username.hash(&mut hasher),
        Some("ByNamespace") => request.namespace.hash(&mut hasher),
        _ => {}
    }
    hasher.finish()
}

fn is(subject: &Subject, user: &UserInfo) -> bool {
    match subject.kind.as_str() {
        "User" => subject.user.as_ref().is_some_and(|u| u.name == "*" || u.name == user.username),
        "Group" => subject.group.as_ref().is_some_and(|g| g.name == "*" || user.groups.contains(&g.name)),
        "ServiceAccount" => subject.service_account.as_ref().is_some_and(|account| {
            let own = user.username.strip_prefix("system:serviceaccount:").and_then(|n| n.split_once(':'));
            own.is_some_and(|(namespace, name)| {
                namespace == account.namespace && (account.name == "*" || account.name == name)
            })
        }),
        _ => false,
    }
}

fn resource(rule: &ResourcePolicyRule, request: &RequestInfo) -> bool {
    let in_list = if request.subresource.is_empty() {
        has(&rule.resources, &request.resource)
    } else {
        let is = |wanted: &String| {
            wanted.split_once('/').is_some_and(|(r, s)| r == request.resource && s == request.subresource)
        };
        all(&rule.resources) || rule.resources.iter().any(is)
    };
    in_list
        && has(&rule.verbs, &request.verb)
        && has(&rule.api_groups, &request.group)
        && if request.namespace.is_empty() {
            rule.cluster_scope
        } else {
            has(&rule.namespaces, &request.namespace)
        }
}

fn path(rule: &NonResourcePolicyRule, request: &RequestInfo) -> bool {
    let is = |wanted: &String| {
        let prefix = wanted.strip_suffix('*').unwrap_or(wanted);
        wanted == "*"
            || *wanted == request.path
            || request
                .path
                .strip_prefix(prefix)
                .is_some_and(|rest| prefix.ends_with('/') || rest.starts_with('/'))
    };
    has(&rule.verbs, &request.verb) && rule.non_resource_urls.iter().any(is)
}

fn all(list: &[String]) -> bool {
    matches!(list, [one] if one == "*")
}

fn has(list: &[String], value: &str) -> bool {
    all(list) || list.iter().any(|one| one == value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::bootstrap;
    use crate::http::query::Query;

    #[test]
    fn requests_belong_to_upstreams_schemas() {
        let mut schemas = bootstrap::schemas();
        schemas.sort_by_key(|s| (s.spec.matching_precedence, s.metadata.name.clone()));
        for (name, groups, method, path, want) in [
            ("admin", &["system:masters", "system:authenticated"][..], "GET", "/api/v1/pods", "exempt"),
            ("ann", &["system:authenticated"], "GET", "/healthz", "probes"),
            ("ann", &["system:authenticated"], "GET", "/livez/ping", "probes"),
            ("ann", &["system:authenticated"], "GET", "/healthzz", "global-default"),
            ("ann", &["system:authenticated"], "POST", "/api/v1/namespaces/a/pods", "global-default"),
            ("system:anonymous", &["system:unauthenticated"], "GET", "/version", "global-default"),
            (
                "system:kube-scheduler",
                &["system:authenticated"],
                "PUT",
                "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/x",
                "system-leader-election",
            ),
            ("system:kube-scheduler", &["system:authenticated"], "GET", "/api/v1/pods", "kube-scheduler"),
            ("system:node:n", &["system:nodes"], "PATCH", "/api/v1/nodes/n/status", "system-node-high"),
            ("system:node:n", &["system:nodes"], "GET", "/api/v1/pods", "system-nodes"),
            (
                "system:serviceaccount:kube-system:dns",
                &["system:serviceaccounts", "system:authenticated"],
                "GET",
                "/api/v1/services",
                "kube-system-service-accounts",
            ),
            (
                "system:serviceaccount:team:robot",
                &["system:serviceaccounts", "system:authenticated"],
                "GET",
                "/api/v1/namespaces/team/pods",
                "service-accounts",
            ),
        ] {
            let groups = groups.iter().map(ToString::to_string).collect();
            let user = UserInfo { username: name.into(), groups, ..UserInfo::default() };
            let method = http::Method::from_bytes(method.as_bytes()).expect("a method");
            let info = RequestInfo::new(&method, path, &Query::default());
            let found = schemas.iter().find(|s| fits(s, &user, &info)).map(|s| s.metadata.name.as_str());
            assert_eq!(found, Some(want), "{name} {path}");
        }
    }
}
