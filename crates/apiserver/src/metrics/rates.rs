//! Use per time, from two samples.

use super::text::{Point, Sample};
use corten_rt::Timestamp;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

/// The use of one thing.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rate {
    /// Billionths of a core.
    pub nano_cores: u64,
    /// Bytes.
    pub memory: u64,
    /// Until when, and over how long.
    pub time: Timestamp,
    span: Duration,
}

impl Rate {
    /// How long, in Go's notation: `15.021s`.
    pub fn window(&self) -> String {
        let millis = self.span.as_millis() as u64;
        let seconds = (millis % 60_000) as f64 / 1000.0;
        match millis / 60_000 {
            0 => format!("{seconds}s"),
            minutes => format!("{minutes}m{seconds}s"),
        }
    }
}

/// By container name.
pub type OfPod = BTreeMap<String, Rate>;

/// The use of a node, and of its pods' containers by namespace and name of the pod.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rates {
    pub node: Option<Rate>,
    pub containers: HashMap<(String, String), OfPod>,
}

impl Rates {
    /// From two samples of a node. A container that is new counts from its start.
    pub fn between(before: &Sample, now: &Sample) -> Self {
        let mut out = Rates { node: now.node.and_then(|n| rate(before.node, n)), ..Rates::default() };
        for (key, point) in &now.containers {
            if let Some(rate) = rate(before.containers.get(key).copied(), *point) {
                let (namespace, pod, container) = key.clone();
                out.containers.entry((namespace, pod)).or_default().insert(container, rate);
            }
        }
        out
    }
}

fn rate(before: Option<Point>, now: Point) -> Option<Rate> {
    let same = before.filter(|b| b.cpu <= now.cpu && b.started == now.started && b.time < now.time);
    let (since, used) = match (same, now.started) {
        (Some(before), _) => (before.time, now.cpu - before.cpu),
        (None, Some(started)) => (started, now.cpu),
        (None, None) => return None,
    };
    let span = Duration::try_from(now.time.duration_since(since)).ok().filter(|d| d.as_millis() >= 100)?;
    let nano_cores = (used / span.as_secs_f64() * 1e9) as u64;
    Some(Rate { nano_cores, memory: now.memory, time: now.time, span })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_differences_over_time() {
        let at = |ms| Timestamp::from_millisecond(ms).expect("in range");
        let point =
            |ms, cpu, started: Option<i64>| Point { time: at(ms), cpu, memory: 7, started: started.map(at) };
        for (before, now, want) in [
            (Some(point(0, 1.0, None)), point(2_000, 2.0, None), Some((500_000_000, "2s"))),
            (None, point(2_000, 2.0, None), None),
            (None, point(2_000, 1.0, Some(1_000)), Some((1_000_000_000, "1s"))),
            // Started again in between.
            (Some(point(0, 9.0, Some(0))), point(61_500, 1.0, Some(60_500)), Some((1_000_000_000, "1s"))),
            (Some(point(0, 0.0, None)), point(90_500, 0.0, None), Some((0, "1m30.5s"))),
            (Some(point(5, 1.0, None)), point(5, 1.0, None), None),
        ] {
            let got = rate(before, now);
            assert_eq!(got.map(|r| (r.nano_cores, r.window())), want.map(|(n, w)| (n, w.to_string())));
        }
    }
}
