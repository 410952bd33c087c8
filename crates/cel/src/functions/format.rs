//! `"%s".format([...])`.

use super::convert::{double, duration, shown};
use super::strings::quote;
use crate::error::EvalError;
use crate::value::{List, Map, Value};

/// The most digits after a decimal point.
const MOST_DIGITS: usize = 100;

/// The text with its clauses replaced by the list's values.
pub fn format(text: &str, list: &List<'_>) -> Result<String, EvalError> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut next = 0;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('%') {
            out.push('%');
            rest = after;
            continue;
        }
        let precision = match rest.strip_prefix('.') {
            Some(after) => {
                let digits = after.bytes().take_while(u8::is_ascii_digit).count();
                rest = &after[digits..];
                let precision: Option<usize> = after[..digits].parse().ok();
                Some(precision.filter(|precision| *precision <= MOST_DIGITS).ok_or_else(|| {
                    EvalError::new(format!(
                        "error while parsing precision: precision of {} is too large",
                        &after[..digits]
                    ))
                })?)
            }
            None => None,
        };
        let Some(verb) = rest.chars().next() else { return Err(EvalError::new("unexpected end of string")) };
        rest = &rest[verb.len_utf8()..];
        if !matches!(verb, 's' | 'd' | 'f' | 'e' | 'b' | 'x' | 'X' | 'o') {
            let message =
                format!("could not parse formatting clause: unrecognized formatting clause \"{verb}\"");
            return Err(EvalError::new(message));
        }
        if next >= list.len() {
            return Err(EvalError::new(format!("index {next} out of range")));
        }
        let value = list.get(next)?;
        next += 1;
        let clause = clause(verb, precision.unwrap_or(6), &value)
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
        ('d', Value::Double(value)) if !value.is_finite() => {
            double(*value).replace("+Inf", "Infinity").replace("-Inf", "-Infinity")
        }
        ('d', _) => return Err(format!("decimal clause can only be used on integers, was given {given}")),
        ('f' | 'e', Value::Double(value)) if !value.is_finite() => {
            double(*value).replace("+Inf", "Infinity").replace("-Inf", "-Infinity")
        }
        ('f', Value::Double(value)) => format!("{value:.precision$}"),
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

/// `1.500000×10⁰³`.
fn scientific(value: f64, precision: usize) -> String {
    let plain = format!("{value:.precision$e}");
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
