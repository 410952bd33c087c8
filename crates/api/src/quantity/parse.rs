//! The texts that are amounts, as upstream's `resource.ParseQuantity` reads them.

use super::{Format, MOST, MOST_BINARY, Quantity, UNIT, Written};
use std::str::FromStr;

/// Why a text is no amount.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    #[error("quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'")]
    Format,
    #[error("unable to parse quantity's suffix")]
    Suffix,
    #[error("unable to parse numeric part of quantity")]
    Number,
}

impl FromStr for Quantity {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        Quantity::read(text).map(|(quantity, _)| quantity)
    }
}

impl Quantity {
    /// Reads an amount, and the power of ten that upstream counts it in, where it takes it for a number of 64 bits.
    ///
    /// # Errors
    /// The text is no amount.
    pub fn read(text: &str) -> Result<(Self, Option<i32>), ParseError> {
        let parts = Parts::of(text)?;
        let (scale, format) = scale(parts.suffix)?;
        let is_simple = is_simple(&parts, &scale);
        if !is_simple && !parts.has_digits {
            return Err(ParseError::Number);
        }
        let mut nanos = scale.apply(parts.whole, parts.fraction);
        let mut quantity = Quantity::new(0, format);
        if format == Format::BinarySi {
            nanos = nanos.min(MOST_BINARY);
            if !is_simple && nanos > 0 && nanos < UNIT {
                quantity.format = Format::DecimalSi;
            }
        }
        quantity.nanos = if parts.negative { -nanos } else { nanos };
        if is_simple && stays(text, &parts, &scale) {
            quantity.written = Written::keep(text);
        }
        let power = match scale {
            Scale::Ten(exponent) => exponent - parts.fraction.len() as i32,
            Scale::Two(_) => 0,
        };
        Ok((quantity, is_simple.then_some(power)))
    }
}

/// What an amount is written of.
struct Parts<'a> {
    negative: bool,
    /// Digits before the point, without leading zeros.
    whole: &'a str,
    /// Digits behind it.
    fraction: &'a str,
    /// Whether there is a digit at all, be it a zero.
    has_digits: bool,
    suffix: &'a str,
}

impl<'a> Parts<'a> {
    fn of(text: &'a str) -> Result<Self, ParseError> {
        if text.is_empty() {
            return Err(ParseError::Format);
        }
        let (negative, rest) = match text.as_bytes()[0] {
            b'-' => (true, &text[1..]),
            b'+' => (false, &text[1..]),
            _ => (false, text),
        };
        let significant = rest.trim_start_matches('0');
        let (whole, mut suffix) = digits(significant);
        let mut fraction = "";
        if let Some(behind) = suffix.strip_prefix('.') {
            (fraction, suffix) = digits(behind);
        }
        let letters = suffix.trim_start_matches(|c| "eEinumkKMGTP".contains(c));
        let exponent = letters.strip_prefix(['-', '+']).unwrap_or(letters);
        if !exponent.bytes().all(|b| b.is_ascii_digit()) {
            return Err(ParseError::Format);
        }
        let has_digits = significant.len() < rest.len() || !whole.is_empty() || !fraction.is_empty();
        Ok(Parts { negative, whole, fraction, has_digits, suffix })
    }
}

fn digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

/// What a suffix multiplies by.
enum Scale {
    /// Ten to the power.
    Ten(i32),
    /// Two to the power.
    Two(u32),
}

fn scale(suffix: &str) -> Result<(Scale, Format), ParseError> {
    let ten = |e| Ok((Scale::Ten(e), Format::DecimalSi));
    let two = |e| Ok((Scale::Two(e), Format::BinarySi));
    match suffix {
        "" => ten(0),
        "n" => ten(-9),
        "u" => ten(-6),
        "m" => ten(-3),
        "k" => ten(3),
        "M" => ten(6),
        "G" => ten(9),
        "T" => ten(12),
        "P" => ten(15),
        "E" => ten(18),
        "Ki" => two(10),
        "Mi" => two(20),
        "Gi" => two(30),
        "Ti" => two(40),
        "Pi" => two(50),
        "Ei" => two(60),
        _ => {
            let exponent = suffix.strip_prefix(['e', 'E']).ok_or(ParseError::Suffix)?;
            let exponent: i64 = exponent.parse().map_err(|_| ParseError::Suffix)?;
            // Beyond that everything is cut, or rounds up to the smallest amount.
            let exponent = exponent.clamp(-1_000_000, 1_000_000) as i32;
            Ok((Scale::Ten(exponent), Format::DecimalExponent))
        }
    }
}

/// Whether upstream reads the number as a plain one of 64 bits; only of those it keeps the text.
fn is_simple(parts: &Parts<'_>, scale: &Scale) -> bool {
    let (whole, fraction) = (parts.whole.len().max(1), parts.fraction.len());
    match scale {
        Scale::Ten(exponent) => whole + fraction <= 18 && exponent - fraction as i32 >= -9,
        Scale::Two(exponent) => fraction == 0 && whole + (exponent * 3 / 10) as usize <= 14,
    }
}

/// Whether the text stays, though it may not be what would be written: where upstream takes it for canonical.
fn stays(text: &str, parts: &Parts<'_>, scale: &Scale) -> bool {
    let unusual = text.starts_with(['+', '0']) || text.starts_with("-0") || text.contains(['.', 'e', 'E']);
    if !unusual || parts.whole.is_empty() {
        return false;
    }
    match scale {
        Scale::Ten(exponent) => {
            let mut digits = parts.whole.bytes().chain(parts.fraction.bytes()).rev();
            let are_round = digits.by_ref().take(3).eq(*b"000");
            (exponent - parts.fraction.len() as i32) % 3 == 0 && !are_round
        }
        Scale::Two(_) => parts.whole.parse::<i64>().is_ok_and(|value| value % 8 != 0),
    }
}

impl Scale {
    /// The number in billionths, cut to the largest amount; parts below a billionth round up.
    fn apply(&self, whole: &str, fraction: &str) -> i128 {
        let mut digits = whole.bytes().chain(fraction.bytes()).skip_while(|d| *d == b'0');
        let mut exponent = 9 - i32::try_from(fraction.len()).unwrap_or(i32::MAX);
        let mut factor: i128 = 1;
        match self {
            Scale::Ten(e) => exponent = exponent.saturating_add(*e),
            Scale::Two(e) => factor = 1 << e,
        }
        let mut value: i128 = 0;
        for digit in digits.by_ref().take(30) {
            value = value * 10 + i128::from(digit - b'0');
        }
        // What lies below a billionth only decides the rounding.
        let mut lost = false;
        for digit in digits {
            exponent = exponent.saturating_add(1);
            lost |= digit != b'0';
        }
        while value.checked_mul(factor).is_none() && exponent < 0 {
            lost |= value % 10 != 0;
            value /= 10;
            exponent += 1;
        }
        let Some(mut value) = value.checked_mul(factor) else { return MOST };
        while exponent > 0 && value > 0 {
            value = value.saturating_mul(10);
            if value > MOST {
                return MOST;
            }
            exponent -= 1;
        }
        while exponent < 0 && value > 0 {
            lost |= value % 10 != 0;
            value /= 10;
            exponent += 1;
        }
        (value + i128::from(lost)).min(MOST)
    }
}
