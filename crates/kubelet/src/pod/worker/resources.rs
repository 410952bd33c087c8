//! Changes of a running pod's resources: granting them, and having them carried out.

use super::*;
use crate::pod::allocation::{self, Stage};
use crate::pod::plan::Plan;
use crate::pod::resize::{self, Change};
use crate::pod::resources::{changed, pod_limits};

/// How often a wish that did not fit is looked at again.
const RETRY: Duration = Duration::from_secs(5);

impl Worker {
    /// Grants what the pod asks for if that fits; until then the pod is taken as if it asked for what it has.
    /// Tells when to try again.
    pub(super) fn allocate(&mut self) -> Option<Duration> {
        let uid = &self.pod.metadata.uid;
        if self.memory.rejected || is_terminal(&self.pod) || is_terminating(&self.pod) {
            self.memory.resize = Resize::default();
            return None;
        }
        let Some(given) = self.shared.allocations.get(uid) else {
            let initial = allocation::initial(&self.pod);
            self.shared.allocations.set(uid, initial);
            return self.allocate();
        };
        if !allocation::asks_for_other(&self.pod, &given) {
            self.memory.resize.pending = None;
            return None;
        }
        let generation = self.pod.metadata.generation;
        let (shared, pod) = (&self.shared, &self.pod);
        match allocation::decide(pod, &shared.bound(), &shared.allocatable) {
            Ok(()) => {
                shared.allocations.set(uid, allocation::wanted(pod));
                let stage = Stage { generation, ..Stage::default() };
                self.memory.resize = Resize { pending: None, progress: Some(stage) };
                shared.events.normal(
                    &**pod,
                    "ResizeStarted",
                    allocation::tell("started", pod, generation, ""),
                );
                None
            }
            Err((reason, message)) => {
                let stage = Stage { reason, message, generation };
                if self.memory.resize.pending.as_ref() != Some(&stage) {
                    let text = allocation::tell(&stage.reason, pod, generation, &stage.message);
                    shared.events.warning(&**pod, &format!("Resize{}", stage.reason), text);
                }
                let again = (stage.reason == "Deferred").then_some(RETRY);
                self.memory.resize.pending = Some(stage);
                self.pod = Arc::new(allocation::with(&self.pod, &given));
                again
            }
        }
    }

    /// Adds to the plan what gives running containers what the pod was given.
    pub(super) fn plan_resize(&mut self, plan: &mut Plan) {
        let running: Vec<_> = self.observed.running().cloned().collect();
        self.memory.held.retain(|id, _| running.iter().any(|s| s.id == *id));
        if is_terminating(&self.pod) || self.memory.failed.is_some() {
            return;
        }
        let mut changes = Vec::new();
        for seen in &running {
            let Some(c) = allocation::resizable(&self.pod).find(|c| c.name == seen.name).cloned() else {
                continue;
            };
            let has = self.memory.held.entry(seen.id.clone()).or_insert_with(|| {
                // One that was started with what the pod has now, unless its status tells of something else.
                resize::held(&self.pod, seen).unwrap_or_else(|| c.resources.clone())
            });
            let differs = changed(has, &c.resources);
            if differs.is_empty() || self.memory.killing.contains_key(&seen.id) {
                continue;
            }
            if resize::needs_restart(&c, &differs) {
                let seconds = self.pod.spec.termination_grace_period_seconds.unwrap_or(30);
                plan.actions.push(Action::Replace {
                    id: seen.id.clone(),
                    name: c.name.clone(),
                    why: format!("Container {} resize requires restart", c.name),
                    grace: Duration::from_secs(seconds.max(0) as u64),
                });
            } else {
                changes.push(Change { id: seen.id.clone(), has: has.clone(), container: c });
            }
        }
        let Some(sandbox) = self.observed.sandbox() else { return };
        let limits = pod_limits(&self.pod);
        // The sandbox of an earlier process was started with what the pod has now, or a resize is due again.
        let differs = *self.memory.group.get_or_insert_with(|| limits.clone()) != limits;
        let idle = self.operation.is_none() && self.memory.killing.is_empty();
        let kills = plan.actions.iter().any(|a| matches!(a, Action::Kill { .. } | Action::Replace { .. }));
        if !idle || kills {
            return;
        }
        if differs || !changes.is_empty() {
            match self.memory.wait_for(RESIZE, self.shared.clock.now()) {
                Some(wait) => plan.again = Some(plan.again.map_or(wait, |a| a.min(wait))),
                // First, so that a container that starts again finds its pod as large as it is to be.
                None => plan.actions.insert(0, Action::Resize { sandbox: sandbox.id.clone(), changes }),
            }
        } else if plan.actions.is_empty() {
            self.resize_is_done();
        }
    }

    /// Every running container has what the pod was given.
    fn resize_is_done(&mut self) {
        if let Some(stage) = self.memory.resize.progress.take() {
            let text = allocation::tell("completed", &self.pod, stage.generation, "");
            self.shared.events.normal(&*self.pod, "ResizeCompleted", text);
        }
    }

    /// Takes up what became of a resize.
    pub(super) fn resized(&mut self, changes: Vec<Change>, outcome: Result<(), String>) {
        let now = self.shared.clock.now();
        match outcome {
            Ok(()) => {
                self.memory.waiting.remove(RESIZE);
                self.memory.group = Some(pod_limits(&self.pod));
                for change in changes {
                    self.memory.held.insert(change.id, change.container.resources);
                }
                self.wake.ask();
            }
            Err(message) => {
                let generation = self.pod.metadata.generation;
                let mut stage = self.memory.resize.progress.take().unwrap_or_default();
                if stage.message != message {
                    let text = allocation::tell("error", &self.pod, generation, &message);
                    self.shared.events.warning(&*self.pod, "ResizeError", text);
                }
                stage.generation = if stage.generation == 0 { generation } else { stage.generation };
                (stage.reason, stage.message) = ("Error".into(), message.clone());
                self.memory.resize.progress = Some(stage);
                self.memory.put_off(RESIZE, "Error", message, Duration::from_secs(10), now);
            }
        }
    }
}

/// Under this name, which no container can have, the wait after a failed resize is kept.
const RESIZE: &str = "/resize";
