//! Cores in use, from the difference to the figures before.

use super::{Cpu, Usage};
use corten_rt::Timestamp;
use std::collections::HashMap;

/// Two figures must be this far apart, in nanoseconds, for a rate that means something.
const SPAN: i128 = 1_000_000_000;
/// Figures older than this are replaced, so that a rate tells of the last while.
const STALE: i128 = 10_000_000_000;

/// The figures of a control group that its next ones are held against.
#[derive(Clone, Copy, Debug)]
struct Mark {
    time: Timestamp,
    nanoseconds: u64,
    rate: Option<u64>,
}

/// The last figures of every group.
#[derive(Debug, Default)]
pub struct Rates(HashMap<String, Mark>);

impl Rates {
    /// Fills in the rates, and keeps the figures for the next time.
    pub fn apply(&mut self, usage: &mut Usage) {
        let mut next = HashMap::with_capacity(self.0.len());
        let time = usage.time;
        let mut one = |group: &str, cpu: &mut Cpu| {
            let mark = advance(self.0.get(group).copied(), time, cpu.nanoseconds);
            cpu.nano_cores = mark.rate;
            next.insert(group.to_string(), mark);
        };
        one("machine", &mut usage.cpu);
        one("pods", &mut usage.pods_cpu);
        for pod in &mut usage.pods {
            one(&pod.group, &mut pod.cpu);
            for c in &mut pod.containers {
                one(&c.group, &mut c.cpu);
            }
        }
        self.0 = next;
    }
}

fn advance(before: Option<Mark>, time: Timestamp, nanoseconds: u64) -> Mark {
    let fresh = |rate| Mark { time, nanoseconds, rate };
    let Some(before) = before else { return fresh(None) };
    let span = time.as_nanosecond() - before.time.as_nanosecond();
    // A group that was made anew counts from zero.
    if nanoseconds < before.nanoseconds || span <= 0 {
        return fresh(None);
    }
    if span < SPAN {
        return before;
    }
    let used = i128::from(nanoseconds - before.nanoseconds);
    let rate = u64::try_from(used * 1_000_000_000 / span).ok();
    if span >= STALE || before.rate.is_none() { fresh(rate) } else { Mark { rate, ..before } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_of_the_last_while() {
        let at = |s: i64| Timestamp::from_millisecond(s).expect("in range");
        let first = advance(None, at(0), 0);
        assert_eq!(first.rate, None);
        for (before, ms, used, want) in [
            (first, 2_000, 1_000_000_000, Some(500_000_000)),
            (first, 500, 1_000_000_000, None),
            (first, 10_000, 10_000_000_000, Some(1_000_000_000)),
            (Mark { nanoseconds: 5, ..first }, 2_000, 4, None),
        ] {
            assert_eq!(advance(Some(before), at(ms), used).rate, want, "{ms} {used}");
        }
        let second = advance(Some(first), at(2_000), 1);
        assert_eq!(advance(Some(second), at(4_000), 2).time, at(2_000), "kept until it is stale");
        assert_eq!(advance(Some(second), at(12_000), 2).time, at(12_000));
    }
}
