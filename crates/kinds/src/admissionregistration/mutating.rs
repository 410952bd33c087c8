//! MutatingAdmissionPolicies and their bindings.

use super::policies::{self, default_matching};
use super::{RULES, expressions, validate};
use crate::columns::{self, AGE, Column, NAME, row};
use crate::errors::Errors;
use crate::rules::Rules;
use crate::strategy::KindStrategy;
use corten_api::admissionregistration::v1::MatchResources;
use corten_api::admissionregistration::v1alpha1;
use corten_api::admissionregistration::v1beta1::{
    MutatingAdmissionPolicy, MutatingAdmissionPolicyBinding, MutatingAdmissionPolicyBindingSpec,
    MutatingAdmissionPolicySpec,
};
use corten_api::meta::v1::ObjectMeta;
use corten_semantics::field::FieldError;
use jiff::Timestamp;
use serde_json::Value;

/// Only what is written can be changed.
const OPERATIONS: &[&str] = &["*", "CREATE", "UPDATE"];

const POLICY: &[Column] = &[NAME, Column::number("Mutations"), Column::text("ParamKind"), AGE];
const BINDING: &[Column] = &[NAME, Column::text("PolicyName"), Column::text("ParamRef"), AGE];

/// MutatingAdmissionPolicies.
pub struct MutatingAdmissionPolicyStrategy;

impl KindStrategy for MutatingAdmissionPolicyStrategy {
    type Kind = MutatingAdmissionPolicy;
    const RULES: Rules = RULES;
    const COLUMNS: &'static [Column] = POLICY;

    fn default(&self, policy: &mut MutatingAdmissionPolicy) {
        policy.spec.failure_policy.get_or_insert_with(|| "Fail".into());
        if let Some(matching) = &mut policy.spec.match_constraints {
            default_matching(matching);
        }
    }

    fn validate(&self, policy: &MutatingAdmissionPolicy) -> Vec<FieldError> {
        check(policy, true)
    }

    fn validate_update(
        &self,
        new: &MutatingAdmissionPolicy,
        old: &MutatingAdmissionPolicy,
    ) -> Vec<FieldError> {
        let (spec, was) = (&new.spec, &old.spec);
        check(new, spec.param_kind != was.param_kind || spec.match_conditions != was.match_conditions)
    }

    fn row(&self, policy: &MutatingAdmissionPolicy, now: Timestamp) -> Vec<Value> {
        policy_row(&policy.metadata, &policy.spec, now)
    }
}

/// How the older version is shown; all else is done to the objects as they are stored.
pub struct MutatingAdmissionPolicyAlphaStrategy;

impl KindStrategy for MutatingAdmissionPolicyAlphaStrategy {
    type Kind = v1alpha1::MutatingAdmissionPolicy;
    const RULES: Rules = RULES;
    const COLUMNS: &'static [Column] = POLICY;

    fn row(&self, policy: &v1alpha1::MutatingAdmissionPolicy, now: Timestamp) -> Vec<Value> {
        policy_row(&policy.metadata, &policy.spec, now)
    }
}

fn policy_row(meta: &ObjectMeta, spec: &MutatingAdmissionPolicySpec, now: Timestamp) -> Vec<Value> {
    row![
        meta.name.as_str(),
        spec.mutations.len(),
        policies::param_kind_text(spec.param_kind.as_deref()),
        columns::age(meta.creation_timestamp, now),
    ]
}

/// What is wrong with the policy; its match conditions only if they could have become wrong.
fn check(policy: &MutatingAdmissionPolicy, conditions: bool) -> Vec<FieldError> {
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
            operations(&mut errors, matching, "spec.matchConstraints");
        }
    }
    if conditions {
        let params = spec.param_kind.is_some();
        expressions::conditions(&mut errors, &spec.match_conditions, params, "spec.matchConditions");
    }
    expressions::mutating(&mut errors, spec);
    let policy = spec.reinvocation_policy.as_str();
    errors.one_of("spec.reinvocationPolicy", policy, &["IfNeeded", "Never"]);
    errors.into_vec()
}

fn operations(errors: &mut Errors, matching: &MatchResources, path: &str) {
    for operation in matching.resource_rules.iter().flat_map(|rule| &rule.rule_with_operations.operations) {
        errors.supported(format!("{path}.resourceRules.operations"), operation, OPERATIONS);
    }
}

/// MutatingAdmissionPolicyBindings.
pub struct MutatingAdmissionPolicyBindingStrategy;

impl KindStrategy for MutatingAdmissionPolicyBindingStrategy {
    type Kind = MutatingAdmissionPolicyBinding;
    const RULES: Rules = RULES;
    const COLUMNS: &'static [Column] = BINDING;

    fn default(&self, binding: &mut MutatingAdmissionPolicyBinding) {
        if let Some(matching) = &mut binding.spec.match_resources {
            default_matching(matching);
        }
    }

    fn validate(&self, binding: &MutatingAdmissionPolicyBinding) -> Vec<FieldError> {
        let mut errors = Errors::default();
        let spec = &binding.spec;
        policies::policy_name(&mut errors, &spec.policy_name);
        if let Some(param) = &spec.param_ref {
            policies::param_ref(&mut errors, param);
        }
        if let Some(matching) = &spec.match_resources {
            validate::matching(&mut errors, matching, "spec.matchResources");
            operations(&mut errors, matching, "spec.matchResources");
        }
        errors.into_vec()
    }

    fn row(&self, binding: &MutatingAdmissionPolicyBinding, now: Timestamp) -> Vec<Value> {
        binding_row(&binding.metadata, &binding.spec, now)
    }
}

/// How the older version is shown.
pub struct MutatingAdmissionPolicyBindingAlphaStrategy;

impl KindStrategy for MutatingAdmissionPolicyBindingAlphaStrategy {
    type Kind = v1alpha1::MutatingAdmissionPolicyBinding;
    const RULES: Rules = RULES;
    const COLUMNS: &'static [Column] = BINDING;

    fn row(&self, binding: &v1alpha1::MutatingAdmissionPolicyBinding, now: Timestamp) -> Vec<Value> {
        binding_row(&binding.metadata, &binding.spec, now)
    }
}

fn binding_row(meta: &ObjectMeta, spec: &MutatingAdmissionPolicyBindingSpec, now: Timestamp) -> Vec<Value> {
    row![
        meta.name.as_str(),
        spec.policy_name.as_str(),
        policies::param_ref_text(spec.param_ref.as_deref()),
        columns::age(meta.creation_timestamp, now),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read<K: corten_api::Kind + Default>(spec: Value) -> K {
        let mut object = K::default();
        let text = json!({"metadata": {"name": "a"}, "spec": spec}).to_string();
        corten_codec::json::decode(text.as_bytes(), &mut object, &mut corten_codec::Problems::ignore())
            .expect("an object");
        object
    }

    fn spec(change: Value) -> Value {
        let mut spec = json!({
            "matchConstraints": {"resourceRules": [{
                "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"],
            }]},
            "mutations": [
                {"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": "Object{}"}},
                {"patchType": "JSONPatch", "jsonPatch": {"expression": " [JSONPatch{op: 'test', path: '/a'}]"}},
            ],
            "reinvocationPolicy": "Never",
        });
        for (path, value) in change.as_object().expect("an object") {
            *spec.pointer_mut(path).expect("a field") = value.clone();
        }
        spec
    }

    #[test]
    fn policies_say_what_they_change_and_how() {
        let cases = [
            (json!({}), None),
            (
                json!({"/mutations": []}),
                Some("spec.mutations: Required value: mutations must contain at least one item"),
            ),
            (
                json!({"/mutations/0/applyConfiguration/expression": "'x'"}),
                Some(
                    "spec.mutations[0].applyConfiguration.expression: Invalid value: \"'x'\": must evaluate to Object \
                     but got string",
                ),
            ),
            (
                json!({"/mutations/1/jsonPatch/expression": "[1]"}),
                Some(
                    "spec.mutations[1].jsonPatch.expression: Invalid value: \"[1]\": must evaluate to list(JSONPatch) \
                     but got list(int)",
                ),
            ),
            (
                json!({"/mutations/0/patchType": "JSONPatch"}),
                Some(
                    "spec.mutations[0].jsonPatch: Required value: must be specified when patchType is JSONPatch; \
                     spec.mutations[0].applyConfiguration: Invalid value: \"{applyConfiguration}\": must not be \
                     specified when patchType is JSONPatch",
                ),
            ),
            (
                json!({"/mutations/0/patchType": "Merge"}),
                Some(
                    "spec.mutations[0].patchType: Unsupported value: \"Merge\": supported values: \
                     \"ApplyConfiguration\", \"JSONPatch\"",
                ),
            ),
            (
                json!({"/matchConstraints/resourceRules/0/operations/0": "DELETE", "/reinvocationPolicy": ""}),
                Some(
                    "spec.matchConstraints.resourceRules.operations: Unsupported value: \"DELETE\": supported \
                     values: \"*\", \"CREATE\", \"UPDATE\"; spec.reinvocationPolicy: Required value",
                ),
            ),
        ];
        for (change, expected) in cases {
            let mut policy: MutatingAdmissionPolicy = read(spec(change.clone()));
            KindStrategy::default(&MutatingAdmissionPolicyStrategy, &mut policy);
            assert_eq!(policy.spec.failure_policy.as_deref(), Some("Fail"));
            let wrong = KindStrategy::validate(&MutatingAdmissionPolicyStrategy, &policy);
            let wrong: Vec<String> = wrong.iter().map(ToString::to_string).collect();
            assert_eq!(wrong.join("; "), expected.unwrap_or_default(), "{change}");
        }
    }

    #[test]
    fn bindings_name_policy_and_parameters() {
        let spec = json!({"paramRef": {"name": "a", "selector": {}}});
        let binding: MutatingAdmissionPolicyBinding = read(spec);
        let wrong = KindStrategy::validate(&MutatingAdmissionPolicyBindingStrategy, &binding);
        let paths: Vec<&str> = wrong.iter().map(|error| error.path.as_str()).collect();
        let expected = ["spec.policyName", "spec.paramRef.name", "spec.paramRef.selector"];
        assert_eq!(paths[..3], expected);
        assert_eq!(paths[3], "spec.paramRef.parameterNotFoundAction");
    }
}
