//! How often many watchers are woken.

use std::time::Duration;

use corten_rt::Instant;

/// Fewer watchers than this are woken at every change.
const FEW: usize = 64;
/// How far apart wake-ups are for each watcher there is, and at most. To wake one and to send to it takes some
/// twelve microseconds of a processor, so that the first keeps this to a thirtieth of one.
const EACH: Duration = Duration::from_micros(400);
const MOST: Duration = Duration::from_millis(80);
/// Where so many changes came meanwhile, the next wait is twice as long: they come faster than they are sent.
const FLOOD: usize = 8;
const STRETCH: u32 = 8;

/// When the watchers of a room are woken.
#[derive(Debug)]
pub(super) struct Pace {
    /// When they last were.
    told: Option<Instant>,
    /// Whether they are to be woken later for what came since.
    due: bool,
    /// How many changes came since.
    since: usize,
    /// How many times as long as usual the wait is.
    stretch: u32,
}

impl Default for Pace {
    fn default() -> Self {
        Pace { told: None, due: false, since: 0, stretch: 1 }
    }
}

/// What is to be done about a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tell {
    /// Wake them.
    Now,
    /// Wake them then.
    Later(Instant),
    /// They will be woken for an earlier one.
    Known,
}

impl Pace {
    /// There are so many changes, and so many watchers.
    pub fn tell(&mut self, changes: usize, watchers: usize, now: Instant) -> Tell {
        self.since += changes;
        let next = self.told.map_or(now, |told| told + (apart(watchers) * self.stretch).min(MOST));
        if now >= next {
            self.told(now);
            return Tell::Now;
        }
        if std::mem::replace(&mut self.due, true) { Tell::Known } else { Tell::Later(next) }
    }

    /// They were woken.
    pub fn told(&mut self, now: Instant) {
        let stretch = if self.since < FLOOD { 1 } else { (self.stretch * 2).min(STRETCH) };
        *self = Pace { told: Some(now), due: false, since: 0, stretch };
    }
}

fn apart(watchers: usize) -> Duration {
    if watchers < FEW {
        return Duration::ZERO;
    }
    u32::try_from(watchers).map_or(MOST, |count| (EACH * count).min(MOST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn many_watchers_are_woken_less_often_than_things_change() {
        let start = Instant::now();
        let ms = |ms| start + Duration::from_millis(ms);
        let later = |at| Tell::Later(ms(at));
        for (watchers, changes) in [
            (0, vec![(0, Tell::Now), (0, Tell::Now)]),
            (3, vec![(0, Tell::Now), (1, Tell::Now), (1, Tell::Now)]),
            (63, vec![(0, Tell::Now), (1, Tell::Now)]),
            (100, vec![(0, Tell::Now), (5, later(40)), (6, Tell::Known), (41, Tell::Now), (42, later(81))]),
            (100, vec![(0, Tell::Now), (40, Tell::Now), (80, Tell::Now)]),
            (9000, vec![(0, Tell::Now), (79, later(80)), (80, Tell::Now), (159, later(160))]),
        ] {
            let mut pace = Pace::default();
            for (at, expected) in changes {
                assert_eq!(pace.tell(1, watchers, ms(at)), expected, "{watchers} watchers at {at} ms");
            }
        }
        let mut pace = Pace::default();
        let told = [pace.tell(1, 100, ms(0)), pace.tell(1, 100, ms(5))];
        pace.told(ms(43));
        assert_eq!(told, [Tell::Now, later(40)]);
        assert_eq!((pace.tell(1, 100, ms(50)), pace.tell(1, 100, ms(83))), (later(83), Tell::Now));
    }

    #[tokio::test]
    async fn what_comes_in_floods_is_told_less_often() {
        let start = Instant::now();
        let ms = |ms| start + Duration::from_millis(ms);
        let mut pace = Pace::default();
        assert_eq!(pace.tell(1, 75, ms(0)), Tell::Now);
        for (changes, at, due) in [(20, 1, 30), (9, 31, 90), (20, 91, 170), (3, 171, 250), (1, 251, 280)] {
            assert_eq!(pace.tell(changes, 75, ms(at)), Tell::Later(ms(due)), "at {at} ms");
            pace.told(ms(due));
        }
        assert_eq!(pace.tell(1, 10, ms(280)), Tell::Now, "few never wait");
    }
}
