//! A policy with its bindings, ready to be asked.

use super::matching::Matching;
use super::source::Sort;
use crate::expressions::Expression;
use crate::match_conditions::MatchConditions;
use corten_api::admissionregistration::v1::{
    ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding, ValidatingAdmissionPolicySpec,
};
use corten_cel::Type;
use corten_cel::admission::{Compiler, Visible};
use std::sync::Arc;

/// A policy and the bindings that name it.
pub(super) struct Policy {
    pub name: String,
    pub policy: Arc<ValidatingAdmissionPolicy>,
    pub matching: Matching,
    pub expressions: Arc<Expressions>,
    pub bindings: Vec<Binding>,
}

/// A binding.
pub(super) struct Binding {
    pub binding: Arc<ValidatingAdmissionPolicyBinding>,
    /// What it narrows its policy to.
    pub matching: Option<Matching>,
}

/// The expressions of one generation of a policy.
#[derive(Debug)]
pub(super) struct Expressions {
    pub conditions: MatchConditions,
    pub variables: Vec<(String, Expression)>,
    pub validations: Vec<Validation>,
    /// By their keys.
    pub annotations: Vec<(String, Expression)>,
}

/// One rule.
#[derive(Debug)]
pub(super) struct Validation {
    pub expression: Expression,
    pub message: String,
    pub message_expression: Option<Expression>,
    pub reason: Option<String>,
}

/// ValidatingAdmissionPolicies.
pub(super) struct Validating;

impl Sort for Validating {
    type Policy = ValidatingAdmissionPolicy;
    type Binding = ValidatingAdmissionPolicyBinding;
    type Expressions = Expressions;
    type Made = Policy;

    fn policy_name(binding: &ValidatingAdmissionPolicyBinding) -> &str {
        &binding.spec.policy_name
    }

    fn compile(policy: &ValidatingAdmissionPolicy) -> Expressions {
        Expressions::compile(&policy.spec)
    }

    fn make(
        policy: Arc<ValidatingAdmissionPolicy>,
        expressions: Arc<Expressions>,
        bindings: Vec<Arc<ValidatingAdmissionPolicyBinding>>,
    ) -> Policy {
        Policy::new(policy, expressions, bindings)
    }
}

impl Policy {
    fn new(
        policy: Arc<ValidatingAdmissionPolicy>,
        expressions: Arc<Expressions>,
        bindings: Vec<Arc<ValidatingAdmissionPolicyBinding>>,
    ) -> Self {
        let matching = Matching::new(policy.spec.match_constraints.as_deref());
        let bindings = bindings.into_iter().map(|binding| Binding {
            matching: binding.spec.match_resources.as_deref().map(|own| Matching::new(Some(own))),
            binding,
        });
        let (name, bindings) = (policy.metadata.name.clone(), bindings.collect());
        Policy { name, policy, matching, expressions, bindings }
    }

    /// Whether a failure of the policy itself lets the request pass.
    pub fn ignores(&self) -> bool {
        self.policy.spec.failure_policy.as_deref() == Some("Ignore")
    }
}

impl Expressions {
    /// Compiles what the policy says; what does not compile is told when it is needed.
    pub fn compile(spec: &ValidatingAdmissionPolicySpec) -> Self {
        let params = spec.param_kind.is_some();
        let asking = Visible { params, authorizer: true, patches: false };
        let quiet = Visible { authorizer: false, ..asking };
        let mut compiler = Compiler::composing();
        let mut variables = Vec::with_capacity(spec.variables.len());
        for variable in &spec.variables {
            let program = compiler.add_variable(&variable.name, &variable.expression, asking);
            variables.push((variable.name.clone(), Expression::new(&variable.expression, program)));
        }
        let compile = |text: &str, results: &[Type], visible| {
            Expression::new(text, compiler.compile(text, results, visible))
        };
        let validations = spec.validations.iter().map(|validation| Validation {
            expression: compile(&validation.expression, &[Type::Bool], asking),
            message: validation.message.clone(),
            message_expression: (!validation.message_expression.is_empty())
                .then(|| compile(&validation.message_expression, &[Type::String], quiet)),
            reason: validation.reason.clone(),
        });
        let validations = validations.collect();
        let annotations = spec.audit_annotations.iter().map(|annotation| {
            let results = [Type::String, Type::Null];
            (annotation.key.clone(), compile(&annotation.value_expression, &results, asking))
        });
        Expressions {
            conditions: MatchConditions::compile(&spec.match_conditions, &compiler, params),
            validations,
            annotations: annotations.collect(),
            variables,
        }
    }
}
