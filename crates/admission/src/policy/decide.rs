//! What a policy says to a request, and what becomes of it.

use super::compiled::{Expressions, Policy, Validation};
use crate::expressions::{
    Asker, Composition, Expression, OUT_OF_BUDGET, Scene, Trouble, bindings, evaluate,
};
use crate::webhook::matching::{Invocation, Subject};
use crate::webhook::review::Shown;
use corten_api::admissionregistration::v1::ValidatingAdmissionPolicyBinding;
use corten_api::core::v1::Namespace;
use corten_api::{Kind, Object};
use corten_cel::{Bindings, Budget, RUNTIME_BUDGET, Value};
use corten_codec::json::encode;
use corten_semantics::{ApiError, ApiResult};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::rc::Rc;

/// The longest message that an expression may make.
const LONGEST_MESSAGE: usize = 5 * 1024;
/// The longest value of an audit annotation.
const LONGEST_ANNOTATION: usize = 10 * 1024;

/// One binding's question, the same for all its parameters.
pub(super) struct Judgement<'a> {
    policy: &'a Policy,
    scene: Scene,
    namespace: Json,
    asker: Asker<'a>,
}

/// What is wrong with a request, by one rule.
#[derive(Debug, PartialEq)]
pub(super) struct Denial {
    /// Which rule it was.
    index: usize,
    message: String,
    reason: String,
}

/// What one evaluation comes to.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Findings {
    denials: Vec<Denial>,
    /// To be published, by key.
    annotations: Vec<(String, String)>,
    /// What denies whatever the binding's actions are.
    broken: Vec<String>,
}

impl<'a> Judgement<'a> {
    pub fn new(
        policy: &'a Policy,
        _binding: &ValidatingAdmissionPolicyBinding,
        subject: &'a Subject<'a>,
        invocation: &Invocation,
        shown: &Shown,
    ) -> ApiResult<Self> {
        let scene = Scene::new(subject, invocation, shown.object.as_deref(), shown.old.as_deref());
        let namespace = namespace(subject)?;
        Ok(Judgement { policy, scene, namespace, asker: Asker(subject.context) })
    }

    /// What the policy says with these parameters.
    pub fn judge(&self, params: &Json) -> Findings {
        let expressions: &Expressions = &self.policy.expressions;
        let ignore = self.policy.ignores();
        let meets = expressions.conditions.hold(
            &self.scene,
            &self.asker,
            params,
            &expressions.variables,
            ignore,
        );
        match meets {
            Ok(true) => {}
            Ok(false) => return Findings::default(),
            Err(why) => return Findings::denied(why),
        }
        let mut findings = self.validations(expressions, params, ignore);
        if expressions.annotations.is_empty() {
            return findings;
        }
        let (composition, bindings) = self.composed(params, true);
        let mut budget = Budget::new(RUNTIME_BUDGET);
        for (key, expression) in &expressions.annotations {
            match evaluate(expression, &bindings, &composition, &mut budget) {
                Ok(Value::String(text)) if !text.trim().is_empty() => {
                    findings.annotations.push((key.clone(), text.trim().to_owned()));
                }
                Ok(Value::String(_) | Value::Null) => {}
                Ok(other) => findings.broken.push(format!(
                    "valueExpression '{}' resulted in unsupported return type: {}. Return type must be either string \
                     or null.",
                    expression.text,
                    other.type_of().name()
                )),
                Err(_) if ignore => {}
                Err(Trouble::Failed(why)) => findings.broken.push(why),
                Err(Trouble::OutOfBudget) => {
                    findings.broken.push(OUT_OF_BUDGET.to_owned());
                    break;
                }
            }
        }
        findings
    }

    fn composed(&self, params: &'a_of_self Json, ask: bool) -> (Rc<Composition<'_>>, Bindings<'_>) {
        unreachable!()
    }

    /// Upstream evaluates all rules, and then all messages, with what is left of the budget.
    fn validations(&self, expressions: &Expressions, params: &Json, ignore: bool) -> Findings {
        let mut findings = Findings::default();
        let (composition, bindings) = self.composed(params, true);
        let mut budget = Budget::new(RUNTIME_BUDGET);
        let mut failed = Vec::new();
        for (index, validation) in expressions.validations.iter().enumerate() {
            match evaluate(&validation.expression, &bindings, &composition, &mut budget) {
                Ok(Value::Bool(true)) => {}
                Ok(_) => failed.push((index, None)),
                Err(Trouble::Failed(why)) => failed.push((index, Some(why))),
                Err(Trouble::OutOfBudget) if ignore => return findings,
                Err(Trouble::OutOfBudget) => return Findings::denied(OUT_OF_BUDGET.to_owned()),
            }
        }
        if failed.is_empty() {
            return findings;
        }
        let (composition, bindings) = self.composed(params, false);
        for (index, error) in failed {
            let validation = &expressions.validations[index];
            let (message, reason) = match error {
                Some(_) if ignore => continue,
                Some(why) => (why, String::new()),
                None => {
                    let reason = validation.reason.clone().unwrap_or_else(|| "Invalid".to_owned());
                    match message(validation, &bindings, &composition, &mut budget) {
                        Ok(message) => (message, reason),
                        Err(_) if ignore => continue,
                        Err(why) => (why, String::new()),
                    }
                }
            };
            findings.denials.push(Denial { index, message, reason });
        }
        findings
    }
}
