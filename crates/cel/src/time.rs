//! Time stamps and durations as CEL has them.

use std::cmp::Ordering;
use std::fmt;

const SECOND: i128 = 1_000_000_000;
const DAY: i64 = 86_400;

/// A point in time between the years 1 and 9999.
#[derive(Clone, Copy, Debug)]
pub struct Timestamp {
    /// Since 1970, in UTC.
    nanos: i128,
    /// The distance from UTC with which it was written, in minutes.
    offset: i32,
}

/// A span of time, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Duration(pub i64);

/// A time of day on a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Civil {
    pub year: i64,
    pub month: i64,
    pub day: i64,
    pub hour: i64,
    pub minute: i64,
    pub second: i64,
    pub nanos: i64,
    /// From Sunday, which is 0.
    pub weekday: i64,
    /// From the first of January, which is 0.
    pub year_day: i64,
}

impl Timestamp {
    /// So many nanoseconds after 1970; `None` outside of the years 1 to 9999.
    pub fn from_nanosecond(nanos: i128) -> Option<Self> {
        let range = -62_135_596_800 * SECOND..253_402_300_800 * SECOND;
        range.contains(&nanos).then_some(Timestamp { nanos, offset: 0 })
    }

    /// So many seconds after 1970.
    pub fn from_second(seconds: i64) -> Option<Self> {
        Timestamp::from_nanosecond(i128::from(seconds) * SECOND)
    }

    /// Nanoseconds since 1970.
    pub fn as_nanosecond(&self) -> i128 {
        self.nanos
    }

    /// Whole seconds since 1970, rounded down.
    pub fn as_second(&self) -> i64 {
        self.nanos.div_euclid(SECOND) as i64
    }

    /// A time stamp as RFC 3339 writes it: `2020-01-31T10:20:30.5+02:00`.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let number = |from: usize, to: usize| -> Option<i64> {
            let digits = text.get(from..to)?;
            digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
        };
        let sign = |at: usize, sign: u8| bytes.get(at) == Some(&sign);
        let shaped = sign(4, b'-') && sign(7, b'-') && sign(10, b'T') && sign(13, b':') && sign(16, b':');
        let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
        let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
        let valid = (1..=12).contains(&month) && (1..=days_of(year, month)).contains(&day);
        if !shaped || !valid || hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        let mut rest = text.get(19..)?;
        let mut fraction = 0;
        if let Some(after) = rest.strip_prefix(['.', ',']) {
            let digits = after.bytes().take_while(u8::is_ascii_digit).count();
            let nine = format!("{:0<9}", &after[..digits.min(9)]);
            fraction = nine.parse::<i64>().ok().filter(|_| digits > 0)?;
            rest = &after[digits..];
        }
        let offset = match rest {
            "Z" => 0,
            zone => {
                let (hours, minutes) = zone.get(1..)?.split_once(':')?;
                let part = |text: &str, most: i32| {
                    text.parse::<i32>().ok().filter(|part| text.len() == 2 && *part <= most)
                };
                let minutes = part(hours, 24)? * 60 + part(minutes, 59)?;
                match zone.as_bytes()[0] {
                    b'+' => minutes,
                    b'-' => -minutes,
                    _ => return None,
                }
            }
        };
        let seconds = days_since(year, month, day) * DAY + hour * 3600 + minute * 60 + second;
        let nanos = i128::from(seconds - i64::from(offset) * 60) * SECOND + i128::from(fraction);
        Some(Timestamp { offset, ..Timestamp::from_nanosecond(nanos)? })
    }

    /// Day and time of day, so many seconds from UTC.
    pub fn civil(&self, offset: i64) -> Civil {
        let seconds = self.as_second() + offset;
        let (days, rest) = (seconds.div_euclid(DAY), seconds.rem_euclid(DAY));
        let (year, month, day) = civil_of(days);
        Civil {
            year,
            month,
            day,
            hour: rest / 3600,
            minute: rest / 60 % 60,
            second: rest % 60,
            nanos: self.nanos.rem_euclid(SECOND) as i64,
            weekday: (days + 4).rem_euclid(7),
            year_day: days - days_since(year, 1, 1),
        }
    }
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_of(year: i64, month: i64) -> i64 {
    match month {
        2 => 28 + i64::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970 to the date. Years are counted from March, so that leap days come last.
fn days_since(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let year_day = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + year_day - 719_468
}

/// The date so many days after 1970.
fn civil_of(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let year_day = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * year_day + 2) / 153;
    let day = year_day - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

impl PartialEq for Timestamp {
    fn eq(&self, other: &Self) -> bool {
        self.nanos == other.nanos
    }
}

impl Eq for Timestamp {}

impl PartialOrd for Timestamp {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Timestamp {
    fn cmp(&self, other: &Self) -> Ordering {
        self.nanos.cmp(&other.nanos)
    }
}

/// RFC 3339, in the zone in which it was written.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Civil { year, month, day, hour, minute, second, nanos, .. } =
            self.civil(i64::from(self.offset) * 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")?;
        if nanos > 0 {
            write!(f, ".{}", format!("{nanos:09}").trim_end_matches('0'))?;
        }
        match self.offset {
            0 => f.write_str("Z"),
            minutes => {
                let sign = if minutes < 0 { '-' } else { '+' };
                write!(f, "{sign}{:02}:{:02}", minutes.abs() / 60, minutes.abs() % 60)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Timestamp;

    #[test]
    fn time_stamps_are_read_and_written() {
        let cases = [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2020-02-29T12:00:00Z", Some(1_582_977_600)),
            ("2020-01-31T10:20:30+02:00", Some(1_580_458_830)),
            ("0001-01-01T00:00:00Z", Some(-62_135_596_800)),
            ("9999-12-31T23:59:59Z", Some(253_402_300_799)),
            ("1969-12-31T23:59:59.5Z", Some(-1)),
            ("2019-02-29T12:00:00Z", None),
            ("2020-01-31 10:20:30Z", None),
            ("2020-01-31T10:20:30", None),
            ("2020-01-31T24:00:00Z", None),
            ("2020-01-31T10:20:30.Z", None),
            ("x", None),
            ("äääääääääääääää", None),
        ];
        for (text, seconds) in cases {
            let time = Timestamp::parse(text);
            assert_eq!(time.map(|time| time.as_second()), seconds, "{text}");
            if let Some(time) = time {
                assert_eq!(time.to_string(), text);
            }
        }
    }
}
