//! The conditions of a pod.

use super::*;
use crate::pod::allocation::{Resize, Stage};

pub(super) fn conditions(pod: &Pod, status: &mut PodStatus, observed: &Observed, now: Timestamp) {
    let ended = matches!(status.phase.as_str(), "Succeeded" | "Failed");
    let names = |list: Vec<&str>| format!("[{}]", list.join(" "));
    let not_ready: Vec<&str> =
        status.container_statuses.iter().filter(|s| !s.ready).map(|s| s.name.as_str()).collect();
    let incomplete: Vec<&str> = pod
        .spec
        .init_containers
        .iter()
        .zip(&status.init_container_statuses)
        .filter(|(c, s)| {
            if is_sidecar(c) {
                s.started != Some(true)
            } else {
                s.state.terminated.as_ref().is_none_or(|t| t.exit_code != 0)
            }
        })
        .map(|(_, s)| s.name.as_str())
        .collect();
    let begun =
        status.container_statuses.iter().any(|s| s.state.running.is_some() || s.state.terminated.is_some());
    let initialized = if incomplete.is_empty() || begun {
        ("True", String::new(), String::new())
    } else {
        (
            "False",
            "ContainersNotInitialized".into(),
            format!("containers with incomplete status: {}", names(incomplete)),
        )
    };
    let ready = match status.phase.as_str() {
        "Succeeded" => ("False", "PodCompleted".to_string(), String::new()),
        "Failed" => ("False", "PodFailed".to_string(), String::new()),
        _ if not_ready.is_empty() => ("True", String::new(), String::new()),
        _ => (
            "False",
            "ContainersNotReady".into(),
            format!("containers with unready status: {}", names(not_ready)),
        ),
    };
    let initialized = if status.phase == "Succeeded" {
        ("True", "PodCompleted".into(), String::new())
    } else {
        initialized
    };
    let gates = gates(pod, status);
    let overall = if ready.0 == "True" && !gates.is_empty() {
        ("False", "ReadinessGatesNotReady".into(), gates)
    } else {
        ready.clone()
    };
    let sandbox = observed.sandbox().is_some_and(|s| pod.spec.host_network || !s.ips.is_empty()) && !ended;
    let sandbox = (if sandbox { "True" } else { "False" }, String::new(), String::new());
    let generation = pod.metadata.generation;
    for (kind, value) in [
        ("PodReadyToStartContainers", sandbox),
        ("Initialized", initialized),
        ("Ready", overall),
        ("ContainersReady", ready),
    ] {
        set(&mut status.conditions, kind, value, generation, now);
    }
    if !status.conditions.iter().any(|c| c.type_ == "PodScheduled") {
        set(&mut status.conditions, "PodScheduled", ("True", String::new(), String::new()), generation, now);
    }
}

fn gates(pod: &Pod, status: &PodStatus) -> String {
    let lacking: Vec<String> = pod
        .spec
        .readiness_gates
        .iter()
        .filter_map(|g| {
            let found = status.conditions.iter().find(|c| c.type_ == g.condition_type);
            match found.map(|c| c.status.as_str()) {
                Some("True") => None,
                Some(_) => Some(format!(
                    "the status of pod readiness gate \"{}\" is not \"True\", but False",
                    g.condition_type
                )),
                None => Some(format!(
                    "corresponding condition of pod readiness gate \"{}\" does not exist.",
                    g.condition_type
                )),
            }
        })
        .collect();
    lacking.join(", ")
}

fn set(
    conditions: &mut Vec<PodCondition>,
    kind: &str,
    (status, reason, message): (&str, String, String),
    generation: i64,
    now: Timestamp,
) {
    let old = conditions.iter_mut().find(|c| c.type_ == kind);
    let since = match &old {
        Some(c) if c.status == status => c.last_transition_time,
        _ => Some(Time::new(now)),
    };
    let condition = PodCondition {
        type_: kind.into(),
        status: status.into(),
        observed_generation: generation,
        last_transition_time: since,
        reason,
        message,
        ..PodCondition::default()
    };
    match old {
        Some(c) => *c = condition,
        None => conditions.push(condition),
    }
}

/// The conditions of a change of resources: there only while one is under way.
pub(super) fn resize(status: &mut PodStatus, resize: &Resize, now: Timestamp) {
    let ended = matches!(status.phase.as_str(), "Succeeded" | "Failed");
    for (kind, stage) in [("PodResizePending", &resize.pending), ("PodResizeInProgress", &resize.progress)] {
        match stage.as_ref().filter(|_| !ended) {
            Some(Stage { reason, message, generation }) => {
                let value = ("True", reason.clone(), message.clone());
                set(&mut status.conditions, kind, value, *generation, now);
            }
            None => status.conditions.retain(|c| c.type_ != kind),
        }
    }
}
