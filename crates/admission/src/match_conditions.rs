//! Conditions that a request must meet before a webhook is asked, or a policy applied.

use crate::expressions::{Asker, Composed, Expression, OUT_OF_BUDGET, Scene, Trouble, bindings};
use corten_api::admissionregistration::v1::MatchCondition;
use corten_cel::admission::{Compiler, Visible};
use corten_cel::{Budget, MATCH_CONDITIONS_BUDGET, Type, Value};
use serde_json::Value as Json;

/// The conditions of one webhook or policy, compiled.
#[derive(Debug)]
pub(crate) struct MatchConditions(Vec<Expression>);

impl MatchConditions {
    /// The conditions of a webhook.
    pub fn of_webhook(conditions: &[MatchCondition]) -> Self {
        Self::compile(conditions, &Compiler::alone(), false)
    }

    /// Conditions that see what the compiler knows, and parameters where there are any.
    pub fn compile(conditions: &[MatchCondition], compiler: &Compiler, params: bool) -> Self {
        let visible = Visible { params, authorizer: true, patches: false };
        let compiled = conditions.iter().map(|condition| {
            let program = compiler.compile(&condition.expression, &[Type::Bool], visible);
            Expression::new(&condition.expression, program)
        });
        MatchConditions(compiled.collect())
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the request meets them. One that is not met outweighs errors in others.
    ///
    /// # Errors
    /// What went wrong, when it is not to be ignored.
    pub fn hold(
        &self,
        scene: &Scene,
        asker: &Asker<'_>,
        params: &Json,
        variables: &[(String, Expression)],
        ignore: bool,
    ) -> Result<bool, String> {
        if self.0.is_empty() {
            return Ok(true);
        }
        let composed = Composed::over(bindings(scene, &Json::Null, params, Some(asker)), variables);
        let mut budget = Budget::new(MATCH_CONDITIONS_BUDGET);
        let mut wrong = Vec::new();
        for condition in &self.0 {
            match composed.evaluate(condition, &mut budget) {
                Ok(Value::Bool(false)) => return Ok(false),
                Ok(_) => {}
                Err(Trouble::Failed(why)) => wrong.push(why),
                Err(Trouble::OutOfBudget) => {
                    wrong = vec![OUT_OF_BUDGET.to_owned()];
                    break;
                }
            }
        }
        match wrong.as_slice() {
            [] => Ok(true),
            _ if ignore => Ok(false),
            [one] => Err(one.clone()),
            several => Err(format!("[{}]", several.join(", "))),
        }
    }
}
