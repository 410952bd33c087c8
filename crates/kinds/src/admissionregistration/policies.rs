//! ValidatingAdmissionPolicies and their bindings.

use super::{RULES, expressions, validate};
use crate::columns::{self, AGE, Column, NAME, row};
use crate::conditions;
use crate::errors::Errors;
use crate::metadata::strings;
use crate::names;
use crate::rules::{Rules, StatusMetadata};
use crate::selectors;
use crate::strategy::KindStrategy;
use corten_api::admissionregistration::v1::{
    MatchResources, ParamKind, ParamRef, ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
};
use corten_semantics::field::FieldError;
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

    fn validate(&self, policy: &ValidatingAdmissionPolicy) -> Vec<FieldError> {
        check(policy, true)
    }

    fn validate_update(
        &self,
        new: &ValidatingAdmissionPolicy,
        old: &ValidatingAdmissionPolicy,
    ) -> Vec<FieldError> {
        let (spec, was) = (&new.spec, &old.spec);
        check(new, spec.param_kind != was.param_kind || spec.match_conditions != was.match_conditions)
    }

    fn validate_status_update(
        &self,
        new: &ValidatingAdmissionPolicy,
        _old: &ValidatingAdmissionPolicy,
    ) -> Vec<FieldError> {
        let mut errors = Errors::default();
        let checked = new.status.type_checking.as_ref();
        for (i, warning) in checked.iter().flat_map(|c| &c.expression_warnings).enumerate() {
            let path = format!("status.typeChecking.expressionWarnings[{i}]");
            if warning.warning.is_empty() {
                errors.required(format!("{path}.warning"), "");
            }
            if warning.field_ref.trim().is_empty() {
                errors.required(format!("{path}.fieldRef"), "");
            }
        }
        conditions::validate(&mut errors, &new.status.conditions, "status.conditions");
        errors.into_vec()
    }

    fn row(&self, policy: &ValidatingAdmissionPolicy, now: Timestamp) -> Vec<Value> {
        row![
            policy.metadata.name.as_str(),
            policy.spec.validations.len(),
            param_kind_text(policy.spec.param_kind.as_deref()),
            columns::age(policy.metadata.creation_timestamp, now),
        ]
    }
}

/// What is wrong with the policy; its match conditions only if they could have become wrong.
fn check(policy: &ValidatingAdmissionPolicy, conditions: bool) -> Vec<FieldError> {
    let mut errors = Errors::default();
    let spec = &policy.spec;
    validate::failure_policy(&mut errors, &spec.failure_policy, "spec.failurePolicy".into());
    if let Some(kind) = &spec.param_kind {
        expressions::param_kind(&mut errors, kind);
    }
    match &spec.match_constraints {
        None => errors.required("spec.matchConstraints", ""),
        Some(matching) => {
            validate::matching(&mut errors, matching, "spec.matchConstraints");
            if matching.resource_rules.is_empty() {
                errors.required("spec.matchConstraints.resourceRules", "");
            }
        }
    }
    if conditions {
        let params = spec.param_kind.is_some();
        expressions::conditions(&mut errors, &spec.match_conditions, params, "spec.matchConditions");
    }
    expressions::policy(&mut errors, policy);
    errors.into_vec()
}

/// How columns show the kind of a policy's parameters.
pub(super) fn param_kind_text(kind: Option<&ParamKind>) -> String {
    kind.map_or("<unset>".to_string(), |kind| format!("{}/{}", kind.api_version, kind.kind))
}

/// How columns show a binding's parameters: selectors as Go does.
pub(super) fn param_ref_text(param: Option<&ParamRef>) -> String {
    match param {
        Some(ParamRef { name, namespace, .. }) if !name.is_empty() => {
            format!("{}/{name}", if namespace.is_empty() { "*" } else { namespace })
        }
        Some(ParamRef { selector: Some(selector), .. }) => {
            let labels = selector.match_labels.iter().map(|(key, value)| format!("{key}: {value},"));
            let expressions = selector.match_expressions.iter().map(|e| {
                let (key, operator, values) = (&e.key, &e.operator, e.values.join(" "));
                format!("LabelSelectorRequirement{{Key:{key},Operator:{operator},Values:[{values}],}},")
            });
            let (labels, expressions): (String, String) = (labels.collect(), expressions.collect());
            format!(
                "&LabelSelector{{MatchLabels:map[string]string{{{labels}}},\
                 MatchExpressions:[]LabelSelectorRequirement{{{expressions}}},}}"
            )
        }
        _ => "<unset>".to_string(),
    }
}

/// The policy that a binding names.
pub(super) fn policy_name(errors: &mut Errors, name: &str) {
    if name.is_empty() {
        errors.required("spec.policyName", "");
    } else {
        errors.format("spec.policyName", name, names::dns_subdomain);
    }
}

/// The parameters that a binding gives its policy.
pub(super) fn param_ref(errors: &mut Errors, param: &ParamRef) {
    if !param.name.is_empty() {
        errors.format("spec.paramRef.name", &param.name, |name| names::path_segment(name, false));
    }
    if let Some(selector) = &param.selector {
        errors.extend(selectors::validate(selector, "spec.paramRef.selector"));
    }
    match (param.name.is_empty(), param.selector.is_some()) {
        (false, true) => {
            for name in ["name", "selector"] {
                let detail = "name and selector are mutually exclusive";
                errors.forbidden(format!("spec.paramRef.{name}"), detail);
            }
        }
        (true, false) => {
            errors.required("spec.paramRef", "one of name or selector must be specified");
        }
        _ => {}
    }
    let action = param.parameter_not_found_action.as_deref().unwrap_or_default();
    errors.one_of("spec.paramRef.parameterNotFoundAction", action, &["Deny", "Allow"]);
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

    fn validate(&self, binding: &ValidatingAdmissionPolicyBinding) -> Vec<FieldError> {
        let mut errors = Errors::default();
        let spec = &binding.spec;
        policy_name(&mut errors, &spec.policy_name);
        if let Some(param) = &spec.param_ref {
            param_ref(&mut errors, param);
        }
        if let Some(matching) = &spec.match_resources {
            validate::matching(&mut errors, matching, "spec.matchResources");
        }
        actions(&mut errors, &spec.validation_actions);
        errors.into_vec()
    }

    fn row(&self, binding: &ValidatingAdmissionPolicyBinding, now: Timestamp) -> Vec<Value> {
        row![
            binding.metadata.name.as_str(),
            binding.spec.policy_name.as_str(),
            param_ref_text(binding.spec.param_ref.as_deref()),
            columns::age(binding.metadata.creation_timestamp, now),
        ]
    }
}

fn actions(errors: &mut Errors, list: &[String]) {
    let path = "spec.validationActions";
    for (i, action) in list.iter().enumerate() {
        errors.supported(format!("{path}[{i}]"), action, &["Audit", "Deny", "Warn"]);
        if list[..i].contains(action) {
            errors.duplicate(format!("{path}[{i}]"), action);
        }
    }
    let has = |action: &str| list.iter().any(|a| a == action);
    if has("Deny") && has("Warn") {
        let detail = "must not contain both Deny and Warn (repeating the same validation failure information in the API response and headers serves no purpose)";
        errors.invalid(path, strings(list), detail);
    }
    if list.is_empty() {
        errors.required(path, "at least one validation action is required");
    }
}

pub(super) fn default_matching(matching: &mut MatchResources) {
    matching.match_policy.get_or_insert_with(|| "Equivalent".into());
    matching.namespace_selector.get_or_insert_default();
    matching.object_selector.get_or_insert_default();
    let rules = matching.resource_rules.iter_mut().chain(&mut matching.exclude_resource_rules);
    for rule in rules {
        rule.rule_with_operations.rule.scope.get_or_insert_with(|| "*".into());
    }
}
