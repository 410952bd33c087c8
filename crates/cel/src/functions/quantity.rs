//! Kubernetes' library of quantities: `100m`, `1.5Gi`, `2e3`.

use super::{Called, Maybe, no_overload};
use crate::error::EvalError;
use crate::extension::Extension;
use crate::value::Value;
use std::cmp::Ordering;

/// An amount, in billionths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Quantity(i128);

const UNIT: i128 = 1_000_000_000;

pub fn call<'a>(function: &str, args: &[Value<'a>]) -> Maybe<'a> {
    let quantity = |quantity| Ok(Value::Extension(Extension::Quantity(quantity)));
    Some(match (function, args) {
        ("quantity", [Value::String(text)]) => {
            Quantity::parse(text).map_err(EvalError::new).and_then(quantity)
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
        [Value::Int(other)] if matches!(function, "add" | "sub") => Some(Quantity(i128::from(*other) * UNIT)),
        _ => return Some(Err(no_overload(function, args))),
    };
    let int = |value: i64| -> Called<'a> { Ok(Value::Int(value)) };
    let quantity = |sum: i128| Ok(Value::Extension(Extension::Quantity(Quantity(sum))));
    Some(match (function, other) {
        ("sign", None) => int(one.0.signum() as i64),
        ("isInteger", None) => Ok(Value::Bool(one.integer().is_some())),
        ("asInteger", None) => match one.integer() {
            Some(value) => int(value),
            None => Err(EvalError::new("cannot convert value to integer")),
        },
        ("asApproximateFloat", None) => Ok(Value::Double(one.0 as f64 / UNIT as f64)),
        ("isGreaterThan", Some(other)) => Ok(Value::Bool(one > other)),
        ("isLessThan", Some(other)) => Ok(Value::Bool(one < other)),
        ("compareTo", Some(other)) => int(match one.cmp(&other) {
            Ordering::Less => -1,
            Ordering::Equal => 0,
            Ordering::Greater => 1,
        }),
        ("add", Some(other)) => quantity(one.0.saturating_add(other.0)),
        ("sub", Some(other)) => quantity(one.0.saturating_sub(other.0)),
        _ => return None,
    })
}

impl Quantity {
    /// The amount, if it is whole and fits.
    fn integer(self) -> Option<i64> {
        (self.0 % UNIT == 0).then(|| i64::try_from(self.0 / UNIT).ok())?
    }

    /// Reads an amount; what is smaller than a billionth is rounded up.
    fn parse(text: &str) -> Result<Self, &'static str> {
        const FORMAT: &str =
            "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
        let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
        let end = unsigned.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(unsigned.len());
        let (number, suffix) = unsigned.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
            return Err(FORMAT);
        }
        let (binary, power) = scale(suffix).ok_or(FORMAT)?;
        // More digits than fit are more than anything is compared with.
        let digits: String = [whole, &fraction[..fraction.len().min(18)]].concat();
        let mantissa: i128 = match digits.trim_start_matches('0') {
            "" => 0,
            digits => digits[..digits.len().min(37)].parse().map_err(|_| FORMAT)?,
        };
        let mut nanos = if binary {
            mantissa.saturating_mul(UNIT).saturating_mul(1 << power)
        } else {
            times_ten(mantissa, power + 9)
        };
        nanos = times_ten(nanos, -(fraction.len().min(18) as i32));
        Ok(Quantity(if text.starts_with('-') { -nanos } else { nanos }))
    }
}

/// Times a power of ten; rounded up.
fn times_ten(value: i128, power: i32) -> i128 {
    match u32::try_from(power) {
        Ok(power) => match 10_i128.checked_pow(power) {
            Some(factor) => value.saturating_mul(factor),
            None if value == 0 => 0,
            None => i128::MAX,
        },
        Err(_) => match 10_i128.checked_pow(power.unsigned_abs()) {
            Some(divisor) => value / divisor + i128::from(value % divisor > 0),
            None => i128::from(value > 0),
        },
    }
}

/// Whether the suffix is a power of two, and which power of two or of ten it is.
fn scale(suffix: &str) -> Option<(bool, i32)> {
    Some(match suffix {
        "" => (false, 0),
        "n" => (false, -9),
        "u" => (false, -6),
        "m" => (false, -3),
        "k" => (false, 3),
        "M" => (false, 6),
        "G" => (false, 9),
        "T" => (false, 12),
        "P" => (false, 15),
        "E" => (false, 18),
        "Ki" => (true, 10),
        "Mi" => (true, 20),
        "Gi" => (true, 30),
        "Ti" => (true, 40),
        "Pi" => (true, 50),
        "Ei" => (true, 60),
        exponent => {
            let digits = exponent.strip_prefix(['e', 'E'])?;
            (false, digits.parse().ok().filter(|power: &i32| power.abs() < 1000)?)
        }
    })
}
