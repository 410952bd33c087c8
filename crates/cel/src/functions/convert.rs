//! Conversions between types, and how values are shown.

use super::{Maybe, no_overload};
use crate::error::EvalError;
use crate::eval::Work;
use crate::time::{Duration, Timestamp};
use crate::types::Type;
use crate::value::Value;

pub fn call<'a>(function: &str, args: &[Value<'a>], work: &mut Work) -> Maybe<'a> {
    let [value] = args else { return None };
    let converted = match function {
        "dyn" => return Some(Ok(value.clone())),
        "type" => return Some(Ok(Value::Type(value.type_of()))),
        "string" => to_string(value, work),
        "int" => to_int(value),
        "uint" => to_uint(value),
        "double" => to_double(value),
        "bool" => to_bool(value),
        "bytes" => to_bytes(value),
        "duration" => to_duration(value),
        "timestamp" => to_timestamp(value),
        _ => return None,
    };
    Some(converted.unwrap_or_else(|| Err(no_overload(function, args))))
}

fn failed(from: &str, to: &str) -> EvalError {
    EvalError::new(format!("type conversion error from '{from}' to '{to}'"))
}

fn to_string<'a>(value: &Value<'a>, work: &mut Work) -> Maybe<'a> {
    Some(Ok(match value {
        Value::String(_) => value.clone(),
        Value::Bool(_) | Value::Int(_) | Value::Uint(_) | Value::Double(_) => Value::owned(shown(value)),
        Value::Timestamp(_) | Value::Duration(_) => Value::owned(shown(value)),
        Value::Bytes(bytes) => {
            if let Err(error) = work.add(bytes.len() / 16) {
                return Some(Err(error));
            }
            match std::str::from_utf8(bytes) {
                Ok(text) => Value::owned(text),
                Err(_) => {
                    return Some(Err(EvalError::new("invalid UTF-8 in bytes, cannot convert to string")));
                }
            }
        }
        Value::Extension(extension) => Value::owned(extension.to_text()?),
        _ => return None,
    }))
}

fn to_int<'a>(value: &Value<'a>) -> Maybe<'a> {
    let overflow = || EvalError::new("integer overflow");
    Some(match value {
        Value::Int(value) => Ok(Value::Int(*value)),
        Value::Uint(value) => i64::try_from(*value).map(Value::Int).map_err(|_| overflow()),
        // Both ends are exclusive, as doubles there stand for several whole numbers.
        Value::Double(value) if value.abs() < 9_223_372_036_854_775_807.0 => Ok(Value::Int(*value as i64)),
        Value::Double(_) => Err(overflow()),
        Value::String(text) => {
            let digits = text.strip_prefix('+').unwrap_or(text);
            let valid = !digits.is_empty() && !digits.starts_with('+');
            let parsed = digits.parse().ok().filter(|_| valid);
            parsed.map(Value::Int).ok_or_else(|| failed("string", "int"))
        }
        Value::Timestamp(time) => Ok(Value::Int(time.as_second())),
        Value::Duration(span) => Ok(Value::Int(span.0)),
        _ => return None,
    })
}

fn to_uint<'a>(value: &Value<'a>) -> Maybe<'a> {
    let overflow = || EvalError::new("unsigned integer overflow");
    Some(match value {
        Value::Uint(value) => Ok(Value::Uint(*value)),
        Value::Int(value) => u64::try_from(*value).map(Value::Uint).map_err(|_| overflow()),
        Value::Double(value) if (0.0..18_446_744_073_709_551_615.0).contains(value) => {
            Ok(Value::Uint(*value as u64))
        }
        Value::Double(_) => Err(overflow()),
        Value::String(text) if !text.starts_with('+') => {
            text.parse().map(Value::Uint).map_err(|_| failed("string", "uint"))
        }
        Value::String(_) => Err(failed("string", "uint")),
        _ => return None,
    })
}

fn to_double<'a>(value: &Value<'a>) -> Maybe<'a> {
    Some(match value {
        Value::Double(value) => Ok(Value::Double(*value)),
        Value::Int(value) => Ok(Value::Double(*value as f64)),
        Value::Uint(value) => Ok(Value::Double(*value as f64)),
        Value::String(text) => {
            let parsed: Option<f64> = text.parse().ok();
            // What is written finite must be finite.
            let named = text.trim_start_matches(['+', '-']).starts_with(['i', 'I', 'n', 'N']);
            let parsed = parsed.filter(|value| named || value.is_finite());
            parsed.map(Value::Double).ok_or_else(|| failed("string", "double"))
        }
        _ => return None,
    })
}

fn to_bool<'a>(value: &Value<'a>) -> Maybe<'a> {
    Some(match value {
        Value::Bool(value) => Ok(Value::Bool(*value)),
        Value::String(text) => match &**text {
            "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(Value::Bool(true)),
            "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(Value::Bool(false)),
            _ => Err(failed("string", "bool")),
        },
        _ => return None,
    })
}

fn to_bytes<'a>(value: &Value<'a>) -> Maybe<'a> {
    Some(match value {
        Value::Bytes(_) => Ok(value.clone()),
        Value::String(text) => Ok(Value::Bytes(text.as_bytes().into())),
        _ => return None,
    })
}

fn to_duration<'a>(value: &Value<'a>) -> Maybe<'a> {
    Some(match value {
        Value::Duration(_) => Ok(value.clone()),
        Value::Int(nanos) => Ok(Value::Duration(Duration(*nanos))),
        Value::String(text) => parse_duration(text)
            .map(Value::Duration)
            .ok_or_else(|| failed("string", "google.protobuf.Duration")),
        _ => return None,
    })
}

fn to_timestamp<'a>(value: &Value<'a>) -> Maybe<'a> {
    Some(match value {
        Value::Timestamp(_) => Ok(value.clone()),
        Value::Int(seconds) => Timestamp::from_second(*seconds)
            .map(Value::Timestamp)
            .ok_or_else(|| EvalError::new("timestamp overflow")),
        Value::String(text) => {
            let failed = || failed("string", "google.protobuf.Timestamp");
            Timestamp::parse(text).map(Value::Timestamp).ok_or_else(failed)
        }
        _ => return None,
    })
}

/// A date, at midnight in UTC.
pub fn parse_date(text: &str) -> Option<Timestamp> {
    if text.len() != 10 {
        return None;
    }
    Timestamp::parse(&format!("{text}T00:00:00Z"))
}

/// A duration as Go writes it: `1h30m`, `-1.5s`.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let (negative, mut rest) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    if rest == "0" {
        return Some(Duration(0));
    }
    let mut total: i128 = 0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(end);
        let unit_end = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_end);
        let unit: i128 = match unit {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return None,
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') || whole.len() > 19 {
            return None;
        }
        let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
        let digits = &fraction[..fraction.len().min(18)];
        let part: i128 = if digits.is_empty() { 0 } else { digits.parse().ok()? };
        total += whole * unit + part * unit / 10_i128.pow(digits.len() as u32);
        if total > i128::from(i64::MAX) + 1 {
            return None;
        }
        rest = after;
    }
    let signed = if negative { -total } else { total };
    i64::try_from(signed).ok().map(Duration)
}

/// A scalar as text; others by their types.
pub fn shown(value: &Value<'_>) -> String {
    match value {
        Value::Null => "NULL_VALUE".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Uint(value) => value.to_string(),
        Value::Double(value) => double(*value),
        Value::String(text) => text.to_string(),
        Value::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Value::Timestamp(time) => time.to_string(),
        Value::Duration(span) => duration(*span),
        Value::Type(of) => type_name(of).to_owned(),
        Value::Extension(extension) => extension.to_text().unwrap_or_default(),
        other => other.type_of().name().to_owned(),
    }
}

fn type_name(of: &Type) -> &str {
    of.name()
}

/// A double as Go's `%g` writes it, with the fewest digits: `1.5`, `1e+06`.
pub fn double(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let scientific = format!("{value:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if (-4..6).contains(&exponent) {
        return format!("{value}");
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}

/// A duration in seconds: `5400s`, `1.5s`.
pub fn duration(span: Duration) -> String {
    let nanos = i128::from(span.0);
    let sign = if nanos < 0 { "-" } else { "" };
    let (seconds, rest) = (nanos.abs() / 1_000_000_000, nanos.abs() % 1_000_000_000);
    if rest == 0 {
        return format!("{sign}{seconds}s");
    }
    let fraction = format!("{rest:09}");
    format!("{sign}{seconds}.{}s", fraction.trim_end_matches('0'))
}
