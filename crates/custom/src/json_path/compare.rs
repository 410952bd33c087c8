//! The comparisons of filters, which only know values of one type.

use super::Found;
use serde_json::Value;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Operator {
    Exists,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    /// Signs that mean nothing together.
    Unknown,
}

impl Operator {
    pub fn of(signs: &str) -> Self {
        match signs {
            "==" => Operator::Equal,
            "!=" => Operator::NotEqual,
            "<" => Operator::Less,
            "<=" => Operator::LessOrEqual,
            ">" => Operator::Greater,
            ">=" => Operator::GreaterOrEqual,
            _ => Operator::Unknown,
        }
    }

    /// Whether the comparison holds; `None` when the two cannot be compared.
    pub fn holds(self, left: Found<'_>, right: Found<'_>) -> Option<bool> {
        let (left, right) = (Plain::of(left)?, Plain::of(right)?);
        Some(match self {
            Operator::Equal => left.equals(right)?,
            Operator::NotEqual => !left.equals(right)?,
            Operator::Less => left.is_less(right)?,
            Operator::LessOrEqual => left.is_less(right)? || left.equals(right)?,
            Operator::Greater => !(left.is_less(right)? || left.equals(right)?),
            Operator::GreaterOrEqual => !left.is_less(right)?,
            Operator::Exists | Operator::Unknown => return None,
        })
    }
}

/// A value that can be compared.
#[derive(Clone, Copy)]
enum Plain<'a> {
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(&'a str),
}

impl<'a> Plain<'a> {
    fn of(found: Found<'a>) -> Option<Self> {
        Some(match found {
            Found::Value(Value::Bool(is)) => Plain::Bool(*is),
            Found::Value(Value::String(text)) => Plain::Text(text),
            Found::Value(Value::Number(number)) => match number.as_i64() {
                Some(int) => Plain::Int(int),
                None => Plain::Float(number.as_f64()?),
            },
            Found::Value(_) => return None,
            Found::Int(int) => Plain::Int(int),
            Found::Byte(byte) => Plain::Int(byte.into()),
        })
    }

    #[allow(clippy::float_cmp)]
    fn equals(self, other: Plain<'_>) -> Option<bool> {
        match (self, other) {
            (Plain::Bool(a), Plain::Bool(b)) => Some(a == b),
            (Plain::Int(a), Plain::Int(b)) => Some(a == b),
            (Plain::Float(a), Plain::Float(b)) => Some(a == b),
            (Plain::Text(a), Plain::Text(b)) => Some(a == b),
            _ => None,
        }
    }

    fn is_less(self, other: Plain<'_>) -> Option<bool> {
        match (self, other) {
            (Plain::Int(a), Plain::Int(b)) => Some(a < b),
            (Plain::Float(a), Plain::Float(b)) => Some(a < b),
            (Plain::Text(a), Plain::Text(b)) => Some(a < b),
            _ => None,
        }
    }
}
