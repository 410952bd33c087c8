//! What a controller has done but its cache does not show yet, so that it does not do it twice.

use corten_client::Key;
use corten_rt::Instant;
use parking_lot::Mutex;
use std::collections::{HashMap, HashSet};
use std::time::Duration;

/// An expectation that was not met by then is given up.
const PATIENCE: Duration = Duration::from_secs(300);

/// Creations and deletions under way, per owner.
#[derive(Default)]
pub struct Expectations {
    owners: Mutex<HashMap<Key, Expected>>,
}

struct Expected {
    since: Instant,
    created: HashSet<String>,
    deleted: HashSet<String>,
}

impl Expectations {
    /// The object of this name was created.
    pub fn created(&self, owner: &Key, name: &str) {
        self.with(owner, |e| e.created.insert(name.to_string()));
    }

    /// The object of this name was deleted.
    pub fn deleted(&self, owner: &Key, name: &str) {
        self.with(owner, |e| e.deleted.insert(name.to_string()));
    }

    fn with(&self, owner: &Key, change: impl FnOnce(&mut Expected) -> bool) {
        let mut owners = self.owners.lock();
        let expected = owners.entry(owner.clone()).or_insert_with(|| Expected {
            since: Instant::now(),
            created: HashSet::new(),
            deleted: HashSet::new(),
        });
        expected.since = Instant::now();
        change(expected);
    }

    /// Whether the cache has caught up: `is_here` tells whether it shows an object of this name that is not
    /// being deleted.
    pub fn met(&self, owner: &Key, is_here: impl Fn(&str) -> bool) -> bool {
        let mut owners = self.owners.lock();
        let Some(expected) = owners.get_mut(owner) else { return true };
        expected.created.retain(|name| !is_here(name));
        expected.deleted.retain(|name| is_here(name));
        let met = expected.created.is_empty() && expected.deleted.is_empty();
        let done = met || expected.since.elapsed() > PATIENCE;
        if done {
            owners.remove(owner);
        }
        done
    }

    /// Forgets an owner that is gone.
    pub fn forget(&self, owner: &Key) {
        self.owners.lock().remove(owner);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn waits_for_the_cache_but_not_forever() {
        let (e, owner) = (Expectations::default(), Key::new("ns", "rs"));
        assert!(e.met(&owner, |_| false));
        e.created(&owner, "a");
        assert!(!e.met(&owner, |_| false));
        assert!(e.met(&owner, |name| name == "a"));
        e.deleted(&owner, "a");
        assert!(!e.met(&owner, |_| true));
        corten_rt::sleep(PATIENCE + Duration::from_secs(1)).await;
        assert!(e.met(&owner, |_| true));
    }
}
