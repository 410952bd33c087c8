//! What a client wants of a log.

use corten_rt::Timestamp;
use std::time::Duration;

/// Which of a container's outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogStream {
    Stdout,
    Stderr,
}

/// What to show of a log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogOptions {
    /// Go on as the container writes.
    pub follow: bool,
    /// The container before the present one.
    pub previous: bool,
    /// Put its time before each line.
    pub timestamps: bool,
    /// Nothing written before.
    pub since: Option<Timestamp>,
    /// Only so many lines from the end.
    pub tail_lines: Option<u64>,
    /// Only so many bytes.
    pub limit_bytes: Option<u64>,
    /// Only this output.
    pub stream: Option<LogStream>,
}

impl LogOptions {
    /// Reads the options from the parameters of a request. The error names the parameter that is wrong.
    pub fn parse<'a>(
        parameters: impl IntoIterator<Item = (&'a str, &'a str)>,
        now: Timestamp,
    ) -> Result<Self, String> {
        let mut options = LogOptions::default();
        let mut seconds = false;
        for (name, value) in parameters {
            let wrong = || format!("invalid value for {name}: {value:?}");
            let number = |least: u64| value.parse::<u64>().ok().filter(|n| *n >= least).ok_or_else(wrong);
            match name {
                "follow" => options.follow = flag(value),
                "previous" => options.previous = flag(value),
                "timestamps" => options.timestamps = flag(value),
                "tailLines" => options.tail_lines = Some(number(0)?),
                "limitBytes" => options.limit_bytes = Some(number(1)?),
                "sinceSeconds" => {
                    seconds = true;
                    options.since = now.checked_sub(Duration::from_secs(number(1)?)).ok();
                }
                "sinceTime" if seconds => {
                    return Err("at most one of sinceTime or sinceSeconds may be specified".into());
                }
                "sinceTime" => options.since = Some(value.parse().map_err(|_| wrong())?),
                "stream" => options.stream = stream(value).ok_or_else(wrong)?,
                _ => {}
            }
        }
        Ok(options)
    }
}

fn stream(value: &str) -> Option<Option<LogStream>> {
    match value {
        "" | "All" => Some(None),
        "Stdout" => Some(Some(LogStream::Stdout)),
        "Stderr" => Some(Some(LogStream::Stderr)),
        _ => None,
    }
}

/// Whether a parameter says yes, as upstream reads it: everything but `0` and `false` does.
pub(crate) fn flag(value: &str) -> bool {
    !matches!(value, "0" | "false" | "False" | "FALSE" | "f" | "F")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_read() {
        let now = Timestamp::from_second(1000).expect("in range");
        let parse = |pairs: &[(&'static str, &'static str)]| LogOptions::parse(pairs.iter().copied(), now);
        let got = parse(&[("follow", "true"), ("tailLines", "0"), ("sinceSeconds", "10"), ("x", "y")]);
        let want = LogOptions {
            follow: true,
            tail_lines: Some(0),
            since: Timestamp::from_second(990).ok(),
            ..LogOptions::default()
        };
        assert_eq!(got, Ok(want));
        assert_eq!(parse(&[("follow", "false"), ("stream", "All")]), Ok(LogOptions::default()));
        for bad in [("tailLines", "-1"), ("limitBytes", "0"), ("sinceTime", "now"), ("stream", "x")] {
            assert!(parse(&[bad]).is_err_and(|e| e.contains(bad.0)));
        }
    }
}
