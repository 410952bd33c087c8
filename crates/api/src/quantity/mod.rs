//! Amounts of a resource: `100m`, `1.5Gi`, `2e3`. Follows upstream's `resource.Quantity`: parsed amounts
//! keep the family of their suffix, and are written in the canonical form of that family, or as they were read where
//! upstream keeps that.

mod parse;
mod written;

pub use parse::ParseError;

use std::cmp::Ordering;
use std::fmt;
use written::Written;

/// One whole unit in the inner scale.
const UNIT: i128 = 1_000_000_000;
/// The largest amount that arithmetic leads to; larger ones are cut to it.
const MOST: i128 = 100_000_000_000_000_000_000_000_000_000 * UNIT;
/// The largest amount that can be written with a binary suffix, as upstream has it.
const MOST_BINARY: i128 = i64::MAX as i128 * UNIT;

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
#[derive(Clone, Copy, Default)]
pub struct Quantity {
    nanos: i128,
    format: Format,
    /// The text that it was read from, where that stays.
    written: Written,
}

impl Quantity {
    const fn new(nanos: i128, format: Format) -> Self {
        Quantity { nanos, format, written: Written::NOT }
    }

    /// A whole number of units.
    pub const fn whole(value: i64) -> Self {
        Quantity::new(value as i128 * UNIT, Format::DecimalSi)
    }

    /// Thousandths of a unit.
    pub const fn milli(value: i64) -> Self {
        Quantity::new(value as i128 * (UNIT / 1000), Format::DecimalSi)
    }

    /// A whole number, written with binary suffixes.
    pub const fn bytes(value: i64) -> Self {
        Quantity::new(value as i128 * UNIT, Format::BinarySi)
    }

    /// Units, rounded up.
    pub fn value(&self) -> i64 {
        self.rounded_up(UNIT)
    }

    /// Thousandths, rounded up.
    pub fn milli_value(&self) -> i64 {
        self.rounded_up(UNIT / 1000)
    }

    /// Units, if they are whole and not too many.
    pub fn as_i64(&self) -> Option<i64> {
        i64::try_from(self.nanos / UNIT).ok().filter(|_| self.is_whole())
    }

    /// How many there are of a power of ten from -9 on, if they are whole and not too many.
    pub fn mantissa(&self, scale: i32) -> Option<i64> {
        let unit = 10_i128.checked_pow(u32::try_from(scale.checked_add(9)?).ok()?)?;
        i64::try_from(self.nanos / unit).ok().filter(|_| self.nanos % unit == 0)
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

    /// The same without parts smaller than a thousandth, away from nothing.
    pub fn rounded_to_milli(self) -> Quantity {
        if self.is_whole_milli() {
            return self;
        }
        let milli = UNIT / 1000;
        let thousandths = self.nanos.unsigned_abs().div_ceil(milli.unsigned_abs()) as i128;
        Quantity::new(thousandths * milli * self.nanos.signum(), self.format)
    }

    fn rounded_up(&self, scale: i128) -> i64 {
        let away = (self.nanos.unsigned_abs().div_ceil(scale.unsigned_abs())) as i128 * self.nanos.signum();
        i64::try_from(away).unwrap_or(if away < 0 { i64::MIN } else { i64::MAX })
    }

    fn with(&self, nanos: i128, other: &Quantity) -> Quantity {
        let format = if self.nanos == 0 { other.format } else { self.format };
        Quantity::new(nanos.clamp(-MOST, MOST), format)
    }
}

impl std::ops::Add for Quantity {
    type Output = Quantity;
    fn add(self, other: Quantity) -> Quantity {
        self.with(self.nanos.saturating_add(other.nanos), &other)
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
        self.with(self.nanos.saturating_sub(other.nanos), &other)
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

impl fmt::Debug for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.written.text() {
            "" => self.canonical(f),
            written => f.write_str(written),
        }
    }
}

impl Quantity {
    fn canonical(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.nanos == 0 {
            return f.write_str("0");
        }
        // What is small or has a part below one is told without rounding.
        let is_binary = self.nanos.abs() >= 1024 * UNIT && self.is_whole();
        match self.format {
            Format::BinarySi if is_binary => {
                let mut value = self.nanos / UNIT;
                let mut power = 0;
                while value % 1024 == 0 && power < 6 {
                    value /= 1024;
                    power += 1;
                }
                write!(f, "{value}{}", ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"][power])
            }
            format => {
                let by_exponent = format == Format::DecimalExponent;
                let (mut value, mut power) = (self.nanos, -9);
                while value % 1000 == 0 && (by_exponent || power < 18) {
                    value /= 1000;
                    power += 3;
                }
                if by_exponent {
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
            ("100000000000000000000", "100E"),
            ("123456789012345678901", "123456789012345678901"),
            ("100000000000000000000Ki", "9223372036854775807"),
            ("-9Ei", "-9223372036854775807"),
            ("12e20", "1200e18"),
            // Nothing at all is nothing, whatever stands around it.
            ("+", "0"),
            (".", "0"),
            ("Mi", "0"),
            // What upstream takes for canonical stays as it is.
            ("1.125", "1.125"),
            ("1.100k", "1.100k"),
            ("10.10k", "10100"),
            ("1.1234567", "1123456700n"),
            ("+1", "+1"),
            ("01", "01"),
            ("001Ki", "001Ki"),
            ("0.125", "125m"),
            ("5.", "5."),
            ("5E3", "5E3"),
            ("5e0", "5e0"),
            ("1.5e3", "1500"),
            ("1.500e3", "1.500e3"),
            ("0.001Ki", "1024m"),
            ("500Mi", "500Mi"),
            ("1E", "1E"),
        ] {
            let q: Quantity = text.parse().unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!(q.to_string(), want, "{text}");
        }
    }

    #[test]
    fn bad_texts_are_refused_in_upstreams_words() {
        use ParseError::{Format, Number, Suffix};
        for (text, want) in [
            ("", Format),
            ("1.2.3", Format),
            ("1 Gi", Format),
            ("--1", Suffix),
            ("0+m", Format),
            ("abc", Format),
            ("1Kib", Format),
            ("1e", Suffix),
            ("K", Suffix),
            ("1Mii", Suffix),
            ("1e99999999999999999999", Suffix),
            ("Ei", Number),
            ("-e-10", Number),
        ] {
            assert_eq!(text.parse::<Quantity>().expect_err(text), want, "{text}");
        }
    }

    #[test]
    fn sums_keep_the_family_and_compare_by_size() {
        let sum = "1Gi".parse::<Quantity>().expect("valid") + "512Mi".parse().expect("valid");
        assert_eq!(sum.to_string(), "1536Mi");
        assert!(Quantity::milli(1500) > Quantity::whole(1));
        assert_eq!(Quantity::milli(1500).value(), 2);
        assert_eq!((Quantity::default() + Quantity::bytes(2048)).to_string(), "2Ki");
        let read = |text: &str| text.parse::<Quantity>().expect("valid");
        assert_eq!((read("1.125") + Quantity::default()).to_string(), "1125m", "a sum is written anew");
        assert_eq!((read("-1.5").value(), read("-1.5").milli_value()), (-2, -1500));
        assert_eq!(read("0.0001Gi").to_string(), "107374182400u");
        assert_eq!(read("0.0001Gi").rounded_to_milli().to_string(), "107374183m");
        assert_eq!(read("1.125").rounded_to_milli().to_string(), "1.125");
        assert_eq!(read("-100u").rounded_to_milli().to_string(), "-1m");
        assert_eq!(size_of::<Quantity>(), 32);
        let most = read("1e40");
        assert_eq!((most + most, Quantity::default() - most - most), (most, read("-1e40")));
    }
}
