//! How watchers hear that there are changes. Those in this process are told at once. Of those outside, each
//! costs a wake-up, a TLS record and a system call, whatever it is sent; where there are many, they are woken
//! seldom enough that this stays a small part of a processor, and find several changes each time. The first
//! change after a quiet while always goes out at once.

use std::time::Duration;

use corten_rt::Instant;
use parking_lot::Mutex;
use tokio::sync::watch;

/// Fewer watchers than this are woken at every change.
const FEW: usize = 64;
/// How far apart wake-ups are for each watcher there is, and at most.
const EACH: Duration = Duration::from_micros(500);
const MOST: Duration = Duration::from_millis(100);

/// Tells the watchers of one resource how far its ring of changes reaches.
pub(crate) struct Bell {
    prompt: watch::Sender<u64>,
    paced: watch::Sender<u64>,
    pace: Mutex<Pace>,
}

#[derive(Default)]
struct Pace {
    /// When the paced watchers were last woken.
    rung: Option<Instant>,
    /// Whether they are to be woken later for what came since.
    due: bool,
}

impl Bell {
    pub fn new() -> Self {
        Bell { prompt: watch::Sender::new(0), paced: watch::Sender::new(0), pace: Mutex::default() }
    }

    /// Wakes at every change.
    pub fn prompt(&self) -> watch::Receiver<u64> {
        self.prompt.subscribe()
    }

    /// Wakes soon after changes.
    pub fn paced(&self) -> watch::Receiver<u64> {
        self.paced.subscribe()
    }

    /// Changes reach up to `end`. When not all watchers were told, the time at which [`Bell::ring_late`] has to
    /// be called.
    pub fn ring(&self, end: u64, now: Instant) -> Option<Instant> {
        self.prompt.send_replace(end);
        let apart = apart(self.paced.receiver_count());
        let mut pace = self.pace.lock();
        let next = pace.rung.map_or(now, |rung| rung + apart);
        if now >= next {
            *pace = Pace { rung: Some(now), due: false };
            self.paced.send_replace(end);
            return None;
        }
        (!std::mem::replace(&mut pace.due, true)).then_some(next)
    }

    /// Tells those who were not told yet.
    pub fn ring_late(&self, end: u64, now: Instant) {
        *self.pace.lock() = Pace { rung: Some(now), due: false };
        self.paced.send_replace(end);
    }

    /// Wakes everybody, though nothing has changed.
    pub fn wake_all(&self) {
        self.prompt.send_modify(|_| {});
        self.paced.send_modify(|_| {});
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
        let ms = Duration::from_millis;
        let start = Instant::now();
        for (watchers, at, told, later) in [
            // Milliseconds at which changes come; those of which all hear at once; when the others are told.
            (3, vec![0, 1, 2], vec![0, 1, 2], vec![]),
            (100, vec![0, 10, 20, 60, 200], vec![0, 60, 200], vec![50]),
            (1000, vec![0, 10, 20, 60, 200], vec![0, 200], vec![100]),
        ] {
            let bell = Bell::new();
            let receivers: Vec<_> = (0..watchers).map(|_| bell.paced()).collect();
            let (mut seen, mut due) = (Vec::new(), Vec::new());
            for (number, at) in (1..).zip(at) {
                due.extend(bell.ring(number, start + ms(at)));
                if *receivers[0].borrow() == number {
                    seen.push(at);
                }
                assert_eq!(*bell.prompt().borrow(), number);
            }
            assert_eq!(seen, told, "{watchers}");
            assert_eq!(due, later.into_iter().map(|at| start + ms(at)).collect::<Vec<_>>(), "{watchers}");
        }
    }

    #[tokio::test]
    async fn what_came_in_between_is_told_later() {
        let bell = Bell::new();
        let receivers: Vec<_> = (0..200).map(|_| bell.paced()).collect();
        let start = Instant::now();
        assert_eq!(bell.ring(1, start), None);
        assert_eq!(bell.ring(2, start), Some(start + MOST));
        assert_eq!((*receivers[0].borrow(), bell.ring(3, start)), (1, None));
        bell.ring_late(3, start + MOST);
        assert_eq!(*receivers[199].borrow(), 3);
        assert_eq!(bell.ring(4, start + MOST), Some(start + MOST * 2));
    }
}
