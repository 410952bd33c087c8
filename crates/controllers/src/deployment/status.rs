//! A deployment's status and its conditions.

use super::rolling::{Bounds, size_of};
use corten_api::Time;
use corten_api::apps::v1::{Deployment, DeploymentCondition, DeploymentStatus, ReplicaSet};
use jiff::Timestamp;
use std::sync::Arc;
use std::time::Duration;

/// The status that the sets give, and when to look again for the progress deadline.
pub fn status(
    deployment: &Deployment,
    bounds: Bounds,
    new: Option<&ReplicaSet>,
    sets: &[Arc<ReplicaSet>],
    now: Timestamp,
) -> (DeploymentStatus, Option<Duration>) {
    let sum = |f: fn(&ReplicaSet) -> i32| sets.iter().map(|s| f(s)).sum::<i32>();
    let available = sum(|s| s.status.available_replicas);
    let asked: i32 = sum(size_of);
    let old = &deployment.status;
    let mut status = DeploymentStatus {
        observed_generation: deployment.metadata.generation,
        replicas: sum(|s| s.status.replicas),
        updated_replicas: new.map_or(0, |s| s.status.replicas),
        ready_replicas: sum(|s| s.status.ready_replicas),
        available_replicas: available,
        unavailable_replicas: (asked - available).max(0),
        terminating_replicas: Some(sum(|s| s.status.terminating_replicas.unwrap_or(0))),
        collision_count: old.collision_count,
        conditions: old.conditions.clone(),
    };
    let enough = available >= bounds.replicas - bounds.unavailable;
    let (value, reason, message) = if enough {
        ("True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
    } else {
        ("False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
    };
    set(&mut status.conditions, "Available", value, reason, message.into(), now);
    // A paused deployment makes no progress and misses no deadline.
    let again = if deployment.spec.paused { None } else { progress(deployment, &mut status, new, now) };
    match sets.iter().flat_map(|s| &s.status.conditions).find(|c| c.type_ == "ReplicaFailure") {
        Some(c) => {
            set(&mut status.conditions, "ReplicaFailure", &c.status, &c.reason, c.message.clone(), now)
        }
        None => status.conditions.retain(|c| c.type_ != "ReplicaFailure"),
    }
    (status, again)
}

/// Whether every replica is new and available.
pub fn is_complete(deployment: &Deployment, status: &DeploymentStatus) -> bool {
    let replicas = deployment.spec.replicas.unwrap_or(1);
    status.updated_replicas == replicas
        && status.replicas == replicas
        && status.available_replicas == replicas
        && status.observed_generation >= deployment.metadata.generation
}

fn progress(
    deployment: &Deployment,
    status: &mut DeploymentStatus,
    new: Option<&ReplicaSet>,
    now: Timestamp,
) -> Option<Duration> {
    // The greatest number means that there is no deadline, as upstream has it.
    let deadline = deployment.spec.progress_deadline_seconds.filter(|d| *d != i32::MAX)?;
    let name = new.map_or_else(
        || format!("Deployment \"{}\"", deployment.metadata.name),
        |s| format!("ReplicaSet \"{}\"", s.metadata.name),
    );
    let old = &deployment.status;
    let current = status.conditions.iter().find(|c| c.type_ == "Progressing").cloned();
    let done = current.as_ref().is_some_and(|c| c.reason == "NewReplicaSetAvailable");
    if is_complete(deployment, status) {
        let message = format!("{name} has successfully progressed.");
        set(&mut status.conditions, "Progressing", "True", "NewReplicaSetAvailable", message, now);
        return None;
    }
    if done && status.updated_replicas == status.replicas {
        return None;
    }
    let moved = status.updated_replicas > old.updated_replicas
        || status.replicas - status.updated_replicas < old.replicas - old.updated_replicas
        || status.ready_replicas > old.ready_replicas
        || status.available_replicas > old.available_replicas;
    if moved || current.is_none() {
        let reason =
            if current.is_none() && new.is_some() { "NewReplicaSetCreated" } else { "ReplicaSetUpdated" };
        let message = match reason {
            "NewReplicaSetCreated" => {
                format!("Created new replica set \"{}\"", new.map_or("", |s| s.metadata.name.as_str()))
            }
            _ => format!("{name} is progressing."),
        };
        status.conditions.retain(|c| c.type_ != "Progressing" || c.status == "True");
        set(&mut status.conditions, "Progressing", "True", reason, message, now);
        touch(&mut status.conditions, now);
        return Some(Duration::from_secs(deadline.max(1) as u64));
    }
    let since = current.as_ref().filter(|c| c.status == "True").and_then(|c| c.last_update_time)?;
    let left = i64::from(deadline) - (now.as_second() - since.seconds());
    if left > 0 {
        return Some(Duration::from_secs(left as u64));
    }
    let message = format!("{name} has timed out progressing.");
    set(&mut status.conditions, "Progressing", "False", "ProgressDeadlineExceeded", message, now);
    None
}

fn touch(conditions: &mut [DeploymentCondition], now: Timestamp) {
    if let Some(c) = conditions.iter_mut().find(|c| c.type_ == "Progressing") {
        c.last_update_time = Some(Time::new(now));
    }
}

/// Sets a condition; its times move only when something about it changes.
pub fn set(
    conditions: &mut Vec<DeploymentCondition>,
    kind: &str,
    value: &str,
    reason: &str,
    message: String,
    now: Timestamp,
) {
    let old = conditions.iter().position(|c| c.type_ == kind);
    let since = match old {
        Some(at)
            if conditions[at].status == value && conditions[at].reason == reason && kind != "Progressing" =>
        {
            return;
        }
        Some(at)
            if conditions[at].status == value
                && conditions[at].reason == reason
                && conditions[at].message == message =>
        {
            return;
        }
        Some(at) if conditions[at].status == value => conditions[at].last_transition_time,
        _ => Some(Time::new(now)),
    };
    let condition = DeploymentCondition {
        type_: kind.into(),
        status: value.into(),
        reason: reason.into(),
        message,
        last_update_time: Some(Time::new(now)),
        last_transition_time: since,
    };
    match old {
        Some(at) => conditions[at] = condition,
        None => conditions.push(condition),
    }
}
