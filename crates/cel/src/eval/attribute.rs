//! Names with the selections and indices after them. Each part costs one; the name itself is counted by whoever
//! asks, for a branch of a condition costs no name.

use super::{Eval, Evaluator};
use crate::ast::{Expr, Kind, operator};
use crate::error::EvalError;
use crate::functions::convert::shown;
use crate::value::{Found, Value};
use std::rc::Rc;

/// A value on its way through selections; after an optional one it may be missing.
enum Step<'a> {
    Value(Value<'a>),
    /// What may be missing and is there.
    Present(Value<'a>),
    Missing,
}

/// Whether the expression is a name, a selection, an index or a condition.
pub(super) fn is_attribute(expr: &Expr) -> bool {
    match &expr.kind {
        Kind::Ident(_) => true,
        Kind::Select { test, .. } => !test,
        Kind::Call { function, .. } => {
            is_conditional(expr)
                || matches!(
                    &**function,
                    operator::INDEX | operator::OPTIONAL_INDEX | operator::OPTIONAL_SELECT
                )
        }
        _ => false,
    }
}

fn is_conditional(expr: &Expr) -> bool {
    matches!(&expr.kind, Kind::Call { function, .. } if &**function == operator::CONDITIONAL)
}

/// Whether a chain of selections begins with a name, which costs one, or with a condition.
pub(super) fn begins_with_name(expr: &Expr) -> bool {
    if !is_attribute(expr) {
        return true;
    }
    match &expr.kind {
        Kind::Select { operand, .. } => begins_with_name(operand),
        Kind::Call { .. } if is_conditional(expr) => false,
        Kind::Call { args, .. } => args.first().is_none_or(begins_with_name),
        _ => true,
    }
}

impl<'a> Evaluator<'a, '_> {
    /// The value of an attribute, without the cost of its name.
    pub(super) fn attribute(&mut self, expr: &'a Expr) -> Eval<'a> {
        Ok(match self.step(expr)? {
            Step::Value(value) => value,
            Step::Present(value) => value.some(),
            Step::Missing => Value::Optional(None),
        })
    }

    /// Whether the operand has the field.
    pub(super) fn has(&mut self, operand: &'a Expr, field: &'a str) -> Eval<'a> {
        let step = self.operand(operand)?;
        self.charge(1)?;
        let value = match step {
            Step::Missing => return Ok(Value::Bool(false)),
            Step::Value(value) | Step::Present(value) => value,
        };
        let value = match value {
            Value::Optional(None) => return Ok(Value::Bool(false)),
            Value::Optional(Some(inner)) => (*inner).clone(),
            value => value,
        };
        Ok(Value::Bool(matches!(value.find(&Value::text(field))?, Found::Value(_))))
    }

    /// What a selection selects from; an operand that is no attribute costs what it costs.
    fn operand(&mut self, expr: &'a Expr) -> Result<Step<'a>, EvalError> {
        let constant = self.plan.constants.contains(&expr.id);
        let step =
            if is_attribute(expr) && !constant { self.step(expr)? } else { Step::Value(self.eval(expr)?) };
        Ok(match step {
            Step::Value(Value::Optional(None)) => Step::Missing,
            Step::Value(Value::Optional(Some(inner))) => Step::Present(unwrap(inner)),
            step => step,
        })
    }

    fn step(&mut self, expr: &'a Expr) -> Result<Step<'a>, EvalError> {
        match &expr.kind {
            Kind::Ident(name) => self.ident(name).map(Step::Value),
            Kind::Select { operand, field, .. } => {
                let step = self.operand(operand)?;
                self.qualify(step, &Value::text(field), false)
            }
            Kind::Call { function, args, .. } if &**function == operator::CONDITIONAL => {
                self.conditional(args).map(Step::Value)
            }
            Kind::Call { function, args, .. } => {
                let optional = &**function != operator::INDEX;
                let step = self.operand(&args[0])?;
                if matches!(step, Step::Missing) {
                    return Ok(step);
                }
                let key = self.eval(&args[1])?;
                // An index that is a name itself is counted by its name alone.
                let counted = is_attribute(&args[1]) && begins_with_name(&args[1]);
                if counted {
                    self.cost = self.cost.saturating_sub(1);
                }
                self.qualify(step, &key, optional)
            }
            _ => self.eval(expr).map(Step::Value),
        }
    }

    fn ident(&mut self, name: &str) -> Eval<'a> {
        if let Some((_, value)) = self.locals.iter().rev().find(|(known, _)| *known == name) {
            return value.clone();
        }
        match self.bindings.get(name) {
            Some(value) => Ok(value.clone()),
            None => Err(EvalError::new(format!("no such attribute(s): {name}"))),
        }
    }

    fn conditional(&mut self, args: &'a [Expr]) -> Eval<'a> {
        let branch = match self.eval(&args[0])? {
            Value::Bool(true) => &args[1],
            Value::Bool(false) => &args[2],
            _ => return Err(EvalError::no_overload()),
        };
        if is_attribute(branch) && !self.plan.constants.contains(&branch.id) {
            return self.attribute(branch);
        }
        self.eval(branch)
    }

    fn qualify(&mut self, step: Step<'a>, key: &Value<'a>, optional: bool) -> Result<Step<'a>, EvalError> {
        let (value, optional) = match step {
            Step::Missing => return Ok(Step::Missing),
            Step::Value(value) => (value, optional),
            Step::Present(value) => (value, true),
        };
        let found = value.find(key);
        if !(optional && matches!(found, Ok(Found::Missing | Found::NoContainer))) {
            self.charge(1)?;
        }
        match found? {
            Found::Value(value) if optional => Ok(Step::Present(value)),
            Found::Value(value) => Ok(Step::Value(value)),
            _ if optional => Ok(Step::Missing),
            Found::Missing if matches!(value, Value::List(_)) => {
                Err(EvalError::new(format!("index out of bounds: {}", shown(key))))
            }
            _ => Err(EvalError::new(format!("no such key: {}", shown(key)))),
        }
    }
}

fn unwrap(inner: Rc<Value<'_>>) -> Value<'_> {
    Rc::try_unwrap(inner).unwrap_or_else(|inner| (*inner).clone())
}
