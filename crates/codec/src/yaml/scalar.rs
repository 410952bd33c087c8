//! What a plain scalar means. Upstream's parser keeps much of YAML 1.1: `yes` is a truth, `0644` is octal, and
//! underscores in numbers are passed over.

use std::borrow::Cow;

/// A scalar's meaning.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Scalar<'a> {
    Null,
    Bool(bool),
    /// Its decimal digits.
    Int(i128),
    Float(f64),
    String(Cow<'a, str>),
    /// `<<`.
    Merge,
}

impl Scalar<'_> {
    /// The tag's short name.
    pub fn tag(&self) -> &'static str {
        match self {
            Scalar::Null => "null",
            Scalar::Bool(_) => "bool",
            Scalar::Int(_) => "int",
            Scalar::Float(_) => "float",
            Scalar::String(_) => "str",
            Scalar::Merge => "merge",
        }
    }
}

/// What `text` means without quotes.
pub(super) fn resolve(text: &str) -> Scalar<'_> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Scalar::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            return Scalar::Bool(true);
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            return Scalar::Bool(false);
        }
        ".nan" | ".NaN" | ".NAN" => return Scalar::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return Scalar::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => return Scalar::Float(f64::NEG_INFINITY),
        "<<" => return Scalar::Merge,
        _ => {}
    }
    if text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c))
        && let Some(number) = number(text)
    {
        return number;
    }
    Scalar::String(Cow::Borrowed(text))
}

fn number(text: &str) -> Option<Scalar<'static>> {
    let plain = if text.starts_with('.') { Cow::Borrowed(text) } else { Cow::Owned(text.replace('_', "")) };
    if !plain.starts_with('.')
        && let Some(int) = integer(&plain)
    {
        return Some(Scalar::Int(int));
    }
    is_float(&plain).then(|| plain.parse().ok().filter(|f: &f64| f.is_finite()).map(Scalar::Float))?
}

/// An integer as Go reads one of any base, within 64 bits.
fn integer(text: &str) -> Option<i128> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let lower = digits.to_ascii_lowercase();
    let (digits, base) = match lower.as_bytes() {
        [b'0', b'x', ..] => (&lower[2..], 16),
        [b'0', b'b', ..] => (&lower[2..], 2),
        [b'0', b'o', ..] => (&lower[2..], 8),
        [b'0', _, ..] => (&lower[1..], 8),
        _ => (&lower[..], 10),
    };
    if digits.is_empty() || !digits.bytes().all(|b| char::from(b).is_digit(base)) {
        return None;
    }
    let value = i128::from(u64::from_str_radix(digits, base).ok()?);
    let value = if negative { -value } else { value };
    (value >= i128::from(i64::MIN)).then_some(value)
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`
fn is_float(text: &str) -> bool {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let rest = text.strip_prefix(['-', '+']).unwrap_or(text);
    let whole = digits(rest);
    let mut rest = &rest[whole..];
    if let Some(fraction) = rest.strip_prefix('.') {
        let length = digits(fraction);
        if whole == 0 && length == 0 {
            return false;
        }
        rest = &fraction[length..];
    } else if whole == 0 {
        return false;
    }
    if let Some(exponent) = rest.strip_prefix(['e', 'E']) {
        let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        return !exponent.is_empty() && digits(exponent) == exponent.len();
    }
    rest.is_empty()
}

/// What `text` means under an explicit tag (its short name).
pub(super) fn tagged<'a>(text: &'a str, tag: &str) -> Result<Scalar<'a>, String> {
    let resolved = resolve(text);
    match (tag, resolved) {
        ("null", s @ Scalar::Null)
        | ("bool", s @ Scalar::Bool(_))
        | ("int", s @ Scalar::Int(_))
        | ("float", s @ Scalar::Float(_)) => Ok(s),
        ("float", Scalar::Int(i)) => Ok(Scalar::Float(i as f64)),
        ("null" | "bool" | "int" | "float", s) => {
            Err(format!("cannot decode !!{} `{text}` as a !!{tag}", s.tag()))
        }
        _ => Ok(Scalar::String(Cow::Borrowed(text))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars_mean_what_they_mean_upstream() {
        let s = |t: &'static str| Scalar::String(Cow::Borrowed(t));
        for (text, want) in [
            ("no", Scalar::Bool(false)),
            ("y", Scalar::Bool(true)),
            ("NO", Scalar::Bool(false)),
            ("nO", s("nO")),
            ("0644", Scalar::Int(420)),
            ("0o17", Scalar::Int(15)),
            ("0x1F", Scalar::Int(31)),
            ("0b11", Scalar::Int(3)),
            ("-0b11", Scalar::Int(-3)),
            ("08", Scalar::Float(8.0)),
            ("1_000", Scalar::Int(1000)),
            ("-7", Scalar::Int(-7)),
            ("+7", Scalar::Int(7)),
            ("18446744073709551615", Scalar::Int(u64::MAX.into())),
            ("1e3", Scalar::Float(1000.0)),
            ("1.", Scalar::Float(1.0)),
            (".5", Scalar::Float(0.5)),
            (".", s(".")),
            ("-", s("-")),
            ("1.2.3", s("1.2.3")),
            ("100m", s("100m")),
            ("2026-01-02", s("2026-01-02")),
            ("10.0.0.1", s("10.0.0.1")),
            ("~", Scalar::Null),
            ("", Scalar::Null),
            ("12e03", Scalar::Float(12000.0)),
            ("0e1", Scalar::Float(0.0)),
        ] {
            assert_eq!(resolve(text), want, "{text}");
        }
    }

    #[test]
    fn tags_decide_or_complain() {
        assert_eq!(tagged("3", "str"), Ok(Scalar::String(Cow::Borrowed("3"))));
        assert_eq!(tagged("3", "float"), Ok(Scalar::Float(3.0)));
        assert_eq!(tagged("x", "int"), Err("cannot decode !!str `x` as a !!int".to_string()));
    }
}
