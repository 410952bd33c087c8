//! Nobody gives away rights they do not have (upstream's `rbac/validation` and `policybased` storages).

use super::rules::path_matches;
use super::{Attributes, Authorizer};
use corten_api::authentication::v1::UserInfo;
use corten_api::rbac::v1::{ClusterRole, PolicyRule, RoleRef};
use corten_semantics::status::Resource;
use corten_semantics::{ApiError, ApiResult, identity};
use std::collections::{BTreeMap, BTreeSet};

const GROUP: &str = "rbac.authorization.k8s.io";

/// Those of `wanted`, broken into single grants, that no rule of `held` covers.
pub fn missing(held: &[PolicyRule], wanted: &[PolicyRule]) -> Vec<PolicyRule> {
    wanted.iter().flat_map(grants).filter(|one| !held.iter().any(|rule| covers(rule, one))).collect()
}

/// Whether `rule` covers a rule of at most one verb, group, resource, name and path.
pub fn covers(rule: &PolicyRule, one: &PolicyRule) -> bool {
    let has_all = |held: &[String], wanted: &[String]| {
        held.iter().any(|h| h == "*") || wanted.iter().all(|w| held.contains(w))
    };
    let has_resource = |wanted: &String| {
        rule.resources.iter().any(|held| held == "*" || held == wanted)
            || wanted.split_once('/').is_some_and(|(_, sub)| rule.resources.contains(&format!("*/{sub}")))
    };
    let has_names = rule.resource_names.is_empty()
        || (!one.resource_names.is_empty()
            && one.resource_names.iter().all(|n| rule.resource_names.contains(n)));
    has_all(&rule.verbs, &one.verbs)
        && has_all(&rule.api_groups, &one.api_groups)
        && one.resources.iter().all(has_resource)
        && has_names
        && one
            .non_resource_urls
            .iter()
            .all(|path| rule.non_resource_urls.iter().any(|held| path_matches(held, path)))
}

/// The rule as rules of one verb, group, resource and name, or of one verb and path.
fn grants(rule: &PolicyRule) -> Vec<PolicyRule> {
    let one = |item: &String| vec![item.clone()];
    let names: Vec<Vec<String>> = match rule.resource_names.as_slice() {
        [] => vec![Vec::new()],
        names => names.iter().map(one).collect(),
    };
    let mut out = Vec::new();
    for group in &rule.api_groups {
        for resource in &rule.resources {
            for verb in &rule.verbs {
                out.extend(names.iter().map(|name| PolicyRule {
                    verbs: one(verb),
                    api_groups: one(group),
                    resources: one(resource),
                    resource_names: name.clone(),
                    ..PolicyRule::default()
                }));
            }
        }
    }
    for path in &rule.non_resource_urls {
        for verb in &rule.verbs {
            let (verbs, non_resource_urls) = (one(verb), one(path));
            out.push(PolicyRule { verbs, non_resource_urls, ..PolicyRule::default() });
        }
    }
    out
}

/// The grants in upstream's words, those that differ only by verb together.
fn describe(grants: Vec<PolicyRule>) -> String {
    let mut simple = BTreeMap::<_, Vec<String>>::new();
    let mut lines = BTreeSet::new();
    let quote = |items: &[String]| {
        let quoted: Vec<String> = items.iter().map(|i| format!("{i:?}")).collect();
        format!("[{}]", quoted.join(" "))
    };
    for grant in grants {
        if grant.non_resource_urls.is_empty() {
            let key = (grant.api_groups, grant.resources, grant.resource_names);
            simple.entry(key).or_default().extend(grant.verbs);
        } else {
            let (urls, verbs) = (quote(&grant.non_resource_urls), quote(&grant.verbs));
            lines.insert(format!("{{NonResourceURLs:{urls}, Verbs:{verbs}}}"));
        }
    }
    for ((groups, resources, names), verbs) in simple {
        let mut parts =
            vec![format!("APIGroups:{}", quote(&groups)), format!("Resources:{}", quote(&resources))];
        if !names.is_empty() {
            parts.push(format!("ResourceNames:{}", quote(&names)));
        }
        parts.push(format!("Verbs:{}", quote(&verbs)));
        lines.insert(format!("{{{}}}", parts.join(", ")));
    }
    lines.into_iter().collect::<Vec<_>>().join("\n")
}

impl Authorizer {
    /// Whether `user` may write a role with these rules (`plural` is `roles` or `clusterroles`).
    ///
    /// # Errors
    /// 403 with the rights that the user lacks.
    pub fn check_role(
        &self,
        user: &UserInfo,
        plural: &str,
        namespace: &str,
        name: &str,
        rules: &[PolicyRule],
    ) -> ApiResult<()> {
        let escalate = Attributes {
            namespace,
            name,
            version: "*",
            ..Attributes::resource(user, "escalate", GROUP, plural)
        };
        if self.authorize(&escalate).allowed {
            return Ok(());
        }
        self.check_held(user, plural, namespace, name, rules)
    }

    /// Whether `user` may write a cluster role: its rules, and that it gathers others' rules.
    ///
    /// # Errors
    /// 403 with the rights that the user lacks.
    pub fn check_cluster_role(
        &self,
        user: &UserInfo,
        new: &ClusterRole,
        old: Option<&ClusterRole>,
    ) -> ApiResult<()> {
        let name = &new.metadata.name;
        self.check_role(user, "clusterroles", "", name, &new.rules)?;
        let gathers = |role: &ClusterRole| {
            role.aggregation_rule.as_ref().is_some_and(|a| !a.cluster_role_selectors.is_empty())
        };
        let everything = || vec!["*".to_string()];
        let full = [
            PolicyRule {
                verbs: everything(),
                api_groups: everything(),
                resources: everything(),
                ..PolicyRule::default()
            },
            PolicyRule { verbs: everything(), non_resource_urls: everything(), ..PolicyRule::default() },
        ];
        if (gathers(new) || old.is_some_and(gathers))
            && self.check_role(user, "clusterroles", "", name, &full).is_err()
        {
            let why = "must have cluster-admin privileges to use the aggregationRule";
            return Err(ApiError::forbidden(Resource { group: GROUP, plural: "clusterroles" }, name, why));
        }
        Ok(())
    }

    /// Whether `user` may bind the role in that namespace, or, when it is empty, in the cluster.
    ///
    /// # Errors
    /// 404 if the role does not exist, 403 with the rights that the user lacks.
    pub fn check_binding(
        &self,
        user: &UserInfo,
        namespace: &str,
        name: &str,
        role: &RoleRef,
    ) -> ApiResult<()> {
        let roles = if role.kind == "ClusterRole" { "clusterroles" } else { "roles" };
        let bind = Attributes {
            namespace,
            name: &role.name,
            version: "*",
            ..Attributes::resource(user, "bind", &role.api_group, roles)
        };
        if self.authorize(&bind).allowed {
            return Ok(());
        }
        let singular = roles.trim_end_matches('s');
        let Some(rules) = self.rbac.rules_of(role, namespace) else {
            return Err(ApiError::not_found(Resource { group: GROUP, plural: singular }, &role.name));
        };
        let bindings = if namespace.is_empty() { "clusterrolebindings" } else { "rolebindings" };
        self.check_held(user, bindings, namespace, name, &rules)
    }

    fn check_held(
        &self,
        user: &UserInfo,
        plural: &str,
        namespace: &str,
        name: &str,
        rules: &[PolicyRule],
    ) -> ApiResult<()> {
        if identity::in_group(user, identity::MASTERS) {
            return Ok(());
        }
        let (held, errors) = self.rbac.rules_for(user, namespace);
        let lacking = missing(&held, rules);
        if lacking.is_empty() {
            return Ok(());
        }
        let groups: Vec<String> = user.groups.iter().map(|g| format!("{g:?}")).collect();
        let mut why = format!(
            "user {:?} (groups=[{}]) is attempting to grant RBAC permissions not currently held:\n{}",
            user.username,
            groups.join(" "),
            describe(lacking)
        );
        if !errors.is_empty() {
            why += &format!("; resolution errors: [{errors}]");
        }
        Err(ApiError::forbidden(Resource { group: GROUP, plural }, name, &why))
    }
}
