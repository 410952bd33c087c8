//! A group of named tasks that ends as a whole.

use crate::Stop;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio_util::task::TaskTracker;

/// Tasks that belong together: all are told to end by one [`Stop`], and [`Tasks::shutdown`] waits until
/// every one of them has.
#[derive(Clone, Debug)]
pub struct Tasks {
    stop: Stop,
    tracker: TaskTracker,
}

impl Tasks {
    /// An empty group that ends when `stop` is given.
    pub fn new(stop: Stop) -> Self {
        Tasks { stop, tracker: TaskTracker::new() }
    }

    /// The group's signal.
    pub fn stop(&self) -> &Stop {
        &self.stop
    }

    /// Starts a task that sees the signal itself and is waited for at shutdown. A panic is logged under
    /// the task's name and ends that task alone.
    pub fn spawn<F>(&self, name: &'static str, future: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.spawn_boxed(name, None, Box::pin(future));
    }

    /// Starts a task that is dropped at its next await once the signal is given.
    pub fn spawn_until_stopped<F>(&self, name: &'static str, future: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.spawn_boxed(name, Some(self.stop.clone()), Box::pin(future));
    }

    /// Of one type for all: the runtime's part of a task is in the executable once, not once per kind of task.
    fn spawn_boxed(&self, name: &'static str, stop: Option<Stop>, future: BoxFuture<'static, ()>) {
        self.tracker.spawn(async move {
            let run = async move {
                match stop {
                    Some(stop) => stop.run(future).await.unwrap_or_default(),
                    None => future.await,
                }
            };
            if AssertUnwindSafe(run).catch_unwind().await.is_err() {
                tracing::error!(task = name, "task panicked");
            }
        });
    }

    /// How many tasks are running.
    pub fn len(&self) -> usize {
        self.tracker.len()
    }

    /// Whether no task is running.
    pub fn is_empty(&self) -> bool {
        self.tracker.is_empty()
    }

    /// Gives the signal and waits until all tasks ended, at most `grace`. Returns whether all did.
    pub async fn shutdown(&self, grace: Duration) -> bool {
        self.stop.stop();
        self.tracker.close();
        crate::timeout(grace, self.tracker.wait()).await.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[tokio::test]
    async fn shutdown_waits_for_the_last_task() {
        let tasks = Tasks::new(Stop::new());
        let done = Arc::new(AtomicBool::new(false));
        let (stop, seen) = (tasks.stop().clone(), done.clone());
        tasks.spawn("cleans up", async move {
            stop.stopped().await;
            tokio::task::yield_now().await;
            seen.store(true, Ordering::SeqCst);
        });
        assert!(tasks.shutdown(Duration::from_secs(5)).await);
        assert!(done.load(Ordering::SeqCst));
    }

    #[tokio::test]
    async fn a_panic_ends_one_task_alone() {
        let tasks = Tasks::new(Stop::new());
        tasks.spawn("breaks", async { panic!("expected by the test") });
        assert!(tasks.shutdown(Duration::from_secs(5)).await);
    }

    #[tokio::test(start_paused = true)]
    async fn shutdown_gives_up_after_its_grace() {
        let tasks = Tasks::new(Stop::new());
        tasks.spawn("never ends", std::future::pending());
        assert!(!tasks.shutdown(Duration::from_secs(1)).await);
    }
}
