//! Which requests a FlowSchema is about: subjects, and what they ask for.

use crate::errors::Errors;
use crate::metadata::{Shown, strings};
use crate::names;
use corten_api::flowcontrol::v1::{
    NonResourcePolicyRule, PolicyRulesWithSubjects, ResourcePolicyRule, ServiceAccountSubject, Subject,
};
use corten_semantics::field::FieldError;

const VERBS: &[&str] =
    &["create", "delete", "deletecollection", "get", "list", "patch", "proxy", "update", "watch"];

/// Checks one rule.
pub(super) fn validate(errors: &mut Errors, rule: &PolicyRulesWithSubjects, path: &str) {
    if rule.subjects.is_empty() {
        errors.required(format!("{path}.subjects"), "subjects must contain at least one value");
    }
    for (i, one) in rule.subjects.iter().enumerate() {
        subject(errors, one, &format!("{path}.subjects[{i}]"));
    }
    if rule.resource_rules.is_empty() && rule.non_resource_rules.is_empty() {
        let detail = "at least one of resourceRules and nonResourceRules has to be non-empty";
        errors.required(path, detail);
    }
    for (i, rule) in rule.resource_rules.iter().enumerate() {
        resources(errors, rule, &format!("{path}.resourceRules[{i}]"));
    }
    for (i, rule) in rule.non_resource_rules.iter().enumerate() {
        paths(errors, rule, &format!("{path}.nonResourceRules[{i}]"));
    }
}

/// A subject says who it is in the way of its kind, and in no other.
fn subject(errors: &mut Errors, subject: &Subject, path: &str) {
    let (account, user, group) = (&subject.service_account, &subject.user, &subject.group);
    let ways = [
        ("ServiceAccount", "serviceAccount", account.is_some()),
        ("User", "user", user.is_some()),
        ("Group", "group", group.is_some()),
    ];
    if !ways.iter().any(|(kind, ..)| *kind == subject.kind) {
        errors.supported(format!("{path}.kind"), &subject.kind, &["Group", "ServiceAccount", "User"]);
        return;
    }
    for (kind, field, set) in ways {
        let at = format!("{path}.{field}");
        match (kind == subject.kind, set) {
            (true, false) => {
                errors.required(at, &format!("{field} is required when subject kind is '{kind}'"));
            }
            (false, true) => {
                errors.forbidden(at, format!("{field} is forbidden when subject kind is not '{kind}'"));
            }
            _ => {}
        }
    }
    match subject.kind.as_str() {
        "ServiceAccount" => {
            if let Some(subject) = account {
                service_account(errors, subject, &format!("{path}.serviceAccount"));
            }
        }
        "User" if user.as_ref().is_some_and(|user| user.name.is_empty()) => {
            errors.required(format!("{path}.user.name"), "");
        }
        "Group" if group.as_ref().is_some_and(|group| group.name.is_empty()) => {
            errors.required(format!("{path}.group.name"), "");
        }
        _ => {}
    }
}

fn service_account(errors: &mut Errors, subject: &ServiceAccountSubject, path: &str) {
    match subject.name.as_str() {
        "" => errors.required(format!("{path}.name"), ""),
        "*" => {}
        name => errors.format(&format!("{path}.name"), name, names::dns_subdomain),
    }
    let at = format!("{path}.namespace");
    if subject.namespace.is_empty() {
        errors.required(at, "must specify namespace for service account");
    } else {
        errors.format(&at, &subject.namespace, names::dns_label);
    }
}

/// An asterisk stands alone; whether it is there.
fn asterisk(errors: &mut Errors, list: &[String], others: &str, path: &str) -> bool {
    let is_there = list.iter().any(|item| item == "*");
    if is_there && list.len() > 1 {
        let detail = format!("if '*' is present, must not specify other {others}");
        errors.invalid(path, strings(list), detail);
    }
    is_there
}

fn verbs(errors: &mut Errors, list: &[String], path: &str) {
    if list.is_empty() {
        errors.required(path, "verbs must contain at least one value");
    } else if !asterisk(errors, list, "verbs", path) && !list.iter().all(|v| VERBS.contains(&v.as_str())) {
        errors.extend([FieldError::not_supported(path, strings(list), VERBS)]);
    }
}

fn resources(errors: &mut Errors, rule: &ResourcePolicyRule, path: &str) {
    verbs(errors, &rule.verbs, &format!("{path}.verbs"));
    for (field, list, one, others) in [
        ("apiGroups", &rule.api_groups, "api group", "api groups"),
        ("resources", &rule.resources, "resource", "resources"),
    ] {
        let at = format!("{path}.{field}");
        if list.is_empty() {
            errors.required(at, &format!("resource rules must supply at least one {one}"));
        } else {
            asterisk(errors, list, others, &at);
        }
    }
    let at = format!("{path}.namespaces");
    if rule.namespaces.is_empty() && !rule.cluster_scope {
        let detail = "resource rules that are not cluster scoped must supply at least one namespace";
        errors.required(at, detail);
    } else if !asterisk(errors, &rule.namespaces, "namespaces", &at) {
        for (i, namespace) in rule.namespaces.iter().enumerate() {
            for why in names::dns_label(namespace) {
                let detail = format!("each member of this list must be '*' or a DNS-1123 label; {why}");
                errors.invalid(format!("{at}[{i}]"), namespace, detail);
            }
        }
    }
}

fn paths(errors: &mut Errors, rule: &NonResourcePolicyRule, path: &str) {
    verbs(errors, &rule.verbs, &format!("{path}.verbs"));
    let at = format!("{path}.nonResourceURLs");
    let list = &rule.non_resource_urls;
    if list.is_empty() {
        errors.required(at, "nonResourceURLs must contain at least one value");
    } else if !asterisk(errors, list, "non-resource URLs", &at) {
        for (i, url) in list.iter().enumerate() {
            if let Some(why) = wrong_path(url) {
                errors.invalid(format!("{at}[{i}]"), url, why);
            }
        }
    }
}

fn wrong_path(path: &str) -> Option<&'static str> {
    let asterisks = path.matches('*').count();
    match path {
        "" => Some("must not be empty"),
        "/" => None,
        path if !path.starts_with('/') => Some("must start with slash"),
        path if path.contains(' ') => Some("must not contain white-space"),
        path if path.contains("//") => Some("must not contain double slash"),
        path if asterisks > 1 || asterisks == 1 && !path.ends_with("/*") => {
            Some("wildcard can only do suffix matching")
        }
        _ => None,
    }
}

/// The types of conditions, each once.
pub(super) fn conditions<'a>(errors: &mut Errors, types: impl Iterator<Item = &'a String>) {
    let mut seen = std::collections::BTreeSet::new();
    for (i, type_) in types.enumerate() {
        let at = format!("status.conditions[{i}].type");
        if !seen.insert(type_) {
            errors.duplicate(&at, type_);
        }
        if type_.is_empty() {
            errors.required(at, "");
        }
    }
}

/// What is shown of a method by which requests are told apart.
pub(super) fn method(type_: &str) -> Shown {
    Shown(serde_json::json!({ "type": type_ }).to_string())
}
