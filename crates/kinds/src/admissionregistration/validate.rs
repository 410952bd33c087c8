//! Validation of webhooks and of what policies match.

use super::expressions;
use crate::errors::Errors;
use crate::metadata::strings;
use crate::names;
use crate::selectors;
use crate::webhook_client;
use corten_api::admissionregistration::v1::{
    MatchCondition, MatchResources, RuleWithOperations, WebhookClientConfig,
};
use corten_api::meta::v1::LabelSelector;

const FAILURE: &[&str] = &["Fail", "Ignore"];
const MATCH: &[&str] = &["Equivalent", "Exact"];

/// A webhook, mutating or validating.
pub(super) struct Webhook<'a> {
    pub name: &'a str,
    pub client: &'a WebhookClientConfig,
    pub rules: &'a [RuleWithOperations],
    pub failure_policy: &'a Option<String>,
    pub match_policy: &'a Option<String>,
    pub side_effects: &'a Option<String>,
    pub timeout_seconds: Option<i32>,
    /// Of mutating webhooks alone.
    pub reinvocation_policy: Option<&'a str>,
    pub selectors: [&'a Option<Box<LabelSelector>>; 2],
    pub versions: &'a [String],
    pub conditions: &'a [MatchCondition],
    /// Whether the conditions are to be compiles: not if they are as they were.
    pub compiles: bool,
}

/// The webhooks of one configuration.
pub(super) fn webhooks<'a>(errors: &mut Errors, hooks: impl Iterator<Item = Webhook<'a>>) {
    let mut taken: Vec<&str> = Vec::new();
    for (i, hook) in hooks.enumerate() {
        let path = format!("webhooks[{i}]");
        webhook(errors, &hook, &path);
        if !hook.name.is_empty() && taken.contains(&hook.name) {
            errors.duplicate(format!("{path}.name"), hook.name);
        }
        taken.push(hook.name);
    }
}

fn webhook(errors: &mut Errors, hook: &Webhook<'_>, path: &str) {
    let at = |field: &str| format!("{path}.{field}");
    qualified(errors, hook.name, &at("name"));
    for (i, rule) in hook.rules.iter().enumerate() {
        self::rule(errors, rule, &at(&format!("rules[{i}]")));
    }
    failure_policy(errors, hook.failure_policy, at("failurePolicy"));
    if let Some(policy) = hook.match_policy {
        errors.supported(at("matchPolicy"), policy, MATCH);
    }
    match hook.side_effects {
        None => errors.required(at("sideEffects"), "must specify one of None, NoneOnDryRun"),
        Some(effects) => errors.supported(at("sideEffects"), effects, &["None", "NoneOnDryRun"]),
    }
    if let Some(seconds) = hook.timeout_seconds.filter(|s| !(1..=30).contains(s)) {
        let detail = "the timeout value must be between 1 and 30 seconds";
        errors.invalid(at("timeoutSeconds"), seconds, detail);
    }
    for (name, selector) in ["namespaceSelector", "objectSelector"].iter().zip(hook.selectors) {
        if let Some(selector) = selector {
            errors.extend(selectors::validate(selector, &at(name)));
        }
    }
    if let Some(policy) = hook.reinvocation_policy {
        errors.supported(at("reinvocationPolicy"), policy, &["IfNeeded", "Never"]);
    }
    client(errors, hook.client, &at("clientConfig"));
    if hook.compiles {
        expressions::conditions(errors, hook.conditions, false, &at("matchConditions"));
    }
    review_versions(errors, hook.versions, &at("admissionReviewVersions"));
}

/// The versions of the review that a webhook takes: known ones among them.
fn review_versions(errors: &mut Errors, versions: &[String], path: &str) {
    if versions.is_empty() {
        errors.required(path, "must specify one of v1, v1beta1");
        return;
    }
    for (i, version) in versions.iter().enumerate() {
        let at = format!("{path}[{i}]");
        if versions[..i].contains(version) {
            errors.invalid(at, version, "duplicate version");
        } else {
            errors.format(&at, version, names::dns_1035_label);
        }
    }
    if !versions.iter().any(|v| v == "v1" || v == "v1beta1") {
        errors.invalid(path, strings(versions), "must include at least one of v1, v1beta1");
    }
}

/// A name with a domain of its own.
fn qualified(errors: &mut Errors, name: &str, path: &str) {
    let wrong = names::dns_subdomain(name);
    if name.is_empty() {
        errors.required(path, "");
    } else if !wrong.is_empty() {
        errors.invalid(path, name, wrong.join(","));
    } else if name.split('.').count() < 3 {
        let detail = "should be a domain with at least three segments separated by dots";
        errors.invalid(path, name, detail);
    }
}

/// What happens when the check itself fails.
pub(super) fn failure_policy(errors: &mut Errors, policy: &Option<String>, path: String) {
    if let Some(policy) = policy {
        errors.supported(path, policy, FAILURE);
    }
}

fn client(errors: &mut Errors, client: &WebhookClientConfig, path: &str) {
    match (&client.url, &client.service) {
        (Some(_), Some(_)) | (None, None) => {
            errors.required(path, "exactly one of url or service is required");
        }
        (Some(url), None) => webhook_client::url(errors, url, &format!("{path}.url")),
        (None, Some(service)) => webhook_client::service(
            errors,
            // Upstream's call mixes the two up; so the complaint about one names the other.
            (&service.name, &service.namespace),
            (service.path.as_deref(), service.port.unwrap_or(443)),
            &format!("{path}.service"),
        ),
    }
}

/// Conditions have names of their own; at most 64.
pub(super) fn conditions(errors: &mut Errors, list: &[MatchCondition], path: &str) {
    if list.len() > 64 {
        let too_many = corten_semantics::field::FieldError::too_many(path, list.len(), 64);
        errors.extend([too_many]);
    }
    for (i, condition) in list.iter().enumerate() {
        let at = |field: &str| format!("{path}[{i}].{field}");
        if condition.expression.trim().is_empty() {
            errors.required(at("expression"), "");
        }
        if condition.name.is_empty() {
            errors.required(at("name"), "");
        } else {
            errors.format(&at("name"), &condition.name, names::qualified_name);
        }
        if list[..i].iter().any(|other| other.name == condition.name) {
            errors.duplicate(at("name"), &condition.name);
        }
    }
}

/// Which requests are meant.
fn rule(errors: &mut Errors, rule: &RuleWithOperations, path: &str) {
    let lone = |list: &[String]| list.len() > 1 && list.iter().any(|v| v == "*");
    let operations = format!("{path}.operations");
    if rule.operations.is_empty() {
        errors.required(&operations, "");
    }
    if lone(&rule.operations) {
        let detail = "if '*' is present, must not specify other operations";
        errors.invalid(&operations, strings(&rule.operations), detail);
    }
    for (i, operation) in rule.operations.iter().enumerate() {
        let known = &["*", "CONNECT", "CREATE", "DELETE", "UPDATE"];
        errors.supported(format!("{operations}[{i}]"), operation, known);
    }
    let rule = &rule.rule;
    for (name, list, others) in
        [("apiGroups", &rule.api_groups, "API groups"), ("apiVersions", &rule.api_versions, "API versions")]
    {
        let at = format!("{path}.{name}");
        if list.is_empty() {
            errors.required(&at, "");
        }
        if lone(list) {
            let detail = format!("if '*' is present, must not specify other {others}");
            errors.invalid(at, strings(list), detail);
        }
    }
    for (i, _) in rule.api_versions.iter().enumerate().filter(|(_, v)| v.is_empty()) {
        errors.required(format!("{path}.apiVersions[{i}]"), "");
    }
    resources(errors, &rule.resources, &format!("{path}.resources"));
    if let Some(scope) = &rule.scope {
        errors.supported(format!("{path}.scope"), scope, &["*", "Cluster", "Namespaced"]);
    }
}

fn resources(errors: &mut Errors, list: &[String], path: &str) {
    if list.is_empty() {
        errors.required(path, "");
    }
    for (i, resource) in list.iter().enumerate() {
        let at = format!("{path}[{i}]");
        if resource.is_empty() {
            errors.required(&at, "");
        }
        let Some((name, part)) = resource.split_once('/') else { continue };
        for wide in [format!("{name}/*"), format!("*/{part}")] {
            if list[..i].contains(&wide) {
                let detail = format!("if '{wide}' is present, must not specify {resource}");
                errors.invalid(&at, resource, detail);
            }
        }
    }
    if list.len() > 1 && list.iter().any(|r| r == "*/*") {
        errors.invalid(path, strings(list), "if '*/*' is present, must not specify other resources");
    }
    if list.iter().any(|r| r == "*") && list.iter().any(|r| r != "*" && !r.contains('/')) {
        let detail = "if '*' is present, must not specify other resources without subresources";
        errors.invalid(path, strings(list), detail);
    }
}

/// What a policy or a binding matches.
pub(super) fn matching(errors: &mut Errors, matching: &MatchResources, path: &str) {
    if let Some(policy) = &matching.match_policy {
        errors.supported(format!("{path}.matchPolicy"), policy, MATCH);
    }
    for (name, selector) in
        [("namespaceSelector", &matching.namespace_selector), ("objectSelector", &matching.object_selector)]
    {
        if let Some(selector) = selector {
            errors.extend(selectors::validate(selector, &format!("{path}.{name}")));
        }
    }
    for (name, rules) in [
        ("resourceRules", &matching.resource_rules),
        ("excludeResourceRules", &matching.exclude_resource_rules),
    ] {
        for (i, named) in rules.iter().enumerate() {
            let path = format!("{path}.{name}[{i}]");
            for (n, resource) in named.resource_names.iter().enumerate() {
                let at = format!("{path}.resourceNames[{n}]");
                errors.format(&at, resource, |name| names::path_segment(name, false));
                if named.resource_names[..n].contains(resource) {
                    errors.duplicate(at, resource);
                }
            }
            rule(errors, &named.rule_with_operations, &path);
        }
    }
}
