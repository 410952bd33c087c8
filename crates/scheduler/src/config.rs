//! What an operator may set.

use std::time::Duration;

/// The scheduler's settings; the defaults are upstream's.
#[derive(Clone, Debug)]
pub struct Config {
    /// Pods that name this scheduler are ours.
    pub scheduler_name: String,
    /// How long a pod waits after its first failure; each further one doubles it.
    pub initial_backoff: Duration,
    /// The longest wait after a failure.
    pub max_backoff: Duration,
    /// After this time a pod is tried again although nothing happened that could help it.
    pub max_in_unschedulable: Duration,
    /// How many bindings and status writes may be under way at once.
    pub parallel_writes: usize,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            scheduler_name: "default-scheduler".into(),
            initial_backoff: Duration::from_secs(1),
            max_backoff: Duration::from_secs(10),
            max_in_unschedulable: Duration::from_secs(300),
            parallel_writes: 128,
        }
    }
}
