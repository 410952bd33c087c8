//! Numbers as Go sees them in JSON: whole ones are integers, whatever else is a float.

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

/// A float as Go's `%v` prints it.
pub fn go_float(value: f64) -> String {
    let size = value.abs();
    if size != 0.0 && !(1e-4..1e21).contains(&size) {
        let text = format!("{value:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, number) = match exponent.strip_prefix('-') {
            Some(number) => ('-', number),
            None => ('+', exponent),
        };
        return format!("{digits}e{sign}{number:0>2}");
    }
    format!("{value}")
}

/// A float cut to an integer, as Go converts.
#[allow(clippy::cast_possible_truncation)]
pub fn cut(value: f64) -> i64 {
    value as i64
}

#[cfg(test)]
mod tests {
    use super::go_float;

    #[test]
    fn floats_look_like_gos() {
        for (value, want) in [
            (0.5, "0.5"),
            (3.0, "3"),
            (1e21, "1e+21"),
            (1e20, "100000000000000000000"),
            (0.00001, "1e-05"),
            (-2.5, "-2.5"),
            (0.0, "0"),
        ] {
            assert_eq!(go_float(value), want);
        }
    }
}
