//! Loops.

use super::{Eval, Evaluator};
use crate::ast::{ACCUMULATOR, Comprehension, Expr, Kind, operator};
use crate::cost::runtime;
use crate::error::EvalError;
use crate::functions;
use crate::value::{List, Map, Value};
use std::rc::Rc;

pub(super) fn is_accumulator(expr: &Expr) -> bool {
    matches!(&expr.kind, Kind::Ident(name) if &**name == ACCUMULATOR)
}

/// What cel-go calls the value's type in its own code.
fn go_name(value: &Value<'_>) -> &'static str {
    match value {
        Value::Null => "types.Null",
        Value::Bool(_) => "types.Bool",
        Value::Int(_) => "types.Int",
        Value::Uint(_) => "types.Uint",
        Value::Double(_) => "types.Double",
        Value::String(_) => "types.String",
        Value::Bytes(_) => "types.Bytes",
        Value::Timestamp(_) => "types.Timestamp",
        Value::Duration(_) => "types.Duration",
        Value::Type(_) => "*types.Type",
        Value::Optional(_) => "*types.Optional",
        _ => "ref.Val",
    }
}

impl<'a> Evaluator<'a, '_> {
    pub(super) fn fold(&mut self, fold: &'a Comprehension) -> Eval<'a> {
        let range = self.eval(&fold.range)?;
        let init = self.eval(&fold.init);
        if let Err(error) = &init
            && error.is_final()
        {
            return Err(error.clone());
        }
        let scope = self.locals.len();
        self.locals.push((&fold.accumulator, init));
        let looped = self.rounds(fold, &range, scope);
        self.locals.truncate(scope + 1);
        let result = looped.and_then(|()| self.eval(&fold.result));
        self.locals.truncate(scope);
        result
    }

    fn rounds(&mut self, fold: &'a Comprehension, range: &Value<'a>, scope: usize) -> Result<(), EvalError> {
        match range {
            Value::List(list) => {
                for at in 0..list.len() {
                    let item = list.get(at)?;
                    let (first, second) = match fold.var2 {
                        Some(_) => (Value::Int(at as i64), Some(item)),
                        None => (item, None),
                    };
                    if !self.round(fold, scope, first, second)? {
                        break;
                    }
                }
                Ok(())
            }
            Value::Map(map) => {
                let keys = map.keys()?;
                for key in keys {
                    let second = match fold.var2 {
                        Some(_) => Some(map.value_of(&key)?),
                        None => None,
                    };
                    if !self.round(fold, scope, key, second)? {
                        break;
                    }
                }
                Ok(())
            }
            other => Err(EvalError::new(format!("got '{}', expected iterable type", go_name(other)))),
        }
    }

    /// One round; whether there may be another.
    fn round(
        &mut self,
        fold: &'a Comprehension,
        scope: usize,
        first: Value<'a>,
        second: Option<Value<'a>>,
    ) -> Result<bool, EvalError> {
        self.work.add(1)?;
        self.locals.truncate(scope + 1);
        self.locals.push((&fold.var, Ok(first)));
        if let (Some(var2), Some(second)) = (&fold.var2, second) {
            self.locals.push((var2, Ok(second)));
        }
        if !matches!(self.eval(&fold.condition)?, Value::Bool(true)) {
            return Ok(false);
        }
        let step = self.eval(&fold.step);
        if let Err(error) = &step
            && error.is_final()
        {
            return Err(error.clone());
        }
        self.locals[scope].1 = step;
        Ok(true)
    }

    /// A step that adds to the accumulator: in place, for nobody else sees it.
    pub(super) fn accumulate(&mut self, expr: &'a Expr, function: &str, args: &'a [Expr]) -> Eval<'a> {
        self.charge(1)?;
        let mut values = Vec::with_capacity(args.len());
        for arg in &args[1..] {
            values.push(self.eval(arg));
        }
        let place = self.locals.iter_mut().rev().find(|(known, _)| *known == ACCUMULATOR);
        let accumulated = match place {
            Some((_, place)) => std::mem::replace(place, Ok(Value::Null))?,
            None => return Err(EvalError::no_overload()),
        };
        let values: Vec<Value<'a>> = values.into_iter().collect::<Result<_, _>>()?;
        if function == operator::MAP_INSERT {
            return self.insert(accumulated, values);
        }
        match (accumulated, values.as_slice()) {
            (Value::List(List::Values(mut list)), [Value::List(more)]) => {
                self.charge(1)?;
                if Rc::get_mut(&mut list).is_none() {
                    self.work.add(list.len())?;
                }
                let items = Rc::make_mut(&mut list);
                for at in 0..more.len() {
                    items.push(more.get(at)?);
                }
                Ok(Value::List(List::Values(list)))
            }
            (accumulated, [more]) => self.apply(expr.id, function, vec![accumulated, more.clone()]),
            _ => Err(EvalError::no_overload()),
        }
    }

    fn insert(&mut self, accumulated: Value<'a>, mut values: Vec<Value<'a>>) -> Eval<'a> {
        let cost = runtime::call_cost(operator::MAP_INSERT, "", &values, None);
        self.charge(cost)?;
        let Value::Map(Map::Values(mut table)) = accumulated else { return Err(EvalError::no_overload()) };
        let value = values.pop();
        let entries = match (values.pop(), value) {
            (Some(key), Some(value)) => vec![(key, value)],
            (None, Some(Value::Map(map))) => map
                .keys()?
                .into_iter()
                .map(|key| Ok((key.clone(), map.value_of(&key)?)))
                .collect::<Result<_, EvalError>>()?,
            _ => return Err(EvalError::no_overload()),
        };
        let target = Rc::make_mut(&mut table);
        for (key, value) in entries {
            if target.get(&key).is_some() {
                let key = functions::convert::shown(&key);
                return Err(EvalError::new(format!("insert failed: key {key} already exists")));
            }
            target.set(key, value)?;
        }
        Ok(Value::Map(Map::Values(table)))
    }
}
