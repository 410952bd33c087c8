//! The volumes that others attach to this node, as long as pods here want them: nobody may detach one before the
//! node says that it is no longer in use.

use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};

/// Their names by the UIDs of the pods that want them.
#[derive(Debug, Default)]
pub struct InUse(Mutex<BTreeMap<String, BTreeSet<String>>>);

impl InUse {
    /// A pod wants a driver's volume.
    pub fn note(&self, uid: &str, driver: &str, handle: &str) {
        let name = format!("kubernetes.io/csi/{driver}^{handle}");
        self.0.lock().entry(uid.to_string()).or_default().insert(name);
    }

    /// A pod's volumes have been taken away.
    pub fn forget(&self, uid: &str) {
        self.0.lock().remove(uid);
    }

    /// All of them, as the node's status names them.
    pub fn names(&self) -> Vec<String> {
        let all: BTreeSet<String> = self.0.lock().values().flatten().cloned().collect();
        all.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_volume_is_in_use_as_long_as_any_pod_wants_it() {
        let in_use = InUse::default();
        for (uid, handle) in [("a", "1"), ("a", "1"), ("b", "1"), ("b", "2")] {
            in_use.note(uid, "d", handle);
        }
        let [one, two] = ["kubernetes.io/csi/d^1", "kubernetes.io/csi/d^2"];
        assert_eq!(in_use.names(), [one, two]);
        in_use.forget("b");
        assert_eq!(in_use.names(), [one]);
        in_use.forget("a");
        assert!(in_use.names().is_empty());
    }
}
