//! Whether one RBAC rule allows one request (upstream's `rbac/v1/evaluation_helpers.go`).

use super::Attributes;
use corten_api::rbac::v1::PolicyRule;

/// Whether the rule allows what is wanted.
pub fn allows(rule: &PolicyRule, wanted: &Attributes<'_>) -> bool {
    has(&rule.verbs, wanted.verb)
        && if wanted.is_resource() {
            has(&rule.api_groups, wanted.group)
                && rule.resources.iter().any(|r| resource_matches(r, wanted.resource, wanted.subresource))
                && (rule.resource_names.is_empty() || rule.resource_names.iter().any(|n| n == wanted.name))
        } else {
            rule.non_resource_urls.iter().any(|url| path_matches(url, wanted.path))
        }
}

fn has(list: &[String], wanted: &str) -> bool {
    list.iter().any(|item| item == "*" || item == wanted)
}

/// `pods`, `pods/log`, `*/scale`, `*`; the last means subresources too.
fn resource_matches(rule: &str, resource: &str, subresource: &str) -> bool {
    if rule == "*" {
        return true;
    }
    if subresource.is_empty() {
        // A review may ask of `deployments/status` as one name.
        return rule == resource;
    }
    let kind = rule.strip_suffix(subresource).and_then(|rest| rest.strip_suffix('/'));
    kind.is_some_and(|kind| kind == "*" || kind == resource)
}

/// `/healthz`, `/healthz/*`, `*`.
pub(super) fn path_matches(rule: &str, path: &str) -> bool {
    rule == "*" || rule == path || (rule.ends_with('*') && path.starts_with(rule.trim_end_matches('*')))
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_api::authentication::v1::UserInfo;

    fn list(items: &str) -> Vec<String> {
        items.split_whitespace().map(|s| s.replace("core", "")).collect()
    }

    #[test]
    fn rules_match_by_verb_group_resource_and_name() {
        let user = UserInfo::default();
        // verbs, groups, resources, names; then verb, group, resource, subresource, name.
        for (rule, wanted, expected) in [
            (("get", "core", "pods", ""), ("get", "", "pods", "", "a"), true),
            (("get", "core", "pods", ""), ("list", "", "pods", "", ""), false),
            (("get", "apps", "pods", ""), ("get", "", "pods", "", "a"), false),
            (("*", "*", "*", ""), ("delete", "apps", "deployments", "scale", "a"), true),
            (("get", "core", "pods", ""), ("get", "", "pods", "log", "a"), false),
            (("get", "core", "pods/log", ""), ("get", "", "pods", "log", "a"), true),
            (("get", "core", "pods/log", ""), ("get", "", "pods", "", "a"), false),
            (("get", "core", "pods/log", ""), ("get", "", "pods/log", "", "a"), true),
            (("get", "core", "*/log", ""), ("get", "", "pods/log", "", "a"), false),
            (("get", "core", "pods/*", ""), ("get", "", "pods", "log", "a"), false),
            (("update", "apps", "*/scale", ""), ("update", "apps", "deployments", "scale", "a"), true),
            (("update", "apps", "*/scale", ""), ("update", "apps", "deployments", "status", "a"), false),
            (("update", "apps", "*/scale", ""), ("update", "apps", "deployments", "", "a"), false),
            (("get", "core", "pods", "a b"), ("get", "", "pods", "", "b"), true),
            (("get", "core", "pods", "a b"), ("get", "", "pods", "", "c"), false),
            (("list", "core", "pods", "a"), ("list", "", "pods", "", ""), false),
            (("get", "core apps", "pods deployments", ""), ("get", "apps", "deployments", "", "x"), true),
            (
                ("impersonate", "authentication.k8s.io", "userextras/acme.com/scopes", ""),
                ("impersonate", "authentication.k8s.io", "userextras", "acme.com/scopes", "view"),
                true,
            ),
        ] {
            let made = PolicyRule {
                verbs: list(rule.0),
                api_groups: list(rule.1),
                resources: list(rule.2),
                resource_names: list(rule.3),
                ..PolicyRule::default()
            };
            let mut attributes = Attributes::resource(&user, wanted.0, wanted.1, wanted.2);
            (attributes.subresource, attributes.name) = (wanted.3, wanted.4);
            assert_eq!(allows(&made, &attributes), expected, "{rule:?} {wanted:?}");
        }
    }

    #[test]
    fn rules_match_paths() {
        let user = UserInfo::default();
        for (rule, path, expected) in [
            ("/healthz", "/healthz", true),
            ("/healthz", "/healthz/etcd", false),
            ("/healthz/*", "/healthz/etcd", true),
            ("/healthz/*", "/healthz", false),
            ("*", "/metrics", true),
            ("/api*", "/apis/apps", true),
            ("/*/x", "/a/x", false),
        ] {
            let made =
                PolicyRule { verbs: list("get"), non_resource_urls: list(rule), ..PolicyRule::default() };
            assert_eq!(allows(&made, &Attributes::path(&user, "get", path)), expected, "{rule} {path}");
            assert!(!allows(&made, &Attributes::path(&user, "post", path)));
            assert!(!allows(&made, &Attributes::resource(&user, "get", "", "pods")));
        }
    }
}
