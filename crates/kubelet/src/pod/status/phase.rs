//! The phase of a pod.

use super::*;
use crate::pod::plan::restarts;

/// The phase never goes back, and is final only when nothing runs any more.
pub(super) fn set_phase(pod: &Pod, out: &mut PodStatus, observed: &Observed, memory: &Memory) {
    let is_final = |phase: &str| matches!(phase, "Succeeded" | "Failed");
    let before = pod.status.phase.as_str();
    if is_final(before) {
        return;
    }
    let replaced =
        |c: &Container| observed.latest(&c.name).is_some_and(|seen| memory.replaced.contains(&seen.id));
    let next = match &memory.failed {
        Some(_) => "Failed",
        None if pod.spec.containers.iter().any(replaced) => "Running",
        None => phase(pod, out),
    };
    let begun = || out.container_statuses.iter().any(|s| s.state.waiting.is_none());
    out.phase = match (next, before) {
        (next, _) if is_final(next) && observed.running().next().is_some() => {
            if before == "Running" || begun() { "Running" } else { "Pending" }
        }
        ("Pending", "Running") => "Running",
        (next, _) => next,
    }
    .into();
    if let Some((reason, message)) = memory.failed.as_ref().filter(|_| is_final(&out.phase)) {
        out.reason = reason.clone();
        out.message = message.clone();
    }
}

fn phase(pod: &Pod, status: &PodStatus) -> &'static str {
    let mut init_pending = false;
    for (c, s) in pod.spec.init_containers.iter().zip(&status.init_container_statuses) {
        if is_sidecar(c) {
            init_pending |= s.started != Some(true) && s.state.terminated.is_none();
            continue;
        }
        match &s.state.terminated {
            Some(t) if t.exit_code == 0 => {}
            Some(t) if !restarts(pod, c, t.exit_code) => return "Failed",
            _ => init_pending = true,
        }
    }
    let (mut waiting, mut running, mut stopped, mut restarting, mut succeeded) = (0, 0, 0, 0, 0);
    let ends = pod.metadata.deletion_timestamp.is_some();
    for (c, s) in pod.spec.containers.iter().zip(&status.container_statuses) {
        if s.state.running.is_some() {
            running += 1;
        } else if s.state.terminated.as_ref().is_some_and(|t| !ends && restarts(pod, c, t.exit_code)) {
            restarting += 1;
        } else if let Some(t) = &s.state.terminated {
            stopped += 1;
            succeeded += usize::from(t.exit_code == 0);
        } else if s.last_state.terminated.is_some() {
            restarting += 1;
        } else {
            waiting += 1;
        }
    }
    match (running, stopped) {
        _ if init_pending && running + stopped + restarting == 0 => "Pending",
        _ if waiting > 0 => "Pending",
        (r, _) if r > 0 => "Running",
        _ if restarting > 0 && !ends => "Running",
        (_, s) if s > 0 && succeeded == s && restarting == 0 => "Succeeded",
        _ if stopped + restarting > 0 => "Failed",
        _ => "Pending",
    }
}
