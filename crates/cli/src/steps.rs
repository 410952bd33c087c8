//! Ticked steps: one line for each thing a command did, with the time it took.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use corten_rt::Instant;

/// Column at which times begin, so that they stand below one another.
const TIME_COLUMN: usize = 48;

/// Prints steps to standard output. On a terminal the running step is shown and then replaced, with colour
/// unless `NO_COLOR` is set; elsewhere only finished lines are written.
#[derive(Clone, Copy, Debug)]
pub struct Steps {
    terminal: bool,
    colour: bool,
}

impl Steps {
    /// A printer fit for what standard output is.
    pub fn new() -> Self {
        let terminal = std::io::stdout().is_terminal();
        let colour = terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Steps { terminal, colour }
    }

    /// Begins a step. Call [`Step::done`] when it is; a step dropped before, as by `?`, is marked failed.
    pub fn step(&self, text: impl Into<String>) -> Step {
        let step = Step { steps: *self, text: text.into(), begun: Instant::now(), open: true };
        if self.terminal {
            write(&format!("{} {}", Mark::Running.painted(self.colour), step.text));
        }
        step
    }
}

impl Default for Steps {
    fn default() -> Self {
        Steps::new()
    }
}

/// A step that has begun.
#[derive(Debug)]
#[must_use = "a step that is dropped at once counts as failed"]
pub struct Step {
    steps: Steps,
    text: String,
    begun: Instant,
    open: bool,
}

impl Step {
    /// The step is done: prints its line and returns how long it took.
    pub fn done(mut self) -> Duration {
        self.close(Mark::Done)
    }

    /// As [`Step::done`], with another text, such as what was found out.
    pub fn done_as(mut self, text: impl Into<String>) -> Duration {
        self.text = text.into();
        self.close(Mark::Done)
    }

    /// The step was not needed.
    pub fn skipped(mut self) -> Duration {
        self.close(Mark::Skipped)
    }

    fn close(&mut self, mark: Mark) -> Duration {
        self.open = false;
        let took = self.begun.elapsed();
        let over = if self.steps.terminal { "\r\x1b[K" } else { "" };
        write(&format!("{over}{}\n", line(mark, &self.text, took, self.steps.colour)));
        took
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        if self.open {
            self.close(Mark::Failed);
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Mark {
    Running,
    Done,
    Skipped,
    Failed,
}

impl Mark {
    fn painted(self, colour: bool) -> String {
        let (sign, code) = match self {
            Mark::Running => ("…", "2"),
            Mark::Done => ("✓", "32"),
            Mark::Skipped => ("-", "2"),
            Mark::Failed => ("✗", "31"),
        };
        if colour { format!("\x1b[{code}m{sign}\x1b[0m") } else { sign.to_owned() }
    }
}

fn line(mark: Mark, text: &str, took: Duration, colour: bool) -> String {
    let gap = TIME_COLUMN.saturating_sub(text.chars().count()).max(2);
    let sign = mark.painted(colour);
    match mark {
        Mark::Running | Mark::Skipped => format!("{sign} {text}"),
        Mark::Done | Mark::Failed => format!("{sign} {text}{:gap$}{}", "", short(took)),
    }
}

/// A duration as a person reads it: `12 ms`, `1.2 s`, `2 min 5 s`.
pub fn short(took: Duration) -> String {
    let millis = took.as_millis();
    match millis {
        0..1_000 => format!("{millis} ms"),
        1_000..60_000 => format!("{:.1} s", took.as_secs_f64()),
        _ => format!("{} min {} s", took.as_secs() / 60, took.as_secs() % 60),
    }
}

/// Output that cannot be written (a closed pipe) does not stop the work it reports.
fn write(text: &str) {
    let mut out = std::io::stdout().lock();
    if out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_err() {
        tracing::debug!("standard output is closed");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_well() {
        for (millis, expected) in
            [(0, "0 ms"), (12, "12 ms"), (999, "999 ms"), (1_200, "1.2 s"), (125_000, "2 min 5 s")]
        {
            assert_eq!(short(Duration::from_millis(millis)), expected);
        }
    }

    #[test]
    fn times_stand_below_one_another() {
        let took = Duration::from_millis(12);
        let lines = ["API server ready", "node Ready ✓✓"].map(|text| line(Mark::Done, text, took, false));
        assert!(lines[0].starts_with("✓ API server ready  "));
        assert!(lines[0].ends_with("  12 ms"));
        assert_eq!(lines[0].chars().count(), lines[1].chars().count());
        let long = line(Mark::Failed, &"x".repeat(100), took, false);
        assert_eq!(long, format!("✗ {}  12 ms", "x".repeat(100)));
    }

    #[test]
    fn colour_only_where_asked() {
        assert_eq!(line(Mark::Skipped, "b", Duration::ZERO, false), "- b");
        assert!(line(Mark::Done, "b", Duration::ZERO, true).starts_with("\x1b[32m✓\x1b[0m b"));
    }
}
