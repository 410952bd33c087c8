//! A compiled expression.

use crate::ast::Kind;
use crate::budget::Budget;
use crate::check::check;
use crate::cost::estimate::estimate;
use crate::cost::range::Range;
use crate::env::Env;
use crate::error::{CompileError, EvalError};
use crate::eval::{Evaluator, Plan};
use crate::parse::{Parsed, parse};
use crate::source::Source;
use crate::types::Type;
use crate::value::Value;

/// An expression that was read and checked; it is evaluated as often as one likes, by many at once.
#[derive(Clone, Debug)]
pub struct Program {
    source: Source,
    plan: Plan,
    cost: CostEstimate,
}

/// What an evaluation may cost, estimated from declared sizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CostEstimate {
    pub min: u64,
    pub max: u64,
}

/// The values of variables for one evaluation.
#[derive(Clone, Debug, Default)]
pub struct Bindings<'a>(Vec<(&'a str, Value<'a>)>);

impl<'a> Bindings<'a> {
    /// None yet.
    pub fn new() -> Self {
        Bindings(Vec::new())
    }

    /// With the variable.
    #[must_use]
    pub fn with(mut self, name: &'a str, value: Value<'a>) -> Self {
        self.set(name, value);
        self
    }

    /// Gives the variable a value, in place of one it had.
    pub fn set(&mut self, name: &'a str, value: Value<'a>) {
        self.0.retain(|(known, _)| *known != name);
        self.0.push((name, value));
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Value<'a>> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }
}

impl Program {
    pub(crate) fn compile(env: &Env, text: &str) -> Result<Self, CompileError> {
        let source = Source::new(text);
        let error = |issues| CompileError { issues, source: text.to_owned() };
        let Parsed { mut expr, positions } = parse(&source).map_err(error)?;
        let checked = check(env, &source, &positions, &mut expr).map_err(error)?;
        let Range { min, max } = estimate(env, &checked, &expr);
        let (plan, cost) = (Plan::new(expr, checked), CostEstimate { min, max });
        Ok(Program { source, plan, cost })
    }

    /// The text of the expression.
    pub fn source(&self) -> &str {
        self.source.text()
    }

    /// What it evaluates to.
    pub fn result_type(&self) -> &Type {
        &self.plan.checked.types[self.plan.expr.id as usize]
    }

    /// What an evaluation may cost, by the sizes that were declared.
    pub fn cost(&self) -> CostEstimate {
        self.cost
    }

    /// Whether the expression mentions the variable (`oldSelf`).
    pub fn mentions(&self, variable: &str) -> bool {
        let mut found = false;
        self.plan.expr.walk(&mut |expr| {
            found |= matches!(&expr.kind, Kind::Ident(name) if &**name == variable);
        });
        found
    }

    /// The value, with these variables. What it cost is taken from the budget, also when it fails.
    ///
    /// # Errors
    /// In upstream's words: `no such key: x`, `division by zero`, and when the evaluation cost too much.
    pub fn evaluate<'a>(
        &'a self,
        bindings: &Bindings<'a>,
        budget: &mut Budget,
    ) -> Result<Value<'a>, EvalError> {
        let mut evaluator = Evaluator::new(&self.plan, bindings, budget.per_call);
        let value = evaluator.eval(&self.plan.expr);
        budget.spend(evaluator.cost);
        value
    }
}
