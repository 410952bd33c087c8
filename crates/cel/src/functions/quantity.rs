//! Kubernetes' library of quantities: `100m`, `1.5Gi`, `2e3`.

use super::{Called, Maybe, no_overload};
use crate::error::EvalError;
use crate::extension::Extension;
use crate::value::Value;
use corten_api::Quantity as Amount;
use corten_api::quantity::ParseError;
use std::cmp::Ordering;

/// An amount as Kubernetes reads it.
#[derive(Clone, Copy, Debug)]
pub struct Quantity {
    amount: Amount,
    /// The power of ten that upstream counts it in, while that takes no more than 64 bits. An amount beyond those, or
    /// in smaller parts than one, is no integer there.
    scale: Option<i32>,
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.amount == other.amount
    }
}

impl Eq for Quantity {}

pub fn call<'a>(function: &str, args: &[Value<'a>]) -> Maybe<'a> {
    let quantity = |quantity| Ok(Value::Extension(Extension::Quantity(quantity)));
    Some(match (function, args) {
        ("quantity", [Value::String(text)]) => {
            Quantity::parse(text).map_err(|why| EvalError::new(why.to_string())).and_then(quantity)
        }
        ("isQuantity", [Value::String(text)]) => Ok(Value::Bool(Quantity::parse(text).is_ok())),
        (_, [Value::Extension(Extension::Quantity(one)), rest @ ..]) => {
            return on_quantity(function, *one, rest, args);
        }
        ("quantity" | "isQuantity" | "sign" | "isInteger" | "asInteger" | "asApproximateFloat", _) => {
            Err(no_overload(function, args))
        }
        _ => return None,
    })
}

fn on_quantity<'a>(function: &str, one: Quantity, rest: &[Value<'a>], args: &[Value<'a>]) -> Maybe<'a> {
    let other = match rest {
        [] => None,
        [Value::Extension(Extension::Quantity(other))] => Some(*other),
        [Value::Int(other)] if matches!(function, "add" | "sub") => {
            Some(Quantity { amount: Amount::whole(*other), scale: Some(0) })
        }
        _ => return Some(Err(no_overload(function, args))),
    };
    let int = |value: i64| -> Called<'a> { Ok(Value::Int(value)) };
    let sum = |amount| Ok(Value::Extension(Extension::Quantity(amount)));
    Some(match (function, other) {
        ("sign", None) => int(sign(one.amount.cmp(&Amount::default()))),
        ("isInteger", None) => Ok(Value::Bool(one.integer().is_some())),
        ("asInteger", None) => match one.integer() {
            Some(value) => int(value),
            None => Err(EvalError::new("cannot convert value to integer")),
        },
        ("asApproximateFloat", None) => Ok(Value::Double(one.amount.as_f64())),
        ("isGreaterThan", Some(other)) => Ok(Value::Bool(one.amount > other.amount)),
        ("isLessThan", Some(other)) => Ok(Value::Bool(one.amount < other.amount)),
        ("compareTo", Some(other)) => int(sign(one.amount.cmp(&other.amount))),
        ("add", Some(other)) => sum(one.plus(other)),
        ("sub", Some(other)) => sum(one.plus(other.negative())),
        _ => return None,
    })
}

fn sign(order: Ordering) -> i64 {
    match order {
        Ordering::Less => -1,
        Ordering::Equal => 0,
        Ordering::Greater => 1,
    }
}

impl Quantity {
    fn parse(text: &str) -> Result<Self, ParseError> {
        Amount::read(text).map(|(amount, scale)| Quantity { amount, scale })
    }

    /// The amount, if upstream takes it for an integer.
    fn integer(self) -> Option<i64> {
        self.scale.filter(|scale| *scale >= 0).and_then(|_| self.amount.as_i64())
    }

    fn negative(self) -> Self {
        Quantity { amount: Amount::default() - self.amount, scale: self.scale }
    }

    fn plus(self, other: Self) -> Self {
        let amount = self.amount + other.amount;
        let scale = self.scale.zip(other.scale).and_then(|(one, two)| match () {
            () if other.amount.is_zero() => Some(one),
            () if self.amount.is_zero() => Some(two),
            () => {
                let scale = one.min(two);
                let fit = [self.amount, other.amount, amount].iter().all(|it| it.mantissa(scale).is_some());
                fit.then_some(scale)
            }
        });
        Quantity { amount, scale }
    }
}
