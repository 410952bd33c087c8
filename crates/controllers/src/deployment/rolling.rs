//! The arithmetic of a rolling update: how far the new set grows and the old ones shrink.

use corten_api::IntOrString;
use corten_api::apps::v1::{Deployment, ReplicaSet};
use std::sync::Arc;

/// Bounds of a rollout, resolved to numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    pub replicas: i32,
    /// How many pods may exist beyond `replicas`.
    pub surge: i32,
    /// How many pods below `replicas` may be unavailable.
    pub unavailable: i32,
}

/// The bounds of a deployment.
pub fn bounds(deployment: &Deployment) -> Bounds {
    let replicas = deployment.spec.replicas.unwrap_or(1);
    if deployment.spec.strategy.type_ == "Recreate" {
        return Bounds { replicas, surge: 0, unavailable: 0 };
    }
    let rolling = deployment.spec.strategy.rolling_update.as_deref();
    let scaled =
        |value: Option<&IntOrString>, up| value.and_then(|v| v.scaled(replicas, up)).unwrap_or(0).max(0);
    let surge = scaled(rolling.and_then(|r| r.max_surge.as_ref()), true);
    let mut unavailable = scaled(rolling.and_then(|r| r.max_unavailable.as_ref()), false);
    if surge == 0 && unavailable == 0 {
        // Both may round to nothing, and the rollout would never move.
        unavailable = 1;
    }
    Bounds { replicas, surge, unavailable: unavailable.min(replicas) }
}

/// A set with the size it is to have.
#[derive(Clone, Debug)]
pub struct Sized {
    pub set: Arc<ReplicaSet>,
    pub size: i32,
}

impl Sized {
    /// At its present size.
    pub fn now(set: &Arc<ReplicaSet>) -> Self {
        Sized { set: set.clone(), size: size_of(set) }
    }
}

/// How many replicas a set is asked for.
pub fn size_of(set: &ReplicaSet) -> i32 {
    set.spec.replicas.unwrap_or(0)
}

/// How large the new set may be now, when `total` replicas are asked for over all sets.
pub fn new_size(bounds: Bounds, current: i32, total: i32) -> i32 {
    if current >= bounds.replicas {
        return bounds.replicas;
    }
    let room = bounds.replicas + bounds.surge - total;
    if room <= 0 { current } else { current + room.min(bounds.replicas - current) }
}

/// Shrinks the old sets as far as availability allows: unhealthy replicas first, then healthy ones, from
/// the oldest set on.
pub fn shrink_old(bounds: Bounds, new: &ReplicaSet, old: &mut [Sized]) {
    let old_total: i32 = old.iter().map(|s| s.size).sum();
    if old_total == 0 {
        return;
    }
    let minimum = bounds.replicas - bounds.unavailable;
    let new_unavailable = size_of(new) - new.status.available_replicas;
    let spare = old_total + size_of(new) - minimum - new_unavailable;
    if spare <= 0 {
        return;
    }
    old.sort_by_key(|s| (s.set.metadata.creation_timestamp, s.set.metadata.name.clone()));
    let mut left = spare;
    for s in old.iter_mut() {
        let unhealthy = (s.size - s.set.status.available_replicas).clamp(0, left);
        s.size -= unhealthy;
        left -= unhealthy;
    }
    // A set that was shrunk a moment ago may still report the pods that it is about to delete.
    let stays = |set: &ReplicaSet| set.status.available_replicas.min(size_of(set));
    let available = stays(new) + old.iter().map(|s| stays(&s.set)).sum::<i32>();
    let mut healthy = (available - minimum).max(0);
    for s in old.iter_mut() {
        let cut = s.size.min(healthy);
        s.size -= cut;
        healthy -= cut;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_api::apps::v1::RollingUpdateDeployment;

    fn deployment(replicas: i32, surge: &str, unavailable: &str) -> Deployment {
        let mut d = Deployment::default();
        d.spec.replicas = Some(replicas);
        d.spec.strategy.type_ = "RollingUpdate".into();
        d.spec.strategy.rolling_update = Some(Box::new(RollingUpdateDeployment {
            max_surge: Some(surge.into()),
            max_unavailable: Some(unavailable.into()),
        }));
        d
    }

    fn set(name: &str, size: i32, available: i32) -> Arc<ReplicaSet> {
        let mut s = ReplicaSet::default();
        s.metadata.name = name.into();
        s.spec.replicas = Some(size);
        s.status.available_replicas = available;
        Arc::new(s)
    }

    #[test]
    fn percentages_resolve_and_never_both_to_nothing() {
        assert_eq!(bounds(&deployment(10, "25%", "25%")), Bounds { replicas: 10, surge: 3, unavailable: 2 });
        assert_eq!(bounds(&deployment(1, "0%", "25%")), Bounds { replicas: 1, surge: 0, unavailable: 1 });
        assert_eq!(bounds(&deployment(3, "25%", "25%")), Bounds { replicas: 3, surge: 1, unavailable: 0 });
    }

    #[test]
    fn the_new_set_grows_within_the_surge() {
        let b = Bounds { replicas: 10, surge: 3, unavailable: 2 };
        for (current, total, want) in
            [(0, 10, 3), (3, 13, 3), (3, 11, 5), (10, 10, 10), (12, 12, 10), (9, 9, 10)]
        {
            assert_eq!(new_size(b, current, total), want, "{current} of {total}");
        }
    }

    #[test]
    fn old_sets_shrink_unhealthy_first_and_keep_the_minimum() {
        let b = Bounds { replicas: 10, surge: 3, unavailable: 2 };
        let sizes = |new: &ReplicaSet, old: &[Arc<ReplicaSet>]| {
            let mut old: Vec<Sized> = old.iter().map(Sized::now).collect();
            shrink_old(b, new, &mut old);
            old.iter().map(|s| s.size).collect::<Vec<_>>()
        };
        assert_eq!(sizes(&set("new", 3, 0), &[set("old", 10, 10)]), [8]);
        assert_eq!(sizes(&set("new", 3, 3), &[set("old", 8, 8)]), [5]);
        assert_eq!(sizes(&set("new", 3, 0), &[set("old", 10, 8)]), [8]);
        assert_eq!(sizes(&set("new", 10, 10), &[set("old", 2, 2)]), [0]);
        assert_eq!(sizes(&set("new", 5, 0), &[set("old", 8, 8)]), [8]);
        // Shrunk from 8 to 7, which its status does not know yet.
        assert_eq!(sizes(&set("new", 5, 2), &[set("old", 7, 8)]), [6]);
    }
}
