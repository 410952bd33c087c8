//! Acting: what the plan says, in tasks beside the worker's loop.

use super::*;

impl Worker {
    pub(super) async fn act(&mut self, actions: Vec<Action>, again: Option<Duration>) -> Next {
        let mut sequence = Vec::new();
        for action in actions {
            match action {
                Action::Replace { id, name, why, grace } => {
                    self.memory.replaced.insert(id.clone());
                    self.kill(id, name, why, grace);
                }
                Action::Kill { id, name, why, grace } => self.kill(id, name, why, grace),
                Action::Finish => return Box::pin(self.finish()).await,
                other => sequence.push(other),
            }
        }
        if is_terminating(&self.pod)
            && let Some(operation) = &self.operation
        {
            operation.stop();
        }
        let whole = self.memory.wait_for("", self.shared.clock.now());
        let again = match (again, whole) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        if sequence.is_empty() {
            self.refresh();
        } else if self.operation.is_none() && whole.is_none() {
            self.operate(sequence);
        }
        let refresh = self.shared.volumes.refresh_after(&self.pod).filter(|_| self.memory.mounted);
        Next::Wait(match (again, refresh) {
            (Some(a), Some(r)) => Some(a.min(r)),
            (a, r) => a.or(r),
        })
    }

    /// Adds to the plan what is no longer needed of a pod that lives on; tells when there will be more.
    pub(super) fn plan_collection(&mut self, plan: &mut Plan, now: Timestamp) -> Option<Duration> {
        let ends = is_terminating(&self.pod) || is_terminal(&self.pod) || plan.failed.is_some();
        // What is known may be older than an operation under way.
        if ends || self.memory.failed.is_some() || self.operation.is_some() {
            return None;
        }
        let (action, again) = collect(&self.observed, &self.shared.settings, now);
        if action.is_none() {
            self.memory.waiting.remove(COLLECT);
        } else if let Some(wait) = self.memory.wait_for(COLLECT, now) {
            return Some(again.map_or(wait, |a| a.min(wait)));
        }
        plan.actions.extend(action);
        again
    }

    pub(super) fn operate(&mut self, actions: Vec<Action>) {
        let stop = self.tasks.stop().child();
        self.operation = Some(stop.clone());
        let operation = Operation {
            shared: self.shared.clone(),
            pod: self.pod.clone(),
            volumes: self.volumes.clone(),
            handler: None,
            waits: self.memory.crashes.iter().map(|(name, c)| (name.clone(), c.wait)).collect(),
            ips: self.observed.sandbox().map(|s| s.ips.clone()).unwrap_or_default(),
            tell: self.tell.clone(),
        };
        let tell = self.tell.clone();
        self.tasks.spawn("pod operation", async move {
            if stop.run(Box::pin(operation.run(actions))).await.is_none() {
                let _ = tell.send(Told::Done);
            }
        });
    }

    /// Brings ConfigMaps, Secrets and tokens up to date in a running pod.
    pub(super) fn refresh(&mut self) {
        let due = self
            .shared
            .volumes
            .refresh_after(&self.pod)
            .is_some_and(|after| self.stale || self.refreshed.elapsed() >= after);
        if due && self.memory.mounted && self.operation.is_none() {
            self.refreshed = Instant::now();
            self.stale = false;
            self.operate(vec![Action::Mount]);
        }
    }

    pub(super) fn kill(&mut self, id: String, name: String, why: String, grace: Duration) {
        self.memory.killing.insert(id.clone(), grace);
        let ends = is_terminating(&self.pod) || self.memory.failed.is_some();
        if ends {
            self.memory.ending.get_or_insert(self.shared.clock.now());
        }
        let sandbox = self.observed.containers.iter().find(|c| c.id == id);
        let sandbox = sandbox.map(|c| c.sandbox.clone()).unwrap_or_default();
        // While its pod ends, a container may still tell whether it is ready; a sidecar's probes all go on.
        let sidecar = self.pod.spec.init_containers.iter().any(|c| c.name == name && is_sidecar(c));
        match self.probes.get(&id) {
            Some(_) if ends && sidecar => {}
            Some(probes) if ends => probes.deadly.stop(),
            Some(_) => {
                if let Some(probes) = self.probes.remove(&id) {
                    probes.all.stop();
                }
            }
            None => {}
        }
        let (shared, pod, tell) = (self.shared.clone(), self.pod.clone(), self.tell.clone());
        self.tasks.spawn_until_stopped("kill", async move {
            Box::pin(kill(&shared, &pod, &id, &name, &why, grace)).await;
            let seen = Box::pin(observed::container(&shared.cri, &id, &sandbox)).await.ok().flatten();
            let _ = tell.send(Told::Killed { id, seen: seen.map(Box::new) });
        });
    }
}
