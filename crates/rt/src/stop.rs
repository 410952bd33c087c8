//! A signal to stop, handed down a tree of tasks.

use tokio_util::sync::CancellationToken;

/// Tells tasks to end. Clones share the signal; a [`Stop::child`] can be stopped alone and ends with its
/// parent.
#[derive(Clone, Debug, Default)]
pub struct Stop(CancellationToken);

impl Stop {
    /// A fresh signal, not yet given.
    pub fn new() -> Self {
        Self::default()
    }

    /// A signal that also fires when this one does.
    pub fn child(&self) -> Stop {
        Stop(self.0.child_token())
    }

    /// Gives the signal. Further calls do nothing.
    pub fn stop(&self) {
        self.0.cancel();
    }

    /// Whether the signal was given.
    pub fn is_stopped(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Waits for the signal.
    pub async fn stopped(&self) {
        self.0.cancelled().await
    }

    /// Runs `future` until it ends or the signal is given; `None` for the latter.
    pub async fn run<F: Future>(&self, future: F) -> Option<F::Output> {
        self.0.run_until_cancelled(future).await
    }
}
