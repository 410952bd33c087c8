//! CRI's log format: `<time> stdout|stderr F|P <text>`, a line each; a line that is too long is cut into
//! pieces, of which all but the last are `P` for partial.

/// The longest text of a line.
pub const MAX_TEXT: usize = 16 << 10;

/// Cuts one stream into lines.
#[derive(Default)]
pub struct Lines {
    /// What came without an end yet.
    rest: Vec<u8>,
}

impl Lines {
    /// Appends the lines in `bytes`, and before them what was kept, to `log`.
    pub fn push(&mut self, mut bytes: &[u8], stream: &str, time: &str, log: &mut Vec<u8>) {
        while !bytes.is_empty() {
            let room = MAX_TEXT - self.rest.len();
            let window = &bytes[..bytes.len().min(room + 1)];
            if let Some(end) = window.iter().position(|byte| *byte == b'\n') {
                put(log, time, stream, b'F', &[&self.rest, &bytes[..end]]);
                self.forget();
                bytes = &bytes[end + 1..];
            } else if bytes.len() > room {
                // Something follows, so the line is longer than a piece.
                put(log, time, stream, b'P', &[&self.rest, &bytes[..room]]);
                self.forget();
                bytes = &bytes[room..];
            } else {
                self.rest.extend_from_slice(bytes);
                return;
            }
        }
    }

    /// Appends what was kept: a line that never ended is partial.
    pub fn finish(&mut self, stream: &str, time: &str, log: &mut Vec<u8>) {
        if !self.rest.is_empty() {
            put(log, time, stream, b'P', &[&self.rest]);
            self.forget();
        }
    }

    fn forget(&mut self) {
        self.rest = Vec::new();
    }
}

fn put(log: &mut Vec<u8>, time: &str, stream: &str, tag: u8, text: &[&[u8]]) {
    log.extend_from_slice(time.as_bytes());
    log.push(b' ');
    log.extend_from_slice(stream.as_bytes());
    log.extend_from_slice(&[b' ', tag, b' ']);
    text.iter().for_each(|part| log.extend_from_slice(part));
    log.push(b'\n');
}

/// A time, in nanoseconds since 1970, as `2016-10-06T00:17:09.669794202Z`.
pub fn stamp(time: i64) -> String {
    let (seconds, nanos) = (time.div_euclid(1_000_000_000), time.rem_euclid(1_000_000_000));
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = date(days);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{nanos:09}Z")
}

/// Year, month and day, so many days after 1970 began. Counted in years that begin in March, so that the day
/// that is sometimes missing is the last.
fn date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Text lengths and tags of what the pieces become.
    fn cut(pieces: &[&[u8]]) -> Vec<(char, usize)> {
        let (mut lines, mut log) = (Lines::default(), Vec::new());
        pieces.iter().for_each(|piece| lines.push(piece, "stdout", "T", &mut log));
        lines.finish("stdout", "T", &mut log);
        let text = String::from_utf8(log).unwrap();
        text.lines()
            .map(|line| {
                let line = line.strip_prefix("T stdout ").unwrap();
                (line.chars().next().unwrap(), line.len() - 2)
            })
            .collect()
    }

    #[test]
    fn lines_are_cut() {
        let long = vec![b'x'; MAX_TEXT * 2 + 5];
        let exact = vec![b'x'; MAX_TEXT];
        for (name, pieces, want) in [
            ("nothing", vec![&b""[..]], vec![]),
            ("one", vec![b"abc\n"], vec![('F', 3)]),
            ("in pieces", vec![b"a", b"b", b"c\nd", b"\n"], vec![('F', 3), ('F', 1)]),
            ("empty", vec![b"\n\n"], vec![('F', 0), ('F', 0)]),
            ("without end", vec![b"a\nbc"], vec![('F', 1), ('P', 2)]),
            ("long", vec![&long, b"\n"], vec![('P', MAX_TEXT), ('P', MAX_TEXT), ('F', 5)]),
            ("as long as may be", vec![&exact, b"\n"], vec![('F', MAX_TEXT)]),
            ("one more", vec![&exact, b"x\n"], vec![('P', MAX_TEXT), ('F', 1)]),
        ] {
            assert_eq!(cut(&pieces), want, "{name}");
        }
    }

    #[test]
    fn times_are_written() {
        for (time, text) in [
            (0, "1970-01-01T00:00:00.000000000Z"),
            (1_475_713_029_669_794_202, "2016-10-06T00:17:09.669794202Z"),
            (951_782_400_000_000_001, "2000-02-29T00:00:00.000000001Z"),
            (4_107_542_399_000_000_000, "2100-02-28T23:59:59.000000000Z"),
            (4_107_542_400_000_000_000, "2100-03-01T00:00:00.000000000Z"),
        ] {
            assert_eq!(stamp(time), text);
        }
    }
}
