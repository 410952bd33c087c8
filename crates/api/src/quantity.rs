//! Amounts of a resource: `100m`, `1.5Gi`, `2e3`. Follows upstream's `resource.Quantity`: parsed amounts
//! keep the family of their suffix, and are written in the canonical form of that family.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

/// One whole unit in the inner scale.
const UNIT: i128 = 1_000_000_000;
/// The largest amount; larger ones are cut to it, as upstream does.
const MOST: i128 = i64::MAX as i128 * UNIT;

/// The family of suffixes an amount is written in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// `m`, `k`, `M`, ...
    #[default]
    DecimalSi,
    /// `Ki`, `Mi`, ...
    BinarySi,
    /// `e3`, `e6`, ...
    DecimalExponent,
}

/// An amount, exact to a billionth.
#[derive(Clone, Copy, Debug, Default)]
pub struct Quantity {
    nanos: i128,
    format: Format,
}

/// Why a text is no amount.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    #[error("quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'")]
    Format,
    #[error("unable to parse quantity's suffix")]
    Suffix,
}

impl Quantity {
    /// A whole number of units.
    pub const fn whole(value: i64) -> Self {
        Quantity { nanos: value as i128 * UNIT, format: Format::DecimalSi }
    }

    /// Thousandths of a unit.
    pub const fn milli(value: i64) -> Self {
        Quantity { nanos: value as i128 * (UNIT / 1000), format: Format::DecimalSi }
    }

    /// A whole number, written with binary suffixes.
    pub const fn bytes(value: i64) -> Self {
        Quantity { nanos: value as i128 * UNIT, format: Format::BinarySi }
    }

    /// Units, rounded up.
    pub fn value(&self) -> i64 {
        self.rounded_up(UNIT)
    }

    /// Thousandths, rounded up.
    pub fn milli_value(&self) -> i64 {
        self.rounded_up(UNIT / 1000)
    }

    /// As a floating-point number of units.
    pub fn as_f64(&self) -> f64 {
        self.nanos as f64 / UNIT as f64
    }

    /// The family of suffixes.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Whether the amount is nothing.
    pub fn is_zero(&self) -> bool {
        self.nanos == 0
    }

    /// Whether the amount is below nothing.
    pub fn is_negative(&self) -> bool {
        self.nanos < 0
    }

    /// Whether the amount has no part smaller than a unit.
    pub fn is_whole(&self) -> bool {
        self.nanos % UNIT == 0
    }

    /// Whether the amount has no part smaller than a thousandth.
    pub fn is_whole_milli(&self) -> bool {
        self.nanos % (UNIT / 1000) == 0
    }

    fn rounded_up(&self, scale: i128) -> i64 {
        let floor = self.nanos.div_euclid(scale);
        let up = if self.nanos.rem_euclid(scale) > 0 { floor + 1 } else { floor };
        i64::try_from(up).unwrap_or(if up < 0 { i64::MIN } else { i64::MAX })
    }

    fn with(&self, nanos: i128, other: &Quantity) -> Quantity {
        let format = if self.nanos == 0 { other.format } else { self.format };
        Quantity { nanos: nanos.clamp(-MOST, MOST), format }
    }
}

impl std::ops::Add for Quantity {
    type Output = Quantity;
    fn add(self, other: Quantity) -> Quantity {
        self.with(self.nanos + other.nanos, &other)
    }
}

impl std::ops::AddAssign for Quantity {
    fn add_assign(&mut self, other: Quantity) {
        *self = *self + other;
    }
}

impl std::ops::Sub for Quantity {
    type Output = Quantity;
    fn sub(self, other: Quantity) -> Quantity {
        self.with(self.nanos - other.nanos, &other)
    }
}

impl std::ops::SubAssign for Quantity {
    fn sub_assign(&mut self, other: Quantity) {
        *self = *self - other;
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.nanos == other.nanos
    }
}

impl Eq for Quantity {}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> Ordering {
        self.nanos.cmp(&other.nanos)
    }
}

impl FromStr for Quantity {
    type Err = ParseError;

    fn from_str(s: &str) -> Result<Self, ParseError> {
        let (negative, rest) = match s.as_bytes().first() {
            Some(b'-') => (true, &s[1..]),
            Some(b'+') => (false, &s[1..]),
            _ => (false, s),
        };
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, suffix) = rest.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if fraction.contains('.') || (whole.is_empty() && fraction.is_empty()) {
            return Err(ParseError::Format);
        }
        let (scale, format) = scale(suffix)?;
        let size = scale.apply(whole, fraction);
        Ok(Quantity { nanos: if negative { -size } else { size }, format })
    }
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
        _ => match suffix.strip_prefix(['e', 'E']) {
            Some(exponent) => {
                let e: i32 = exponent.parse().map_err(|_| ParseError::Suffix)?;
                Ok((Scale::Ten(e), Format::DecimalExponent))
            }
            None if suffix.chars().all(|c| "eEinumkKMGTP+-0123456789".contains(c)) => Err(ParseError::Suffix),
            None => Err(ParseError::Format),
        },
    }
}

impl Scale {
    /// The number in billionths, cut to the largest amount; parts below a billionth round up.
    fn apply(&self, whole: &str, fraction: &str) -> i128 {
        let digits: Vec<u8> = whole.bytes().chain(fraction.bytes()).skip_while(|d| *d == b'0').collect();
        if digits.is_empty() {
            return 0;
        }
        let mut exponent = 9 - fraction.len() as i32;
        let mut factor: i128 = 1;
        match self {
            Scale::Ten(e) => exponent = exponent.saturating_add(*e),
            Scale::Two(e) => factor = 1 << e,
        }
        let mut value: i128 = 0;
        let mut lost = false;
        // What lies below a billionth only decides the rounding.
        let kept = digits.len().min(30);
        for d in &digits[..kept] {
            value = value * 10 + i128::from(d - b'0');
        }
        exponent = exponent.saturating_add((digits.len() - kept) as i32);
        lost |= digits[kept..].iter().any(|d| *d != b'0');
        let Some(mut value) = value.checked_mul(factor) else { return MOST };
        while exponent > 0 {
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

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.nanos == 0 {
            return f.write_str("0");
        }
        let small = self.nanos.abs() < 1024 * UNIT;
        match self.format {
            Format::BinarySi if !small => {
                let mut value = self.rounded_up(UNIT);
                let mut power = 0;
                while value % 1024 == 0 && power < 6 {
                    value /= 1024;
                    power += 1;
                }
                write!(f, "{value}{}", ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"][power])
            }
            format => {
                let (mut value, mut power) = (self.nanos, -9);
                while value % 1000 == 0 && power < 18 {
                    value /= 1000;
                    power += 3;
                }
                if format == Format::DecimalExponent {
                    return if power == 0 { write!(f, "{value}") } else { write!(f, "{value}e{power}") };
                }
                let suffix = ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"][((power + 9) / 3) as usize];
                write!(f, "{value}{suffix}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_take_their_canonical_form() {
        for (text, want) in [
            ("0", "0"),
            ("0.5", "500m"),
            ("1024Mi", "1Gi"),
            ("1000m", "1"),
            ("1500m", "1500m"),
            ("1.5Gi", "1536Mi"),
            ("100Ki", "100Ki"),
            ("1000", "1k"),
            ("1e3", "1e3"),
            ("12e6", "12e6"),
            ("0.1n", "1n"),
            ("-1", "-1"),
            ("512Ki", "512Ki"),
            ("1.5", "1500m"),
            (".5Mi", "512Ki"),
            ("1Ei", "1Ei"),
            ("100000000000000000000", "9223372036854775807"),
            ("0.001Ki", "1024m"),
            ("500Mi", "500Mi"),
            ("1E", "1E"),
        ] {
            let q: Quantity = text.parse().unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!(q.to_string(), want, "{text}");
        }
    }

    #[test]
    fn bad_texts_are_refused() {
        for text in ["", "abc", "1.2.3", "1Kib", "1 Gi", "--1", "1e", "Mi", "1Mii"] {
            assert!(text.parse::<Quantity>().is_err(), "{text}");
        }
    }

    #[test]
    fn sums_keep_the_family_and_compare_by_size() {
        let sum = "1Gi".parse::<Quantity>().expect("valid") + "512Mi".parse().expect("valid");
        assert_eq!(sum.to_string(), "1536Mi");
        assert!(Quantity::milli(1500) > Quantity::whole(1));
        assert_eq!(Quantity::milli(1500).value(), 2);
        assert_eq!((Quantity::default() + Quantity::bytes(2048)).to_string(), "2Ki");
    }
}
