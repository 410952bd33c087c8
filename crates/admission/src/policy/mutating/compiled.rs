//! A mutating policy with its bindings, ready to be asked.

use crate::expressions::Expression;
use crate::match_conditions::MatchConditions;
use crate::policy::matching::Matching;
use crate::policy::source::Sort;
use corten_api::admissionregistration::v1beta1::{
    MutatingAdmissionPolicy, MutatingAdmissionPolicyBinding, MutatingAdmissionPolicySpec,
};
use corten_cel::admission::{Compiler, Visible, configuration, operations};
use std::sync::Arc;

/// MutatingAdmissionPolicies.
pub(super) struct Mutating;

/// A policy and the bindings that name it.
pub(super) struct Policy {
    pub policy: Arc<MutatingAdmissionPolicy>,
    pub matching: Matching,
    pub expressions: Arc<Expressions>,
    pub bindings: Vec<Binding>,
}

/// A binding.
pub(super) struct Binding {
    pub binding: Arc<MutatingAdmissionPolicyBinding>,
    /// What it narrows its policy to.
    pub matching: Option<Matching>,
}

/// The expressions of one generation of a policy.
#[derive(Debug)]
pub(super) struct Expressions {
    pub conditions: MatchConditions,
    pub variables: Vec<(String, Expression)>,
    pub mutations: Vec<Mutation>,
}

/// One change.
#[derive(Debug)]
pub(super) enum Mutation {
    /// A configuration to be laid over the object.
    Apply(Expression),
    /// Operations on it as JSON.
    Patch(Expression),
}

impl Policy {
    pub fn name(&self) -> &str {
        &self.policy.metadata.name
    }

    /// Whether a failure of the policy lets the request pass.
    pub fn ignores(&self) -> bool {
        self.policy.spec.failure_policy.as_deref() == Some("Ignore")
    }

    /// Whether it wishes to be asked again about what others changed.
    pub fn again(&self) -> bool {
        self.policy.spec.reinvocation_policy == "IfNeeded"
    }
}

impl Sort for Mutating {
    type Policy = MutatingAdmissionPolicy;
    type Binding = MutatingAdmissionPolicyBinding;
    type Expressions = Expressions;
    type Made = Policy;

    fn policy_name(binding: &MutatingAdmissionPolicyBinding) -> &str {
        &binding.spec.policy_name
    }

    fn compile(policy: &MutatingAdmissionPolicy) -> Expressions {
        Expressions::compile(&policy.spec)
    }

    fn make(
        policy: Arc<MutatingAdmissionPolicy>,
        expressions: Arc<Expressions>,
        bindings: Vec<Arc<MutatingAdmissionPolicyBinding>>,
    ) -> Policy {
        let matching = Matching::new(policy.spec.match_constraints.as_deref());
        let bindings = bindings.into_iter().map(|binding| Binding {
            matching: binding.spec.match_resources.as_deref().map(|own| Matching::new(Some(own))),
            binding,
        });
        Policy { bindings: bindings.collect(), policy, matching, expressions }
    }
}

impl Expressions {
    /// Compiles what the policy says; what does not compile is told when it is needed.
    fn compile(spec: &MutatingAdmissionPolicySpec) -> Self {
        let params = spec.param_kind.is_some();
        let visible = Visible { params, authorizer: true, patches: false };
        let mut compiler = Compiler::composing();
        let mut variables = Vec::with_capacity(spec.variables.len());
        for variable in &spec.variables {
            let program = compiler.add_variable(&variable.name, &variable.expression, visible);
            variables.push((variable.name.clone(), Expression::new(&variable.expression, program)));
        }
        let visible = Visible { patches: true, ..visible };
        let compile =
            |text: &str, results| Expression::new(text, compiler.compile(text, &[results], visible));
        let mutations = spec.mutations.iter().filter_map(|mutation| match mutation.patch_type.as_str() {
            "ApplyConfiguration" => {
                let apply = mutation.apply_configuration.as_ref()?;
                Some(Mutation::Apply(compile(&apply.expression, configuration())))
            }
            _ => {
                let patch = mutation.json_patch.as_ref()?;
                Some(Mutation::Patch(compile(&patch.expression, operations())))
            }
        });
        Expressions {
            mutations: mutations.collect(),
            conditions: MatchConditions::compile(&spec.match_conditions, &compiler, params),
            variables,
        }
    }
}
