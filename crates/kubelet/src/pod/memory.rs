//! What a pod's worker remembers between looks: none of it is needed to find the pod again after a restart.

use super::allocation::Resize;
use corten_api::core::v1::{Container, ResourceRequirements};
use corten_sys::cgroups::Limits;
use jiff::Timestamp;
use std::collections::{HashMap, HashSet};
use std::time::Duration;

/// Upstream's bounds of the wait after a crash.
const FIRST_CRASH_WAIT: Duration = Duration::from_secs(10);
const MOST_CRASH_WAIT: Duration = Duration::from_secs(300);
/// Volumes are looked for this often at least: a claim may be bound, a driver come, at any time.
const MOST_VOLUME_WAIT: Duration = Duration::from_secs(10);
/// A container that ran this long starts over with the first wait.
const CLEAN_RUN: Duration = Duration::from_secs(600);

/// A worker's memory.
#[derive(Clone, Debug)]
pub struct Memory {
    /// When the kubelet first saw the pod.
    pub started: Timestamp,
    pub mounted: bool,
    /// The pod was not taken by this node, and nothing of it was started.
    pub rejected: bool,
    /// Why the pod as a whole has failed: reason and message.
    pub failed: Option<(String, String)>,
    /// The order that made it fail.
    pub order: Option<crate::orders::Order>,
    /// Since when the pod as a whole is being stopped.
    pub ending: Option<Timestamp>,
    /// Containers being stopped, by id, with the grace they were given.
    pub killing: HashMap<String, Duration>,
    /// Ids of containers that are stopped to make room for one of a changed definition.
    pub replaced: HashSet<String>,
    /// Why a container is not there, by name.
    pub waiting: HashMap<String, Waiting>,
    /// Crashes in a row, by container name.
    pub crashes: HashMap<String, Crashes>,
    /// What the probes say, by container id.
    pub probes: HashMap<String, ProbeState>,
    /// Where a change of resources stands.
    pub resize: Resize,
    /// What the pod's cgroup allows.
    pub group: Option<Limits>,
    /// What running containers have been given, by id.
    pub held: HashMap<String, ResourceRequirements>,
}

/// Why a container is waiting.
#[derive(Clone, Debug, PartialEq)]
pub struct Waiting {
    pub reason: String,
    pub message: String,
    /// Not before then.
    pub until: Timestamp,
    /// How often in a row.
    pub times: u32,
}

/// Crashes in a row.
#[derive(Clone, Debug, PartialEq)]
pub struct Crashes {
    pub wait: Duration,
    /// The end that was last counted.
    pub counted: Timestamp,
}

/// What the probes of one container say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ProbeState {
    pub started: Option<bool>,
    pub ready: Option<bool>,
    pub restart: Option<Restart>,
}

/// Why a running container must be restarted.
#[derive(Clone, Debug, PartialEq)]
pub struct Restart {
    pub message: String,
    /// The probe's own grace period in seconds, if it has one.
    pub grace: Option<i64>,
}

impl Memory {
    /// Of a pod first seen now.
    pub fn new(started: Timestamp) -> Self {
        Memory {
            started,
            mounted: false,
            rejected: false,
            failed: None,
            order: None,
            ending: None,
            killing: HashMap::new(),
            replaced: HashSet::new(),
            waiting: HashMap::new(),
            crashes: HashMap::new(),
            probes: HashMap::new(),
            resize: Resize::default(),
            group: None,
            held: HashMap::new(),
        }
    }

    /// Whether a running container has passed its startup probe.
    pub fn is_started(&self, id: &str, container: &Container) -> bool {
        container.startup_probe.is_none() || self.probes.get(id).is_some_and(|p| p.started == Some(true))
    }

    /// Whether a running container is ready.
    pub fn is_ready(&self, id: &str, container: &Container) -> bool {
        let passed =
            container.readiness_probe.is_none() || self.probes.get(id).is_some_and(|p| p.ready == Some(true));
        self.is_started(id, container) && passed
    }

    /// Why a running container must be restarted, if it must.
    pub fn must_restart(&self, id: &str) -> Option<&Restart> {
        self.probes.get(id).and_then(|p| p.restart.as_ref())
    }

    /// How long a container has still to wait after it could not be started.
    pub fn wait_for(&self, name: &str, now: Timestamp) -> Option<Duration> {
        let until = self.waiting.get(name)?.until;
        Duration::try_from(until.duration_since(now)).ok().filter(|d| !d.is_zero())
    }

    /// How long a container that ended at `finished` has still to wait; `None` to start it now.
    pub fn crash_wait(&self, name: &str, finished: Timestamp, now: Timestamp) -> Option<Duration> {
        let crashes = self.crashes.get(name).filter(|c| c.counted == finished)?;
        Duration::try_from((finished + crashes.wait).duration_since(now)).ok().filter(|d| !d.is_zero())
    }

    /// Counts the end of a container that is to start again: the first restart comes at once, each further
    /// one after a wait that doubles. `carried` is the wait before this run as an earlier process noted it.
    pub fn count_crash(
        &mut self,
        name: &str,
        started: Option<Timestamp>,
        finished: Timestamp,
        carried: Option<Duration>,
    ) {
        let clean =
            started.is_some_and(|s| finished.duration_since(s).as_secs() >= CLEAN_RUN.as_secs() as i64);
        if let (Some(wait), false) = (carried, self.crashes.contains_key(name)) {
            let before = Crashes { wait, counted: started.unwrap_or(Timestamp::UNIX_EPOCH) };
            self.crashes.insert(name.to_string(), before);
        }
        match self.crashes.get_mut(name) {
            Some(c) if c.counted == finished => {}
            Some(c) if !clean => {
                c.wait = if c.wait.is_zero() { FIRST_CRASH_WAIT } else { (c.wait * 2).min(MOST_CRASH_WAIT) };
                c.counted = finished;
            }
            _ => {
                self.crashes.insert(name.to_string(), Crashes { wait: Duration::ZERO, counted: finished });
            }
        }
    }

    /// Forgets a container's failures.
    pub fn forgive(&mut self, name: &str) {
        self.waiting.remove(name);
        self.crashes.remove(name);
    }

    /// Notes that a container could not be started. Waits double from `first`, up to five minutes.
    pub fn put_off(&mut self, name: &str, reason: &str, message: String, first: Duration, now: Timestamp) {
        let times = self.waiting.get(name).map_or(0, |w| w.times + 1);
        let most = match reason {
            "FailedMount" | "FailedMapVolume" => MOST_VOLUME_WAIT,
            _ => MOST_CRASH_WAIT,
        };
        let wait = (first * 2u32.saturating_pow(times.min(10))).min(most);
        self.waiting
            .insert(name.to_string(), Waiting { reason: reason.into(), message, until: now + wait, times });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).expect("in range")
    }

    #[test]
    fn crashes_wait_ten_seconds_and_double() {
        let mut m = Memory::new(at(0));
        let mut waits = Vec::new();
        for i in 0..8 {
            let end = at(i * 1000);
            m.count_crash("c", Some(at(i * 1000 - 1)), end, None);
            m.count_crash("c", Some(at(i * 1000 - 1)), end, None);
            waits.push(m.crash_wait("c", end, end).map_or(0, |d| d.as_secs()));
        }
        assert_eq!(waits, [0, 10, 20, 40, 80, 160, 300, 300]);
        m.count_crash("c", Some(at(9000)), at(9700), None);
        assert_eq!(m.crash_wait("c", at(9700), at(9700)), None, "a long run starts over");
    }

    #[test]
    fn another_process_goes_on_counting() {
        let mut m = Memory::new(at(0));
        m.count_crash("c", Some(at(99)), at(100), Some(Duration::from_secs(20)));
        assert_eq!(m.crash_wait("c", at(100), at(100)), Some(Duration::from_secs(40)));
        m.count_crash("d", Some(at(99)), at(100), Some(Duration::ZERO));
        assert_eq!(m.crash_wait("d", at(100), at(100)), Some(Duration::from_secs(10)));
    }
}
