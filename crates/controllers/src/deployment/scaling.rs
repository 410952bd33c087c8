//! Scaling a deployment in the middle of a rollout: each set takes its share of the change.

use super::revision::{DESIRED, MOST, annotated};
use super::rolling::{Bounds, Sized, size_of};
use corten_api::apps::v1::{Deployment, ReplicaSet};
use std::cmp::Reverse;
use std::sync::Arc;

/// Whether the deployment's size changed since its sets were last sized.
pub fn is_scaling(deployment: &Deployment, sets: &[Arc<ReplicaSet>]) -> bool {
    let desired = deployment.spec.replicas.unwrap_or(1);
    sets.iter().filter(|s| size_of(s) > 0).any(|s| annotated(s, DESIRED).is_some_and(|d| d != desired))
}

/// Whether a set alone carries the deployment.
fn is_saturated(set: &ReplicaSet, replicas: i32) -> bool {
    size_of(set) == replicas
        && annotated(set, DESIRED) == Some(replicas)
        && set.status.available_replicas == replicas
}

/// The sizes of all sets after the deployment was scaled.
pub fn scaled(
    deployment: &Deployment,
    bounds: Bounds,
    new: Option<&Arc<ReplicaSet>>,
    sets: &[Arc<ReplicaSet>],
) -> Vec<Sized> {
    let active: Vec<&Arc<ReplicaSet>> = sets.iter().filter(|s| size_of(s) > 0).collect();
    let alone = match active.as_slice() {
        [] => new.or_else(|| sets.iter().max_by_key(|s| s.metadata.creation_timestamp)),
        [one] => Some(*one),
        _ => None,
    };
    if let Some(one) = alone {
        return vec![Sized { set: one.clone(), size: bounds.replicas }];
    }
    if let Some(new) = new.filter(|n| is_saturated(n, bounds.replicas)) {
        let old = active.iter().filter(|s| s.metadata.uid != new.metadata.uid);
        return old.map(|s| Sized { set: (*s).clone(), size: 0 }).collect();
    }
    if deployment.spec.strategy.type_ == "Recreate" {
        return Vec::new();
    }
    in_proportion(deployment, bounds, active)
}

fn in_proportion(deployment: &Deployment, bounds: Bounds, mut active: Vec<&Arc<ReplicaSet>>) -> Vec<Sized> {
    let total: i32 = active.iter().map(|s| size_of(s)).sum();
    let allowed = if bounds.replicas > 0 { bounds.replicas + bounds.surge } else { 0 };
    let change = allowed - total;
    if change > 0 {
        active.sort_by_key(|s| (Reverse(size_of(s)), Reverse(s.metadata.creation_timestamp)));
    } else {
        active.sort_by_key(|s| (Reverse(size_of(s)), s.metadata.creation_timestamp));
    }
    let mut done = 0;
    let mut sized: Vec<Sized> = active
        .into_iter()
        .map(|set| {
            let share = share(deployment, bounds, set, change, done);
            done += share;
            Sized { set: set.clone(), size: size_of(set) + share }
        })
        .collect();
    if let Some(first) = sized.first_mut() {
        first.size = (first.size + change - done).max(0);
    }
    sized
}

/// A set's part of `change`, of which `done` is already given out.
fn share(deployment: &Deployment, bounds: Bounds, set: &ReplicaSet, change: i32, done: i32) -> i32 {
    let left = change - done;
    if size_of(set) == 0 || change == 0 || left == 0 {
        return 0;
    }
    let fraction = if bounds.replicas == 0 {
        -size_of(set)
    } else {
        let before = annotated(set, MOST).filter(|m| *m > 0).unwrap_or(deployment.status.replicas.max(1));
        let ideal = f64::from(size_of(set)) * f64::from(bounds.replicas + bounds.surge) / f64::from(before);
        ideal.round() as i32 - size_of(set)
    };
    if change > 0 { fraction.min(left) } else { fraction.max(left) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_shared_by_size() {
        let set = |name: &str, size: i32| {
            let mut s = ReplicaSet::default();
            s.metadata.name = name.into();
            s.metadata.uid = name.into();
            s.spec.replicas = Some(size);
            s.metadata.annotations.insert(DESIRED.into(), "10".into());
            s.metadata.annotations.insert(MOST.into(), "13".into());
            Arc::new(s)
        };
        let mut d = Deployment::default();
        d.spec.replicas = Some(30);
        let sets = [set("new", 5), set("old", 8)];
        assert!(is_scaling(&d, &sets));
        let b = Bounds { replicas: 30, surge: 3, unavailable: 2 };
        let sizes: Vec<(String, i32)> = scaled(&d, b, Some(&sets[0]), &sets)
            .into_iter()
            .map(|s| (s.set.metadata.name.clone(), s.size))
            .collect();
        assert_eq!(sizes, [("old".to_string(), 20), ("new".to_string(), 13)]);
        let b = Bounds { replicas: 0, surge: 3, unavailable: 0 };
        assert!(scaled(&d, b, Some(&sets[0]), &sets).iter().all(|s| s.size == 0));
    }

    #[test]
    fn a_single_set_takes_the_whole_size() {
        let mut s = ReplicaSet::default();
        s.spec.replicas = Some(2);
        let sets = [Arc::new(s)];
        let b = Bounds { replicas: 7, surge: 2, unavailable: 1 };
        let sized = scaled(&Deployment::default(), b, Some(&sets[0]), &sets);
        assert_eq!(sized[0].size, 7);
    }
}
