//! What a pod's worker does next: a pure function of the pod, what the runtime shows, and what the worker
//! remembers.

use super::collect::Leftover;
use super::ephemeral;
use super::memory::Memory;
use super::observed::{Observed, Seen, SeenState};
use super::resize::Change;
use super::status::former;
use corten_api::core::v1::{Container, ContainerRestartRule, Pod};
use corten_semantics::pod::{is_sidecar, is_terminal};
use jiff::Timestamp;
use std::time::Duration;

/// One thing to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Bring volumes into place, or refresh them.
    Mount,
    /// Start a sandbox with this attempt number.
    StartSandbox { attempt: u32 },
    /// Stop a sandbox that is no longer used.
    StopSandbox { id: String },
    /// Start a container of the pod in this sandbox.
    StartContainer { name: String, sandbox: String, attempt: u32 },
    /// Stop a container, with so much time to end by itself.
    Kill { id: String, name: String, why: String, grace: Duration },
    /// Stop a container whose definition changed; another follows whatever the restart policy.
    Replace { id: String, name: String, why: String, grace: Duration },
    /// Remove an ended container that nobody asks about any more.
    Remove { id: String },
    /// Remove ended containers, with their logs, and ended sandboxes that were replaced.
    Collect { containers: Vec<Leftover>, sandboxes: Vec<String> },
    /// Give running containers, and the pod's cgroup, what the pod was given.
    Resize { sandbox: String, changes: Vec<Change> },
    /// Everything has ended: give back what the pod held, and let the API forget it if it was deleted.
    Finish,
}

/// What to do, and when to look again without being woken.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    pub actions: Vec<Action>,
    pub again: Option<Duration>,
    /// Why the pod as a whole has failed, when it just has: reason and message.
    pub failed: Option<(String, String)>,
}

impl Plan {
    fn look_again(&mut self, after: Duration) {
        self.again = Some(self.again.map_or(after, |a| a.min(after)));
    }
}

/// Decides.
pub fn plan(pod: &Pod, observed: &Observed, memory: &Memory, now: Timestamp) -> Plan {
    let mut plan = Plan::default();
    if pod.metadata.deletion_timestamp.is_some() {
        let grace =
            Duration::from_secs(pod.metadata.deletion_grace_period_seconds.unwrap_or(30).max(0) as u64);
        terminate(pod, observed, memory, ordered(memory, grace), now, &mut plan);
        return plan;
    }
    if let Some(failed) = past_deadline(pod, memory, now, &mut plan) {
        plan.failed = Some(failed);
    }
    if plan.failed.is_some()
        || memory.failed.is_some()
        || is_terminal(pod)
        || has_ended(pod, observed, memory)
    {
        let grace = pod.spec.termination_grace_period_seconds.unwrap_or(30).max(0) as u64;
        let grace = ordered(memory, Duration::from_secs(grace));
        terminate(pod, observed, memory, grace, now, &mut plan);
        return plan;
    }
    run(pod, observed, memory, now, &mut plan);
    plan
}

/// No longer than an order gives.
fn ordered(memory: &Memory, grace: Duration) -> Duration {
    memory.order.as_ref().map_or(grace, |order| grace.min(order.grace))
}

fn past_deadline(pod: &Pod, memory: &Memory, now: Timestamp, plan: &mut Plan) -> Option<(String, String)> {
    let limit = pod.spec.active_deadline_seconds?;
    let left = limit - now.duration_since(memory.started).as_secs();
    if left > 0 {
        plan.look_again(Duration::from_secs(left as u64));
        return None;
    }
    Some(("DeadlineExceeded".into(), "Pod was active on the node longer than the specified deadline".into()))
}

/// Whether every container has ended and none is to start again.
pub fn has_ended(pod: &Pod, observed: &Observed, memory: &Memory) -> bool {
    if failed_init(pod, observed) {
        return true;
    }
    let ended = |c: &Container| match observed.latest(&c.name) {
        Some(seen) => {
            seen.exit_code().is_some_and(|code| !restarts(pod, c, code))
                && !memory.replaced.contains(&seen.id)
                && !memory.killing.contains_key(&seen.id)
        }
        None => false,
    };
    !pod.spec.containers.is_empty() && pod.spec.containers.iter().all(ended)
}

fn failed_init(pod: &Pod, observed: &Observed) -> bool {
    pod.spec.init_containers.iter().filter(|c| !is_sidecar(c)).any(|c| {
        let code = observed.latest(&c.name).and_then(Seen::exit_code);
        code.is_some_and(|code| code != 0 && !restarts(pod, c, code))
    })
}

/// Whether a container that ended with this code starts again: by the first of its rules that fits, by its own
/// policy, by its pod's.
pub fn restarts(pod: &Pod, container: &Container, code: i32) -> bool {
    let fits = |rule: &&ContainerRestartRule| {
        rule.exit_codes.as_ref().is_some_and(|codes| match codes.operator.as_str() {
            "In" => codes.values.contains(&code),
            "NotIn" => !codes.values.contains(&code),
            _ => false,
        })
    };
    if let Some(rule) = container.restart_policy_rules.iter().find(fits) {
        return rule.action == "Restart";
    }
    match container.restart_policy.as_deref().unwrap_or(&pod.spec.restart_policy) {
        "Never" => false,
        "OnFailure" => code != 0,
        _ => true,
    }
}

/// Upstream's least time for a process to end by itself.
const LEAST_GRACE: Duration = Duration::from_secs(2);

/// Stops what runs: first the containers, then (last, in reverse order) the sidecars.
fn terminate(
    pod: &Pod,
    observed: &Observed,
    memory: &Memory,
    grace: Duration,
    now: Timestamp,
    plan: &mut Plan,
) {
    let sidecars: Vec<&str> =
        pod.spec.init_containers.iter().filter(|c| is_sidecar(c)).map(|c| c.name.as_str()).collect();
    let alive: Vec<&Seen> = observed
        .containers
        .iter()
        .filter(|c| matches!(c.state, SeenState::Running { .. } | SeenState::Unknown))
        .collect();
    if alive.is_empty() {
        plan.actions.push(Action::Finish);
        return;
    }
    let main: Vec<&Seen> = alive.iter().copied().filter(|c| !sidecars.contains(&c.name.as_str())).collect();
    let turn = match main.is_empty() {
        false => main,
        true => {
            let last = sidecars.iter().rev().find_map(|name| alive.iter().find(|c| c.name == *name));
            last.map_or(alive.clone(), |c| vec![*c])
        }
    };
    // Who waited for its turn has what the others left of the time, but never nothing.
    let spent = memory.ending.and_then(|since| Duration::try_from(now.duration_since(since)).ok());
    let left = match grace.is_zero() {
        true => grace,
        false => grace.saturating_sub(spent.unwrap_or_default()).max(LEAST_GRACE.min(grace)),
    };
    for c in turn {
        // A shorter grace than the one under way replaces it.
        match memory.killing.get(&c.id) {
            None => plan.actions.push(kill(c, "", left)),
            Some(under_way) if *under_way > grace => plan.actions.push(kill(c, "", grace)),
            Some(_) => {}
        }
    }
}

fn kill(c: &Seen, why: &str, grace: Duration) -> Action {
    Action::Kill { id: c.id.clone(), name: c.name.clone(), why: why.into(), grace }
}

/// Brings the pod up, and keeps it up.
fn run(pod: &Pod, observed: &Observed, memory: &Memory, now: Timestamp, plan: &mut Plan) {
    if !memory.mounted {
        plan.actions.push(Action::Mount);
        return;
    }
    let Some(sandbox) = observed.sandbox() else {
        // A dead sandbox takes its containers along.
        let alive: Vec<&Seen> = observed.running().filter(|c| !memory.killing.contains_key(&c.id)).collect();
        plan.actions.extend(alive.iter().map(|c| kill(c, "", Duration::from_secs(2))));
        if observed.running().next().is_none() {
            plan.actions.extend(
                observed
                    .sandboxes
                    .iter()
                    .filter(|s| s.ready)
                    .map(|s| Action::StopSandbox { id: s.id.clone() }),
            );
            let attempt = observed.sandboxes.iter().map(|s| s.attempt + 1).max().unwrap_or(0);
            plan.actions.push(Action::StartSandbox { attempt });
        }
        return;
    };
    let id = sandbox.id.clone();
    for c in pod.spec.ephemeral_containers.iter().map(ephemeral::container) {
        if observed.latest(&c.name).is_none_or(|s| s.state == SeenState::Created) {
            start(pod, &c, observed, memory, &id, now, plan);
        }
    }
    let gate = init_containers(pod, observed, memory, &id, now, plan);
    if gate == Gate::Open {
        for c in &pod.spec.containers {
            keep_running(pod, c, observed, memory, &id, now, plan);
        }
    }
}

/// Whether the containers proper may start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gate {
    Open,
    Closed,
}

/// Init containers run one after the other; a sidecar only has to have started.
fn init_containers(
    pod: &Pod,
    observed: &Observed,
    memory: &Memory,
    sandbox: &str,
    now: Timestamp,
    plan: &mut Plan,
) -> Gate {
    // Once the containers proper have begun in this sandbox, init containers are done; sidecars are kept up.
    let begun =
        pod.spec.containers.iter().any(|c| observed.latest(&c.name).is_some_and(|s| s.sandbox == sandbox));
    for c in &pod.spec.init_containers {
        let here = observed.latest(&c.name).filter(|s| s.sandbox == sandbox);
        if is_sidecar(c) {
            keep_running(pod, c, observed, memory, sandbox, now, plan);
            let started = here.is_some_and(|s| s.is_running() && memory.is_started(&s.id, c));
            if !started && !begun {
                return Gate::Closed;
            }
            continue;
        }
        if begun || here.and_then(Seen::exit_code) == Some(0) {
            continue;
        }
        match here {
            Some(s) if s.exit_code().is_none() && !matches!(s.state, SeenState::Created) => {}
            _ => start(pod, c, observed, memory, sandbox, now, plan),
        }
        return Gate::Closed;
    }
    Gate::Open
}

fn keep_running(
    pod: &Pod,
    c: &Container,
    observed: &Observed,
    memory: &Memory,
    sandbox: &str,
    now: Timestamp,
    plan: &mut Plan,
) {
    match observed.latest(&c.name) {
        Some(s) if s.is_running() => {
            if memory.killing.contains_key(&s.id) {
                return;
            }
            let grace = |own: Option<i64>| {
                let seconds = own.or(pod.spec.termination_grace_period_seconds).unwrap_or(30);
                Duration::from_secs(seconds.max(0) as u64)
            };
            if s.spec_image().is_some_and(|image| image != c.image) {
                plan.actions.push(Action::Replace {
                    id: s.id.clone(),
                    name: c.name.clone(),
                    why: format!("Container {} definition changed, will be restarted", c.name),
                    grace: grace(None),
                });
            } else if let Some(why) = memory.must_restart(&s.id) {
                plan.actions.push(kill(s, &why.message, grace(why.grace)));
            }
        }
        Some(s)
            if s.exit_code().is_some_and(|code| !restarts(pod, c, code))
                && s.sandbox == sandbox
                && !memory.replaced.contains(&s.id) => {}
        _ => start(pod, c, observed, memory, sandbox, now, plan),
    }
}

/// Starts a container, unless it has to wait after a failure.
fn start(
    pod: &Pod,
    c: &Container,
    observed: &Observed,
    memory: &Memory,
    sandbox: &str,
    now: Timestamp,
    plan: &mut Plan,
) {
    let latest = observed.latest(&c.name);
    if let Some(wait) = memory.wait_for(&c.name, now) {
        plan.look_again(wait);
        return;
    }
    if let Some(left) = latest.and_then(Seen::finished).and_then(|at| memory.crash_wait(&c.name, at, now)) {
        plan.look_again(left);
        return;
    }
    let attempt = match latest {
        Some(s) if s.state == SeenState::Created => s.attempt,
        Some(s) => s.attempt + 1,
        // The runtime may have forgotten one that the status still tells of.
        None => former(pod, &c.name)
            .filter(|s| !s.container_id.is_empty())
            .map_or(0, |s| u32::try_from(s.restart_count).unwrap_or(0) + 1),
    };
    if let Some(stale) = latest.filter(|s| s.state == SeenState::Created) {
        plan.actions.push(Action::Remove { id: stale.id.clone() });
    }
    plan.actions.push(Action::StartContainer { name: c.name.clone(), sandbox: sandbox.to_string(), attempt });
}

#[cfg(test)]
mod tests;
