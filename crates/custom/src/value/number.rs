//! Numbers as Go sees them in JSON: whole ones are integers, whatever else is a float.

use corten_codec::go_float;
use serde_json::Number;

/// A number of JSON.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Num {
    Int(i64),
    Float(f64),
}

impl Num {
    pub fn of(number: &Number) -> Self {
        match number.as_i64() {
            Some(int) => Num::Int(int),
            None => Num::Float(number.as_f64().unwrap_or_default()),
        }
    }

    #[allow(clippy::cast_precision_loss)]
    pub fn as_f64(self) -> f64 {
        match self {
            Num::Int(int) => int as f64,
            Num::Float(float) => float,
        }
    }

    /// As `%v` prints it.
    pub fn shown(self) -> String {
        match self {
            Num::Int(int) => int.to_string(),
            Num::Float(float) => go_float(float),
        }
    }
}

/// Whether a float stands for an integer.
pub fn is_whole(value: f64) -> bool {
    const LARGEST: f64 = 9_007_199_254_740_991.0;
    value.is_finite() && value.abs() <= LARGEST && value.fract() == 0.0
}

/// A float cut to an integer, as Go converts.
#[allow(clippy::cast_possible_truncation)]
pub fn cut(value: f64) -> i64 {
    value as i64
}
