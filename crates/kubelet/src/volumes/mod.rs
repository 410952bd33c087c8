//! Volumes: brought into place before a pod's containers start, kept fresh while it runs, taken away after
//! it. Each kind is one file with an implementation of [`VolumeKind`] for its part of the API; [`kinds`] lists
//! them. What a claim stands for is looked up first ([`claim`]).
//!
//! A volume lies at `ROOT/pods/UID/volumes/PLUGIN/NAME`, as upstream's; a block device at
//! `ROOT/pods/UID/volumeDevices/PLUGIN/NAME`.

mod atomic;
mod claim;
mod config_map;
mod content;
mod csi;
mod downward_api;
mod empty_dir;
mod expand;
mod format;
mod host_path;
mod image;
mod in_use;
mod kinds;
mod leftovers;
mod local;
mod locks;
mod nfs;
mod objects;
mod ownership;
mod projected;
mod secret;
pub mod stats;
mod subpath;
mod tear_down;
#[cfg(test)]
mod tests;
mod token;
mod trouble;

pub use csi::CsiPlugins;
pub use kinds::is_read_only;
pub use leftovers::clean;
pub use trouble::VolumeError;

use async_trait::async_trait;
use claim::Bound;
use corten_api::Quantity;
use corten_api::core::v1::{Pod, Volume};
use corten_client::{Client, EventRecorder};
use corten_rt::{Clock, Tasks};
use corten_sys::mounts::{KernelMounts, Mounts};
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use trouble::{Missing, Trouble};

/// How often contents that may change are looked at again.
const REFRESH: Duration = Duration::from_secs(60);

/// Where volumes are, and what a pod may be told of its node.
#[derive(Clone, Debug)]
pub struct VolumeConfig {
    /// Pods' directories are `root/pods/UID`.
    pub root: PathBuf,
    /// The node's name.
    pub node_name: String,
    /// What the node has for pods: the downward API's limits where a container has none, and the bound of
    /// volumes in memory.
    pub allocatable: BTreeMap<String, Quantity>,
}

/// What every kind of volume can do.
#[async_trait]
trait VolumeKind: Send + Sync {
    /// Names the directory in which volumes of the kind lie.
    fn plugin(&self) -> &'static str;

    /// Brings the volume into place, and its contents up to date; gives where it is.
    async fn set_up(&self, place: &Place<'_>) -> Result<PathBuf, Trouble>;

    /// Whether the contents may change while the pod runs.
    fn refreshes(&self) -> bool {
        false
    }
}

/// What a kind is told of the volume it sets up.
struct Place<'a> {
    volumes: &'a Volumes,
    pod: &'a Pod,
    /// The volume's name in the pod.
    name: &'a str,
    /// The name that the volume is known by: that of the PersistentVolume, where there is one.
    known_as: &'a str,
    /// The directory that is the volume's, or the device.
    dir: PathBuf,
    /// The claim and volume behind it.
    bound: Option<&'a Bound>,
    /// The pod must not write to it.
    read_only: bool,
}

impl Place<'_> {
    /// The group that shall own the volume.
    fn group(&self) -> Option<u32> {
        ownership::group_of(self.pod)
    }

    /// Whether the volume is a bare device.
    fn is_block(&self) -> bool {
        self.bound.is_some_and(Bound::is_block)
    }

    /// Whether this process knows that the volume is set up.
    fn is_ready(&self) -> bool {
        self.volumes.ready.lock().contains(&self.dir)
    }

    /// Remembers that the volume is set up.
    fn now_ready(&self) {
        self.volumes.ready.lock().insert(self.dir.clone());
    }

    /// The options of mount(8) that the PersistentVolume names.
    fn mount_options(&self) -> Vec<String> {
        self.bound.map(|b| b.volume.spec.mount_options.clone()).unwrap_or_default()
    }
}

/// The volumes of the pods on this node.
pub struct Volumes {
    config: VolumeConfig,
    client: Client,
    clock: Clock,
    mounts: Arc<dyn Mounts>,
    events: EventRecorder,
    tokens: token::Tokens,
    objects: objects::Objects,
    csi: csi::Csi,
    locks: locks::Locks,
    in_use: in_use::InUse,
    measured: stats::Measured,
    /// Directories of which this process knows that they are set up.
    ready: Mutex<HashSet<PathBuf>>,
}

impl Volumes {
    /// Volumes below `config.root`, mounted in this process's mount namespace.
    pub fn new(config: VolumeConfig, client: Client, clock: Clock) -> Self {
        Self::with_mounts(config, client, clock, Arc::new(KernelMounts))
    }

    /// As [`Volumes::new`], with the mount table given.
    pub fn with_mounts(config: VolumeConfig, client: Client, clock: Clock, mounts: Arc<dyn Mounts>) -> Self {
        Volumes {
            csi: csi::Csi::new(client.clone(), &config.node_name),
            config,
            objects: objects::Objects::new(client.clone(), None),
            client,
            clock,
            mounts,
            events: EventRecorder::discarding(),
            tokens: token::Tokens::default(),
            locks: locks::Locks::default(),
            in_use: in_use::InUse::default(),
            measured: stats::Measured::default(),
            ready: Mutex::default(),
        }
    }

    /// The same, following in tasks of `tasks` what volumes show, and telling `events` what becomes of them.
    pub fn following(mut self, events: EventRecorder, tasks: &Tasks) -> Self {
        self.objects = objects::Objects::new(self.client.clone(), Some(tasks.clone()));
        self.events = events;
        self
    }

    /// Calls `tell` with the UID of each pod that has something new to show, or to hope for.
    pub fn on_change(&self, tell: impl Fn(&str) + Send + Sync + 'static) {
        self.objects.changed.on_change(tell);
    }

    /// Whether there is something new for the pod since this was asked last: [`Volumes::mount`] is due.
    pub fn take_changed(&self, uid: &str) -> bool {
        self.objects.changed.take(uid)
    }

    /// What the registration of plugins tells of CSI drivers.
    pub fn csi_plugins(&self) -> CsiPlugins {
        self.csi.plugins()
    }

    /// The volumes that nobody may detach from this node, as its status names them.
    pub fn in_use(&self) -> Vec<String> {
        self.in_use.names()
    }

    /// Brings all volumes that the pod's containers use into place and their contents up to date, and gives
    /// where each is: a directory, or the device of a block volume, or nothing for an image. Doing so again is
    /// cheap and changes nothing that is right already.
    ///
    /// # Errors
    /// Why some volumes are not in place; the others are.
    pub async fn mount(&self, pod: &Pod) -> Result<BTreeMap<String, PathBuf>, VolumeError> {
        let used = pod.spec.volumes.iter().filter_map(|v| Some((v, claim::use_of(pod, &v.name)?)));
        let setting_up = used.map(|(volume, how)| Box::pin(self.set_up(pod, volume, how)));
        let mut places = BTreeMap::new();
        let mut missing = Vec::new();
        for outcome in futures::future::join_all(setting_up).await {
            match outcome {
                Ok((name, path)) => drop(places.insert(name, path)),
                Err(trouble) => missing.push(trouble),
            }
        }
        trouble::sum_up(missing).map_or(Ok(places), Err)
    }

    async fn set_up(
        &self,
        pod: &Pod,
        volume: &Volume,
        how: claim::Use,
    ) -> Result<(String, PathBuf), Missing> {
        let name = &volume.name;
        let missing =
            |known_as: &str, trouble| Missing { name: name.clone(), known_as: known_as.to_string(), trouble };
        let bound = claim::resolve(&self.client, pod, volume, how).await.map_err(|t| missing(name, t))?;
        let known_as = bound.as_ref().map_or(name, |b| &b.volume.metadata.name);
        let kind = kinds::of(volume, bound.as_ref()).map_err(|e| missing(known_as, e.into()))?;
        self.guard().map_err(|e| missing(known_as, e.to_string().into()))?;
        let block = bound.as_ref().is_some_and(Bound::is_block);
        let below = if block { "volumeDevices" } else { "volumes" };
        let place = Place {
            volumes: self,
            pod,
            name,
            known_as,
            dir: self.pod_dir(&pod.metadata.uid).join(below).join(kind.plugin()).join(known_as),
            bound: bound.as_ref(),
            read_only: is_read_only(volume),
        };
        let path = kind.set_up(&place).await.map_err(|trouble| missing(known_as, trouble))?;
        if !place.read_only {
            expand::follow_claim(&place, &path).await;
        }
        Ok((name.clone(), path))
    }

    /// Keeps other users of the node out: volumes themselves may be open to anyone.
    fn guard(&self) -> std::io::Result<()> {
        let pods = self.config.root.join("pods");
        std::fs::create_dir_all(&pods)?;
        ownership::set_mode(&pods, 0o750)
    }

    /// The UIDs of pods that have a directory here.
    pub fn present(&self) -> Vec<String> {
        names_in(&self.config.root.join("pods"))
    }

    /// Binds `sub` of the volume at `volume` for the container's mount number `index`, and gives where: a path
    /// that stays what it was checked to be, whatever the pod does to its volume before the container starts.
    /// Links are followed only as far as they stay within the volume; directories that are missing are made,
    /// with the volume's own mode.
    /// Doing so again replaces what was bound; [`Volumes::unmount`] takes it away.
    ///
    /// # Errors
    /// The path leads out of the volume or cannot be made, or the mount failed.
    pub fn bind_subpath(
        &self,
        uid: &str,
        name: &str,
        container: &str,
        index: usize,
        volume: &Path,
        sub: &str,
    ) -> Result<PathBuf, VolumeError> {
        let place = self.pod_dir(uid).join("volume-subpaths").join(name).join(container);
        let target = place.join(index.to_string());
        subpath::bind(volume, sub, &target, &*self.mounts)
            .map_err(|message| VolumeError::SubPath { path: sub.to_string(), message })?;
        Ok(target)
    }

    /// When to call [`Volumes::mount`] again for contents that may have changed; `None` for never.
    pub fn refresh_after(&self, pod: &Pod) -> Option<Duration> {
        // Not all pods at once.
        pod.spec
            .volumes
            .iter()
            .any(kinds::refreshes)
            .then(|| REFRESH.mul_f64(0.9 + corten_rt::random::unit() / 10.0))
    }

    fn pod_dir(&self, uid: &str) -> PathBuf {
        self.config.root.join("pods").join(uid)
    }

    /// Where plugins of a kind keep what several pods share.
    fn plugin_dir(&self, plugin: &str) -> PathBuf {
        self.config.root.join("plugins").join(plugin)
    }
}

/// The names in a directory; none when there is no such directory.
fn names_in(dir: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
    entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

fn is_name(text: &str) -> bool {
    !matches!(text, "" | "." | "..") && !text.contains('/')
}
