//! Parts of time stamps and durations.

use super::{Maybe, no_overload};
use crate::error::EvalError;
use crate::time::Timestamp;
use crate::value::Value;
use jiff::tz::TimeZone;

pub fn call<'a>(function: &str, args: &[Value<'a>]) -> Maybe<'a> {
    if !matches!(
        function,
        "getFullYear"
            | "getMonth"
            | "getDate"
            | "getDayOfMonth"
            | "getDayOfWeek"
            | "getDayOfYear"
            | "getHours"
            | "getMinutes"
            | "getSeconds"
            | "getMilliseconds"
    ) {
        return None;
    }
    Some(match args {
        [Value::Duration(span)] => {
            let unit = match function {
                "getHours" => 3_600_000_000_000,
                "getMinutes" => 60_000_000_000,
                "getSeconds" => 1_000_000_000,
                "getMilliseconds" => 1_000_000,
                _ => return Some(Err(no_overload(function, args))),
            };
            Ok(Value::Int(span.0 / unit))
        }
        [Value::Timestamp(time)] => Ok(Value::Int(part(function, time, 0))),
        [Value::Timestamp(time), Value::String(zone)] => {
            offset(zone, time).map(|offset| Value::Int(part(function, time, offset)))
        }
        _ => Err(no_overload(function, args)),
    })
}

fn part(function: &str, time: &Timestamp, offset: i64) -> i64 {
    let time = time.civil(offset);
    match function {
        "getFullYear" => time.year,
        "getMonth" => time.month - 1,
        "getDate" => time.day,
        "getDayOfMonth" => time.day - 1,
        "getDayOfWeek" => time.weekday,
        "getDayOfYear" => time.year_day,
        "getHours" => time.hour,
        "getMinutes" => time.minute,
        "getSeconds" => time.second,
        _ => time.nanos / 1_000_000,
    }
}

/// How far a zone is from UTC at a time, in seconds; the zone has a name, or is a distance (`+01:30`).
fn offset(zone: &str, time: &Timestamp) -> Result<i64, EvalError> {
    let unknown = || EvalError::new(format!("unknown time zone {zone}"));
    if let Some((hours, minutes)) = zone.split_once(':') {
        let (hours, minutes): (i64, i64) = match (hours.parse(), minutes.parse()) {
            (Ok(hours), Ok(minutes)) if minutes >= 0 => (hours, minutes),
            _ => return Err(unknown()),
        };
        if hours.abs() > 23 || minutes > 59 {
            return Err(unknown());
        }
        return Ok(hours * 3600 + if zone.starts_with('-') { -minutes } else { minutes } * 60);
    }
    if zone.is_empty() || zone == "UTC" {
        return Ok(0);
    }
    let zone = TimeZone::get(zone).map_err(|_| unknown())?;
    // Beyond what the database knows the last rule holds.
    let seconds = time.as_second().clamp(-60_000_000_000, 250_000_000_000);
    let at = jiff::Timestamp::from_second(seconds).map_err(|_| unknown())?;
    Ok(i64::from(zone.to_offset(at).seconds()))
}
