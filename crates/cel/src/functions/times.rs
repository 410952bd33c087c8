//! Parts of time stamps and durations.

use super::{Maybe, no_overload};
use crate::error::EvalError;
use crate::time::Timestamp;
use crate::value::Value;
use jiff::tz::{Offset, TimeZone};

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
        [Value::Timestamp(time)] => Ok(Value::Int(part(function, time, TimeZone::UTC))),
        [Value::Timestamp(time), Value::String(zone)] => {
            named(zone).map(|zone| Value::Int(part(function, time, zone)))
        }
        _ => Err(no_overload(function, args)),
    })
}

fn part(function: &str, time: &Timestamp, zone: TimeZone) -> i64 {
    let time = time.to_zoned(zone);
    match function {
        "getFullYear" => i64::from(time.year()),
        "getMonth" => i64::from(time.month()) - 1,
        "getDate" => i64::from(time.day()),
        "getDayOfMonth" => i64::from(time.day()) - 1,
        "getDayOfWeek" => i64::from(time.weekday().to_sunday_zero_offset()),
        "getDayOfYear" => i64::from(time.day_of_year()) - 1,
        "getHours" => i64::from(time.hour()),
        "getMinutes" => i64::from(time.minute()),
        "getSeconds" => i64::from(time.second()),
        _ => i64::from(time.millisecond()),
    }
}

/// A time zone by its name, or by its distance from UTC (`+01:30`).
fn named(zone: &str) -> Result<TimeZone, EvalError> {
    let unknown = || EvalError::new(format!("unknown time zone {zone}"));
    let Some((hours, minutes)) = zone.split_once(':') else {
        if zone.is_empty() || zone == "UTC" {
            return Ok(TimeZone::UTC);
        }
        return TimeZone::get(zone).map_err(|_| unknown());
    };
    let (hours, minutes): (i32, i32) = match (hours.parse(), minutes.parse()) {
        (Ok(hours), Ok(minutes)) => (hours, minutes),
        _ => return Err(unknown()),
    };
    let minutes = if zone.starts_with('-') { hours * 60 - minutes } else { hours * 60 + minutes };
    Offset::from_seconds(minutes.saturating_mul(60)).map(TimeZone::fixed).map_err(|_| unknown())
}
