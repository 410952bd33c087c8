//! Wall time and monotonic time, both virtual when tokio's clock is paused.

use std::future::Future;
use std::time::Duration;

pub use jiff::Timestamp;
/// Monotonic time; follows tokio's clock, so a paused runtime controls it.
pub use tokio::time::Instant;

/// Where the time of day comes from. Cheap to copy.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    base: Option<(Timestamp, Instant)>,
}

impl Clock {
    /// The machine's clock.
    pub const fn system() -> Self {
        Clock { base: None }
    }

    /// A clock that shows `start` now and advances with tokio's (perhaps paused) clock.
    pub fn starting_at(start: Timestamp) -> Self {
        Clock { base: Some((start, Instant::now())) }
    }

    /// The time of day.
    pub fn now(&self) -> Timestamp {
        match self.base {
            None => Timestamp::now(),
            Some((start, since)) => start + since.elapsed(),
        }
    }
}

impl Default for Clock {
    fn default() -> Self {
        Clock::system()
    }
}

/// Sleeps for `duration` of (perhaps virtual) time.
pub async fn sleep(duration: Duration) {
    tokio::time::sleep(duration).await
}

/// Sleeps until `deadline`.
pub async fn sleep_until(deadline: Instant) {
    tokio::time::sleep_until(deadline).await
}

/// Runs `future` for at most `duration`; `None` when the time ran out.
pub async fn timeout<F: Future>(duration: Duration, future: F) -> Option<F::Output> {
    tokio::time::timeout(duration, future).await.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_virtual_clock_advances_with_the_paused_runtime() {
        let start: Timestamp = "2026-01-01T00:00:00Z".parse().expect("valid time");
        let clock = Clock::starting_at(start);
        sleep(Duration::from_secs(3600)).await;
        assert_eq!(clock.now(), start + Duration::from_secs(3600));
    }
}
