//! Volumes: brought into place before a pod's containers start, kept fresh while it runs, taken away after
//! it. Each kind is one file with an implementation of [`VolumeKind`] for its part of the API.
//!
//! A volume lies at `ROOT/pods/UID/volumes/PLUGIN/NAME`, as upstream's.

mod atomic;
mod config_map;
mod content;
mod downward_api;
mod empty_dir;
mod host_path;
mod ownership;
mod projected;
mod secret;
mod subpath;
#[cfg(test)]
mod tests;
mod token;

use async_trait::async_trait;
use corten_api::Quantity;
use corten_api::core::v1::{Pod, Volume};
use corten_client::Client;
use corten_rt::Clock;
use corten_sys::mounts::{KernelMounts, Mounts};
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How often contents that may change are read again.
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

/// Why a volume is not in place; the texts are those of upstream's events.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VolumeError {
    /// A volume could not be set up.
    #[error("MountVolume.SetUp failed for volume \"{volume}\" : {message}")]
    SetUp {
        /// The volume's name in the pod.
        volume: String,
        /// Why.
        message: String,
    },
    /// A pod's volumes could not be taken away.
    #[error("UnmountVolume.TearDown failed for pod \"{uid}\" : {message}")]
    TearDown {
        /// The pod.
        uid: String,
        /// Why.
        message: String,
    },
    /// A path inside a volume cannot be had.
    #[error("subPath \"{path}\": {message}")]
    SubPath {
        /// The path within the volume.
        path: String,
        /// Why.
        message: String,
    },
}

/// What every kind of volume can do.
#[async_trait]
trait VolumeKind: Send + Sync {
    /// Names the directory in which volumes of the kind lie.
    fn plugin(&self) -> &'static str;

    /// Brings the volume into place, and its contents up to date; gives where it is. The error is the part
    /// of the event's text that tells why not.
    async fn set_up(&self, place: &Place<'_>) -> Result<PathBuf, String>;

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
    /// The directory that is the volume's.
    dir: PathBuf,
}

impl Place<'_> {
    /// The group that shall own the volume.
    fn group(&self) -> Option<u32> {
        let context = self.pod.spec.security_context.as_ref()?;
        context.fs_group.and_then(|group| u32::try_from(group).ok())
    }
}

/// The volumes of the pods on this node.
pub struct Volumes {
    config: VolumeConfig,
    client: Client,
    clock: Clock,
    mounts: Arc<dyn Mounts>,
    tokens: token::Tokens,
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
        Volumes { config, client, clock, mounts, tokens: token::Tokens::default(), ready: Mutex::default() }
    }

    /// Brings all volumes of the pod into place and their contents up to date, and gives where each is.
    /// Doing so again is cheap and changes nothing that is right already.
    ///
    /// # Errors
    /// The first volume that could not be set up; the others are in place.
    pub async fn mount(&self, pod: &Pod) -> Result<BTreeMap<String, PathBuf>, VolumeError> {
        let setting_up = pod.spec.volumes.iter().map(|volume| self.set_up(pod, volume));
        futures::future::join_all(setting_up).await.into_iter().collect()
    }

    async fn set_up(&self, pod: &Pod, volume: &Volume) -> Result<(String, PathBuf), VolumeError> {
        let failed = |message| VolumeError::SetUp { volume: volume.name.clone(), message };
        let kind = kind_of(volume).map_err(failed)?;
        self.guard().map_err(|e| failed(e.to_string()))?;
        let dir = self.volumes_dir(&pod.metadata.uid).join(kind.plugin()).join(&volume.name);
        let place = Place { volumes: self, pod, name: &volume.name, dir };
        let path = kind.set_up(&place).await.map_err(failed)?;
        Ok((volume.name.clone(), path))
    }

    /// Keeps other users of the node out: volumes themselves may be open to anyone.
    fn guard(&self) -> std::io::Result<()> {
        let pods = self.config.root.join("pods");
        std::fs::create_dir_all(&pods)?;
        ownership::set_mode(&pods, 0o750)
    }

    /// Unmounts what a pod's volumes have mounted and removes the pod's directory. A pod without one is
    /// fine.
    ///
    /// # Errors
    /// Something is still in use, or the disk failed; calling again goes on.
    pub async fn unmount(&self, uid: &str) -> Result<(), VolumeError> {
        let failed = |message: String| VolumeError::TearDown { uid: uid.to_string(), message };
        if !is_name(uid) {
            return Err(failed("the UID is no file name".into()));
        }
        let (dir, mounts) = (self.pod_dir(uid), self.mounts.clone());
        self.ready.lock().retain(|path| !path.starts_with(&dir));
        self.tokens.forget(&dir);
        let removal = tokio::task::spawn_blocking(move || remove(&dir, &*mounts));
        removal.await.map_err(|e| failed(e.to_string()))?.map_err(failed)
    }

    /// The UIDs of pods that have a directory here.
    pub fn present(&self) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.config.root.join("pods")) else { return Vec::new() };
        entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect()
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
        let refreshes = |v: &Volume| kind_of(v).is_ok_and(|kind| kind.refreshes());
        // Not all pods at once.
        pod.spec
            .volumes
            .iter()
            .any(refreshes)
            .then(|| REFRESH.mul_f64(0.9 + corten_rt::random::unit() / 10.0))
    }

    fn pod_dir(&self, uid: &str) -> PathBuf {
        self.config.root.join("pods").join(uid)
    }

    fn volumes_dir(&self, uid: &str) -> PathBuf {
        self.pod_dir(uid).join("volumes")
    }
}

fn remove(dir: &Path, mounts: &dyn Mounts) -> Result<(), String> {
    mounts.unmount_under(dir).map_err(|e| e.to_string())?;
    match std::fs::remove_dir_all(dir) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(format!("remove {}: {e}", dir.display())),
        _ => Ok(()),
    }
}

fn is_name(text: &str) -> bool {
    !matches!(text, "" | "." | "..") && !text.contains('/')
}

/// The part of the volume that says what it is.
fn kind_of(volume: &Volume) -> Result<&dyn VolumeKind, String> {
    if !is_name(&volume.name) {
        return Err("the name of the volume is no file name".into());
    }
    let source = &volume.volume_source;
    let kinds: [Option<&dyn VolumeKind>; 6] = [
        source.empty_dir.as_deref().map(|v| v as _),
        source.config_map.as_deref().map(|v| v as _),
        source.secret.as_deref().map(|v| v as _),
        source.downward_api.as_deref().map(|v| v as _),
        source.projected.as_deref().map(|v| v as _),
        source.host_path.as_deref().map(|v| v as _),
    ];
    match kinds.into_iter().flatten().next() {
        Some(kind) => Ok(kind),
        None => Err("no volume plugin matched: this node has emptyDir, configMap, secret, downwardAPI, \
                     projected and hostPath volumes"
            .into()),
    }
}
