//! ResourceQuotas.

use super::CORE;
use super::pod::defaults::amounts;
use super::pod::resources;
use crate::columns::{self, AGE, Column, NAME, row};
use crate::errors::Errors;
use crate::metadata::{IMMUTABLE, shown, strings};
use crate::names;
use crate::rules::Rules;
use crate::strategy::KindStrategy;
use corten_api::Quantity;
use corten_api::core::v1::{ResourceQuota, ResourceQuotaSpec};
use corten_semantics::field::FieldError;
use jiff::Timestamp;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Resources without a domain that a quota may count.
const COUNTED: &[&str] = &[
    "configmaps",
    "cpu",
    "ephemeral-storage",
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "memory",
    "persistentvolumeclaims",
    "pods",
    "replicationcontrollers",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
    "requests.storage",
    "resourcequotas",
    "secrets",
    "services",
    "services.loadbalancers",
    "services.nodeports",
];
/// What quotas of pods and of claims may count, of the resources in [`COUNTED`].
const OF_PODS: &[&str] =
    &["cpu", "limits.cpu", "limits.memory", "memory", "pods", "requests.cpu", "requests.memory"];
const OF_CLAIMS: &[&str] = &["persistentvolumeclaims", "requests.storage"];
const SCOPES: &[&str] = &[
    "BestEffort",
    "CrossNamespacePodAffinity",
    "NotBestEffort",
    "NotTerminating",
    "PriorityClass",
    "Terminating",
    "VolumeAttributesClass",
];

/// ResourceQuotas.
pub struct ResourceQuotaStrategy;

impl KindStrategy for ResourceQuotaStrategy {
    type Kind = ResourceQuota;
    const RULES: Rules = CORE;
    const COLUMNS: &'static [Column] = &[NAME, Column::text("Request"), Column::text("Limit"), AGE];

    fn default(&self, quota: &mut ResourceQuota) {
        amounts(&mut quota.spec.hard);
        amounts(&mut quota.status.hard);
        amounts(&mut quota.status.used);
    }

    fn validate(&self, quota: &ResourceQuota) -> Vec<FieldError> {
        let mut errors = Errors::default();
        counts(&mut errors, &quota.spec.hard, "spec.hard");
        scopes(&mut errors, &quota.spec);
        errors.into_vec()
    }

    fn validate_update(&self, new: &ResourceQuota, old: &ResourceQuota) -> Vec<FieldError> {
        let mut errors = Errors::default();
        errors.extend(KindStrategy::validate(self, new));
        let set = |q: &ResourceQuota| q.spec.scopes.iter().cloned().collect::<BTreeSet<String>>();
        if set(new) != set(old) {
            errors.invalid("spec.scopes", strings(&new.spec.scopes), IMMUTABLE);
        }
        errors.into_vec()
    }

    fn validate_status_update(&self, new: &ResourceQuota, _old: &ResourceQuota) -> Vec<FieldError> {
        let mut errors = Errors::default();
        counts(&mut errors, &new.status.hard, "status.hard");
        counts(&mut errors, &new.status.used, "status.used");
        errors.into_vec()
    }

    fn row(&self, quota: &ResourceQuota, now: Timestamp) -> Vec<Value> {
        let (mut requests, mut limits) = (Vec::new(), Vec::new());
        for (name, hard) in &quota.status.hard {
            let used = quota.status.used.get(name).copied().unwrap_or_default();
            let list = if name.starts_with("limits.") { &mut limits } else { &mut requests };
            list.push(format!("{name}: {used}/{hard}"));
        }
        row![
            quota.metadata.name.as_str(),
            requests.join(", "),
            limits.join(", "),
            columns::age(quota.metadata.creation_timestamp, now),
        ]
    }
}

/// Whether a resource is one that quotas know by name.
fn standard(name: &str) -> bool {
    let huge = name.strip_prefix("requests.").unwrap_or(name).starts_with("hugepages-");
    huge || COUNTED.contains(&name)
}

fn counts(errors: &mut Errors, list: &BTreeMap<String, Quantity>, path: &str) {
    for (name, amount) in list {
        let at = format!("{path}[{name}]");
        let wrong = names::qualified_name(name);
        if wrong.is_empty() && !name.contains('/') && !standard(name) && name != "storage" {
            errors.invalid(&at, name, "must be a standard resource type or fully qualified");
        }
        for message in wrong {
            errors.invalid(&at, name, message);
        }
        if !name.contains('/') && !standard(name) {
            errors.invalid(&at, name, "must be a standard resource for quota");
        }
        resources::amount(errors, &at, name, amount);
    }
}

/// Whether a quota of a scope may count a resource; of those that are not standard it may count all.
fn may_count(scope: &str, name: &str) -> bool {
    match scope {
        _ if !standard(name) || !SCOPES.contains(&scope) => true,
        "BestEffort" => name == "pods",
        "VolumeAttributesClass" => OF_CLAIMS.contains(&name),
        _ => OF_PODS.contains(&name),
    }
}

fn scopes(errors: &mut Errors, spec: &ResourceQuotaSpec) {
    let has = |scope: &str| spec.scopes.iter().any(|s| s == scope);
    for scope in &spec.scopes {
        if !SCOPES.contains(&scope.as_str()) {
            errors.invalid("spec.scopes", strings(&spec.scopes), "unsupported scope");
        }
        for _ in spec.hard.keys().filter(|name| !may_count(scope, name)) {
            let detail = "unsupported scope applied to resource";
            errors.invalid("spec.scopes", strings(&spec.scopes), detail);
        }
    }
    conflicts(errors, spec, has);
    let path = "spec.scopeSelector.matchExpressions";
    for requirement in spec.scope_selector.iter().flat_map(|s| &s.match_expressions) {
        if !SCOPES.contains(&requirement.scope_name.as_str()) {
            errors.invalid(format!("{path}.scopeName"), &requirement.scope_name, "unsupported scope");
        }
        let scope = requirement.scope_name.as_str();
        for _ in spec.hard.keys().filter(|name| !may_count(scope, name)) {
            let detail = "unsupported scope applied to resource";
            errors.invalid(path, shown(&spec.scope_selector), detail);
        }
        let only = SCOPES.contains(&scope) && !["PriorityClass", "VolumeAttributesClass"].contains(&scope);
        if only && requirement.operator != "Exists" {
            let detail = "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity";
            errors.invalid(format!("{path}.operator"), &requirement.operator, detail);
        }
        match (requirement.operator.as_str(), requirement.values.is_empty()) {
            ("In" | "NotIn", true) => {
                let detail =
                    "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector";
                errors.required(format!("{path}.values"), detail);
            }
            ("Exists" | "DoesNotExist", false) => {
                let detail =
                    "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector";
                errors.invalid(format!("{path}.values"), strings(&requirement.values), detail);
            }
            ("In" | "NotIn" | "Exists" | "DoesNotExist", _) => {}
            (other, _) => {
                errors.invalid(format!("{path}.operator"), other, "not a valid selector operator");
            }
        }
    }
    let selected = spec.scope_selector.as_deref().map_or(&[][..], |s| &s.match_expressions);
    conflicts(errors, spec, |scope| selected.iter().any(|r| r.scope_name == scope));
}

/// Scopes that exclude each other; whichever list they stand in, the error shows `scopes`.
fn conflicts(errors: &mut Errors, spec: &ResourceQuotaSpec, has: impl Fn(&str) -> bool) {
    for (a, b) in [("BestEffort", "NotBestEffort"), ("Terminating", "NotTerminating")] {
        if has(a) && has(b) {
            errors.invalid("spec.scopes", strings(&spec.scopes), "conflicting scopes");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotas_count_known_resources() {
        const SCOPES: &str = "spec.scopes: Invalid value: [\"BestEffort\",\"NotBestEffort\"]: ";
        const APPLES: &str = "spec.hard[apples]: Invalid value: \"apples\": ";
        type Row =
            (&'static [&'static str], &'static [&'static str], &'static [(&'static str, &'static str)]);
        let rows: &[Row] = &[
            (&["pods", "requests.nvidia.com/gpu", "requests.hugepages-2Mi", "count/pods"], &[], &[]),
            (
                &["apples"],
                &[],
                &[
                    (APPLES, "must be a standard resource type or fully qualified"),
                    (APPLES, "must be a standard resource for quota"),
                ],
            ),
            (&["pods", "count/pods"], &["BestEffort", "NotBestEffort"], &[(SCOPES, "conflicting scopes")]),
            (
                &["cpu", "hugepages-2Mi", "requests.nvidia.com/gpu"],
                &["BestEffort", "NotBestEffort"],
                &[
                    (SCOPES, "unsupported scope applied to resource"),
                    (SCOPES, "unsupported scope applied to resource"),
                    (SCOPES, "unsupported scope applied to resource"),
                    (SCOPES, "conflicting scopes"),
                ],
            ),
        ];
        for (names, scopes, want) in rows {
            let mut quota = ResourceQuota::default();
            for name in *names {
                quota.spec.hard.insert((*name).into(), Quantity::whole(1));
            }
            quota.spec.scopes = scopes.iter().map(ToString::to_string).collect();
            let told: Vec<String> = KindStrategy::validate(&ResourceQuotaStrategy, &quota)
                .iter()
                .map(ToString::to_string)
                .collect();
            let want: Vec<String> = want.iter().map(|(a, b)| format!("{a}{b}")).collect();
            assert_eq!(told, want, "{names:?} {scopes:?}");
        }
    }
}
