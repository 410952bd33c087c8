//! What the expressions of a policy say to a request (upstream's `validating/validator`).

use super::compiled::{Expressions, Policy, Validation};
use crate::expressions::{Asker, Composed, OUT_OF_BUDGET, Scene, Trouble, bindings};
use crate::webhook::matching::Subject;
use corten_api::core::v1::Namespace;
use corten_api::meta::v1::ObjectMeta;
use corten_api::{Kind, View};
use corten_cel::{Budget, RUNTIME_BUDGET, Value};
use corten_codec::json::encode_value;
use corten_rt::Instant;
use corten_semantics::{ApiError, ApiResult};
use serde_json::Value as Json;
use std::time::Duration;

/// The longest message that an expression may make.
const LONGEST_MESSAGE: usize = 5 * 1024;

/// One question to one policy, the same for all parameters.
pub(super) struct Judgement<'a> {
    pub policy: &'a Policy,
    pub scene: &'a Scene,
    pub namespace: &'a Json,
    pub asker: &'a Asker<'a>,
}

/// What is wrong with a request, by one rule.
#[derive(Debug, PartialEq)]
pub(super) struct Denial {
    /// Which rule it was.
    pub index: usize,
    pub message: String,
    /// Empty: that which is usual.
    pub reason: String,
    /// How long the rule took.
    pub took: Duration,
}

/// What one evaluation comes to.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Findings {
    pub denials: Vec<Denial>,
    /// To be published, by key.
    pub annotations: Vec<(String, String)>,
    /// What denies whatever the binding's actions are.
    pub broken: Vec<String>,
    /// What went wrong and is passed over.
    pub ignored: Vec<(String, Duration)>,
}

impl Findings {
    /// Nothing but that it could not be found out.
    fn failed(why: String, ignore: bool) -> Self {
        if ignore {
            return Findings { ignored: vec![(why, Duration::ZERO)], ..Findings::default() };
        }
        let denial = Denial { index: 0, message: why, reason: String::new(), took: Duration::ZERO };
        Findings { denials: vec![denial], ..Findings::default() }
    }
}

impl Judgement<'_> {
    /// What the policy says with these parameters.
    pub fn judge(&self, params: &Json) -> Findings {
        let expressions = &*self.policy.expressions;
        let ignore = self.policy.ignores();
        let asker = self.asker;
        let conditions = &expressions.conditions;
        match conditions.hold(self.scene, asker, params, &expressions.variables, ignore) {
            Ok(true) => {}
            Ok(false) => return Findings::default(),
            Err(why) => return Findings::failed(why, ignore),
        }
        let mut findings = Findings::default();
        if let Err(why) = self.validations(expressions, params, &mut findings) {
            return Findings::failed(why, ignore);
        }
        match self.annotate(expressions, params, &mut findings) {
            Ok(()) => findings,
            Err(why) => Findings::failed(why, ignore),
        }
    }

    fn composed<'s>(&'s self, params: &'s Json, asker: Option<&'s Asker<'s>>) -> Composed<'s> {
        let base = bindings(self.scene, self.namespace, params, asker);
        Composed::over(base, &self.policy.expressions.variables)
    }

    /// Asks all rules, and then for all messages with what is left of the budget; only where they are needed.
    fn validations(
        &self,
        expressions: &Expressions,
        params: &Json,
        findings: &mut Findings,
    ) -> Result<(), String> {
        let ignore = self.policy.ignores();
        let composed = self.composed(params, Some(self.asker));
        let mut budget = Budget::new(RUNTIME_BUDGET);
        let mut failed = Vec::new();
        for (index, validation) in expressions.validations.iter().enumerate() {
            let begun = Instant::now();
            let told = composed.evaluate(&validation.expression, &mut budget);
            let took = begun.elapsed();
            match told {
                Ok(Value::Bool(true)) => {}
                Ok(_) => failed.push((index, None, took)),
                Err(Trouble::Failed(why)) if ignore => findings.ignored.push((why, took)),
                Err(Trouble::Failed(why)) => failed.push((index, Some(why), took)),
                Err(Trouble::OutOfBudget) => return Err(OUT_OF_BUDGET.to_owned()),
            }
        }
        if failed.is_empty() {
            return Ok(());
        }
        let quiet = self.composed(params, None);
        for (index, error, took) in failed {
            let validation = &expressions.validations[index];
            let (message, reason) = match error {
                Some(why) => (why, String::new()),
                None => match message(validation, &quiet, &mut budget) {
                    Ok(message) => (message, validation.reason.clone().unwrap_or_default()),
                    Err(why) if ignore => {
                        findings.ignored.push((why, took));
                        continue;
                    }
                    Err(why) => (why, String::new()),
                },
            };
            findings.denials.push(Denial { index, message, reason, took });
        }
        Ok(())
    }

    fn annotate(
        &self,
        expressions: &Expressions,
        params: &Json,
        findings: &mut Findings,
    ) -> Result<(), String> {
        if expressions.annotations.is_empty() {
            return Ok(());
        }
        let quiet = self.composed(params, None);
        let mut budget = Budget::new(RUNTIME_BUDGET);
        for (key, expression) in &expressions.annotations {
            match quiet.evaluate(expression, &mut budget) {
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
                Err(Trouble::Failed(_)) if self.policy.ignores() => {}
                Err(Trouble::Failed(why)) => findings.broken.push(why),
                Err(Trouble::OutOfBudget) => return Err(OUT_OF_BUDGET.to_owned()),
            }
        }
        Ok(())
    }
}

/// What is said when the rule does not hold: the message's expression, or else the message, or else the rule.
fn message<'a>(
    validation: &'a Validation,
    composed: &Composed<'a>,
    budget: &mut Budget,
) -> Result<String, String> {
    if let Some(expression) = &validation.message_expression {
        match composed.evaluate(expression, budget) {
            Ok(Value::String(text)) => {
                let text = text.trim();
                if !text.is_empty() && text.len() <= LONGEST_MESSAGE && !text.contains('\n') {
                    return Ok(text.to_owned());
                }
            }
            Ok(_) => {}
            Err(Trouble::Failed(why)) => tracing::debug!(why, "a policy's messageExpression has no value"),
            Err(Trouble::OutOfBudget) => return Err(format!("failed messageExpression: {OUT_OF_BUDGET}")),
        }
    }
    Ok(match validation.message.trim() {
        "" => format!("failed expression: {}", validation.expression.text.trim()),
        message => message.to_owned(),
    })
}

/// The namespace of the request as expressions see it; null where there is none.
///
/// # Errors
/// 404 when there should be one.
pub(super) fn namespace(subject: &Subject<'_>) -> ApiResult<Json> {
    let name = subject.context.namespace;
    if name.is_empty() || (subject.body.group.is_empty() && subject.body.kind == "Namespace") {
        return Ok(Json::Null);
    }
    let found = subject.context.objects.get::<Namespace>("", name);
    let namespace = found.ok_or_else(|| ApiError::not_found(Namespace::INFO, name))?;
    let metadata = ObjectMeta {
        managed_fields: Vec::new(),
        owner_references: Vec::new(),
        self_link: String::new(),
        ..namespace.metadata.clone()
    };
    let seen = Namespace { metadata, ..Namespace::clone(&namespace) };
    let mut bytes = Vec::new();
    encode_value(&mut bytes, View::Struct(&seen));
    serde_json::from_slice(&bytes).map_err(ApiError::internal)
}
