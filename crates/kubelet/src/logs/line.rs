//! Lines of a log, and how they are shown.

use super::options::{LogOptions, LogStream};
use corten_rt::Timestamp;

/// A line as the runtime wrote it.
#[derive(Debug, PartialEq, Eq)]
struct Line<'a> {
    time: &'a str,
    stream: LogStream,
    partial: bool,
    text: &'a [u8],
}

impl<'a> Line<'a> {
    /// Reads a line, with or without its newline; `None` when it is not of the format.
    fn parse(raw: &'a [u8]) -> Option<Self> {
        let raw = raw.strip_suffix(b"\n").unwrap_or(raw);
        let mut parts = raw.splitn(4, |b| *b == b' ');
        let time = std::str::from_utf8(parts.next()?).ok()?;
        let stream = match parts.next()? {
            b"stdout" => LogStream::Stdout,
            b"stderr" => LogStream::Stderr,
            _ => return None,
        };
        // More tags may follow the first, after colons.
        let tag = parts.next()?.split(|b| *b == b':').next()?;
        Some(Line { time, stream, partial: tag == b"P", text: parts.next().unwrap_or_default() })
    }
}

/// Turns lines into what a client sees, in order.
#[derive(Debug)]
pub struct Formatter {
    timestamps: bool,
    since: Option<Timestamp>,
    stream: Option<LogStream>,
    /// The bytes that may still be shown.
    room: Option<u64>,
    /// Whether the next text of each stream goes on in the line before.
    within: [bool; 2],
}

impl Formatter {
    /// A formatter for the options.
    pub fn new(options: &LogOptions) -> Self {
        Formatter {
            timestamps: options.timestamps,
            since: options.since,
            stream: options.stream,
            room: options.limit_bytes,
            within: [false; 2],
        }
    }

    /// Whether nothing more may be shown.
    pub fn is_full(&self) -> bool {
        self.room == Some(0)
    }

    /// Adds what `raw`, one line of the log, shows. What is no line of a log is left out.
    pub fn write(&mut self, raw: &[u8], out: &mut Vec<u8>) {
        let Some(line) = Line::parse(raw) else { return };
        if self.stream.is_some_and(|wanted| wanted != line.stream) || self.is_before(line.time) {
            return;
        }
        let start = out.len();
        let within = &mut self.within[line.stream as usize];
        if self.timestamps && !*within {
            out.extend_from_slice(with_nanoseconds(line.time).as_bytes());
            out.push(b' ');
        }
        out.extend_from_slice(line.text);
        if !line.partial {
            out.push(b'\n');
        }
        *within = line.partial;
        if let Some(room) = &mut self.room {
            let shown = ((out.len() - start) as u64).min(*room);
            out.truncate(start + shown as usize);
            *room -= shown;
        }
    }

    fn is_before(&self, time: &str) -> bool {
        self.since.is_some_and(|since| time.parse::<Timestamp>().is_ok_and(|t| t < since))
    }
}

/// The time with nine digits after the point, as upstream shows it.
fn with_nanoseconds(time: &str) -> String {
    let zone = time.rfind(['Z', '+']).or_else(|| time.rfind('-').filter(|at| *at > 10));
    let (clock, zone) = time.split_at(zone.unwrap_or(time.len()));
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    format!("{clock}.{fraction:0<9}{zone}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "2026-01-01T00:00:00.5Z stdout P a\n\
                       2026-01-01T00:00:01Z stdout F b\n\
                       2026-01-01T00:00:02.123456789+01:00 stderr F oh no\n\
                       noise\n\
                       2026-01-01T00:00:03Z stdout F \n\
                       2026-01-01T00:00:04Z stdout F:tag c";

    fn show(options: LogOptions) -> String {
        let mut formatter = Formatter::new(&options);
        let mut out = Vec::new();
        LOG.as_bytes().split_inclusive(|b| *b == b'\n').for_each(|line| formatter.write(line, &mut out));
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn lines_are_shown_as_asked() {
        let all = LogOptions::default();
        assert_eq!(show(all.clone()), "ab\noh no\n\nc\n");
        assert_eq!(show(LogOptions { limit_bytes: Some(5), ..all.clone() }), "ab\noh");
        assert_eq!(show(LogOptions { stream: Some(LogStream::Stderr), ..all.clone() }), "oh no\n");
        let since = "2026-01-01T00:00:03Z".parse().ok();
        assert_eq!(show(LogOptions { since, ..all.clone() }), "\nc\n");
        let lines = show(LogOptions { timestamps: true, ..all });
        assert_eq!(
            lines,
            "2026-01-01T00:00:00.500000000Z ab\n2026-01-01T00:00:02.123456789+01:00 oh no\n\
             2026-01-01T00:00:03.000000000Z \n2026-01-01T00:00:04.000000000Z c\n"
        );
    }

    #[test]
    fn times_get_nine_digits() {
        for (time, want) in [
            ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00.000000000Z"),
            ("2026-01-01T00:00:00.12-05:00", "2026-01-01T00:00:00.120000000-05:00"),
        ] {
            assert_eq!(with_nanoseconds(time), want);
        }
    }
}
