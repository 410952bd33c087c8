//! Sends many calls over many connections and notes how long each took.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Result, anyhow};
use tokio::sync::mpsc;

use corten_rt::{Instant, Tasks, sleep_until};

use super::http::{Call, Connection};

/// How a run went.
#[derive(Debug, Default)]
pub struct Outcome {
    /// How long each call took that was answered well.
    pub latencies: Vec<Duration>,
    /// How many calls failed.
    pub errors: usize,
    /// Why the first of them did.
    pub first_error: Option<String>,
    /// Bytes of all good answers.
    pub bytes: usize,
    /// From the first call to the last answer.
    pub wall: Duration,
}

impl Outcome {
    fn add(&mut self, other: Outcome) {
        self.latencies.extend(other.latencies);
        self.errors += other.errors;
        self.bytes += other.bytes;
        self.first_error = self.first_error.take().or(other.first_error);
    }
}

/// What to send: `count` calls, the nth made by `call(n)`, no sooner than `n * pace` after the start.
pub struct Load<F> {
    /// How many calls.
    pub count: usize,
    /// The least time between the beginnings of two calls; zero for as fast as can be.
    pub pace: Duration,
    /// Makes a call; told its number.
    pub call: F,
}

impl<F: Fn(usize) -> Call + Send + Sync + 'static> Load<F> {
    /// Shares the calls among `connections`, which come back for the next run.
    ///
    /// # Errors
    /// When the run is stopped from outside.
    pub async fn run(self, connections: &mut Vec<Connection>, tasks: &Tasks) -> Result<Outcome> {
        let start = Instant::now();
        let (load, next) = (Arc::new(self), Arc::new(AtomicUsize::new(0)));
        let workers = connections.len();
        let (results, mut finished) = mpsc::channel(workers.max(1));
        for mut connection in connections.drain(..) {
            let (load, next, results) = (load.clone(), next.clone(), results.clone());
            tasks.spawn_until_stopped("load", async move {
                let outcome = load.work(&mut connection, &next, start).await;
                if results.send((connection, outcome)).await.is_err() {
                    tracing::debug!("nobody waits for this worker");
                }
            });
        }
        drop(results);
        let mut total = Outcome::default();
        while let Some((connection, outcome)) = finished.recv().await {
            connections.push(connection);
            total.add(outcome);
        }
        if connections.len() < workers {
            return Err(anyhow!("the run was stopped"));
        }
        total.wall = start.elapsed();
        Ok(total)
    }

    async fn work(&self, connection: &mut Connection, next: &AtomicUsize, start: Instant) -> Outcome {
        let mut outcome = Outcome::default();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= self.count {
                return outcome;
            }
            if !self.pace.is_zero() {
                sleep_until(start + self.pace * number as u32).await;
            }
            let call = (self.call)(number);
            let begun = Instant::now();
            match connection.call(call).await {
                Ok(answer) => {
                    outcome.latencies.push(begun.elapsed());
                    outcome.bytes += answer.len();
                }
                Err(error) => {
                    outcome.errors += 1;
                    outcome.first_error.get_or_insert_with(|| format!("{error:#}"));
                }
            }
        }
    }
}
