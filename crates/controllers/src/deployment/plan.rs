//! What a deployment does next.

use super::revision::*;
use super::rolling::{Bounds, Sized, bounds, new_size, shrink_old, size_of};
use super::scaling::{is_scaling, scaled};
use super::status::{self, is_complete};
use corten_api::apps::v1::{Deployment, ReplicaSet};
use corten_api::core::v1::Pod;
use corten_semantics::owner::controller_of;
use corten_semantics::pod::is_terminal;
use jiff::Timestamp;
use std::sync::Arc;
use std::time::Duration;

/// What is seen.
pub struct View<'a> {
    pub deployment: &'a Arc<Deployment>,
    /// The deployment's own sets.
    pub sets: &'a [Arc<ReplicaSet>],
    /// The pods of its namespace.
    pub pods: &'a [Arc<Pod>],
    pub now: Timestamp,
}

/// One thing to do.
#[derive(Clone, Debug)]
pub enum Action {
    CreateSet(Box<ReplicaSet>),
    UpdateSet(Box<ReplicaSet>),
    Scale { set: Box<ReplicaSet>, from: i32, to: i32 },
    DeleteSet(Box<ReplicaSet>),
    Update(Box<Deployment>),
    UpdateStatus(Box<Deployment>),
}

/// What to do, in order, and when to look again.
#[derive(Debug, Default)]
pub struct Decision {
    pub actions: Vec<Action>,
    pub again: Option<Duration>,
}

/// Decides.
pub fn plan(view: &View<'_>) -> Decision {
    let d = view.deployment;
    let bounds = bounds(d);
    let new = find_new(d, view.sets);
    let old: Vec<Arc<ReplicaSet>> =
        view.sets.iter().filter(|s| new.is_none_or(|n| n.metadata.uid != s.metadata.uid)).cloned().collect();
    let mut actions = Vec::new();
    if d.metadata.deletion_timestamp.is_none() {
        if d.spec.paused || is_scaling(d, view.sets) {
            for s in scaled(d, bounds, new, view.sets) {
                actions.extend(resize(&s, bounds));
            }
        } else {
            roll(view, bounds, new, &old, &mut actions);
        }
        if !d.spec.paused {
            actions.extend(revise(d, new));
        }
    }
    let (mut status, mut again) = status::status(d, bounds, new.map(|n| &**n), view.sets, view.now);
    again = pause(d, &mut status, view.now).or(again);
    if is_complete(d, &status) && !d.spec.paused {
        actions.extend(history(d, &old));
    }
    if status != d.status {
        let mut changed = (**d).clone();
        changed.status = status;
        actions.push(Action::UpdateStatus(Box::new(changed)));
    }
    Decision { actions, again }
}

fn next_revision(old: &[Arc<ReplicaSet>]) -> i64 {
    old.iter().map(|s| revision_of(s)).max().unwrap_or(0) + 1
}

/// The next step of a rollout.
fn roll(
    view: &View<'_>,
    bounds: Bounds,
    new: Option<&Arc<ReplicaSet>>,
    old: &[Arc<ReplicaSet>],
    actions: &mut Vec<Action>,
) {
    let recreate = view.deployment.spec.strategy.type_ == "Recreate";
    let total: i32 = view.sets.iter().map(|s| size_of(s)).sum();
    if recreate && !emptied(view, old) {
        let away = old.iter().filter(|s| size_of(s) > 0).map(|s| Sized { set: s.clone(), size: 0 });
        actions.extend(away.filter_map(|s| resize(&s, bounds)));
        return;
    }
    let revision = next_revision(old);
    let Some(new) = new else {
        let mut set = new_set(view.deployment, revision);
        annotate_size(&mut set, bounds.replicas, bounds.replicas + bounds.surge);
        set.spec.replicas = Some(if recreate { bounds.replicas } else { new_size(bounds, 0, total) });
        actions.push(Action::CreateSet(Box::new(set)));
        return;
    };
    let mut named = (**new).clone();
    annotate_new(&mut named, view.deployment, revision);
    named.spec.min_ready_seconds = view.deployment.spec.min_ready_seconds;
    let size = if recreate { bounds.replicas } else { new_size(bounds, size_of(new), total) };
    if size != size_of(new) {
        annotate_size(&mut named, bounds.replicas, bounds.replicas + bounds.surge);
        named.spec.replicas = Some(size);
        actions.push(Action::Scale { set: Box::new(named), from: size_of(new), to: size });
        return;
    }
    if named != **new {
        actions.push(Action::UpdateSet(Box::new(named)));
        return;
    }
    let mut sized: Vec<Sized> = old.iter().map(Sized::now).collect();
    shrink_old(bounds, new, &mut sized);
    actions.extend(sized.iter().filter_map(|s| resize(s, bounds)));
}

/// Whether no pod of an old set is left, ended ones apart.
fn emptied(view: &View<'_>, old: &[Arc<ReplicaSet>]) -> bool {
    let is_old =
        |pod: &Pod| controller_of(&pod.metadata).is_some_and(|r| old.iter().any(|s| s.metadata.uid == r.uid));
    old.iter().all(|s| size_of(s) == 0) && !view.pods.iter().any(|p| is_old(p) && !is_terminal(p))
}

fn resize(sized: &Sized, bounds: Bounds) -> Option<Action> {
    let (from, to) = (size_of(&sized.set), sized.size);
    let mut set = (*sized.set).clone();
    set.spec.replicas = Some(to);
    annotate_size(&mut set, bounds.replicas, bounds.replicas + bounds.surge);
    if set == *sized.set {
        return None;
    }
    Some(Action::Scale { set: Box::new(set), from, to })
}

/// The deployment carries the number of its present revision.
fn revise(d: &Arc<Deployment>, new: Option<&Arc<ReplicaSet>>) -> Option<Action> {
    let revision = new?.metadata.annotations.get(REVISION)?;
    if d.metadata.annotations.get(REVISION) == Some(revision) {
        return None;
    }
    let mut changed = (**d).clone();
    changed.metadata.annotations.insert(REVISION.into(), revision.clone());
    Some(Action::Update(Box::new(changed)))
}

/// Paused and resumed deployments say so, which also restarts the clock of the progress deadline.
fn pause(
    d: &Deployment,
    status: &mut corten_api::apps::v1::DeploymentStatus,
    now: Timestamp,
) -> Option<Duration> {
    d.spec.progress_deadline_seconds?;
    let current = status.conditions.iter().find(|c| c.type_ == "Progressing").map(|c| c.reason.clone());
    let was_paused = current.as_deref() == Some("DeploymentPaused");
    if current.as_deref() == Some("ProgressDeadlineExceeded") {
        return None;
    }
    if d.spec.paused && !was_paused {
        status::set(
            &mut status.conditions,
            "Progressing",
            "Unknown",
            "DeploymentPaused",
            "Deployment is paused".into(),
            now,
        );
    } else if !d.spec.paused && was_paused {
        status::set(
            &mut status.conditions,
            "Progressing",
            "Unknown",
            "DeploymentResumed",
            "Deployment is resumed".into(),
            now,
        );
    }
    None
}

/// Old sets beyond the history's limit.
fn history(d: &Deployment, old: &[Arc<ReplicaSet>]) -> Vec<Action> {
    let Some(limit) = d.spec.revision_history_limit.filter(|l| *l != i32::MAX) else { return Vec::new() };
    let mut idle: Vec<&Arc<ReplicaSet>> =
        old.iter().filter(|s| s.metadata.deletion_timestamp.is_none()).collect();
    idle.sort_by_key(|s| revision_of(s));
    let surplus = idle.len().saturating_sub(usize::try_from(limit).unwrap_or(0));
    idle.into_iter()
        .take(surplus)
        .filter(|s| {
            size_of(s) == 0 && s.status.replicas == 0 && s.metadata.generation <= s.status.observed_generation
        })
        .map(|s| Action::DeleteSet(Box::new((**s).clone())))
        .collect()
}

#[cfg(test)]
mod tests;
