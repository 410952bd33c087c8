//! Room for a critical pod: others end, and it is taken when they have.

use super::*;
use crate::orders::{Order, PREEMPTED};
use admission::{Lack, Rejection};

/// The least time that is waited for pods to end.
const LEAST: Duration = Duration::from_secs(10);
/// How often is looked whether they have.
const LOOK: Duration = Duration::from_millis(100);

impl Worker {
    /// Ends pods until there is room for this one.
    pub(super) async fn make_room(&self, bound: &[Arc<Pod>], lacks: &[Lack]) -> Result<(), Rejection> {
        if is_terminating(&self.pod) {
            return Ok(());
        }
        let live: Vec<Arc<Pod>> = bound
            .iter()
            .filter(|p| p.metadata.uid != self.pod.metadata.uid && !is_terminal(p))
            .cloned()
            .collect();
        let victims = admission::choose_victims(&self.pod, &live, lacks).map_err(|why| Rejection {
            reason: "UnexpectedAdmissionError".into(),
            message: format!("Unexpected error while attempting to recover from admission failure: {why}"),
        })?;
        let mut longest = Duration::ZERO;
        for victim in &victims {
            longest = longest.max(self.preempt(victim, lacks));
        }
        let uids: Vec<&str> = victims.iter().map(|v| v.metadata.uid.as_str()).collect();
        let ended = async {
            let lives = |p: &Arc<Pod>| uids.contains(&p.metadata.uid.as_str()) && !is_terminal(p);
            while self.shared.pods.list().iter().any(lives) {
                corten_rt::sleep(LOOK).await;
            }
        };
        if corten_rt::timeout((longest * 3 / 2).max(LEAST), ended).await.is_none() {
            tracing::warn!(pod = self.pod.metadata.name, "pods that make room for it have not ended yet");
        }
        Ok(())
    }

    /// Orders a pod's end; gives the time that it has for that.
    fn preempt(&self, victim: &Arc<Pod>, lacks: &[Lack]) -> Duration {
        let shared = &self.shared;
        let seconds = victim.spec.termination_grace_period_seconds.unwrap_or(30);
        let grace = Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
        let message = "Preempted in order to admit critical pod";
        tracing::info!(pod = victim.metadata.name, by = self.pod.metadata.name, "a pod is preempted");
        shared.events.warning(&**victim, PREEMPTED, message);
        let order = Order { reason: PREEMPTED.into(), message: message.into(), grace, disruption: true };
        shared.orders.give(&victim.metadata.uid, order);
        let signal = lacks.first().map_or("", |l| l.resource.as_str());
        shared.meters.count("kubelet_preemptions", &[("preemption_signal", signal)]);
        grace
    }
}
