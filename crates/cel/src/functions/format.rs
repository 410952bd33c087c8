//! `"%s".format([...])`.

use super::convert::{duration, shown};
use super::strings::quote;
use crate::error::EvalError;
use crate::value::{List, Map, Value};

/// The most digits after a decimal point.
const MOST_DIGITS: usize = 1000;

/// A clause of a format.
pub struct Verb<'f> {
    /// What stands before it.
    before: &'f str,
    /// `%%`, which takes no value, is a `%`.
    pub letter: char,
    precision: usize,
}

/// The clauses of a format that take values, each with the text before it.
pub fn verbs(text: &str) -> Result<Vec<Verb<'_>>, EvalError> {
    Ok(clauses(text)?.0.into_iter().filter(|verb| verb.letter != '%').collect())
}

/// All clauses, and what follows the last.
fn clauses(text: &str) -> Result<(Vec<Verb<'_>>, &str), EvalError> {
    let (mut found, mut rest) = (Vec::new(), text);
    while let Some(at) = rest.find('%') {
        let before = &rest[..at];
        rest = &rest[at + 1..];
        let mut precision = 6;
        if let Some(after) = rest.strip_prefix('.') {
            let digits = after.bytes().take_while(u8::is_ascii_digit).count();
            rest = &after[digits..];
            let digits = &after[..digits];
            let wanted: Option<usize> = digits.parse().ok().filter(|wanted| *wanted <= MOST_DIGITS);
            precision = wanted.ok_or_else(|| {
                let why = if digits.is_empty() { "invalid syntax" } else { "value out of range" };
                EvalError::new(format!(
                    "could not parse formatting clause: error while parsing precision: error while converting \
                     precision to integer: strconv.Atoi: parsing \"{digits}\": {why}"
                ))
            })?;
        }
        let letter = rest.chars().next().ok_or_else(|| EvalError::new("unexpected end of string"))?;
        rest = &rest[letter.len_utf8()..];
        if !matches!(letter, '%' | 's' | 'd' | 'f' | 'e' | 'b' | 'x' | 'X' | 'o') {
            let message =
                format!("could not parse formatting clause: unrecognized formatting clause \"{letter}\"");
            return Err(EvalError::new(message));
        }
        found.push(Verb { before, letter, precision });
    }
    Ok((found, rest))
}

/// The text with its clauses replaced by the list's values.
pub fn format(text: &str, list: &List<'_>) -> Result<String, EvalError> {
    let (found, rest) = clauses(text)?;
    let mut out = String::with_capacity(text.len());
    let mut next = 0;
    for Verb { before, letter, precision } in found {
        out.push_str(before);
        if letter == '%' {
            out.push('%');
            continue;
        }
        if next >= list.len() {
            return Err(EvalError::new(format!("index {next} out of range")));
        }
        let value = list.get(next)?;
        next += 1;
        let clause = clause(letter, precision, &value)
            .map_err(|why| EvalError::new(format!("error during formatting: {why}")))?;
        out.push_str(&clause);
    }
    out.push_str(rest);
    Ok(out)
}

fn clause(verb: char, precision: usize, value: &Value<'_>) -> Result<String, String> {
    let given = value.type_of();
    let given = given.name();
    Ok(match (verb, value) {
        ('s', value) => text(value)?,
        ('d', Value::Int(value)) => value.to_string(),
        ('d', Value::Uint(value)) => value.to_string(),
        ('d', _) => return Err(format!("decimal clause can only be used on integers, was given {given}")),
        ('f', Value::Double(value)) => fixed(*value, precision),
        ('f', Value::String(text)) if unusual(text).is_some() => {
            fixed(unusual(text).unwrap_or_default(), precision)
        }
        ('e', Value::String(text)) if unusual(text).is_some() => {
            scientific(unusual(text).unwrap_or_default(), precision)
        }
        ('f', _) => return Err(format!("fixed-point clause can only be used on doubles, was given {given}")),
        ('e', Value::Double(value)) => scientific(*value, precision),
        ('e', _) => return Err(format!("scientific clause can only be used on doubles, was given {given}")),
        ('b', Value::Bool(value)) => u8::from(*value).to_string(),
        ('b', Value::Int(value)) => signed(*value, |value| format!("{value:b}")),
        ('b', Value::Uint(value)) => format!("{value:b}"),
        ('b', _) => {
            return Err(format!("only integers and bools can be formatted as binary, was given {given}"));
        }
        ('o', Value::Int(value)) => signed(*value, |value| format!("{value:o}")),
        ('o', Value::Uint(value)) => format!("{value:o}"),
        ('o', _) => return Err(format!("octal clause can only be used on integers, was given {given}")),
        (_, value) => {
            let hex = match value {
                Value::Int(value) => signed(*value, |value| format!("{value:x}")),
                Value::Uint(value) => format!("{value:x}"),
                Value::String(text) => text.bytes().map(|byte| format!("{byte:02x}")).collect(),
                Value::Bytes(bytes) => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
                _ => {
                    return Err(format!(
                        "only integers, byte buffers, and strings can be formatted as hex, was given {given}"
                    ));
                }
            };
            if verb == 'X' { hex.to_uppercase() } else { hex }
        }
    })
}

fn signed(value: i64, digits: impl Fn(u64) -> String) -> String {
    let sign = if value < 0 { "-" } else { "" };
    format!("{sign}{}", digits(value.unsigned_abs()))
}

/// A number that is written as text.
fn unusual(text: &str) -> Option<f64> {
    match text {
        "NaN" => Some(f64::NAN),
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        _ => None,
    }
}

fn infinite(value: f64) -> Option<&'static str> {
    match value {
        value if value.is_nan() => Some("NaN"),
        f64::INFINITY => Some("∞"),
        f64::NEG_INFINITY => Some("-∞"),
        _ => None,
    }
}

/// `1,234.500000`.
fn fixed(value: f64, precision: usize) -> String {
    if let Some(text) = infinite(value) {
        return text.to_owned();
    }
    let plain = format!("{:.precision$}", if value == 0.0 { 0.0 } else { value });
    let (whole, fraction) = plain.split_once('.').unwrap_or((&plain, ""));
    let (sign, digits) = whole.strip_prefix('-').map_or(("", whole), |digits| ("-", digits));
    let mut out = String::from(sign);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    if !fraction.is_empty() {
        out.push('.');
        out.push_str(fraction);
    }
    out
}

/// `1.500000×10⁰³`. What is asked for as precision is the width.
fn scientific(value: f64, width: usize) -> String {
    if let Some(text) = infinite(value) {
        return format!("{text:>width$}");
    }
    let plain = format!("{:.6e}", if value == 0.0 { 0.0 } else { value });
    let (mantissa, exponent) = plain.split_once('e').unwrap_or((&plain, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    let raised: String = format!("{:02}", exponent.abs())
        .chars()
        .filter_map(|digit| "⁰¹²³⁴⁵⁶⁷⁸⁹".chars().nth(digit.to_digit(10)? as usize))
        .collect();
    format!("{mantissa}×10{}{raised}", if exponent < 0 { "⁻" } else { "" })
}

fn text(value: &Value<'_>) -> Result<String, String> {
    Ok(match value {
        Value::List(_) | Value::Map(_) => nested(value)?,
        Value::Null => "null".to_owned(),
        Value::Extension(_) | Value::Optional(_) => {
            return Err(format!(
                "string clause can only be used on strings, bools, bytes, ints, doubles, maps, lists, types, \
                 durations, and timestamps, was given {}",
                value.type_of().name()
            ));
        }
        Value::Duration(span) => duration(*span),
        value => shown(value),
    })
}

/// A value within a list or a map.
fn nested(value: &Value<'_>) -> Result<String, String> {
    Ok(match value {
        Value::String(text) => quote(text),
        Value::Double(value) if value.is_finite() => format!("{value:.6}"),
        Value::Double(_) => quote(&shown(value)),
        Value::Timestamp(_) => format!("timestamp(\"{}\")", shown(value)),
        Value::Duration(span) => format!("duration(\"{}\")", duration(*span)),
        Value::List(list) => {
            let items = list.items().map_err(|error| error.to_string())?;
            let items: Vec<String> = items.iter().map(nested).collect::<Result<_, _>>()?;
            format!("[{}]", items.join(", "))
        }
        Value::Map(map) => {
            let mut entries = entries(map)?;
            entries.sort();
            format!("{{{}}}", entries.join(", "))
        }
        value => text(value)?,
    })
}

fn entries(map: &Map<'_>) -> Result<Vec<String>, String> {
    let mut entries = Vec::new();
    for key in map.keys().map_err(|error| error.to_string())? {
        let value = map.value_of(&key).map_err(|error| error.to_string())?;
        entries.push(format!("{}:{}", nested(&key)?, nested(&value)?));
    }
    Ok(entries)
}
