//! Which devices there are, who has them, and which are to be given next: no input or output.

use super::checkpoint::Given;
use corten_node_api::device_plugin::DevicePluginOptions;
use corten_rt::Instant;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

/// How long the devices of a plugin that has gone are still counted.
const GONE: Duration = Duration::from_secs(300);

/// One resource: the devices of a plugin, and whether each is healthy.
#[derive(Clone, Debug, Default)]
pub struct Resource {
    pub devices: BTreeMap<String, bool>,
    pub options: DevicePluginOptions,
    /// The plugin's socket; `None` when it has gone, or has not come back yet.
    pub endpoint: Option<PathBuf>,
    /// Since when it has gone.
    pub stopped: Option<Instant>,
    /// Tells registrations of the same name apart.
    pub generation: u64,
}

/// How many there are, by resource.
pub type Counts = Vec<(String, usize)>;

/// All devices, and who has them.
#[derive(Clone, Debug, Default)]
pub struct Pool {
    pub resources: BTreeMap<String, Resource>,
    pub given: Vec<Given>,
    generations: u64,
}

impl Pool {
    /// A plugin has come, or has come again; its devices are known when it lists them.
    pub fn register(&mut self, name: &str, endpoint: PathBuf, options: DevicePluginOptions) -> u64 {
        self.generations += 1;
        let resource = self.resources.entry(name.to_string()).or_default();
        resource.options = options;
        resource.endpoint = Some(endpoint);
        resource.stopped = None;
        resource.generation = self.generations;
        self.generations
    }

    /// A plugin has listed its devices. False if it is no longer the one that counts.
    pub fn list(&mut self, name: &str, generation: u64, devices: BTreeMap<String, bool>) -> bool {
        match self.resources.get_mut(name).filter(|r| r.generation == generation) {
            Some(resource) => {
                resource.devices = devices;
                true
            }
            None => false,
        }
    }

    /// A plugin has gone: its devices are there, but may not be given.
    pub fn stop(&mut self, name: &str, generation: u64) {
        if let Some(resource) = self.resources.get_mut(name).filter(|r| r.generation == generation) {
            resource.endpoint = None;
            resource.stopped = Some(Instant::now());
            resource.devices.values_mut().for_each(|healthy| *healthy = false);
        }
    }

    /// How many devices there are of each resource, and how many are healthy. What has been gone for long is
    /// nothing any more.
    pub fn amounts(&mut self) -> (Counts, Counts) {
        for resource in self.resources.values_mut() {
            if resource.stopped.is_some_and(|at| at.elapsed() >= GONE) {
                resource.devices.clear();
            }
        }
        let count = |healthy_only: bool| {
            let of = |r: &Resource| r.devices.values().filter(|h| **h || !healthy_only).count();
            self.resources.iter().map(|(name, r)| (name.clone(), of(r))).collect()
        };
        (count(false), count(true))
    }

    /// Devices of a resource that may be given: healthy ones that nobody has.
    pub fn free(&self, name: &str) -> BTreeSet<String> {
        let Some(resource) = self.resources.get(name) else { return BTreeSet::new() };
        let held = |id: &String| self.given.iter().any(|g| g.resource == name && g.devices.contains(id));
        resource
            .devices
            .iter()
            .filter(|(id, healthy)| **healthy && !held(id))
            .map(|(id, _)| id.clone())
            .collect()
    }

    /// What one container has of a resource.
    pub fn held(&self, uid: &str, container: &str, resource: &str) -> Option<&Given> {
        self.given.iter().find(|g| g.uid == uid && g.container == container && g.resource == resource)
    }
}

/// Which of the free devices to take: those that the pod's ended init containers had, then those that the
/// plugin would like, then the first.
///
/// # Errors
/// There are not enough.
pub fn choose(
    needed: usize,
    reusable: &BTreeSet<String>,
    free: &BTreeSet<String>,
    preferred: &[String],
    name: &str,
) -> Result<BTreeSet<String>, String> {
    let available = reusable.union(free).count();
    if available < needed {
        return Err(format!(
            "requested number of devices unavailable for {name}. Requested: {needed}, Available: {available}"
        ));
    }
    let liked = preferred.iter().filter(|id| free.contains(*id));
    let order = reusable.iter().chain(liked).chain(free);
    let mut out = BTreeSet::new();
    for id in order {
        if out.len() == needed {
            break;
        }
        out.insert(id.clone());
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(ids: &[&str]) -> BTreeSet<String> {
        ids.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn devices_are_chosen_in_order() {
        let liked = ["c".to_string(), "zz".to_string()];
        for (needed, reusable, free, preferred, want) in [
            (1, &[][..], &["a", "b"][..], &[][..], Ok(&["a"][..])),
            (2, &["d"], &["a", "b"], &[], Ok(&["a", "d"])),
            (2, &[], &["a", "b", "c"], &liked, Ok(&["a", "c"])),
            (
                2,
                &[],
                &["a"],
                &[],
                Err("requested number of devices unavailable for r. Requested: 2, Available: 1"),
            ),
        ] {
            let got = choose(needed, &set(reusable), &set(free), preferred, "r");
            assert_eq!(got, want.map(set).map_err(str::to_string));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_plugin_that_goes_leaves_devices_that_may_not_be_given() {
        let mut pool = Pool::default();
        let first = pool.register("x/r", "/a".into(), DevicePluginOptions::default());
        let devices = BTreeMap::from([("d0".to_string(), true), ("d1".to_string(), false)]);
        assert!(pool.list("x/r", first, devices.clone()));
        assert_eq!(pool.free("x/r"), set(&["d0"]));
        pool.stop("x/r", first);
        assert_eq!(pool.amounts(), (vec![("x/r".into(), 2)], vec![("x/r".into(), 0)]));
        let second = pool.register("x/r", "/b".into(), DevicePluginOptions::default());
        assert!(!pool.list("x/r", first, BTreeMap::new()), "the older one no longer counts");
        assert!(pool.list("x/r", second, devices));
        pool.stop("x/r", first);
        assert_eq!(pool.amounts().1, [("x/r".to_string(), 1)]);
        pool.stop("x/r", second);
        corten_rt::sleep(GONE).await;
        assert_eq!(pool.amounts().0, [("x/r".to_string(), 0)]);
    }
}
