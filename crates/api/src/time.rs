//! The API's two times.

use jiff::Timestamp;
use std::fmt;
use std::str::FromStr;

/// A time in whole seconds (`metav1.Time`), written like `2026-01-02T03:04:05Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub Timestamp);

/// A time in microseconds (`metav1.MicroTime`), written like `2026-01-02T03:04:05.000006Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MicroTime(pub Timestamp);

macro_rules! time {
    ($name:ident, $format:literal) => {
        impl Default for $name {
            fn default() -> Self {
                $name(Timestamp::UNIX_EPOCH)
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0.strftime($format))
            }
        }
        impl FromStr for $name {
            type Err = jiff::Error;
            /// Reads RFC 3339, with any offset.
            fn from_str(s: &str) -> Result<Self, jiff::Error> {
                Ok($name::new(s.parse()?))
            }
        }
        impl From<Timestamp> for $name {
            fn from(t: Timestamp) -> Self {
                $name::new(t)
            }
        }
    };
}

time!(Time, "%Y-%m-%dT%H:%M:%SZ");
time!(MicroTime, "%Y-%m-%dT%H:%M:%S.%6fZ");

impl Time {
    /// Cut to whole seconds.
    pub fn new(t: Timestamp) -> Self {
        Time(Timestamp::from_second(t.as_second()).unwrap_or(t))
    }

    /// Seconds since 1970.
    pub fn seconds(&self) -> i64 {
        self.0.as_second()
    }
}

impl MicroTime {
    /// Cut to whole microseconds.
    pub fn new(t: Timestamp) -> Self {
        MicroTime(Timestamp::from_microsecond(t.as_microsecond()).unwrap_or(t))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_cut_and_written_as_upstream_writes_them() {
        let t: Time = "2026-01-02T03:04:05.999+01:00".parse().expect("valid");
        assert_eq!(t.to_string(), "2026-01-02T02:04:05Z");
        let t: MicroTime = "2026-01-02T03:04:05.1234567Z".parse().expect("valid");
        assert_eq!(t.to_string(), "2026-01-02T03:04:05.123456Z");
        assert!("yesterday".parse::<Time>().is_err());
    }
}
