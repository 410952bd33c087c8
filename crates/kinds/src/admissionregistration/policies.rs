//! ValidatingAdmissionPolicies and their bindings.

use super::RULES;
use crate::columns::{self, AGE, Column, NAME, row};
use crate::rules::{Rules, StatusMetadata};
use crate::strategy::KindStrategy;
use corten_api::admissionregistration::v1::{
    MatchResources, ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
};
use jiff::Timestamp;
use serde_json::Value;

/// ValidatingAdmissionPolicies.
pub struct ValidatingAdmissionPolicyStrategy;

impl KindStrategy for ValidatingAdmissionPolicyStrategy {
    type Kind = ValidatingAdmissionPolicy;
    const RULES: Rules = Rules { status_metadata: StatusMetadata::Kept, ..RULES };
    const COLUMNS: &'static [Column] = &[NAME, Column::number("Validations"), Column::text("ParamKind"), AGE];

    fn default(&self, policy: &mut ValidatingAdmissionPolicy) {
        policy.spec.failure_policy.get_or_insert_with(|| "Fail".into());
        if let Some(matching) = &mut policy.spec.match_constraints {
            default_matching(matching);
        }
    }

    fn row(&self, policy: &ValidatingAdmissionPolicy, now: Timestamp) -> Vec<Value> {
        let kind = policy.spec.param_kind.as_ref();
        row![
            policy.metadata.name.as_str(),
            policy.spec.validations.len(),
            kind.map_or("<unset>".to_string(), |k| format!("{}/{}", k.api_version, k.kind)),
            columns::age(policy.metadata.creation_timestamp, now),
        ]
    }
}

/// ValidatingAdmissionPolicyBindings.
pub struct ValidatingAdmissionPolicyBindingStrategy;

impl KindStrategy for ValidatingAdmissionPolicyBindingStrategy {
    type Kind = ValidatingAdmissionPolicyBinding;
    const RULES: Rules = RULES;
    const COLUMNS: &'static [Column] = &[NAME, Column::text("PolicyName"), Column::text("ParamRef"), AGE];

    fn default(&self, binding: &mut ValidatingAdmissionPolicyBinding) {
        if let Some(matching) = &mut binding.spec.match_resources {
            default_matching(matching);
        }
    }

    fn row(&self, binding: &ValidatingAdmissionPolicyBinding, now: Timestamp) -> Vec<Value> {
        let param = binding.spec.param_ref.as_ref().map_or("<unset>".to_string(), |p| {
            match (p.namespace.as_str(), p.name.as_str()) {
                (namespace, "") => format!("{namespace}/*"),
                ("", name) => name.to_string(),
                (namespace, name) => format!("{namespace}/{name}"),
            }
        });
        row![
            binding.metadata.name.as_str(),
            binding.spec.policy_name.as_str(),
            param,
            columns::age(binding.metadata.creation_timestamp, now),
        ]
    }
}

fn default_matching(matching: &mut MatchResources) {
    matching.match_policy.get_or_insert_with(|| "Equivalent".into());
    matching.namespace_selector.get_or_insert_default();
    matching.object_selector.get_or_insert_default();
    let rules = matching.resource_rules.iter_mut().chain(&mut matching.exclude_resource_rules);
    for rule in rules {
        rule.rule_with_operations.rule.scope.get_or_insert_with(|| "*".into());
    }
}
