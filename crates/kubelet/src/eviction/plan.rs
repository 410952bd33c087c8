//! What there is too little of, for how long, and what follows: pure functions of what was measured.

use super::threshold::{Signal, Threshold};
use corten_rt::Timestamp;
use std::collections::BTreeMap;
use std::time::Duration;

/// What is left of something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Observation {
    pub available: u64,
    pub capacity: u64,
}

/// What was measured; a signal that could not be is missing.
pub type Observations = BTreeMap<Signal, Observation>;

/// What is remembered between looks.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// Since when a threshold is met.
    since: Vec<(Threshold, Timestamp)>,
    /// When a condition was last observed.
    conditions: BTreeMap<&'static str, Timestamp>,
    /// What had to be acted on, until enough is reclaimed.
    met: Vec<Threshold>,
}

/// What follows from a look.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Look {
    /// The conditions that the node has.
    pub conditions: Vec<&'static str>,
    /// The thresholds to act on, memory first.
    pub due: Vec<Threshold>,
}

impl State {
    /// Looks at what was measured.
    pub fn look(
        &mut self,
        thresholds: &[Threshold],
        observations: &Observations,
        transition: Duration,
        now: Timestamp,
    ) -> Look {
        let mut active = met(thresholds, observations, false);
        for open in met(&self.met, observations, true) {
            if !active.contains(&open) {
                active.push(open);
            }
        }
        self.since = active
            .iter()
            .map(|t| {
                let before = self.since.iter().find(|(known, _)| known == t);
                (t.clone(), before.map_or(now, |(_, at)| *at))
            })
            .collect();
        for t in &active {
            self.conditions.insert(t.signal.condition(), now);
        }
        let recent = |at: &Timestamp| elapsed(*at, now) < transition;
        let seen_now = |condition: &str| active.iter().any(|t| t.signal.condition() == condition);
        self.conditions.retain(|condition, at| recent(at) || seen_now(condition));
        let mut due: Vec<Threshold> = self
            .since
            .iter()
            .filter(|(t, at)| elapsed(*at, now) >= t.grace)
            .map(|(t, _)| t.clone())
            .collect();
        due.sort_by_key(|t| t.signal.resource() != "memory");
        self.met.clone_from(&due);
        Look { conditions: self.conditions.keys().copied().collect(), due }
    }
}

fn elapsed(since: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(since)).unwrap_or_default()
}

/// The thresholds below which something is; with `reclaiming`, what is to be reclaimed counts, too.
pub fn met(thresholds: &[Threshold], observations: &Observations, reclaiming: bool) -> Vec<Threshold> {
    let is_met = |t: &&Threshold| {
        observations.get(&t.signal).is_some_and(|o| {
            let more = t.reclaim.filter(|_| reclaiming).map_or(0, |r| r.of(o.capacity));
            o.available < t.value.of(o.capacity).saturating_add(more)
        })
    };
    thresholds.iter().filter(is_met).cloned().collect()
}

/// Adds the thresholds of where containers write: those of the disk that they share.
pub fn with_container_fs(thresholds: &[Threshold], on_image_disk: bool) -> Vec<Threshold> {
    let (bytes, inodes) = match on_image_disk {
        true => (Signal::ImageFs, Signal::ImageFsInodes),
        false => (Signal::NodeFs, Signal::NodeFsInodes),
    };
    let mut out: Vec<Threshold> = thresholds
        .iter()
        .filter(|t| !matches!(t.signal, Signal::ContainerFs | Signal::ContainerFsInodes))
        .cloned()
        .collect();
    let same: Vec<Threshold> = out
        .iter()
        .filter_map(|t| {
            let signal = match t.signal {
                s if s == bytes => Signal::ContainerFs,
                s if s == inodes => Signal::ContainerFsInodes,
                _ => return None,
            };
            Some(Threshold { signal, ..t.clone() })
        })
        .collect();
    out.extend(same);
    out
}

#[cfg(test)]
mod tests {
    use super::super::threshold::{Flags, parse};
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).expect("in range")
    }

    fn thresholds() -> Vec<Threshold> {
        parse(Flags {
            hard: "nodefs.available<10%",
            soft: "memory.available<300",
            soft_grace: "memory.available=30s",
            minimum_reclaim: "nodefs.available=100",
        })
        .expect("valid")
    }

    fn seen(memory: u64, disk: u64) -> Observations {
        let of = |available| Observation { available, capacity: 1000 };
        BTreeMap::from([(Signal::Memory, of(memory)), (Signal::NodeFs, of(disk))])
    }

    #[test]
    fn thresholds_wait_for_their_grace_and_conditions_stay_for_a_while() {
        let (thresholds, mut state) = (thresholds(), State::default());
        let transition = Duration::from_secs(60);
        for (second, memory, disk, conditions, due) in [
            (0, 900, 900, vec![], vec![]),
            (10, 200, 900, vec!["MemoryPressure"], vec![]),
            (40, 200, 900, vec!["MemoryPressure"], vec![Signal::Memory]),
            (50, 400, 900, vec!["MemoryPressure"], vec![]),
            (60, 200, 50, vec!["DiskPressure", "MemoryPressure"], vec![Signal::NodeFs]),
            // Less than the threshold and what is to be reclaimed.
            (70, 900, 150, vec!["DiskPressure", "MemoryPressure"], vec![Signal::NodeFs]),
            (80, 900, 250, vec!["DiskPressure", "MemoryPressure"], vec![]),
            (120, 900, 900, vec!["DiskPressure"], vec![]),
            (131, 900, 900, vec![], vec![]),
        ] {
            let look = state.look(&thresholds, &seen(memory, disk), transition, at(second));
            let signals: Vec<Signal> = look.due.iter().map(|t| t.signal).collect();
            assert_eq!((look.conditions, signals), (conditions, due), "second {second}");
        }
    }

    #[test]
    fn memory_comes_first_and_what_is_not_measured_is_not_met() {
        let hard =
            parse(Flags { hard: super::super::threshold::DEFAULT_HARD, ..Flags::default() }).expect("valid");
        let mut state = State::default();
        let look = state.look(&hard, &seen(0, 0), Duration::ZERO, at(1));
        let signals: Vec<Signal> = look.due.iter().map(|t| t.signal).collect();
        assert_eq!(signals, [Signal::Memory, Signal::NodeFs]);
        assert_eq!(look.conditions, ["DiskPressure", "MemoryPressure"]);
        let with = with_container_fs(&hard, false);
        let of = |signal| with.iter().find(|t| t.signal == signal).map(|t| t.value);
        assert_eq!(of(Signal::ContainerFs), of(Signal::NodeFs));
        assert!(with_container_fs(&with, true).len() == with.len());
    }
}
