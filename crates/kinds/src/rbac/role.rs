//! Roles and ClusterRoles.

use super::RULES;
use crate::rules::Rules;
use crate::selectors;
use crate::strategy::KindStrategy;
use corten_api::rbac::v1::{ClusterRole, PolicyRule, Role};
use corten_semantics::field::FieldError;

/// Roles.
pub struct RoleStrategy;

impl KindStrategy for RoleStrategy {
    type Kind = Role;
    const RULES: Rules = RULES;

    fn validate(&self, role: &Role) -> Vec<FieldError> {
        rules(&role.rules, true)
    }
}

/// ClusterRoles.
pub struct ClusterRoleStrategy;

impl KindStrategy for ClusterRoleStrategy {
    type Kind = ClusterRole;
    const RULES: Rules = RULES;

    fn validate(&self, role: &ClusterRole) -> Vec<FieldError> {
        let mut errors = rules(&role.rules, false);
        if let Some(aggregation) = &role.aggregation_rule {
            let path = "aggregationRule.clusterRoleSelectors";
            if aggregation.cluster_role_selectors.is_empty() {
                let detail = "at least one clusterRoleSelector required if aggregationRule is non-nil";
                errors.push(FieldError::required(path, detail));
            }
            for (i, selector) in aggregation.cluster_role_selectors.iter().enumerate() {
                let at = format!("{path}[{i}]");
                let wrong = selectors::validate(selector, &at);
                if !wrong.is_empty() {
                    errors.extend(wrong);
                    let shown = crate::metadata::shown(selector);
                    errors.push(FieldError::invalid(at, shown, "invalid label selector."));
                }
            }
        }
        errors
    }
}

fn rules(rules: &[PolicyRule], namespaced: bool) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for (i, rule) in rules.iter().enumerate() {
        let at = |field: &str| format!("rules[{i}].{field}");
        if rule.verbs.is_empty() {
            errors.push(FieldError::required(at("verbs"), "verbs must contain at least one value"));
        }
        if !rule.non_resource_urls.is_empty() {
            let value = crate::metadata::strings(&rule.non_resource_urls);
            if namespaced {
                let detail = "namespaced rules cannot apply to non-resource URLs";
                errors.push(FieldError::invalid(at("nonResourceURLs"), value, detail));
            }
            if !(rule.api_groups.is_empty() && rule.resources.is_empty() && rule.resource_names.is_empty()) {
                let detail = "rules cannot apply to both regular resources and non-resource URLs";
                let value = crate::metadata::strings(&rule.non_resource_urls);
                errors.push(FieldError::invalid(at("nonResourceURLs"), value, detail));
            }
            continue;
        }
        if rule.api_groups.is_empty() {
            let detail = "resource rules must supply at least one api group";
            errors.push(FieldError::required(at("apiGroups"), detail));
        }
        if rule.resources.is_empty() {
            let detail = "resource rules must supply at least one resource";
            errors.push(FieldError::required(at("resources"), detail));
        }
    }
    errors
}
