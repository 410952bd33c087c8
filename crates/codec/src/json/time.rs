//! RFC 3339, read and written as Go does; its words where a text is no time.

use crate::DecodeError;
use crate::quote::quoted;
use jiff::Timestamp;

/// How a time is laid out.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// Whole seconds; a fraction is read and dropped.
    Seconds,
    /// Six digits of fraction.
    Micros,
}

impl Layout {
    fn text(self) -> &'static str {
        match self {
            Layout::Seconds => "2006-01-02T15:04:05Z07:00",
            Layout::Micros => "2006-01-02T15:04:05.000000Z07:00",
        }
    }
}

struct Cursor<'a> {
    all: &'a str,
    rest: &'a str,
    layout: Layout,
}

impl<'a> Cursor<'a> {
    fn mismatch(&self, element: &str) -> DecodeError {
        DecodeError::Value(format!(
            "parsing time {} as {}: cannot parse {} as {}",
            quoted(self.all),
            quoted(self.layout.text()),
            quoted(self.rest),
            quoted(element)
        ))
    }

    fn fault(&self, what: &str) -> DecodeError {
        DecodeError::Value(format!("parsing time {}: {what}", quoted(self.all)))
    }

    /// `count` digits that stand for `element`.
    fn digits(&mut self, count: usize, element: &str) -> Result<i64, DecodeError> {
        let value = self.rest.get(..count).filter(|t| t.bytes().all(|b| b.is_ascii_digit()));
        let value = value.and_then(|t| t.parse().ok()).ok_or_else(|| self.mismatch(element))?;
        self.rest = &self.rest[count..];
        Ok(value)
    }

    fn ranged(&mut self, element: &str, least: i64, most: i64, name: &str) -> Result<i64, DecodeError> {
        let value = self.digits(2, element)?;
        if value < least || value > most {
            return Err(self.fault(&format!("{name} out of range")));
        }
        Ok(value)
    }

    fn sign(&mut self, sign: char) -> Result<(), DecodeError> {
        match self.rest.strip_prefix(sign) {
            Some(rest) => {
                self.rest = rest;
                Ok(())
            }
            None => Err(self.mismatch(&sign.to_string())),
        }
    }

    /// The fraction after the seconds, in nanoseconds.
    fn fraction(&mut self) -> Result<i32, DecodeError> {
        let digits = match self.rest.strip_prefix(['.', ',']) {
            Some(rest) => rest.bytes().take_while(u8::is_ascii_digit).count(),
            None => 0,
        };
        if self.layout == Layout::Micros && digits < 6 {
            return Err(self.mismatch(".000000"));
        }
        if digits == 0 {
            return Ok(0);
        }
        let taken = if self.layout == Layout::Micros { 6 } else { digits };
        let text = &self.rest[1..=taken];
        let nanos = text.bytes().chain(std::iter::repeat(b'0')).take(9);
        let nanos = nanos.fold(0, |sum, digit| sum * 10 + i32::from(digit - b'0'));
        self.rest = &self.rest[1 + taken..];
        Ok(nanos)
    }

    /// Seconds east of Greenwich.
    fn zone(&mut self) -> Result<i64, DecodeError> {
        const ELEMENT: &str = "Z07:00";
        if let Some(rest) = self.rest.strip_prefix('Z') {
            self.rest = rest;
            return Ok(0);
        }
        let b = self.rest.as_bytes();
        let digit = |at: usize| b.get(at).filter(|d| d.is_ascii_digit()).map(|d| i64::from(d - b'0'));
        let parsed = (|| {
            let sign = match b.first()? {
                b'+' => 1,
                b'-' => -1,
                _ => return None,
            };
            let hours = digit(1)? * 10 + digit(2)?;
            let minutes = (b.get(3) == Some(&b':')).then(|| Some(digit(4)? * 10 + digit(5)?))??;
            (hours <= 24 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
        })();
        let offset = parsed.ok_or_else(|| self.mismatch(ELEMENT))?;
        self.rest = &self.rest[6..];
        Ok(offset)
    }
}

/// The time that `text` says.
pub(crate) fn parse(text: &str, layout: Layout) -> Result<Timestamp, DecodeError> {
    let mut c = Cursor { all: text, rest: text, layout };
    let year = c.digits(4, "2006")?;
    c.sign('-')?;
    let month = c.ranged("01", 1, 12, "month")?;
    c.sign('-')?;
    let day = c.digits(2, "02")?;
    c.sign('T')?;
    let hour = c.ranged("15", 0, 23, "hour")?;
    c.sign(':')?;
    let minute = c.ranged("04", 0, 59, "minute")?;
    c.sign(':')?;
    let second = c.ranged("05", 0, 59, "second")?;
    let nanos = c.fraction()?;
    let offset = c.zone()?;
    if !c.rest.is_empty() {
        return Err(c.fault(&format!("extra text: {}", quoted(c.rest))));
    }
    let days = days_from_civil(year, month, day);
    if civil_from_days(days) != (year, month, day) {
        return Err(c.fault("day out of range"));
    }
    let seconds = days * 86_400 + hour * 3600 + minute * 60 + second - offset;
    Timestamp::new(seconds, nanos).map_err(|_| c.fault("year out of range"))
}

/// Appends `t` to `out`.
pub(crate) fn write(out: &mut Vec<u8>, t: Timestamp, layout: Layout) {
    let nanos = i64::try_from(t.as_nanosecond().rem_euclid(1_000_000_000)).unwrap_or(0);
    let seconds = t.as_second() - i64::from(t.subsec_nanosecond() < 0);
    let (year, month, day) = civil_from_days(seconds.div_euclid(86_400));
    let rest = seconds.rem_euclid(86_400);
    decimal(out, year, 4);
    for (sign, value) in
        [(b'-', month), (b'-', day), (b'T', rest / 3600), (b':', rest / 60 % 60), (b':', rest % 60)]
    {
        out.push(sign);
        decimal(out, value, 2);
    }
    if layout == Layout::Micros {
        out.push(b'.');
        decimal(out, nanos / 1000, 6);
    }
    out.push(b'Z');
}

fn decimal(out: &mut Vec<u8>, value: i64, width: usize) {
    let start = out.len();
    out.resize(start + width, b'0');
    let mut value = value.max(0);
    for place in out[start..].iter_mut().rev() {
        *place = b'0' + u8::try_from(value % 10).unwrap_or(0);
        value /= 10;
    }
}

/// Days since 1970 of a date of the Gregorian calendar.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The date of a number of days since 1970.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_and_written() {
        for (text, layout, want) in [
            ("2026-01-02T03:04:05Z", Layout::Seconds, "2026-01-02T03:04:05Z"),
            ("2026-01-02T03:04:05.75+01:30", Layout::Seconds, "2026-01-02T01:34:05Z"),
            ("2024-02-29T23:59:59.123456Z", Layout::Micros, "2024-02-29T23:59:59.123456Z"),
            ("1969-12-31T23:59:59.500000Z", Layout::Micros, "1969-12-31T23:59:59.500000Z"),
            ("1601-03-01T00:00:00Z", Layout::Seconds, "1601-03-01T00:00:00Z"),
        ] {
            let mut out = Vec::new();
            write(&mut out, parse(text, layout).expect(text), layout);
            assert_eq!(String::from_utf8_lossy(&out), want, "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_told_in_upstreams_words() {
        let as_layout = "as \"2006-01-02T15:04:05Z07:00\": cannot parse";
        for (text, want) in [
            ("yesterday", format!("parsing time \"yesterday\" {as_layout} \"yesterday\" as \"2006\"")),
            ("2026-01-02", format!("parsing time \"2026-01-02\" {as_layout} \"\" as \"T\"")),
            (
                "2026-01-02T03:04:05",
                format!("parsing time \"2026-01-02T03:04:05\" {as_layout} \"\" as \"Z07:00\""),
            ),
            ("2026-13-02T03:04:05Z", "parsing time \"2026-13-02T03:04:05Z\": month out of range".into()),
            ("2026-02-30T03:04:05Z", "parsing time \"2026-02-30T03:04:05Z\": day out of range".into()),
            ("2026-02-03T03:04:05Zx", "parsing time \"2026-02-03T03:04:05Zx\": extra text: \"x\"".into()),
        ] {
            assert_eq!(parse(text, Layout::Seconds).expect_err(text).to_string(), want);
        }
    }
}
