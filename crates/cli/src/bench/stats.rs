//! Latencies and their percentiles.

use std::time::Duration;

use serde::Serialize;

/// What many latencies come to, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Latency {
    /// How many were taken.
    pub count: usize,
    /// The median.
    pub p50_ms: f64,
    /// Nine of ten were no longer.
    pub p90_ms: f64,
    /// 99 of 100 were no longer.
    pub p99_ms: f64,
    /// The longest.
    pub max_ms: f64,
}

impl Latency {
    /// Sums up `taken`, in any order.
    pub fn of(mut taken: Vec<Duration>) -> Latency {
        taken.sort_unstable();
        let at = |share: f64| percentile(&taken, share).as_micros() as f64 / 1e3;
        Latency { count: taken.len(), p50_ms: at(0.50), p90_ms: at(0.90), p99_ms: at(0.99), max_ms: at(1.0) }
    }
}

/// The smallest of `sorted` that a `share` (0 to 1) of all does not exceed (nearest rank); zero when there
/// is none.
pub fn percentile(sorted: &[Duration], share: f64) -> Duration {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    let index = rank.clamp(1, sorted.len().max(1)) - 1;
    sorted.get(index).copied().unwrap_or_default()
}

/// `count` things in `wall`, each second.
pub fn rate(count: usize, wall: Duration) -> f64 {
    if wall.is_zero() { 0.0 } else { count as f64 / wall.as_secs_f64() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(values: impl IntoIterator<Item = u64>) -> Vec<Duration> {
        values.into_iter().map(Duration::from_millis).collect()
    }

    #[test]
    fn percentiles_are_of_the_nearest_rank() {
        let hundred = millis(1..=100);
        for (sorted, share, expected) in [
            (&hundred, 0.50, 50),
            (&hundred, 0.99, 99),
            (&hundred, 1.0, 100),
            (&hundred, 0.0, 1),
            (&millis([7]), 0.5, 7),
            (&millis([7]), 0.99, 7),
            (&millis([1, 2]), 0.5, 1),
            (&millis([1, 2, 3]), 0.5, 2),
            (&millis([1, 2, 3]), 0.99, 3),
            (&millis([]), 0.99, 0),
        ] {
            assert_eq!(percentile(sorted, share), Duration::from_millis(expected), "{share} of {sorted:?}");
        }
    }

    #[test]
    fn order_does_not_matter() {
        let latency = Latency::of(millis((1..=1000).rev()));
        assert_eq!((latency.count, latency.p50_ms, latency.p99_ms), (1000, 500.0, 990.0));
        assert_eq!((latency.p90_ms, latency.max_ms), (900.0, 1000.0));
        assert_eq!(Latency::of(Vec::new()), Latency::default());
    }

    #[test]
    fn a_rate_needs_time() {
        assert_eq!(rate(10, Duration::from_secs(2)), 5.0);
        assert_eq!(rate(10, Duration::ZERO), 0.0);
    }
}
