//! Exponential back-off with jitter.

use std::time::Duration;

/// Delays that double from `first` up to `most`, each lengthened by up to a tenth.
#[derive(Clone, Debug)]
pub struct Backoff {
    first: Duration,
    most: Duration,
    next: Duration,
}

impl Backoff {
    /// Starts at `first` and never exceeds `most` (before jitter).
    pub fn new(first: Duration, most: Duration) -> Self {
        Backoff { first, most, next: first }
    }

    /// The delay to wait now; the one after it is longer.
    pub fn step(&mut self) -> Duration {
        let now = self.next;
        self.next = (now * 2).min(self.most);
        now + now.mul_f64(crate::random::unit() / 10.0)
    }

    /// Back to the first delay, after a success.
    pub fn reset(&mut self) {
        self.next = self.first;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_to_the_cap_and_resets() {
        let mut b = Backoff::new(Duration::from_secs(1), Duration::from_secs(3));
        let whole: Vec<u64> = (0..4).map(|_| b.step().as_millis() as u64).collect();
        for (got, base) in whole.iter().zip([1000, 2000, 3000, 3000]) {
            assert!((base..=base + base / 10).contains(got), "{got} for {base}");
        }
        b.reset();
        assert!(b.step() < Duration::from_millis(1101));
    }
}
