//! The machine's shutdown: pods end in order before it goes on, ordinary ones first, critical ones last
//! (upstream's node shutdown manager). There is no D-Bus here to hear systemd announce it; whoever shuts the
//! machine down sends the process SIGPWR, the kernel's word for a failing power supply, and waits for its end.

use crate::Shared;
use crate::eviction::is_critical;
use crate::orders::Order;
use crate::workers::Workers;
use corten_api::core::v1::Pod;
use corten_rt::Stop;
use corten_semantics::pod::is_terminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// Whether the machine is going down.
#[derive(Debug, Default)]
pub struct Shutdown(AtomicBool);

impl Shutdown {
    /// Why no pod is taken any more.
    pub fn refusal(&self) -> Option<String> {
        self.is_under_way().then(|| "Pod was rejected as the node is shutting down.".to_string())
    }

    /// Whether it has begun.
    pub fn is_under_way(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// Pods that end together, and how long they have.
#[derive(Clone, Debug, PartialEq)]
struct Turn {
    critical: bool,
    time: Duration,
}

/// In which order pods end.
fn turns(whole: Duration, critical: Duration) -> [Turn; 2] {
    [
        Turn { critical: false, time: whole.saturating_sub(critical) },
        Turn { critical: true, time: critical.min(whole) },
    ]
}

/// Waits for the machine's shutdown, ends the pods, and then this process. Without time for that in the
/// settings the signal ends the process as it always did.
pub(crate) async fn listen(shared: Arc<Shared>, workers: Workers, stop: Stop) {
    if shared.settings.shutdown_grace.is_zero() {
        return;
    }
    match signal(SignalKind::from_raw(libc::SIGPWR)) {
        Ok(mut power) => {
            power.recv().await;
            run(&shared, &workers).await;
            stop.stop();
        }
        Err(error) => tracing::warn!(%error, "the machine's shutdown is not heard of"),
    }
}

/// Ends the node's pods, and returns when they have ended or their time is over.
async fn run(shared: &Arc<Shared>, workers: &Workers) {
    let settings = &shared.settings;
    if settings.shutdown_grace.is_zero() {
        return;
    }
    shared.shutdown.0.store(true, Ordering::Release);
    shared.pressure.changed.notify_one();
    tracing::warn!("the machine is shutting down: pods are ended");
    for turn in turns(settings.shutdown_grace, settings.shutdown_grace_critical) {
        let of_turn = || -> Vec<Arc<Pod>> {
            let all = shared.pods.list().into_iter();
            all.filter(|p| !is_terminal(p) && is_critical(p) == turn.critical).collect()
        };
        for pod in of_turn() {
            let order = Order {
                reason: "Terminated".into(),
                message: "Pod was terminated in response to imminent node shutdown.".into(),
                grace: turn.time,
                disruption: true,
            };
            shared.orders.give(&pod.metadata.uid, order);
            workers.wake_for(&pod, true);
        }
        let ended = async {
            while !of_turn().is_empty() {
                corten_rt::sleep(Duration::from_millis(200)).await;
            }
        };
        if corten_rt::timeout(turn.time, ended).await.is_none() {
            tracing::warn!(critical = turn.critical, "pods did not end in the time of the shutdown");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn critical_pods_have_the_end_of_the_time() {
        let seconds = Duration::from_secs;
        let of = |whole, critical| {
            turns(seconds(whole), seconds(critical)).map(|t| (t.critical, t.time.as_secs()))
        };
        assert_eq!(of(30, 10), [(false, 20), (true, 10)]);
        assert_eq!(of(10, 30), [(false, 0), (true, 10)]);
        assert_eq!(Shutdown::default().refusal(), None);
    }
}
